//! The end of a move: the copy takes the place of the log.
//!
//! First all is made durable that the log itself has durable. Then, while nobody changes the log, the rest is copied and both
//! folders are renamed: the log's to `-delete`, and only then the copy's to the partition's name. So whenever the node is
//! killed, a start finds the log, or the copy alone in the directory that the metadata names, which is complete then.

use super::copy::{CHUNK_BYTES, MoveError, Progress, copy_chunk, copy_durably, follow_offsets};
use super::{Node, key, lock, name};
use crate::request::Now;
use ottla_log::LogError;
use ottla_log::directory::{Folder, FolderState, LogDirectory};
use ottla_machine::{Disk, Timestamp};
use ottla_replica::{Located, Partition};
use std::sync::Arc;

/// As often it is tried to keep up with a log that grows, before the rest of it is copied while nobody appends.
const ROUNDS: usize = 16;

impl<D: Disk> Node<D> {
    pub(super) fn finish_move(
        &self,
        partition: &Arc<Partition<D>>,
        number: u64,
        now: Now,
    ) -> Result<Progress, MoveError> {
        let Some(future) = partition.future() else { return Ok(Progress::default()) };
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            let epoch = partition.leadership().leader_epoch;
            let done = copy_durably(&partition.log(), &future.log, epoch, now.wall)?;
            bytes += done.bytes;
            if done.caught_up {
                break;
            }
        }
        future.log.sync()?;
        let folder = LogDirectory::<D>::aside(&name(partition), &self.unique(), FolderState::Deleted);
        let replaced = {
            let moves = lock(&self.moves.0);
            let is_current = moves.moving.get(&key(partition)).is_some_and(|one| one.number == number);
            if moves.is_stopped || !is_current {
                return Ok(Progress { bytes, caught_up: true, rolled: false });
            }
            partition.replace_log(|current, future| self.exchange(partition, current, future, &folder, now.wall))?
        };
        if let Some(before) = replaced {
            lock(&self.moves.0).moving.remove(&key(partition));
            self.settle_move(partition, &before, folder);
        }
        Ok(Progress { bytes, caught_up: true, rolled: false })
    }

    /// True: the names are exchanged. Nobody changes the log meanwhile.
    fn exchange(
        &self,
        partition: &Partition<D>,
        current: &Located<D>,
        future: &Located<D>,
        folder: &Folder,
        now: Timestamp,
    ) -> Result<bool, MoveError> {
        let (from, to) =
            (self.directories.with_id(current.directory_id), self.directories.with_id(future.directory_id));
        let (Some(from), Some(to)) = (from, to) else { return Ok(false) };
        let mut bytes = 0;
        loop {
            let done = copy_chunk(&current.log, &future.log, partition.leadership().leader_epoch, now)?;
            bytes += done.bytes;
            match done.caught_up {
                true => break,
                false if bytes > CHUNK_BYTES as u64 => return Ok(false),
                false => {}
            }
        }
        if future.log.recovery_point() < current.log.recovery_point() {
            return Ok(false);
        }
        follow_offsets(&current.log, &future.log)?;
        if let Some(latest) = current.log.latest_epoch() {
            // An epoch that has no batch yet was not copied.
            future.log.assign_epoch_start_offset(latest.epoch, latest.start_offset);
        }
        let place = from.files.partition_path(&folder.partition);
        current.log.rename_folder(&from.path().join(&folder.name))?;
        if let Err(error) = future.log.rename_folder(&to.files.partition_path(&folder.partition)) {
            self.directories.note(&error);
            current.log.rename_folder(&place)?;
            return Err(error.into());
        }
        current.log.take_offline();
        Ok(true)
    }

    /// What is left to do once the log is another: names are made durable and checkpoints right, and the old log goes.
    fn settle_move(&self, partition: &Partition<D>, before: &Located<D>, folder: Folder) {
        let to = self.directories.with_id(partition.directory_id());
        let from = self.directories.with_id(before.directory_id);
        for directory in [from, to].into_iter().flatten() {
            let written = directory.files.sync().and_then(|()| self.checkpoint(directory));
            let report = |error: LogError| tracing::error!("{}: {error}", directory.path().display());
            self.directories.noting(written).unwrap_or_else(report);
        }
        if let (Some(from), Some(to)) = (from, to) {
            self.move_cleaned(from, to, &folder.partition);
        }
        if let Some(from) = from {
            self.remove_later(from, &self.published().image, folder);
        }
        if let Some(to) = to {
            tracing::info!("{} was moved to {}", name(partition), to.path().display());
        }
    }
}
