//! A cleaning of one log, from its plan to its end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_machine::{Disk, Offset, Timestamp};

use super::filter::{Judge, Retention};
use super::group::{GroupLimits, Piece, group};
use super::map::{ENTRY_BYTES, OffsetMap};
use super::pass::{CleanerBuffers, CleanerLimits};
use super::range::Cleanable;
use super::swap::Replacement;
use super::transactions::Transactions;
use crate::config::LogConfig;
use crate::error::{LogError, doing};
use crate::file_names::{CLEANED, LOG, parse};
use crate::log::{Log, Segments};
use crate::read::floor_segment;
use crate::segment::{Place, Segment, remove_if_there};

/// A cleaning that was begun. Steps are for a thread that may wait.
pub struct CleanJob<D: Disk> {
    log: Log<D>,
    dir: Arc<Path>,
    config: Arc<LogConfig>,
    /// As they were when it was planned.
    segments: Segments<D>,
    cuts: u64,
    range: Cleanable,
    limits: CleanerLimits,
    retention: Retention,
    map: OffsetMap,
    transactions: Transactions,
    phase: Phase<D>,
    stats: CleanStats,
}

/// What a cleaning has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanStats {
    /// In the pass that writes.
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub records_read: u64,
    pub records_kept: u64,
    /// Records that had no key, and went.
    pub keyless_records: u64,
    /// Read for the map of keys.
    pub mapped_bytes: u64,
    pub keys: usize,
}

/// What one step came to.
pub enum CleanStep<D: Disk> {
    /// So many bytes were read and written; there is more to do.
    Worked { bytes: u64 },
    /// A segment is to be swapped in: [`Log::replace_segments`], and then the next step.
    Replace(Replacement<D>),
    /// All is done: the log is clean up to here.
    Done { first_dirty_offset: Offset },
    /// The log was cut, closed or deleted meanwhile. Nothing is left to do.
    GivenUp,
}

enum Phase<D: Disk> {
    Begin,
    /// Where the map is: a segment, and a position in it.
    Map {
        at: usize,
        position: u64,
    },
    /// The groups that are still to come, last first; the one at work, and where in it.
    Clean {
        groups: Vec<std::ops::Range<usize>>,
        at: usize,
        position: u64,
        target: Option<Arc<Segment<D>>>,
    },
    Done,
}

impl<D: Disk> Log<D> {
    /// Begins to clean the part of the log that [`Log::cleanable`] has told.
    ///
    /// What is not durable yet is synced first: the range, so that a crash finds it below the recovery point, and the markers
    /// above it that say what in it was aborted.
    pub fn plan_cleaning(
        &self,
        range: Cleanable,
        limits: CleanerLimits,
        now: Timestamp,
    ) -> Result<CleanJob<D>, LogError> {
        if self.recovery_point() < self.log_end_offset() {
            self.sync()?;
        }
        let config = self.config();
        let state = self.state();
        self.check_online(&state)?;
        let (segments, high_watermark) = {
            let view = self.view();
            (view.segments.clone(), view.high_watermark)
        };
        let retention = Retention {
            now_ms: now.0,
            delete_retention_ms: config.compaction.delete_retention_ms,
            high_watermark,
            producers: state.producers.last_records_below(range.first_uncleanable_offset.0),
        };
        Ok(CleanJob {
            log: self.clone(),
            dir: self.dir(),
            config,
            segments,
            cuts: self.inner.cuts.load(Ordering::Acquire),
            range,
            limits,
            retention,
            map: OffsetMap::with_slots(0),
            transactions: Transactions::default(),
            phase: Phase::Begin,
            stats: CleanStats::default(),
        })
    }
}

impl<D: Disk> CleanJob<D> {
    pub fn stats(&self) -> CleanStats {
        self.stats
    }

    pub fn range(&self) -> Cleanable {
        self.range
    }

    /// Does the next piece of work. After an error the cleaning is over, and the log is as before, but for groups that were
    /// swapped in already. `Malformed` tells of a batch that is damaged, and where it is.
    pub fn step(&mut self, buffers: &mut CleanerBuffers) -> Result<CleanStep<D>, LogError> {
        let done = if self.is_stale() { Ok(CleanStep::GivenUp) } else { self.advance(buffers) };
        match done {
            // What failed may have failed for that.
            Err(_) | Ok(CleanStep::GivenUp) if self.is_stale() => {
                self.abandon();
                Ok(CleanStep::GivenUp)
            }
            Err(error) => {
                self.abandon();
                self.log.noting_damage(Err(error))
            }
            done => done,
        }
    }

