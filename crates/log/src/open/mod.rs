//! Opening a log that is on disk: after a clean stop a look at its last batches, after an unclean one a recovery.
//!
//! A recovery goes through what was not known to be durable: it verifies every batch from the recovery point's segment on,
//! makes indexes and producer state anew, and cuts the log at the first batch that is not whole. Nothing below is read.

mod folder;
mod replay;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};

use crate::config::LogConfig;
use crate::epochs::LeaderEpochs;
use crate::error::{LogError, sync_dir};
use crate::file_names::LOG;
use crate::log::{Log, OffsetMetadata, State, Status, TopicId, View};
use crate::partition_metadata;
use crate::producers::Producers;
use crate::read::floor_segment;
use crate::roll::store_snapshot;
use crate::segment::{Place, Segment};
use replay::{Transactions, replay, see};

/// What is known of a log before it is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub shutdown: ShutdownKind,
    /// From `recovery-point-offset-checkpoint`; 0 if it says nothing.
    pub recovery_point: Offset,
    /// From `log-start-offset-checkpoint`; 0 if it says nothing.
    pub log_start_offset: Offset,
    /// The topic's id, where the metadata tells it; a folder of another topic is refused.
    pub topic_id: Option<TopicId>,
    pub config: Arc<LogConfig>,
    pub now: Timestamp,
}

/// How the log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownKind {
    /// `.kafka_cleanshutdown` was there.
    Clean,
    Unclean,
}

/// What opening a log has done. Whoever opens it tells the user what was cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that were read through.
    pub segments: usize,
    /// What was cut off.
    pub truncations: Vec<Truncation>,
}

/// Bytes that were no whole batches, and were cut off; or a segment behind them, cut at 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    pub file: PathBuf,
    /// The file's new length.
    pub position: u64,
    pub bytes: u64,
    /// The first offset that the file does not hold any more.
    pub offset: Offset,
    pub reason: String,
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Truncation { file, position, bytes, offset, reason } = self;
        write!(
            f,
            "{}: cut at byte {position}: {bytes} bytes from offset {offset} on are gone: {reason}",
            file.display()
        )
    }
}

impl<D: Disk> Log<D> {
    /// Opens the log in `dir`, which must be there.
    pub fn open(disk: D, dir: &Path, options: OpenOptions) -> Result<(Log<D>, Recovery), LogError> {
        let found_id = partition_metadata::read(&disk, dir)?;
        if let (Some(found), Some(expected)) = (found_id, options.topic_id)
            && found != expected
        {
            let (found, expected) = (found.to_string(), expected.to_string());
            return Err(LogError::TopicIdMismatch { path: dir.to_owned(), expected, found });
        }
        let topic_id = found_id.or(options.topic_id).unwrap_or_default();
        if found_id.is_none() && options.topic_id.is_some() {
            partition_metadata::write(&disk, dir, topic_id)?;
        }
        let place = Place { disk: &disk, dir };
        let mut opening = Opening::list(place, &options)?;
        let epochs = LeaderEpochs::load(&disk, dir);
        let unreadable = matches!(epochs, Err(LogError::Malformed { .. }));
        opening.epochs = if unreadable { LeaderEpochs::default() } else { epochs? };
        opening.recover_segments()?;
        if unreadable {
            opening.rebuild_epochs()?;
        }
        opening.find_end()?;
        opening.load_producers()?;
        let (view, state, epochs, recovery) = opening.finish()?;
        let log = Log::assemble(disk.clone(), dir, topic_id, options.config.clone(), view, epochs, state);
        log.release_files();
        Ok((log, recovery))
    }
}

/// A log that is being opened.
struct Opening<'a, D: Disk> {
    place: Place<'a, D>,
    options: &'a OpenOptions,
    segments: Vec<Arc<Segment<D>>>,
    /// Segments that must be recovered whatever the recovery point says: their index is missing, or wrong.
    without_index: Vec<i64>,
    epochs: LeaderEpochs,
    producers: Producers,
    recovery: Recovery,
    end_offset: i64,
    log_start_offset: i64,
    names_changed: bool,
}

