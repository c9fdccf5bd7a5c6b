//! A whole node without sockets: the API table with one file per API, the controller's requests, and the node that holds
//! metadata, partitions and coordinators together. Sockets, threads and clocks are `server`'s.

mod api;
mod controller;
mod node;
mod request;

pub use node::{
    Authorization, CleanerWorker, Host, InternalTopic, Job, Node, Place, Published, QuotaWindows, SYNCS_AT_ONCE,
    Settings, StartError, Work,
};
pub use ottla_replica::{Acknowledgement, Wake};
pub use request::{Answer, Connection, ListenerKind, Now, Parked, Reply, Worker};
