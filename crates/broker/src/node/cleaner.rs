//! The cleaner: which log is compacted next, as Kafka's log cleaner decides it, and what becomes of it.
//!
//! The threads are whoever's calls [`Node::clean`], each with a [`CleanerWorker`] of its own, again and again, after the rest
//! that the call before asked for. A call does one buffer's worth of work, so that whoever calls can stop at any time; what
//! was not finished then is taken up anew another time. Invariants: a partition is cleaned by one worker at a time; one that
//! cannot be cleaned is told once, and left alone until the next start. Deliberately absent: a clock and threads.

mod checkpoint;
mod settings;
mod throttle;

use super::directories::Directory;
use super::upkeep::Remover;
use super::{Node, lock};
use crate::request::Now;
pub(super) use checkpoint::CleanerCheckpoint;
use ottla_log::directory::TopicPartition;
use ottla_log::{CleanJob, CleanStats, CleanStep, Cleanable, CleanerBuffers, CleanupPolicy, Log, LogError};
use ottla_machine::{Disk, Instant, Offset, PartitionIndex};
use ottla_replica::{Located, Partition};
use ottla_wire::Uuid;
use settings::CleanerSettings;
pub(crate) use settings::check_change;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use throttle::Throttle;

/// What all cleaners of a node share.
#[derive(Default)]
pub(super) struct Cleaners {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    at_work: BTreeSet<Key>,
    uncleanable: BTreeSet<Key>,
    throttle: Throttle,
}

/// A partition: a topic that is made anew has another id, and its partitions are judged anew.
type Key = (Uuid, i32);

/// What one thread cleans with, and what it is about.
pub struct CleanerWorker<D: Disk> {
    buffers: CleanerBuffers,
    work: Option<Work<D>>,
}

struct Work<D: Disk> {
    partition: Arc<Partition<D>>,
    /// The partition's log when this began.
    log: Log<D>,
    job: CleanJob<D>,
    began: Instant,
}

impl<D: Disk> Default for CleanerWorker<D> {
    fn default() -> Self {
        Self { buffers: CleanerBuffers::default(), work: None }
    }
}

impl<D: Disk> CleanerWorker<D> {
    /// Whether it is in the middle of a log.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.work.is_some()
    }
}

impl<D: Disk> Node<D> {
    /// How many workers are to clean (`log.cleaner.threads`).
    #[must_use]
    pub fn cleaner_threads(&self) -> usize {
        self.cleaner_settings().threads
    }

    /// Does a piece of a worker's work, or finds it some. For a thread that may wait; gives how long it is to rest before the
    /// next call.
    pub fn clean(&self, worker: &mut CleanerWorker<D>, now: Now) -> Duration {
        let settings = self.cleaner_settings();
        let Some(mut work) = worker.work.take() else {
            worker.work = self.find_work(&settings, now);
            if worker.work.is_some() {
                return Duration::ZERO;
            }
            self.remove_old_segments(now);
            return settings.backoff;
        };
        if work.partition.future().is_some() || !work.log.is_same(&work.partition.log()) {
            worker.work = Some(work);
            self.leave_cleaning(worker);
            return Duration::ZERO;
        }
        let step = work.job.step(&mut worker.buffers).and_then(|step| match step {
            CleanStep::Replace(replacement) => work.partition.with_log(|log| {
                if !log.is_same(&work.log) {
                    return Ok(CleanStep::GivenUp);
                }
                let job = log.replace_segments(replacement)?.run()?;
                Remover::of(self.host(), log).remove_later(job);
                Ok(CleanStep::Worked { bytes: 0 })
            }),
            step => Ok(step),
        });
        let failed = match step {
            Ok(CleanStep::Worked { bytes }) => {
                worker.work = Some(work);
                let mut state = lock(&self.cleaners.state);
                return state.throttle.moved(bytes, settings.io_bytes_per_second, now.instant);
            }
            Ok(CleanStep::Done { first_dirty_offset }) => self.finish(&work, first_dirty_offset, now).err(),
            // Whoever cut the log goes on with it.
            Ok(CleanStep::GivenUp | CleanStep::Replace(_)) => None,
            Err(error) => Some(error),
        };
        if let Some(error) = &failed {
            self.note_failure(&work.partition, error);
        }
        lock(&self.cleaners.state).at_work.remove(&key(&work.partition));
        self.remove_old_segments(now);
        // Where the disk is full, the same log is the next again.
        if failed.is_some() { settings.backoff } else { Duration::ZERO }
    }

