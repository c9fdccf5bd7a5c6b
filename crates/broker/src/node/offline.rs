//! A log directory that fails goes offline alone (KIP-112, KIP-858): its partitions are served no more until the node is
//! started anew, the others go on, and the controller is told, so that it gives the leaderships to others or to nobody.
//!
//! The node cannot go on without its last log directory, without the one of the metadata log, or if the controller does not
//! hear of a failure in time.

use super::directories::Directory;
use super::{Node, Published};
use crate::request::Now;
use ottla_machine::{Disk, Instant};
use ottla_replica::Partition;
use ottla_wire::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Directories that failed, and since when the controller is to be told.
pub(super) type Untold = BTreeMap<Uuid, Instant>;

impl<D: Disk> Node<D> {
    /// Takes those directories offline that were noticed to have failed. To be called by the controller's step, which alone
    /// publishes. An error: the node must stop.
    pub(super) fn take_offline(&self, untold: &mut Untold, now: Now) -> Result<(), String> {
        let noticed = self.directories.take_noticed();
        let mut failed = BTreeSet::new();
        for (id, why) in &noticed {
            let Some(directory) = self.directories.with_id(*id) else { continue };
            let path = directory.path().display();
            tracing::error!(
                "the log directory {path} has failed; its partitions are offline until it is mended and the \
                             node is started anew: {why}"
            );
            directory.go_offline();
            failed.insert(*id);
        }
        if !failed.is_empty() {
            self.check_what_is_left(&failed)?;
            self.drop_partitions(&failed);
            self.abandon_moves(&failed);
            untold.extend(failed.iter().map(|id| (*id, now.instant)));
            // In the same step.
            self.heartbeat();
        }
        self.check_told(untold, now)
    }

    fn check_what_is_left(&self, failed: &BTreeSet<Uuid>) -> Result<(), String> {
        if failed.contains(&self.directories.metadata_id) {
            let path = self.settings().place.metadata_log_dir.display();
            return Err(format!(
                "the node stops, since the directory {path} has failed, which holds the metadata log. Mend it and start \
                 the node anew"
            ));
        }
        if self.directories.online().next().is_none() {
            return Err("the node stops, since all its log directories have failed. Mend them, or take those out of \
                        log.dirs that are lost, and start the node anew"
                .to_owned());
        }
        Ok(())
    }

    /// The controller must hear of a failure within `log.dir.failure.timeout.ms`, or it would go on to send clients here.
    fn check_told(&self, untold: &mut Untold, now: Now) -> Result<(), String> {
        if untold.is_empty() {
            return Ok(());
        }
        let published = self.published();
        let known = published.image.brokers.get(&self.id).map_or(&[][..], |broker| &broker.log_dirs);
        // Before KIP-858 the controller knows of no directories.
        untold.retain(|id, _| published.image.record_versions().has_directories() && known.contains(id));
        let timeout = self.settings().log_dir_failure_timeout;
        match untold.iter().find(|(_, since)| now.instant.saturating_since(**since) >= timeout) {
            None => Ok(()),
            Some((id, _)) => Err(format!(
                "the node stops, since the controller could not be told within log.dir.failure.timeout.ms that the log \
                 directory {id} is offline"
            )),
        }
    }

    fn drop_partitions(&self, failed: &BTreeSet<Uuid>) {
        let mut next = Published::clone(&self.published.load_full());
        let mut dropped: Vec<Arc<Partition<D>>> = Vec::new();
        let topics: Vec<Uuid> = next.hosted.keys().copied().collect();
        for id in topics {
            let Some(hosted) = next.hosted.get(&id) else { continue };
            let (gone, left): (BTreeMap<_, _>, BTreeMap<_, _>) =
                hosted.iter().map(|(i, p)| (*i, Arc::clone(p))).partition(|(_, p)| failed.contains(&p.directory_id()));
            if !gone.is_empty() {
                dropped.extend(gone.into_values());
                next.hosted.insert(id, Arc::new(left));
            }
        }
        for partition in &dropped {
            partition.log().take_offline();
            self.directories.lose(partition.topic_id, partition.index);
        }
        self.published.store(Arc::new(next));
        self.coordinators.resign_from(&dropped);
        dropped.iter().for_each(|partition| partition.wake_waiting());
        let names: Vec<String> = dropped.iter().map(|p| format!("{}-{}", p.topic, p.index)).collect();
        tracing::warn!("offline are {} partitions: {}", names.len(), names.join(", "));
    }

    /// The directories of `cordoned.log.dirs`, among those that work (KIP-1066).
    pub(crate) fn cordoned(&self, image: &ottla_metadata::image::Image) -> Vec<&Arc<Directory<D>>> {
        let layers = image.broker_layers(self.id, &self.settings().file);
        let value = layers.value("cordoned.log.dirs");
        let entries = value.as_list().unwrap_or_default();
        let named = |directory: &&Arc<Directory<D>>| {
            entries.iter().any(|entry| entry == ALL || directory.path() == std::path::Path::new(entry))
        };
        self.directories.online().filter(named).collect()
    }
}

/// What stands for all log directories.
const ALL: &str = "*";
