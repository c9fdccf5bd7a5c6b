//! What a node asks of whatever runs it: threads for work that may wait, and a word when the controller has something to
//! do. The simulator answers with queues of its own.

use crate::request::Now;
use ottla_metadata::config_defs::BrokerScope;
use ottla_metadata::image::Configs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Work that may wait for the disk.
pub type Job = Box<dyn FnOnce() + Send>;

/// Work that whoever gives it out waits for.
pub type Work<'a> = Box<dyn FnOnce() + Send + 'a>;

pub trait Host: Send + Sync {
    /// Runs a job soon, elsewhere.
    fn run(&self, job: Job);

    /// Runs a job elsewhere when this time has passed; one that still waits when the program is stopped is run then.
    fn run_after(&self, delay: Duration, job: Job);

    /// Runs a job that requests wait for: soon, beside others of its kind, and never behind those of [`Host::run`].
    fn run_commit(&self, job: Job);

    /// Runs all of them, of each group several at once and the first first, and comes back when they are done. A group is
    /// what shares a disk.
    fn run_all(&self, groups: Vec<Vec<Work<'_>>>);

    /// The time now, for what a job does when it comes to it.
    fn now(&self) -> Now;

    /// Total and usable bytes of the volume that holds a path; None where nobody can tell.
    fn space(&self, path: &Path) -> Option<(u64, u64)>;

    /// Whether this is an address, or the name of a host that has one.
    fn has_address(&self, host: &str) -> bool {
        host.parse::<core::net::IpAddr>().is_ok()
    }

    /// Whether this broker can do with `configs` as all that is set for it, or for all, while it runs; why not, for who
    /// asked. For what only the program knows, such as whether a keystore can be opened.
    fn check_broker_configs(&self, _configs: &Configs, _scope: BrokerScope) -> Result<(), String> {
        Ok(())
    }

    /// What the metadata sets for this broker (`own`) or for all has changed, or is heard of for the first time.
    fn broker_configs_changed(&self, _own: &Arc<Configs>, _all: &Arc<Configs>) {}

    /// [`super::Node::step_controller`] has something to do.
    fn wake_controller(&self);

    /// [`super::Node::next_timeout`] may be sooner than it was.
    fn wake_timers(&self);
}