    /// Leaves off, and removes what was not finished.
    pub fn abandon(&mut self) {
        if let Phase::Clean { target: Some(target), .. } = std::mem::replace(&mut self.phase, Phase::Done)
            && let Err(error) = target.remove_cleaned(Place { disk: &self.log.inner.disk, dir: &self.dir })
        {
            tracing::warn!(%error, "an unfinished cleaned segment stays until the next start");
        }
    }

    fn is_stale(&self) -> bool {
        self.log.inner.cuts.load(Ordering::Acquire) != self.cuts
    }

    fn advance(&mut self, buffers: &mut CleanerBuffers) -> Result<CleanStep<D>, LogError> {
        match &mut self.phase {
            Phase::Begin => self.begin(),
            Phase::Map { at, position } => {
                let (at, position) = (*at, *position);
                self.map(at, position, buffers)
            }
            Phase::Clean { .. } => self.clean(buffers),
            Phase::Done => {
                let end = (self.map.latest_offset() + 1).max(self.range.first_dirty_offset.0);
                Ok(CleanStep::Done { first_dirty_offset: Offset(end) })
            }
        }
    }

    fn begin(&mut self) -> Result<CleanStep<D>, LogError> {
        let disk = self.log.inner.disk.clone();
        let place = Place { disk: &disk, dir: &self.dir };
        // One that an earlier cleaning could not remove would undo a swap at a start.
        for name in disk.list(place.dir).map_err(doing("listing", place.dir))? {
            if parse(&name).is_some_and(|file| file.suffix == Some(CLEANED)) {
                remove_if_there(&disk, &place.dir.join(&name))?;
            }
        }
        let (start, end) = (self.range.first_dirty_offset.0, self.range.first_uncleanable_offset.0);
        let from = floor_segment(&self.segments, start);
        let slots_max = (self.limits.dedupe_bytes / ENTRY_BYTES).clamp(2, i32::MAX as u64) as usize;
        // No more slots than there are records.
        let mut records: usize = 0;
        for segment in self.segments[from..].iter().take_while(|segment| segment.base_offset() < end) {
            let mut walk = segment.walk(place, 0, segment.size())?;
            while let Some((_, header)) = segment.step(place, &mut walk)? {
                records = records.saturating_add(usize::try_from(header.record_count).unwrap_or(0));
                if records >= slots_max {
                    break;
                }
            }
        }
        let wanted = records as f64 / self.limits.load_factor.clamp(0.01, 1.0);
        self.map = OffsetMap::with_slots((wanted as usize + 2).min(slots_max));
        let mut aborted = Vec::new();
        collect_aborted(place, &self.segments[from..], start, end, &mut aborted)?;
        self.transactions.add(&aborted);
        let position = match self.segments.get(from) {
            Some(first) => first.find(place, start, u64::MAX)?.map_or(first.size(), |found| found.position),
            None => 0,
        };
        self.phase = Phase::Map { at: from, position };
        Ok(CleanStep::Worked { bytes: 0 })
    }

    fn map(&mut self, at: usize, position: u64, buffers: &mut CleanerBuffers) -> Result<CleanStep<D>, LogError> {
        let end = self.range.first_uncleanable_offset.0;
        let Some(segment) = self.segments.get(at).filter(|segment| segment.base_offset() < end).cloned() else {
            self.group()?;
            return Ok(CleanStep::Worked { bytes: 0 });
        };
        if position >= segment.size() {
            // Offsets that the segment does not have any more are in the map as well.
            let next = self.segments.get(at + 1).map_or(end, |next| next.base_offset().min(end));
            self.map.set_latest_offset(next - 1);
            // Cold segments do not stay open for having been cleaned.
            segment.release();
            self.phase = Phase::Map { at: at + 1, position: 0 };
            return Ok(CleanStep::Worked { bytes: 0 });
        }
        let slots_max = (self.limits.dedupe_bytes / ENTRY_BYTES).clamp(2, i32::MAX as u64);
        let entries_max = (slots_max as f64 * self.limits.load_factor).max(1.0) as usize;
        let passed = buffers.map_step(
            Place { disk: &self.log.inner.disk, dir: &self.dir },
            (&segment, position),
            self.limits.io_bytes,
            (&mut self.map, entries_max, self.range.first_dirty_offset.0),
            &mut self.transactions,
        )?;
        self.stats.mapped_bytes += passed.bytes;
        self.phase = Phase::Map { at, position: passed.position };
        if passed.is_full {
            self.group()?;
        }
        Ok(CleanStep::Worked { bytes: passed.bytes })
    }

