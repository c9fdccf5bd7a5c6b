//! The producers' state of a log that is opened or was cut: the newest snapshot that can be used, and the batches behind it.

use std::sync::Arc;

use ottla_machine::{Disk, Timestamp};
use ottla_wire::batch::Batch;

use super::{Opening, ShutdownKind};
use crate::error::{AppendError, LogError, doing};
use crate::file_names::{LOG, PRODUCER_SNAPSHOT, offset_file};
use crate::log::{Log, State};
use crate::producers::{ProducerBatch, Producers, Staged, Strictness, decode};
use crate::read::floor_segment;
use crate::segment::{Found, Place, Segment, remove_if_there};

impl<D: Disk> Log<D> {
    /// Makes the producers' state anew from the newest snapshot that helps, after a truncation.
    pub(crate) fn rebuild_producers(&self, state: &mut State, now: Timestamp) -> Result<(), LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        let (segments, start, end) = {
            let view = self.view();
            (view.segments.clone(), view.log_start_offset, view.end.offset.0)
        };
        self.remove_snapshots(state, |offset| offset > end || offset <= start && offset != end)?;
        let expiration_ms = self.config().producer_id_expiration_ms;
        load_newest_snapshot(place, &mut state.producers, start, end, now.0, expiration_ms)?;
        let from = state.producers.map_end_offset;
        replay(place, &segments, &mut state.producers, from, end)?;
        let high_watermark = self.view().high_watermark;
        state.producers.forget_completed_below(high_watermark);
        self.publish_first_unstable(state);
        Ok(())
    }
}

impl<D: Disk> Opening<'_, D> {
    pub(super) fn load_producers(&mut self) -> Result<(), LogError> {
        let (start, end) = (self.log_start_offset, self.end_offset);
        self.remove_stray_snapshots()?;
        if self.producers.map_end_offset != end {
            let clean = self.options.shutdown == ShutdownKind::Clean;
            if clean && self.producers.snapshots.is_empty() {
                // As Kafka takes it: after a clean stop, no snapshot means no producers.
                self.producers.clear(end);
            } else {
                self.drop_snapshots(|offset| offset > end || (offset <= start && offset != end))?;
                self.load_producers_at(end)?;
            }
        }
        self.producers.map_end_offset = end;
        Ok(())
    }

    /// The producers' state at an offset: the newest snapshot at or below it, and the batches from there on.
    pub(super) fn load_producers_at(&mut self, offset: i64) -> Result<(), LogError> {
        let expiration_ms = self.options.config.producer_id_expiration_ms;
        let (start, now_ms) = (self.log_start_offset, self.options.now.0);
        load_newest_snapshot(self.place, &mut self.producers, start, offset, now_ms, expiration_ms)?;
        let from = self.producers.map_end_offset;
        replay(self.place, &self.segments, &mut self.producers, from, offset)
    }

    /// Snapshots stand at the bases of segments, and one more may stand at the log's end.
    fn remove_stray_snapshots(&mut self) -> Result<(), LogError> {
        let bases: Vec<i64> = self.segments.iter().map(|segment| segment.base_offset()).collect();
        let newest = self.producers.snapshots.last().copied();
        self.drop_snapshots(|offset| Some(offset) != newest && bases.binary_search(&offset).is_err())
    }

    pub(super) fn drop_snapshots(&mut self, fits: impl Fn(i64) -> bool) -> Result<(), LogError> {
        let dropped: Vec<i64> = self.producers.snapshots.iter().copied().filter(|offset| fits(*offset)).collect();
        for offset in dropped {
            remove_if_there(self.place.disk, &offset_file(self.place.dir, offset, PRODUCER_SNAPSHOT))?;
            self.producers.snapshots.remove(&offset);
        }
        Ok(())
    }
}

/// Loads the newest snapshot at or below `offset`; one that cannot be read is removed, and the one before it tried.
fn load_newest_snapshot<D: Disk>(
    place: Place<'_, D>,
    producers: &mut Producers,
    log_start_offset: i64,
    offset: i64,
    now_ms: i64,
    expiration_ms: i64,
) -> Result<(), LogError> {
    while let Some(newest) = producers.snapshots.range(..=offset).next_back().copied() {
        let path = offset_file(place.dir, newest, PRODUCER_SNAPSHOT);
        let content = place.disk.read(&path).map_err(doing("reading", &path))?;
        match decode(&content) {
            Ok(entries) => {
                producers.load(newest, entries, now_ms, expiration_ms);
                return Ok(());
            }
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason, "removing a producer snapshot that cannot be used");
                remove_if_there(place.disk, &path)?;
                producers.snapshots.remove(&newest);
            }
        }
    }
    producers.clear(log_start_offset);
    Ok(())
}

/// Takes the batches from `from` to below `to` into the producers' state.
pub(super) fn replay<D: Disk>(
    place: Place<'_, D>,
    segments: &[Arc<Segment<D>>],
    producers: &mut Producers,
    from: i64,
    to: i64,
) -> Result<(), LogError> {
    if from >= to {
        return Ok(());
    }
    for segment in &segments[floor_segment(segments, from).min(segments.len())..] {
        if segment.base_offset() >= to {
            break;
        }
        let start = segment.find(place, from, segment.size())?;
        let Some(start) = start else { continue };
        let mut walk = segment.walk(place, start.position, segment.size())?;
        while let Some((position, header)) = segment.step(place, &mut walk)? {
            if header.base_offset >= to {
                break;
            }
            see(place, segment, producers, Found { position, header }, Transactions::AlreadyIndexed)?;
        }
    }
    producers.map_end_offset = to;
    Ok(())
}

/// Whether an aborted transaction must be noted in the segment's index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transactions {
    Index,
    AlreadyIndexed,
}

/// Takes one batch into the producers' state.
pub(super) fn see<D: Disk>(
    place: Place<'_, D>,
    segment: &Segment<D>,
    producers: &mut Producers,
    found: Found,
    transactions: Transactions,
) -> Result<(), LogError> {
    let header = found.header;
    producers.map_end_offset = header.next_offset();
    if !header.has_producer_id() || crate::append::is_emptied_marker(&header) {
        return Ok(());
    }
    let batch = if header.attributes.is_control() {
        let bytes = segment.read_batch(place, found)?;
        crate::append::producer_batch(&Batch { header, bytes: &bytes }, header)
    } else {
        Ok(ProducerBatch::Data(header))
    };
    let mut staged = Staged::default();
    let judged = batch.and_then(|batch| staged.check(producers, &batch, Strictness::Replica));
    if let Err(error) = judged {
        return replay_failed(place, segment, found, &error);
    }
    let mut indexed = Ok(());
    producers.apply(staged, |aborted| {
        if transactions == Transactions::Index {
            indexed = segment.txns().append(place, aborted);
        }
    });
    indexed
}

/// A batch with a right checksum that contradicts its producer's state: it was accepted once, so it is kept; the state goes
/// without it. One poisonous batch must not keep a partition from opening.
fn replay_failed<D: Disk>(
    place: Place<'_, D>,
    segment: &Segment<D>,
    found: Found,
    error: &AppendError,
) -> Result<(), LogError> {
    let file = segment.path(place, LOG);
    tracing::warn!(file = %file.display(), position = found.position, %error, "a batch does not fit its producer's state");
    Ok(())
}
