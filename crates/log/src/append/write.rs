//! Writing batches that were judged: the one place where a log grows.

use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::BatchHeader;

use super::SegmentRoll;
use crate::config::LogConfig;
use crate::error::{LogError, doing, sync_dir};
use crate::log::{Log, OffsetMetadata, State, Status};
use crate::partition_metadata;
use crate::producers::Staged;
use crate::segment::NextBatch;

impl<D: Disk> Log<D> {
    /// Writes `parts`, the bytes of the batches with these headers, and makes them visible. After an error nothing is.
    pub(super) fn write_batches(
        &self,
        state: &mut State,
        config: &LogConfig,
        headers: &[BatchHeader],
        parts: &[&[u8]],
        staged: Staged,
        now: Timestamp,
    ) -> Result<SegmentRoll, LogError> {
        let written = self.try_write_batches(state, config, headers, parts, staged, now);
        written.inspect_err(|error| self.offline_if_unsynced(state, error))
    }

    fn try_write_batches(
        &self,
        state: &mut State,
        config: &LogConfig,
        headers: &[BatchHeader],
        parts: &[&[u8]],
        staged: Staged,
        now: Timestamp,
    ) -> Result<SegmentRoll, LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        self.ensure_on_disk(state)?;
        {
            let mut epochs = self.epochs();
            for header in headers {
                epochs.assign(LeaderEpoch(header.partition_leader_epoch), Offset(header.base_offset));
            }
            epochs.store(&self.inner.disk, &dir)?;
        }
        let first_offset = headers.first().map_or(0, |header| header.base_offset);
        let next = NextBatch {
            bytes: parts.iter().map(|part| part.len()).sum(),
            last_offset: headers.last().map_or(0, BatchHeader::last_offset),
            max_timestamp: headers.iter().map(|header| header.max_timestamp).max().unwrap_or(-1),
            now_ms: now.0,
        };
        let active = self.view().end.segment_base_offset;
        let segment = self.segment_for(state, config, first_offset, &next)?;
        if let Err(error) = segment.write(place, parts) {
            if let Err(second) = segment.cut_back(place) {
                tracing::error!(%error, %second, "a failed append cannot be cut back: the log goes offline");
                state.status = Status::Offline;
            }
            return Err(error);
        }
        let mut end = OffsetMetadata::default();
        for header in headers {
            segment.publish(place, header, config.index_interval_bytes);
            end = OffsetMetadata {
                offset: Offset(header.next_offset()),
                segment_base_offset: Offset(segment.base_offset()),
                relative_position_in_segment: segment.size(),
            };
        }
        let begun = state.producers.first_unstable_offset();
        state.producers.apply(staged, |aborted| {
            if let Err(error) = segment.txns().append(place, aborted) {
                tracing::error!(%error, "cannot read the transaction index");
            }
        });
        state.producers.map_end_offset = end.offset.0;
        let unstable = state.producers.first_unstable_offset();
        let mut view = self.view();
        view.set_end(end);
        if begun != unstable {
            view.first_unstable_offset = unstable;
        }
        Ok(if segment.base_offset() == active.0 { SegmentRoll::Stayed } else { SegmentRoll::Rolled })
    }

    /// Makes the folder, and notes in it which topic it belongs to.
    pub(crate) fn ensure_on_disk(&self, state: &mut State) -> Result<(), LogError> {
        if state.on_disk {
            return Ok(());
        }
        let dir = self.dir();
        self.inner.disk.create_dir_all(&dir).map_err(doing("creating", &dir))?;
        if let Some(parent) = dir.parent() {
            sync_dir(&self.inner.disk, parent)?;
        }
        partition_metadata::write(&self.inner.disk, &dir, self.inner.topic_id)?;
        state.on_disk = true;
        Ok(())
    }
}
