//! From a file and a command line to a [`NodeConfig`]: Java's property files, Kafka's keys and rules.
//!
//! What a key is (type, default, range) stands in `ottla_metadata::config_defs`; here is what a node does with it.

mod container;
mod dynamic;
mod effects;
mod embedded;
mod guards;
mod keys;
mod listeners;
mod mistakes;
mod node;
mod older;
#[cfg(test)]
mod page;
mod properties;
mod providers;
mod quorum;
mod roles;
mod settings;
mod tls;

pub use container::{Container, SECRET_FILES, SECRETS, Variables};
pub(crate) use dynamic::check_thread_counts;
pub use dynamic::without_effect;
pub use effects::{Effect, effect};
pub use embedded::embedded;
pub(crate) use guards::check_served;
pub(crate) use listeners::listeners_of;
pub use listeners::{Listener, ProtocolMap, SecurityProtocol};
pub use mistakes::{InvalidConfig, Remark};
pub use node::{Authorization, Directories, Identity, Loaded, Network, NodeConfig, QuorumSettings, Roles};
pub use properties::{MalformedEscape, MalformedOverride, Origin, Properties};
pub use providers::with_provided_values;
pub use quorum::Voter;
pub use settings::{
    ClassicGroupSettings, InternalTopicSettings, LifecycleSettings, LogSettings, MetadataLogSettings, QuorumTimers,
    ReplicaSettings, RequestSettings, SocketSettings, TopicSettings,
};
pub use tls::{ClientAuth, TlsSettings, listener_prefix};
