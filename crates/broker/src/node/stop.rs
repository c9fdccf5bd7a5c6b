//! The end of a node: it gives up its leaderships, closes its logs, and marks the stop as clean, last of all.

use super::lifecycle::Wish;
use super::lock;
use super::{Node, Work};
use crate::request::Now;
use ottla_log::LogError;
use ottla_log::directory::CleanShutdown;
use ottla_machine::Disk;
use ottla_metadata::controller::BrokerState;
use ottla_wire::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// More rounds than a controlled shutdown of one node takes.
const SHUTDOWN_ROUNDS: usize = 5;

impl<D: Disk> Node<D> {
    /// Stops the node; its listeners are closed by now. What cannot be done is logged: a directory without its mark is
    /// recovered at the next start.
    pub fn stop(&self, now: Now) {
        let epoch = self.broker_epoch();
        for _ in 0..SHUTDOWN_ROUNDS {
            let slot = self.beat(epoch, Wish::Stop);
            match self.settle(&slot, now) {
                Ok(BrokerState::ShutdownNow) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("the controlled shutdown fails: {error}");
                    break;
                }
            }
        }
        self.coordinators.resign_all();
        self.moves.stop();
        let failed = Mutex::new(BTreeSet::new());
        let published = self.published.load_full();
        let mut groups: BTreeMap<Uuid, Vec<Work<'_>>> = BTreeMap::new();
        for partition in published.all_hosted() {
            let failed = &failed;
            let job = Box::new(move || {
                partition.wake_waiting();
                for located in [Some(partition.located()), partition.future()].into_iter().flatten() {
                    if let Err(error) = located.log.close() {
                        tracing::error!("{}-{} is not closed cleanly: {error}", partition.topic, partition.index);
                        lock(failed).insert(located.directory_id);
                    }
                }
            });
            groups.entry(partition.directory_id()).or_default().push(job);
        }
        self.host().run_all(groups.into_values().collect());
        if let Err(error) = lock(&self.controller).quorum.log.close() {
            tracing::error!("the metadata log is not closed cleanly: {error}");
        }
        let failed = failed.into_inner().unwrap_or_default();
        for directory in self.directories.online() {
            let marked = self.checkpoint(directory).and_then(|()| match failed.contains(&directory.id) {
                true => Ok(()),
                false => directory.files.write_clean_shutdown(CleanShutdown { broker_epoch: epoch }),
            });
            let report = |error: LogError| tracing::error!("{}: {error}", directory.files.path().display());
            marked.unwrap_or_else(report);
        }
    }
}
