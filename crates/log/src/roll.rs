//! Beginning a new segment: the first one with the first append, the next when the active one is full, old or out of offsets.

use std::path::Path;
use std::sync::Arc;

use ottla_machine::{Disk, DiskFile, Offset, OpenMode, Timestamp};

use crate::config::LogConfig;
use crate::error::{LogError, doing};
use crate::file_names::{PRODUCER_SNAPSHOT, offset_file};
use crate::log::{Log, OffsetMetadata, State};
use crate::producers::{Producers, encode};
use crate::segment::{NextBatch, Segment};

impl<D: Disk> Log<D> {
    /// The segment that takes the next batches, which begin at `first_offset`.
    pub(crate) fn segment_for(
        &self,
        state: &mut State,
        config: &LogConfig,
        first_offset: i64,
        next: &NextBatch,
    ) -> Result<Arc<Segment<D>>, LogError> {
        let dir = self.dir();
        let active = self.segments().last().cloned();
        match active {
            Some(active) if !active.should_roll(self.place(&dir), config, next) => Ok(active),
            Some(active) if active.size() == 0 && active.base_offset() >= first_offset => Ok(active),
            active => self.roll_to(state, config, active.as_deref(), first_offset, next.now_ms),
        }
    }

    /// Begins a new segment at the log's end, unless the active one is empty. Gives its base offset.
    pub fn roll(&self, now: Timestamp) -> Result<Offset, LogError> {
        let mut state = self.state();
        self.check_online(&state)?;
        let rolled = self.roll_at_end(&mut state, now);
        rolled.inspect_err(|error| self.offline_if_unsynced(&mut state, error))
    }

    fn roll_at_end(&self, state: &mut State, now: Timestamp) -> Result<Offset, LogError> {
        self.ensure_on_disk(state)?;
        let end = self.log_end_offset();
        match self.segments().last().cloned() {
            Some(active) if active.size() == 0 => Ok(Offset(active.base_offset())),
            active => {
                let segment = self.roll_to(state, &self.config(), active.as_deref(), end.0, now.0)?;
                Ok(Offset(segment.base_offset()))
            }
        }
    }

    fn roll_to(
        &self,
        state: &mut State,
        config: &LogConfig,
        active: Option<&Segment<D>>,
        base_offset: i64,
        now_ms: i64,
    ) -> Result<Arc<Segment<D>>, LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        if let Some(active) = active {
            active.seal(place)?;
            state.producers.map_end_offset = base_offset;
            self.write_producer_snapshot(state, &dir)?;
        }
        let segment = Arc::new(Segment::create(place, base_offset, config, now_ms)?);
        state.names_changed = true;
        let mut view = self.view();
        let mut segments = view.segments.to_vec();
        segments.push(segment.clone());
        view.segments = segments.into();
        let offset = view.end.offset;
        view.set_end(OffsetMetadata {
            offset,
            segment_base_offset: Offset(base_offset),
            relative_position_in_segment: 0,
        });
        Ok(segment)
    }

    /// Writes the producers' state at its end offset, unless there is a snapshot of it. Durable after the next sync.
    pub(crate) fn write_producer_snapshot(&self, state: &mut State, dir: &Path) -> Result<(), LogError> {
        if let Some(offset) = store_snapshot(&self.inner.disk, dir, &mut state.producers)? {
            state.unsynced_snapshots.push(offset);
            state.names_changed = true;
        }
        Ok(())
    }
}

/// Writes a snapshot of the producers at their end offset, unless there is one; gives its offset if it was written.
pub(crate) fn store_snapshot<D: Disk>(
    disk: &D,
    dir: &Path,
    producers: &mut Producers,
) -> Result<Option<i64>, LogError> {
    let offset = producers.map_end_offset;
    if producers.snapshots.contains(&offset) {
        return Ok(None);
    }
    let path = offset_file(dir, offset, PRODUCER_SNAPSHOT);
    let content = encode(producers);
    let written = (|| {
        let file = disk.open(&path, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(0, &[&content])
    })();
    if let Err(error) = written {
        // Half a snapshot would be refused by its checksum; none is better.
        let _ = disk.remove_file(&path);
        return Err(doing("writing", &path)(error));
    }
    producers.snapshots.insert(offset);
    Ok(Some(offset))
}
