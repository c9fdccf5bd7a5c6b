//! Work that may wait for the disk, as jobs: planned under the log's lock, run with the disk alone, applied under the lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_machine::{Disk, DiskFile, Offset, OpenMode, Timestamp};

use crate::error::{LogError, doing, sync_dir};
use crate::file_names::{DELETED, PRODUCER_SNAPSHOT, offset_file, with_suffix};
use crate::log::{Log, Segments, State, Status};
use crate::segment::{Place, Segment, SyncDepth, remove_if_there};

/// Makes durable what was appended before it was planned. One at a time.
pub(crate) struct SyncJob<D: Disk> {
    disk: D,
    dir: Arc<Path>,
    segments: Vec<Arc<Segment<D>>>,
    snapshots: Vec<i64>,
    names_changed: bool,
    end_offset: i64,
    /// The segment that is still appended to, and how much of it is synced.
    active_base: i64,
    depth: SyncDepth,
}

/// Sets the files of segments aside that are no longer part of the log: each gets the suffix `.deleted`, with which no start
/// takes it for the log's. [`DeleteJob::run`] gives what removes them, after `file.delete.delay.ms`.
pub struct DeleteJob<D: Disk> {
    disk: D,
    dir: Arc<Path>,
    segments: Vec<Arc<Segment<D>>>,
    snapshots: Vec<i64>,
}

impl<D: Disk> SyncJob<D> {
    /// Syncs; may take long. The result goes to [`Log::apply_sync`].
    pub(crate) fn run(&self) -> Result<(), LogError> {
        for offset in &self.snapshots {
            let path = offset_file(&self.dir, *offset, PRODUCER_SNAPSHOT);
            match self.disk.open(&path, OpenMode::ReadWrite) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                file => file.and_then(|file| file.sync()).map_err(|error| LogError::unsynced(&path, error))?,
            }
        }
        for segment in &self.segments {
            let depth = if segment.base_offset() == self.active_base { self.depth } else { SyncDepth::All };
            segment.sync(Place { disk: &self.disk, dir: &self.dir }, depth)?;
        }
        if self.names_changed {
            sync_dir(&self.disk, &self.dir)?;
        }
        Ok(())
    }
}

/// Removes the files that a [`DeleteJob`] has set aside.
pub struct RemoveJob<D: Disk> {
    pub(crate) disk: D,
    pub(crate) files: Vec<PathBuf>,
}

impl<D: Disk> RemoveJob<D> {
    /// A file that is gone meanwhile, with its folder, is no error.
    pub fn run(&self) -> Result<(), LogError> {
        self.files.iter().try_for_each(|path| remove_if_there(&self.disk, path))
    }
}

impl<D: Disk> DeleteJob<D> {
    pub fn run(&self) -> Result<RemoveJob<D>, LogError> {
        let place = Place { disk: &self.disk, dir: &self.dir };
        let mut files = Vec::new();
        for segment in &self.segments {
            files.extend(set_segment_files_aside(place, segment)?);
        }
        for offset in &self.snapshots {
            let path = offset_file(&self.dir, *offset, PRODUCER_SNAPSHOT);
            match self.disk.rename(&path, &with_suffix(&path, DELETED)) {
                Ok(()) => files.push(with_suffix(&path, DELETED)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(doing("renaming", &path)(error)),
            }
        }
        Ok(RemoveJob { disk: self.disk.clone(), files })
    }

    /// The bytes that the segments hold.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size()).sum()
    }
}

/// Removes a segment's files: all are renamed first, so that a crash does not leave a log file without its indexes.
pub(crate) fn remove_segment_files<D: Disk>(place: Place<'_, D>, segment: &Segment<D>) -> Result<(), LogError> {
    let set_aside = set_segment_files_aside(place, segment)?;
    set_aside.iter().try_for_each(|path| remove_if_there(place.disk, path))
}

fn set_segment_files_aside<D: Disk>(place: Place<'_, D>, segment: &Segment<D>) -> Result<Vec<PathBuf>, LogError> {
    let removing = |error| LogError::io("removing", &segment.path(place, crate::file_names::LOG), error);
    let mut renamed: Vec<PathBuf> = Vec::new();
    for path in segment.files(place).map_err(removing)? {
        let target = with_suffix(&path, DELETED);
        place.disk.rename(&path, &target).map_err(doing("renaming", &path))?;
        renamed.push(target);
    }
    Ok(renamed)
}

