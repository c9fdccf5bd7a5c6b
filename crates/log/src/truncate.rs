//! Cutting the log: at its end, when a follower's diverges from the leader's; at its start, when records are deleted.

use std::sync::Arc;

use ottla_machine::{Disk, Offset, Timestamp};

use crate::error::{LogError, OffsetOutOfRange, ReadError, sync_dir};
use crate::file_names::{PRODUCER_SNAPSHOT, offset_file};
use crate::jobs::remove_segment_files;
use crate::log::{Log, OffsetMetadata, State, Status};
use crate::read::floor_segment;
use crate::segment::{Segment, SyncDepth, remove_if_there};

impl<D: Disk> Log<D> {
    /// Removes all batches that reach `offset` or lie above it. Works on the disk: not for a thread that must not wait.
    ///
    /// The log goes offline if it fails halfway. The recovery point moves back with the end, and `recovery-point-offset-checkpoint`
    /// must say so before anything is appended: an older one would vouch for bytes that are not there any more.
    pub fn truncate_to(&self, offset: Offset, now: Timestamp) -> Result<(), LogError> {
        // A sync under way would vouch for what is about to go.
        let _syncing = self.syncing();
        let mut state = self.state();
        self.check_online(&state)?;
        if offset >= self.log_end_offset() {
            return Ok(());
        }
        let first = self.segments().first().map_or(0, |segment| segment.base_offset());
        let done = if offset.0 < first {
            self.restart_at(&mut state, offset, offset)
        } else {
            self.cut_to(&mut state, offset, now)
        };
        self.offline_unless(&mut state, done)
    }

    /// Removes everything and goes on at `offset`; `log_start_offset` is where readers begin, at or below it.
    pub fn truncate_fully_and_start_at(
        &self,
        offset: Offset,
        log_start_offset: Option<Offset>,
    ) -> Result<(), LogError> {
        let _syncing = self.syncing();
        let mut state = self.state();
        self.check_online(&state)?;
        let done = self.restart_at(&mut state, offset, log_start_offset.unwrap_or(offset));
        self.offline_unless(&mut state, done)
    }

    /// Moves the log's start up (DeleteRecords, or what the leader says). True if it moved. Whole segments below it go with the
    /// next [`Log::delete_old_segments`]. Error: the offset is above the high watermark.
    pub fn increment_log_start_offset(&self, offset: Offset) -> Result<bool, ReadError> {
        let mut state = self.state();
        {
            let mut view = self.view();
            if offset.0 > view.high_watermark {
                let offsets = view.offsets();
                return Err(ReadError::OffsetOutOfRange(OffsetOutOfRange {
                    offset,
                    log_start_offset: offsets.log_start_offset,
                    log_end_offset: offsets.high_watermark,
                }));
            }
            if offset.0 <= view.log_start_offset {
                return Ok(false);
            }
            view.log_start_offset = offset.0;
        }
        // In memory only: the file follows with the next epoch or sync, and the checkpoint of start offsets tells the rest.
        self.epochs().truncate_from_start(offset);
        state.producers.forget_completed_below(offset.0);
        state.producers.map_end_offset = state.producers.map_end_offset.max(offset.0);
        self.publish_first_unstable(&state);
        Ok(true)
    }

    fn offline_unless(&self, state: &mut State, done: Result<(), LogError>) -> Result<(), LogError> {
        if let Err(error) = &done {
            tracing::error!(%error, dir = %self.dir().display(), "a truncation failed halfway: the log goes offline");
            state.status = Status::Offline;
        }
        done
    }

    fn cut_to(&self, state: &mut State, offset: Offset, now: Timestamp) -> Result<(), LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        let segments = self.segments();
        self.note_cut();
        self.forget_corrupt_from(offset.0);
        let last = floor_segment(&segments, offset.0);
        let (kept, removed) = segments.split_at(last + 1);
        let active = &kept[last];
        // Readers first lose sight of what goes.
        {
            let mut view = self.view();
            view.segments = kept.into();
            view.end = OffsetMetadata {
                offset,
                segment_base_offset: Offset(active.base_offset()),
                relative_position_in_segment: 0,
            };
            view.high_watermark = view.high_watermark.min(offset.0);
            view.log_start_offset = view.log_start_offset.min(offset.0);
            view.forget_known();
        }
        for segment in removed.iter().rev() {
            remove_segment_files(place, segment)?;
        }
        if !removed.is_empty() {
            // Before the cut: a power loss must not keep later segments behind it, which a recovery has no reason to look at.
            sync_dir(&self.inner.disk, &dir)?;
        }
        let before = active.size();
        active.truncate_to(place, offset.0)?;
        // The batch that held the offset went whole, so the end can lie below it; in a gap between batches it is the offset.
        let cut_off = active.size() < before;
        let end = if cut_off {
            active.last_batch(place)?.map_or(active.base_offset(), |last| last.header.next_offset())
        } else {
            offset.0
        };
        state.recovery_point = state.recovery_point.min(end);
        {
            let mut epochs = self.epochs();
            epochs.truncate_from_end(Offset(end));
            epochs.store(&self.inner.disk, &dir)?;
        }
        {
            let mut view = self.view();
            view.end.offset = Offset(end);
            view.end.relative_position_in_segment = active.size();
            // Records may have been deleted up to within the batch that went.
            view.log_start_offset = view.log_start_offset.min(end);
            view.high_watermark = view.high_watermark.min(view.end.offset.0);
            view.forget_known();
        }
        self.rebuild_producers(state, now)?;
        // Durable at once: after a crash, what was cut must not come back behind what is appended next.
        active.sync(place, SyncDepth::All)?;
        sync_dir(&self.inner.disk, &dir)?;
        state.names_changed = false;
        Ok(())
    }

    fn restart_at(&self, state: &mut State, offset: Offset, log_start_offset: Offset) -> Result<(), LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        let segments = self.segments();
        self.note_cut();
        self.forget_corrupt_from(i64::MIN);
        {
            let mut view = self.view();
            *view = crate::log::View::empty_at(offset.0);
            view.log_start_offset = log_start_offset.0.min(offset.0);
        }
        for segment in segments.iter().rev() {
            remove_segment_files(place, segment)?;
        }
        self.remove_snapshots(state, |_| true)?;
        {
            let mut epochs = self.epochs();
            epochs.clear();
            if state.on_disk {
                epochs.store(&self.inner.disk, &dir)?;
            }
        }
        state.producers.clear(offset.0);
        state.recovery_point = offset.0;
        if offset.0 > 0 {
            // The first file's name is what tells where the log goes on.
            self.ensure_on_disk(state)?;
            let segment = Segment::create(self.place(&dir), offset.0, &self.config(), 0)?;
            self.view().segments = Arc::new([Arc::new(segment)]);
        }
        if state.on_disk {
            sync_dir(&self.inner.disk, &dir)?;
        }
        state.names_changed = false;
        Ok(())
    }

    /// Removes the producer snapshots at offsets that fit.
    pub(crate) fn remove_snapshots(&self, state: &mut State, fits: impl Fn(i64) -> bool) -> Result<(), LogError> {
        let dir = self.dir();
        let removed: Vec<i64> = state.producers.snapshots.iter().copied().filter(|offset| fits(*offset)).collect();
        for offset in removed {
            remove_if_there(&self.inner.disk, &offset_file(&dir, offset, PRODUCER_SNAPSHOT))?;
            state.producers.snapshots.remove(&offset);
            state.unsynced_snapshots.retain(|unsynced| *unsynced != offset);
        }
        Ok(())
    }
}