impl<'a, D: Disk> Opening<'a, D> {
    fn recover_segments(&mut self) -> Result<(), LogError> {
        let from = match self.options.shutdown {
            ShutdownKind::Clean => self.segments.len(),
            ShutdownKind::Unclean => self.first_to_recover()?,
        };
        if self.options.shutdown == ShutdownKind::Clean
            && let Some(last) = self.segments.last().cloned()
            && self.end_of(&last)?.is_none()
        {
            let path = last.path(self.place, LOG);
            tracing::warn!(file = %path.display(), "the index does not lead to the segment's end: recovering it");
            self.without_index.push(last.base_offset());
        }
        let first = self.segments.iter().position(|segment| self.without_index.contains(&segment.base_offset()));
        let first = first.unwrap_or(usize::MAX).min(from);
        if first >= self.segments.len() {
            return Ok(());
        }
        // One pass: the state before the first segment comes from a snapshot and what follows it.
        let base = self.segments[first].base_offset();
        self.log_start_offset = self.options.log_start_offset.0.max(self.segments[0].base_offset());
        self.drop_snapshots(|offset| offset > base)?;
        self.load_producers_at(base)?;
        let mut cut = false;
        // Where the segment before ends. The producers' state can be ahead of it: at the log's start.
        let mut known_end = base;
        for at in first..self.segments.len() {
            if at < from && !self.without_index.contains(&self.segments[at].base_offset()) {
                // What lies behind the last segment to recover is replayed when the producers are loaded.
                if let Some(next) = self.segments.get(at + 1).map(|next| next.base_offset()) {
                    let from = self.producers.map_end_offset;
                    replay(self.place, &self.segments, &mut self.producers, from, next)?;
                    known_end = next;
                }
                continue;
            }
            let gap = at > first && self.segments[at].base_offset() > known_end;
            // A log that is not compacted any more may have been before, and compaction makes durable what it leaves.
            let was_durable = self.segments[at].base_offset() <= self.options.recovery_point.0;
            if gap && (cut || !(self.options.config.cleanup_policy.compacts() || was_durable)) {
                // The end of the segment before was lost. Only compaction leaves such gaps by right.
                self.remove_segments_from(at, &format!("it begins above {known_end}, where the log ends now"))?;
                break;
            }
            if at > 0 && self.segments[at].base_offset() == self.producers.map_end_offset {
                // As at a roll: the next recovery need not begin at the start.
                store_snapshot(self.place.disk, self.place.dir, &mut self.producers)?;
            }
            // What was cut off can be the rest of an append that failed: then the next segment follows without a gap.
            (known_end, cut) = self.recover_segment(at, known_end)?;
        }
        Ok(())
    }

    /// The segment of the recovery point, or the one before if its end was not durable: batches are synced often, the indexes
    /// of a finished segment only with the sync after.
    fn first_to_recover(&self) -> Result<usize, LogError> {
        let at = floor_segment(&self.segments, self.options.recovery_point.0);
        let Some(before) = at.checked_sub(1) else { return Ok(at) };
        let (segment, base) = (&self.segments[before], self.segments[at].base_offset());
        let synced_since = self.options.recovery_point.0 > base;
        let sound =
            segment.check_tail(self.place, base)? && (synced_since || segment.indexes_are_in_order(self.place)?);
        Ok(if sound { at } else { before })
    }

    /// Recovers one segment; where it ends then, and whether something was cut off.
    fn recover_segment(&mut self, at: usize, previous_end: i64) -> Result<(i64, bool), LogError> {
        let place = self.place;
        let segment = self.segments[at].clone();
        let (producers, epochs) = (&mut self.producers, &mut self.epochs);
        producers.map_end_offset = producers.map_end_offset.max(segment.base_offset());
        let recovery_point = self.options.recovery_point.0;
        let found = segment.recover(place, &self.options.config, previous_end, recovery_point, |found| {
            let epoch = LeaderEpoch(found.header.partition_leader_epoch);
            if epochs.latest().is_none_or(|latest| epoch > latest.epoch) {
                epochs.assign(epoch, Offset(found.header.base_offset));
            }
            see(place, &segment, producers, found, Transactions::Index)
        })?;
        self.recovery.segments += 1;
        let Some((bytes, reason)) = found.cut else {
            return Ok((found.next_offset, false));
        };
        let (file, offset) = (segment.path(place, LOG), Offset(found.next_offset));
        self.recovery.truncations.push(Truncation { file, position: segment.size(), bytes, offset, reason });
        Ok((found.next_offset, true))
    }

    fn remove_segments_from(&mut self, at: usize, reason: &str) -> Result<(), LogError> {
        for gone in self.segments.drain(at..) {
            let (file, bytes) = (gone.path(self.place, LOG), gone.size());
            crate::jobs::remove_segment_files(self.place, &gone)?;
            let (offset, reason) = (Offset(gone.base_offset()), reason.to_owned());
            self.recovery.truncations.push(Truncation { file, position: 0, bytes, offset, reason });
        }
        sync_dir(self.place.disk, self.place.dir)
    }