impl<D: Disk> Log<D> {
    /// Makes everything durable that was appended before the call. For a thread that may wait: also for a sync that is
    /// under way, since what both must make durable is made so once.
    pub fn sync(&self) -> Result<Offset, LogError> {
        self.sync_to(SyncDepth::Batches)
    }

    /// Syncs where `flush.messages` records or more are not durable. To be called after each append. Gives the offset below
    /// which no more than that are: those above are another append's, whose sync is still to come.
    pub fn sync_if_many(&self) -> Result<Offset, LogError> {
        let flush_messages = self.config().flush_messages;
        if flush_messages == i64::MAX {
            return Ok(Offset(i64::MAX));
        }
        let mut durable = self.recovery_point();
        if self.log_end_offset().0.saturating_sub(durable.0) >= flush_messages {
            durable = self.sync()?;
        }
        Ok(Offset(durable.0.saturating_add(flush_messages - 1)))
    }

    /// Syncs where that was last done `flush.ms` ago. For a thread that may wait.
    pub fn sync_if_old(&self, now: Timestamp) -> Result<(), LogError> {
        let flush_ms = self.config().flush_ms;
        {
            let mut state = self.state();
            if flush_ms == i64::MAX || now.0.saturating_sub(state.synced_at_ms) < flush_ms {
                return Ok(());
            }
            state.synced_at_ms = now.0;
        }
        self.sync().map(drop)
    }

    fn sync_to(&self, depth: SyncDepth) -> Result<Offset, LogError> {
        let _syncing = self.syncing();
        if let Some(job) = self.plan_sync(depth)? {
            let done = job.run();
            self.apply_sync(job, done)?;
        }
        Ok(self.recovery_point())
    }

    /// What must be synced; `None` if nothing has to.
    pub(crate) fn plan_sync(&self, depth: SyncDepth) -> Result<Option<SyncJob<D>>, LogError> {
        let mut state = self.state();
        self.check_online(&state)?;
        let (segments, end_offset) = {
            let view = self.view();
            (view.segments.clone(), view.end.offset.0)
        };
        let changed = state.names_changed || !state.unsynced_snapshots.is_empty();
        let nothing_new = end_offset <= state.recovery_point && !changed && depth == SyncDepth::Batches;
        if !state.on_disk || nothing_new {
            return Ok(None);
        }
        // The segment before as well: it may have been finished after its batches were synced.
        let first = match depth {
            SyncDepth::Batches => crate::read::floor_segment(&segments, state.recovery_point).saturating_sub(1),
            SyncDepth::All => 0,
        };
        let job = SyncJob {
            disk: self.inner.disk.clone(),
            dir: self.dir(),
            segments: segments.get(first..).unwrap_or_default().to_vec(),
            snapshots: std::mem::take(&mut state.unsynced_snapshots),
            names_changed: std::mem::take(&mut state.names_changed),
            end_offset,
            active_base: segments.last().map_or(-1, |active| active.base_offset()),
            depth,
        };
        Ok(Some(job))
    }

    /// Notes what [`SyncJob::run`] has done.
    pub(crate) fn apply_sync(&self, job: SyncJob<D>, done: Result<(), LogError>) -> Result<(), LogError> {
        let mut state = self.state();
        match done {
            Ok(()) => {
                state.recovery_point = state.recovery_point.max(job.end_offset.min(self.log_end_offset().0));
                Ok(())
            }
            // Deleted meanwhile: its files are elsewhere, or gone.
            Err(_) if state.status == Status::Offline => self.check_online(&state),
            Err(error) => {
                // Room can be made: what the job was to do is for the next one.
                state.unsynced_snapshots.extend(job.snapshots);
                state.names_changed |= job.names_changed;
                if !matches!(error, LogError::StorageFull { .. }) {
                    tracing::error!(%error, dir = %job.dir.display(), "a sync failed: the log goes offline");
                    state.status = Status::Offline;
                }
                Err(error)
            }
        }
    }

