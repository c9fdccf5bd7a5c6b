//! From the checked configuration to what the node acts on.

use crate::config::{Authorization, Listener, NodeConfig};
use ottla_broker as broker;
use ottla_metadata::image::Endpoint;
use ottla_raft::{Voter, VoterEndpoint, VoterSet};
use ottla_wire::Uuid;

/// The node's settings, once the ports are known that the system chose.
pub(crate) fn node_settings(config: &NodeConfig, cluster_id: &str, bound: &[(String, u16)]) -> broker::Settings {
    let endpoint = |listener: &Listener| Endpoint {
        name: listener.name.clone(),
        host: listener.host.clone().unwrap_or_else(host_name),
        port: match listener.port {
            0 => bound.iter().find(|(name, _)| *name == listener.name).map_or(0, |(_, port)| *port),
            port => port,
        },
        security_protocol: listener.protocol.code(),
    };
    let controller_listener = config.network.controller_listener_names.first().cloned().unwrap_or_default();
    let voter = |voter: &crate::config::Voter| Voter {
        id: voter.id,
        directory_id: Uuid::ZERO,
        endpoints: vec![VoterEndpoint {
            name: controller_listener.clone(),
            host: voter.host.clone(),
            port: voter.port,
        }],
        kraft_versions: (0, 1),
    };
    let place = broker::Place {
        node_id: config.identity.node_id,
        cluster_id: cluster_id.to_owned(),
        rack: config.identity.rack.clone(),
        advertised: config.network.advertised.iter().map(endpoint).collect(),
        advertised_controllers: config.network.advertised_controllers.iter().map(endpoint).collect(),
        log_dirs: config.directories.log_dirs.clone(),
        metadata_log_dir: config.directories.metadata_log_dir.clone(),
        static_voters: VoterSet(config.quorum.voters.iter().map(voter).collect()),
        authorization: match &config.authorization {
            Authorization::None => broker::Authorization::None,
            Authorization::Standard { super_users, no_acl_found } => {
                broker::Authorization::Standard { super_users: super_users.clone(), no_acl_found: *no_acl_found }
            }
        },
    };
    broker::Settings::new(place, config.file.clone())
}

/// What a listener without a host tells: this machine's name, or localhost where it has none.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