    /// Makes the epochs anew from all batches: their file cannot be read.
    fn rebuild_epochs(&mut self) -> Result<(), LogError> {
        // Kafka makes the file with the log, and writes to it with the first record: an empty log has lost no epochs.
        if self.segments.iter().any(|segment| segment.size() > 0) {
            tracing::warn!(dir = %self.place.dir.display(), "the leader epoch checkpoint cannot be read: making it anew");
        }
        self.epochs.clear();
        for segment in &self.segments {
            let mut walk = segment.walk(self.place, 0, segment.size())?;
            while let Some((_, header)) = segment.step(self.place, &mut walk)? {
                self.epochs.assign(LeaderEpoch(header.partition_leader_epoch), Offset(header.base_offset));
            }
        }
        Ok(())
    }

    fn find_end(&mut self) -> Result<(), LogError> {
        let checkpoint = self.options.log_start_offset.0;
        self.end_offset = match self.segments.last() {
            None => checkpoint,
            Some(last) => self.end_of(last)?.ok_or_else(|| {
                LogError::malformed(&last.path(self.place, LOG), "its end cannot be found, although it was recovered")
            })?,
        };
        if self.end_offset < checkpoint && !self.segments.is_empty() {
            tracing::warn!(
                end_offset = self.end_offset,
                checkpoint,
                "the log ends below its start: removing all segments"
            );
            for segment in std::mem::take(&mut self.segments) {
                crate::jobs::remove_segment_files(self.place, &segment)?;
            }
            self.names_changed = true;
            self.epochs.clear();
            self.drop_snapshots(|_| true)?;
            self.producers.clear(checkpoint);
            self.end_offset = checkpoint;
        }
        if self.segments.is_empty() && checkpoint > 0 {
            let segment = Segment::create(self.place, checkpoint, &self.options.config, self.options.now.0)?;
            self.segments.push(Arc::new(segment));
            self.names_changed = true;
        }
        let first = self.segments.first().map_or(0, |segment| segment.base_offset());
        self.log_start_offset = checkpoint.max(first);
        self.epochs.truncate_from_end(Offset(self.end_offset));
        self.epochs.truncate_from_start(Offset(checkpoint));
        Ok(())
    }

    /// Where a segment ends; `None` if its index does not lead there.
    fn end_of(&self, segment: &Segment<D>) -> Result<Option<i64>, LogError> {
        if segment.size() == 0 {
            return Ok(Some(segment.base_offset()));
        }
        match segment.last_batch(self.place) {
            Ok(Some(last)) if last.position + last.header.size_in_bytes() as u64 == segment.size() => {
                Ok(Some(last.header.next_offset()))
            }
            Err(error @ LogError::Io { .. }) => Err(error),
            _ => Ok(None),
        }
    }

    fn finish(mut self) -> Result<(View<D>, State, LeaderEpochs, Recovery), LogError> {
        self.epochs.store(self.place.disk, self.place.dir)?;
        let mut view = View::empty_at(self.end_offset);
        view.end = OffsetMetadata {
            offset: Offset(self.end_offset),
            segment_base_offset: Offset(self.segments.last().map_or(self.end_offset, |last| last.base_offset())),
            relative_position_in_segment: self.segments.last().map_or(0, |last| last.size()),
        };
        view.log_start_offset = self.log_start_offset.min(self.end_offset);
        // The caller knows the high watermark; until it says so, nothing is visible to consumers.
        view.high_watermark = view.log_start_offset;
        view.first_unstable_offset = self.producers.first_unstable_offset();
        view.segments = std::mem::take(&mut self.segments).into();
        view.forget_known();
        let clean = self.options.shutdown == ShutdownKind::Clean && self.recovery.segments == 0;
        let recovery_point = if clean { self.end_offset } else { self.options.recovery_point.0.min(self.end_offset) };
        // What the process before named and wrote may not be durable; the next sync makes it so.
        let unclean = self.options.shutdown == ShutdownKind::Unclean;
        let unsynced_snapshots = if unclean { self.producers.snapshots.iter().copied().collect() } else { Vec::new() };
        let state = State {
            producers: self.producers,
            status: Status::Online,
            on_disk: true,
            recovery_point,
            synced_at_ms: 0,
            names_changed: self.names_changed || unclean,
            unsynced_snapshots,
        };
        Ok((view, state, self.epochs, self.recovery))
    }
}