    /// A worker that is to stop leaves its log to the next.
    pub fn leave_cleaning(&self, worker: &mut CleanerWorker<D>) {
        if let Some(mut work) = worker.work.take() {
            work.job.abandon();
            lock(&self.cleaners.state).at_work.remove(&key(&work.partition));
        }
    }

    fn cleaner_settings(&self) -> CleanerSettings {
        let published = self.published();
        let settings = self.settings();
        CleanerSettings::read(&published.image.broker_layers(settings.place.node_id, &settings.file))
    }

    /// The dirtiest log of those that are dirty enough, or have been for too long.
    fn find_work(&self, settings: &CleanerSettings, now: Now) -> Option<Work<D>> {
        let mut dirty: Vec<(f64, Arc<Partition<D>>)> = self
            .compacted()
            .into_iter()
            .filter_map(|partition| Some((self.due(&partition, now)?.dirty_ratio(), partition)))
            .collect();
        dirty.sort_by(|a, b| b.0.total_cmp(&a.0));
        dirty.into_iter().find_map(|(_, partition)| self.begin(partition, settings, now))
    }

    /// The partitions that are compacted and that no worker has, but for those that cannot be cleaned.
    fn compacted(&self) -> Vec<Arc<Partition<D>>> {
        let published = self.published.load_full();
        let mut state = lock(&self.cleaners.state);
        // What is known of partitions that are gone is forgotten.
        state.uncleanable.retain(|(topic, index)| published.partition(*topic, *index).is_some());
        let is_free = |partition: &&Arc<Partition<D>>| {
            let key = key(partition);
            partition.log().config().cleanup_policy.compacts()
                // What is being moved is compacted where it is going.
                && partition.future().is_none()
                && !state.at_work.contains(&key)
                && !state.uncleanable.contains(&key)
        };
        published.all_hosted().filter(is_free).cloned().collect()
    }

    /// What is to be cleaned of a log, if it is time.
    fn due(&self, partition: &Partition<D>, now: Now) -> Option<Cleanable> {
        let Located { log, directory_id } = partition.located();
        let directory = self.directories.with_id(directory_id)?;
        let name = name_of(partition);
        let checkpoint = directory.cleaner.get(&name);
        let cleanable = log.cleanable(checkpoint, now.wall);
        let config = log.config();
        if cleanable.checkpoint_is_off {
            let start = cleanable.first_dirty_offset;
            let by_retention = config.cleanup_policy == CleanupPolicy::CompactAndDelete
                && checkpoint.is_some_and(|checkpoint| checkpoint < start);
            if !by_retention {
                tracing::warn!(
                    "{name} was cleaned up to {checkpoint:?}, which is not in it: cleaning begins at {start}"
                );
            }
            self.write_checkpoint(directory, &name, start);
        }
        let is_dirty = cleanable.dirty_ratio() > config.compaction.min_cleanable_dirty_ratio;
        let is_due = is_dirty || cleanable.is_overdue && cleanable.cleanable_bytes > 0;
        (cleanable.total_bytes() > 0 && is_due).then_some(cleanable)
    }

    fn begin(&self, partition: Arc<Partition<D>>, settings: &CleanerSettings, now: Now) -> Option<Work<D>> {
        if !lock(&self.cleaners.state).at_work.insert(key(&partition)) {
            return None;
        }
        // Looked at again: another worker may have cleaned it meanwhile.
        let log = partition.log();
        let planned = self.due(&partition, now).map(|range| log.plan_cleaning(range, settings.limits, now.wall));
        match planned {
            Some(Ok(job)) => {
                tracing::debug!("cleaning {} from {:?} on", name_of(&partition), job.range());
                return Some(Work { partition, log, job, began: now.instant });
            }
            Some(Err(error)) => self.note_failure(&partition, &error),
            None => {}
        }
        lock(&self.cleaners.state).at_work.remove(&key(&partition));
        None
    }