    /// The map is made: what is to become of which segments.
    fn group(&mut self) -> Result<(), LogError> {
        self.stats.keys = self.map.len();
        self.transactions = Transactions::default();
        let place = Place { disk: &self.log.inner.disk, dir: &self.dir };
        let end = self.map.latest_offset() + 1;
        let mut pieces = Vec::new();
        for segment in self.segments.iter().take_while(|segment| segment.base_offset() < end) {
            let index_bytes = segment.index_bytes(place)?;
            pieces.push(Piece { base_offset: segment.base_offset(), bytes: segment.size(), index_bytes });
        }
        let limits = GroupLimits {
            bytes: u64::from(self.config.segment_bytes),
            index_bytes: u64::from(self.config.segment_index_bytes),
            first_uncleanable_offset: self.range.first_uncleanable_offset.0,
        };
        let mut groups = group(&pieces, limits);
        groups.reverse();
        let at = groups.last().map_or(0, |first| first.start);
        self.phase = Phase::Clean { groups, at, position: 0, target: None };
        Ok(())
    }

    fn clean(&mut self, buffers: &mut CleanerBuffers) -> Result<CleanStep<D>, LogError> {
        let place = Place { disk: &self.log.inner.disk, dir: &self.dir };
        let Phase::Clean { groups, at, position, target } = &mut self.phase else { return Ok(CleanStep::GivenUp) };
        let Some(group) = groups.last().cloned() else {
            self.phase = Phase::Done;
            return Ok(CleanStep::Worked { bytes: 0 });
        };
        let target = match target {
            Some(target) => target,
            None => {
                let base_offset = self.segments[group.start].base_offset();
                let made = Segment::create_cleaned(place, base_offset, &self.config, self.retention.now_ms)?;
                target.insert(Arc::new(made))
            }
        };
        if *at < group.end {
            let segment = &self.segments[*at];
            if *position == 0 {
                let upper = match self.segments[..group.end].get(*at + 1) {
                    Some(next) => next.base_offset(),
                    None => segment.next_offset(place)?,
                };
                let mut aborted = Vec::new();
                collect_aborted(place, &self.segments[*at..], segment.base_offset(), upper, &mut aborted)?;
                self.transactions.add(&aborted);
            }
            let mut bytes = 0;
            if *position < segment.size() {
                let passed = buffers.clean_step(
                    place,
                    (segment, *position),
                    (target, self.config.index_interval_bytes),
                    self.limits.io_bytes,
                    Judge { map: &self.map, retention: &self.retention, transactions: &mut self.transactions },
                    &mut self.stats,
                )?;
                (*position, bytes) = (passed.position, passed.bytes);
            }
            if *position >= segment.size() {
                segment.release();
                (*at, *position) = (*at + 1, 0);
            }
            return Ok(CleanStep::Worked { bytes });
        }
        target.finish_cleaned(place)?;
        let old = self.segments[group].to_vec();
        if let Some(last) = old.last() {
            // Where records have no time, retention goes by the file's.
            let age = || {
                let modified_ms = place.disk.modified_ms(&last.path(place, LOG))?;
                place.disk.set_modified_ms(&target.cleaned_path(place, LOG), modified_ms)
            };
            age().map_err(doing("aging", &target.cleaned_path(place, LOG)))?;
        }
        groups.pop();
        let Phase::Clean { target, .. } = &mut self.phase else { return Ok(CleanStep::GivenUp) };
        let new = target.take();
        Ok(new.map_or(CleanStep::GivenUp, |new| CleanStep::Replace(Replacement { new, old, cuts: self.cuts })))
    }
}

/// The aborted transactions that touch the offsets from `start` to below `end`, which begin in the first of the segments.
fn collect_aborted<D: Disk>(
    place: Place<'_, D>,
    segments: &[Arc<Segment<D>>],
    start: i64,
    end: i64,
    found: &mut Vec<crate::segment::AbortedTxn>,
) -> Result<(), LogError> {
    for segment in segments {
        if segment.txns().collect(place, start, end, found)? {
            break;
        }
    }
    Ok(())
}
