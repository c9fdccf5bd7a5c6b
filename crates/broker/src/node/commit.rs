//! Group commit: where acknowledgements wait for the disk (`ottla.log.sync.before.ack`), partitions with something unsynced
//! are collected here and synced beside one another, and one sync of a partition answers all who wrote to it before.
//!
//! Invariants: a partition is synced by one thread at a time; what was appended while it was synced is covered by the sync
//! after; no thread that handles requests waits for the disk here. Elsewhere only what is full is synced, soon.

use super::coordinators::{Coordinators, NextTimeout};
use super::directories::Directories;
use super::{Host, lock};
use ottla_log::{Appended, LogError, SegmentRoll};
use ottla_machine::Disk;
use ottla_replica::{Acknowledgement, Ask, Partition};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// How many partitions are synced at once. A journal commits what several syncs ask for in one go, and a flash disk takes
/// several flushes at a time; beyond this many they only queue elsewhere.
pub const SYNCS_AT_ONCE: usize = 8;

pub(crate) struct Committer<D: Disk> {
    host: Arc<dyn Host>,
    directories: Arc<Directories<D>>,
    coordinators: Arc<Coordinators<D>>,
    queue: Mutex<Queue<D>>,
}

struct Queue<D: Disk> {
    due: VecDeque<Arc<Partition<D>>>,
    /// Jobs that take from it.
    running: usize,
}

impl<D: Disk> Committer<D> {
    pub(super) fn new(
        host: Arc<dyn Host>,
        directories: Arc<Directories<D>>,
        coordinators: Arc<Coordinators<D>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            host,
            directories,
            coordinators,
            queue: Mutex::new(Queue { due: VecDeque::new(), running: 0 }),
        })
    }

    /// Sees to the syncs that an append asks for: at once where somebody waits for it; else when it has filled a segment, so
    /// that a recovery begins behind it, and a lost end of it does not take the later ones along.
    pub(crate) fn appended(self: &Arc<Self>, partition: &Arc<Partition<D>>, appended: &Appended) {
        match partition.acknowledgement {
            Acknowledgement::Synced => self.ask(partition),
            Acknowledgement::Written if appended.roll == SegmentRoll::Rolled => {
                let (committer, partition) = (Arc::clone(self), Arc::clone(partition));
                self.host.run(Box::new(move || committer.sync(&partition)));
            }
            Acknowledgement::Written => {}
        }
    }

    /// A process that was killed left more in a log than is known to be durable. It counts once it is.
    pub(super) fn found_unsynced(self: &Arc<Self>, partition: &Arc<Partition<D>>) {
        if partition.acknowledgement == Acknowledgement::Synced {
            self.ask(partition);
        }
    }

    /// Lets a partition be synced soon.
    fn ask(self: &Arc<Self>, partition: &Arc<Partition<D>>) {
        if partition.sync_turn.ask() == Ask::Nothing {
            return;
        }
        let begins = {
            let mut queue = lock(&self.queue);
            queue.due.push_back(Arc::clone(partition));
            let begins = queue.running < SYNCS_AT_ONCE;
            queue.running += usize::from(begins);
            begins
        };
        if begins {
            let committer = Arc::clone(self);
            self.host.run_commit(Box::new(move || committer.work()));
        }
    }

    fn work(&self) {
        loop {
            let partition = {
                let mut queue = lock(&self.queue);
                let Some(partition) = queue.due.pop_front() else {
                    queue.running -= 1;
                    return;
                };
                partition
            };
            partition.sync_turn.begin();
            self.sync(&partition);
            if partition.sync_turn.end() == Ask::Queue {
                // Behind the others.
                lock(&self.queue).due.push_back(partition);
            }
        }
    }

    /// Syncs a partition, and tells those who wait for it, also where it fails. Waits for the disk.
    pub(super) fn sync(&self, partition: &Arc<Partition<D>>) {
        if let Err(error) = self.directories.noting(partition.look_up(|log| log.sync())) {
            self.report(partition, &error);
        }
        partition.synced();
        if self.coordinators.committed(partition, self.host.now()) == NextTimeout::Sooner {
            self.host.wake_timers();
        }
    }

    /// A partition that is not synced. If the sync itself failed, its log is offline and says so to all who wait.
    pub(super) fn report(&self, partition: &Partition<D>, error: &LogError) {
        // Deleted meanwhile, or told before.
        if !matches!(error, LogError::Offline { .. }) {
            tracing::error!("{}-{} cannot be synced: {error}", partition.topic, partition.index);
        }
    }
}