    fn finish(&self, work: &Work<D>, first_dirty_offset: Offset, now: Now) -> Result<(), LogError> {
        let name = name_of(&work.partition);
        if let Some(directory) = self.directories.with_id(work.partition.directory_id()) {
            self.write_checkpoint(directory, &name, first_dirty_offset);
        }
        let CleanStats { bytes_read, bytes_written, records_read, records_kept, keyless_records, keys, .. } =
            work.job.stats();
        let from = work.job.range().first_dirty_offset;
        let took = now.instant - work.began;
        tracing::info!(
            "cleaned {name} from {from} to {first_dirty_offset} in {took:?}: {keys} keys; of {records_read} records in \
             {bytes_read} bytes {records_kept} are left, in {bytes_written}"
        );
        if keyless_records > 0 {
            tracing::warn!("{name}: {keyless_records} records had no key, and are gone");
        }
        Ok(())
    }

    fn write_checkpoint(&self, directory: &Arc<Directory<D>>, name: &TopicPartition, offset: Offset) {
        let published = self.published.load_full();
        let is_here = |name: &TopicPartition| {
            let partition = published.partition_named(&name.topic, name.partition.0);
            partition.is_some_and(|partition| partition.directory_id() == directory.id)
        };
        if !is_here(name) {
            return;
        }
        let set = directory.cleaner.set(&directory.files, name.clone(), offset, is_here);
        if let Err(error) = self.directories.noting(set) {
            tracing::error!("up to where {name} was cleaned cannot be noted: {error}");
        }
    }

    fn note_failure(&self, partition: &Partition<D>, error: &LogError) {
        let name = name_of(partition);
        self.directories.note(error);
        match error {
            // Whoever took it offline has said why.
            LogError::Offline { .. } => {}
            LogError::StorageFull { .. } => tracing::warn!("{name} is not cleaned for now: {error}"),
            _ => {
                tracing::warn!("{name} cannot be cleaned, and is left alone until the node is started anew: {error}");
                lock(&self.cleaners.state).uncleanable.insert(key(partition));
            }
        }
    }

    /// Applies retention to the logs that are compacted: nobody else takes segments from under a cleaning.
    fn remove_old_segments(&self, now: Now) {
        for partition in self.compacted() {
            if !lock(&self.cleaners.state).at_work.insert(key(&partition)) {
                continue;
            }
            let set_aside = partition
                .with_log(|log| log.delete_old_segments(now.wall).and_then(|job| job.map(|job| job.run()).transpose()));
            match set_aside {
                Ok(Some(job)) => Remover::of(self.host(), &partition.log()).remove_later(job),
                Ok(None) => {}
                Err(error) => self.note_failure(&partition, &error),
            }
            lock(&self.cleaners.state).at_work.remove(&key(&partition));
        }
    }

    /// What is known of a partition goes with it to another directory.
    pub(super) fn move_cleaned(&self, from: &Arc<Directory<D>>, to: &Arc<Directory<D>>, name: &TopicPartition) {
        if let Some(offset) = from.cleaner.get(name) {
            self.write_checkpoint(to, name, offset);
            self.forget_cleaned(from, name);
        }
    }

    /// A partition that is no longer here is no longer clean either.
    pub(super) fn forget_cleaned(&self, directory: &Arc<Directory<D>>, name: &TopicPartition) {
        if !directory.cleaner.forget(name) {
            return;
        }
        let (directory, directories) = (Arc::clone(directory), Arc::clone(&self.directories));
        self.host().run(Box::new(move || {
            if let Err(error) = directories.noting(directory.cleaner.write(&directory.files)) {
                tracing::error!("{}: {error}", directory.files.path().display());
            }
        }));
    }
}

fn key<D: Disk>(partition: &Partition<D>) -> Key {
    (partition.topic_id, partition.index)
}

fn name_of<D: Disk>(partition: &Partition<D>) -> TopicPartition {
    TopicPartition { topic: Arc::clone(&partition.topic), partition: PartitionIndex(partition.index) }
}