    /// Takes the segments off the log that retention lets go (`retention.ms`, `retention.bytes`, the log's start); the job
    /// removes their files. `None` if there are none. Only segments below the high watermark go.
    pub fn delete_old_segments(&self, now: Timestamp) -> Result<Option<DeleteJob<D>>, LogError> {
        let segments = self.segments();
        // Decided without the lock: a segment's time may have to be read from its index.
        let count = self.count_deletable(&segments, now);
        if count == 0 {
            return Ok(None);
        }
        if count == segments.len() {
            self.roll(now)?;
        }
        let mut state = self.state();
        self.check_online(&state)?;
        let unchanged = {
            let view = self.view();
            view.segments.len() > count && view.segments.iter().zip(&segments[..count]).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        // A truncation came between: the next round decides anew.
        if unchanged { self.take_off(&mut state, &segments, count).map(Some) } else { Ok(None) }
    }

    fn count_deletable(&self, segments: &Segments<D>, now: Timestamp) -> usize {
        let config = self.config();
        let dir = self.dir();
        let place = self.place(&dir);
        let offsets = self.offsets();
        let deletes = config.cleanup_policy.deletes();
        let total: u64 = segments.iter().map(|segment| segment.size()).sum();
        let surplus_of = |retention_bytes| i64::try_from(total).unwrap_or(i64::MAX).saturating_sub(retention_bytes);
        let mut excess = if deletes && config.retention_bytes >= 0 { surplus_of(config.retention_bytes) } else { 0 };
        let mut count = 0;
        for (at, segment) in segments.iter().enumerate() {
            let next_base = segments.get(at + 1).map(|next| next.base_offset());
            let upper_bound = next_base.unwrap_or(offsets.log_end_offset.0);
            let size = i64::try_from(segment.size()).unwrap_or(i64::MAX);
            let too_old = || now.0.saturating_sub(segment.largest_timestamp(place)) > config.retention_ms;
            let below_start = next_base.is_some_and(|base| base <= offsets.log_start_offset.0);
            let surplus = excess > 0 && excess - size >= 0;
            let last_and_empty = next_base.is_none() && size == 0;
            let goes = below_start || surplus || (deletes && config.retention_ms >= 0 && too_old());
            if upper_bound > offsets.high_watermark.0 || last_and_empty || !goes {
                break;
            }
            excess -= size;
            count = at + 1;
        }
        count
    }

    /// Takes the first `count` of these segments off the log, which has more than that.
    fn take_off(&self, state: &mut State, segments: &Segments<D>, count: usize) -> Result<DeleteJob<D>, LogError> {
        let removed = segments[..count].to_vec();
        self.note_cut();
        let start = {
            let mut view = self.view();
            let kept: Vec<_> = view.segments.iter().skip(count).cloned().collect();
            let start = kept.first().map_or(view.end.offset.0, |segment| segment.base_offset());
            view.segments = kept.into();
            view.log_start_offset = view.log_start_offset.max(start);
            view.log_start_offset
        };
        self.epochs().truncate_from_start(Offset(start));
        state.producers.forget_completed_below(start);
        self.publish_first_unstable(state);
        state.names_changed = true;
        let bases = removed.iter().map(|segment| segment.base_offset());
        let snapshots: Vec<i64> = bases.filter(|base| state.producers.snapshots.remove(base)).collect();
        state.unsynced_snapshots.retain(|offset| !snapshots.contains(offset));
        Ok(DeleteJob { disk: self.inner.disk.clone(), dir: self.dir(), segments: removed, snapshots })
    }

    /// Ends the log cleanly: indexes and the producers' snapshot at the end are on disk, and all is synced. Afterwards
    /// appends are refused. Gives the recovery point, which is the log's end.
    pub fn close(&self) -> Result<Offset, LogError> {
        {
            let dir = self.dir();
            let place = self.place(&dir);
            let mut state = self.state();
            self.check_online(&state)?;
            if state.on_disk {
                for segment in self.segments().iter() {
                    segment.close(place)?;
                }
                if state.producers.needs_snapshot() {
                    self.write_producer_snapshot(&mut state, &dir)?;
                }
                self.epochs().store(&self.inner.disk, &dir)?;
            }
        }
        let recovery_point = self.sync_to(SyncDepth::All)?;
        self.state().status = Status::Offline;
        self.note_cut();
        self.release_files();
        Ok(recovery_point)
    }
}
