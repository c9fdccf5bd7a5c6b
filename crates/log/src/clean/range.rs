//! What of a log can be cleaned now, and how much of it is dirty.

use ottla_machine::{Disk, Offset, Timestamp};

use crate::log::Log;
use crate::read::floor_segment;

/// The part of a log that can be cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanable {
    /// What lies below was cleaned before.
    pub first_dirty_offset: Offset,
    /// What lies from here on stays as it is: the base of a segment. Not above the last stable offset, the active segment, or
    /// the first segment that is younger than `min.compaction.lag.ms`.
    pub first_uncleanable_offset: Offset,
    pub clean_bytes: u64,
    pub cleanable_bytes: u64,
    /// `max.compaction.lag.ms` has passed for something dirty.
    pub is_overdue: bool,
    /// The checkpoint names an offset that the log does not have (any more): cleaning begins at its start.
    pub checkpoint_is_off: bool,
}

impl Cleanable {
    pub fn total_bytes(&self) -> u64 {
        self.clean_bytes + self.cleanable_bytes
    }

    /// How much of what can be looked at is dirty, from 0 to 1.
    pub fn dirty_ratio(&self) -> f64 {
        match self.total_bytes() {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }
}

impl<D: Disk> Log<D> {
    /// What can be cleaned, where the log was cleaned up to `checkpoint` before. May read segments' first batches and last
    /// index entries: not for a thread that must not wait.
    pub fn cleanable(&self, checkpoint: Option<Offset>, now: Timestamp) -> Cleanable {
        let config = self.config();
        let (segments, offsets) = {
            let view = self.view();
            (view.segments.clone(), view.offsets())
        };
        let start = offsets.log_start_offset;
        let known = checkpoint.unwrap_or(start);
        let checkpoint_is_off = known < start || known > offsets.log_end_offset;
        let dirty = if checkpoint_is_off { start.0 } else { known.0 };
        let active = segments.last().map_or(offsets.log_end_offset.0, |active| active.base_offset());
        let inactive = &segments[..segments.len().saturating_sub(1)];
        // The segments from that of the offset on, below the active one.
        let from = |offset: i64| match offset < active {
            true => &inactive[floor_segment(inactive, offset)..],
            false => &inactive[inactive.len()..],
        };
        let dir = self.dir();
        let place = self.place(&dir);
        let too_young = (config.compaction.min_lag_ms > 0).then(|| {
            let until = now.0.saturating_sub(config.compaction.min_lag_ms);
            from(dirty).iter().find(|segment| segment.largest_timestamp(place) > until)
        });
        let too_young = too_young.flatten().map_or(i64::MAX, |segment| segment.base_offset());
        let bound = offsets.last_stable_offset.0.min(active).min(too_young).max(dirty);
        let first_uncleanable = from(bound).first().map_or(active, |segment| segment.base_offset());
        let first_cleanable = dirty.min(first_uncleanable);
        let sum = |from: usize, to: i64| {
            let below = segments.iter().skip(from).take_while(|segment| segment.base_offset() < to);
            below.map(|segment| segment.size()).sum()
        };
        let cleanable_bytes = match first_cleanable < first_uncleanable {
            true => sum(floor_segment(&segments, first_cleanable), first_uncleanable),
            false => 0,
        };
        // Only then are the segments' first batches read.
        let is_overdue = config.compaction.max_lag_ms < i64::MAX && {
            let until = now.0.saturating_sub(config.compaction.max_lag_ms.max(0));
            let first = from(dirty).iter().filter_map(|segment| segment.first_timestamp(place));
            first.filter(|timestamp| *timestamp > 0).min().is_some_and(|earliest| earliest < until)
        };
        Cleanable {
            first_dirty_offset: Offset(dirty),
            first_uncleanable_offset: Offset(first_uncleanable),
            clean_bytes: sum(0, dirty),
            cleanable_bytes,
            is_overdue,
            checkpoint_is_off,
        }
    }
}
