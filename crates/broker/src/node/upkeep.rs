//! What a node does now and then: checkpoints, retention's deletions, expired producers, folders of deleted topics.

use super::directories::{Directory, Offsets};
use super::{Host, Node, lock};
use crate::controller::Asker;
use crate::request::Now;
use ottla_log::directory::{Folder, TopicPartition};
use ottla_log::{Log, LogError, RemoveJob};
use ottla_machine::{Disk, Instant, Offset, PartitionIndex};
use ottla_metadata::image::Image;
use ottla_replica::Located;
use std::sync::Arc;
use std::time::Duration;

impl<D: Disk> Node<D> {
    /// Writes the checkpoints whose content changed. For a thread that may wait; the interval is the shortest of those that
    /// Kafka has for them, `replica.high.watermark.checkpoint.interval.ms`.
    pub fn checkpoint_all(&self) {
        for directory in self.directories.online() {
            if let Err(error) = self.directories.noting(self.checkpoint(directory)) {
                tracing::error!("the checkpoints of {} cannot be written: {error}", directory.files.path().display());
            }
        }
    }

    pub(super) fn checkpoint(&self, directory: &Directory<D>) -> Result<(), LogError> {
        let mut recovery_points = Offsets::new();
        let mut log_starts = Offsets::new();
        let mut high_watermarks = Offsets::new();
        for partition in self.published.load_full().all_hosted() {
            let name =
                TopicPartition { topic: Arc::clone(&partition.topic), partition: PartitionIndex(partition.index) };
            // A log that is being moved here counts as the partition's, as in Kafka.
            let logs = [Some(partition.located()), partition.future()].into_iter().flatten();
            for Located { log, .. } in logs.filter(|located| located.directory_id == directory.id) {
                if !log.has_folder() {
                    // It begins at 0 anew, as it would for Kafka.
                    continue;
                }
                let offsets = log.offsets();
                recovery_points.insert(name.clone(), log.recovery_point());
                // As Kafka: only where the log begins above what its first segment says.
                if offsets.log_start_offset > Offset::ZERO {
                    log_starts.insert(name.clone(), offsets.log_start_offset);
                }
                high_watermarks.insert(name.clone(), offsets.high_watermark);
            }
        }
        directory.write_checkpoints(recovery_points, log_starts, high_watermarks)
    }

    /// Forgets producers that have not written for `producer.id.expiration.ms`. The interval is
    /// `producer.id.expiration.check.interval.ms`.
    pub fn expire_producers(&self, now: Now) {
        for partition in self.published.load_full().all_hosted() {
            partition.with_log(|log| log.remove_expired_producers(now.wall));
        }
    }

    /// Applies retention. Logs that are compacted are the cleaner's ([`Node::clean`]): their old segments are not taken from
    /// under it. The interval is `log.retention.check.interval.ms`.
    pub fn clean_up(&self, now: Now) {
        for partition in self.published.load_full().all_hosted() {
            let deleted = partition.with_log(|log| match log.config().cleanup_policy.compacts() {
                true => Ok(None),
                false => {
                    log.delete_old_segments(now.wall).map(|job| job.map(|job| (job, Remover::of(self.host(), log))))
                }
            });
            match self.directories.noting(deleted) {
                Ok(Some((job, remover))) => {
                    let directories = Arc::clone(&self.directories);
                    self.host().run(Box::new(move || match directories.noting(job.run()) {
                        Ok(job) => remover.remove_later(job),
                        Err(error) => tracing::error!("old segments cannot be set aside: {error}"),
                    }));
                }
                Ok(None) => {}
                Err(error) => tracing::error!("{}-{}: {error}", partition.topic, partition.index),
            }
        }
    }

    /// Syncs the logs that `flush.ms` has come for. The interval is `log.flush.scheduler.interval.ms`.
    pub fn sync_old(&self, now: Now) {
        for partition in self.published.load_full().all_hosted() {
            if let Err(error) = self.directories.noting(partition.log().sync_if_old(now.wall)) {
                self.committer.report(partition, &error);
            }
        }
    }

    /// Forgets the quotas' counts of clients that are long gone.
    pub fn expire_quotas(&self, now: Instant) {
        self.quotas.expire(now);
    }

    /// Removes a folder that was renamed for it, after `log.segment.delete.delay.ms`.
    pub(super) fn remove_later(&self, directory: &Arc<Directory<D>>, image: &Image, folder: Folder) {
        let (directory, directories) = (Arc::clone(directory), Arc::clone(&self.directories));
        let layers = image.broker_layers(self.id, &self.settings().file);
        let delay = millis(layers.value("log.segment.delete.delay.ms").as_i64().unwrap_or(0));
        let remove = move || {
            if let Err(error) = directories.noting(directory.files.remove(&folder)) {
                tracing::error!("the folder {} cannot be removed: {error}", folder.name);
            }
        };
        self.host().run_after(delay, Box::new(remove));
    }

    /// Topics that a client named and that may be created on the way. Asked for once, until it is decided.
    pub(crate) fn create_missing_topics(&self, names: Vec<String>, asker: Option<Asker>) {
        let wanted: Vec<String> = {
            let mut creating = lock(&self.creating);
            names.into_iter().filter(|name| creating.insert(name.clone())).collect()
        };
        if !wanted.is_empty() {
            crate::controller::create_topics::auto_create(self, wanted, asker);
        }
    }
}

/// Removes files that were set aside, after `file.delete.delay.ms`.
pub(super) struct Remover {
    host: Arc<dyn Host>,
    delay: Duration,
}

impl Remover {
    pub fn of<D: Disk>(host: &Arc<dyn Host>, log: &Log<D>) -> Self {
        Self { host: Arc::clone(host), delay: millis(log.config().file_delete_delay_ms) }
    }

    pub fn remove_later<D: Disk>(&self, job: RemoveJob<D>) {
        let remove = move || {
            if let Err(error) = job.run() {
                tracing::error!("old segments cannot be removed: {error}");
            }
        };
        self.host.run_after(self.delay, Box::new(remove));
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
