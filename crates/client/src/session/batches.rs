//! A producer's batches: records gather by partition, batches leave in order, come back when a broker fails, and leave
//! again in the same order.
//!
//! Invariants: a partition's batches are sent in the order in which they were made, also after a retry; once numbered
//! for idempotence (KIP-98), a batch keeps its sequence; after a batch of an idempotent producer is lost, nothing is sent
//! until all that is under way has come back and a new epoch was given, since a gap would be refused (KIP-360).

use crate::session::metrics::producer::SentBatch;
use ottla_machine::Instant;
use ottla_wire::batch::{BatchBuilder, BatchError, Codecs, Compression, HEADER_LEN, ProducerStamp, RecordHeader};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

mod divide;
#[cfg(test)]
mod tests;

/// A topic and a partition of it; the name is shared by all who mention it.
pub type Place = (Arc<str>, i32);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A batch is closed when it has this many bytes.
    pub batch_bytes: usize,
    /// How long an unfilled batch waits for more.
    pub linger: Duration,
    pub compression: Compression,
    pub compression_level: Option<i32>,
    /// The most batches of one partition that may be under way.
    pub in_flight_max: usize,
    /// From a record's arrival to its failure.
    pub delivery_timeout: Duration,
    pub retries_max: u32,
    pub is_idempotent: bool,
}

impl Limits {
    fn builder(&self) -> BatchBuilder {
        let builder = BatchBuilder::new(0).compression(self.compression);
        match self.compression_level {
            Some(level) => builder.compression_level(level),
            None => builder,
        }
    }
}

/// A record to be sent.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    pub timestamp_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [RecordHeader<'a>],
}

/// A closed batch. `T` is what its owner wants back for each record.
#[derive(Debug)]
pub struct Batch<T> {
    pub place: Place,
    /// Empty until it is first sent.
    pub bytes: Vec<u8>,
    pub tickets: Vec<T>,
    builder: Option<BatchBuilder>,
    made: Instant,
    /// Counted up; and the place of the first record in the batch that was made, where that was divided.
    number: (u64, usize),
    base_sequence: Option<i32>,
    pub attempts: u32,
    /// The most that its largest record could take alone.
    record_bytes_max: usize,
}

#[derive(Debug)]
struct Queue<T> {
    open: Option<Batch<T>>,
    closed: VecDeque<Batch<T>>,
    in_flight: usize,
    next_sequence: i32,
    /// The sequence behind the last batch that the broker has.
    acknowledged: i32,
    /// The broker has one under today's id. Before, it would take any sequence for the first, and one that overtook a batch
    /// that came back would make the rest out of order for good.
    is_known: bool,
    /// Nothing is sent before; after a failure.
    not_before: Instant,
    /// Batches came back: until they are through, one at a time is under way.
    retrying: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// None is needed.
    None,
    /// None yet, or the old one is spent.
    Wanted,
    Given {
        producer_id: i64,
        producer_epoch: i16,
    },
}

/// See the module's text.
#[derive(Debug)]
pub struct Batches<T> {
    limits: Limits,
    queues: BTreeMap<Place, Queue<T>>,
    identity: Identity,
    numbers: u64,
    in_flight: usize,
    /// Whoever flushes wants open batches to leave at once.
    pub is_flushing: bool,
}

impl<T> Batches<T> {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let identity = if limits.is_idempotent { Identity::Wanted } else { Identity::None };
        Self { limits, queues: BTreeMap::new(), identity, numbers: 0, in_flight: 0, is_flushing: false }
    }

    /// Takes a record. True if who sends must look again: a batch is complete, or one has begun, whose end of waiting was
    /// not in [`Batches::poll_timeout`] yet.
    pub fn append(
        &mut self,
        now: Instant,
        place: &Place,
        record: NewRecord<'_>,
        ticket: T,
    ) -> Result<bool, BatchError> {
        let room = record_room(&record);
        let limits = &self.limits;
        if !self.queues.contains_key(place) {
            self.queues.insert(place.clone(), Queue::default());
        }
        let Some(queue) = self.queues.get_mut(place) else { return Ok(false) };
        let full = |batch: &Batch<T>| batch.size() + room > limits.batch_bytes && batch.count() > 0;
        if queue.open.as_ref().is_some_and(full) {
            queue.closed.extend(queue.open.take());
        }
        let has_begun = queue.open.is_none();
        let numbers = &mut self.numbers;
        let batch = queue.open.get_or_insert_with(|| {
            *numbers += 1;
            Batch {
                place: place.clone(),
                bytes: Vec::new(),
                tickets: Vec::new(),
                builder: Some(limits.builder()),
                made: now,
                number: (*numbers, 0),
                base_sequence: None,
                attempts: 0,
                record_bytes_max: 0,
            }
        });
        if let Some(builder) = &mut batch.builder {
            builder.append(record.timestamp_ms, record.key, record.value, record.headers)?;
        }
        batch.tickets.push(ticket);
        batch.record_bytes_max = batch.record_bytes_max.max(room + HEADER_LEN);
        if batch.size() >= limits.batch_bytes {
            queue.closed.extend(queue.open.take());
        }
        Ok(has_begun || !queue.closed.is_empty())
    }

    /// Whether an id must be asked for before anything can be sent. Not while batches with the old one are under way.
    #[must_use]
    pub fn wants_identity(&self) -> bool {
        self.identity == Identity::Wanted && self.in_flight == 0 && !self.is_empty()
    }

    /// Gives the id; sequences begin again.
    pub fn identify(&mut self, producer_id: i64, producer_epoch: i16) {
        self.identity = Identity::Given { producer_id, producer_epoch };
        for queue in self.queues.values_mut() {
            queue.next_sequence = 0;
            queue.acknowledged = 0;
            queue.is_known = false;
            for batch in &mut queue.closed {
                batch.base_sequence = None;
                batch.bytes.clear();
            }
        }
    }

    /// The batches that may leave now: at most one a partition, of the partitions that `is_ready` names, and no more
    /// than `bytes_max` together (but at least one).
    pub fn drain(
        &mut self,
        now: Instant,
        bytes_max: usize,
        codecs: &mut Codecs,
        mut is_ready: impl FnMut(&Place) -> bool,
    ) -> Vec<Batch<T>> {
        if self.identity == Identity::Wanted {
            return Vec::new();
        }
        let mut batches: Vec<Batch<T>> = Vec::new();
        let mut bytes = 0;
        for (place, queue) in &mut self.queues {
            if queue.in_flight >= queue.in_flight_max(&self.limits)
                || now < queue.not_before
                || queue.is_held()
                || !is_ready(place)
            {
                continue;
            }
            if queue.closed.is_empty() && queue.is_due(now, self.limits.linger, self.is_flushing) {
                queue.closed.extend(queue.open.take());
            }
            let Some(mut batch) = queue.closed.pop_front() else { continue };
            if !batches.is_empty() && bytes + batch.size() > bytes_max {
                queue.closed.push_front(batch);
                break;
            }
            if batch.bytes.is_empty() && !batch.seal(self.identity, &mut queue.next_sequence, codecs) {
                // Cannot be: what was appended fits a batch. Its owners are told by the tickets' end.
                continue;
            }
            queue.in_flight += 1;
            self.in_flight += 1;
            bytes += batch.bytes.len();
            batches.push(batch);
        }
        batches
    }

    /// The broker has it.
    pub fn acknowledged(&mut self, batch: &Batch<T>) {
        self.returned(&batch.place);
        if let Some(queue) = self.queues.get_mut(&batch.place) {
            queue.retrying = queue.retrying.saturating_sub(1);
            queue.is_known = true;
            queue.acknowledged = batch.base_sequence.map_or(0, |sequence| after(sequence, batch.count()));
        }
    }

    /// A batch came back. None if it will be sent again after `pause`; otherwise it is given up, and returned.
    pub fn failed(
        &mut self,
        now: Instant,
        mut batch: Batch<T>,
        is_transient: bool,
        pause: Duration,
    ) -> Option<Batch<T>> {
        self.returned(&batch.place);
        batch.attempts += 1;
        let is_late = now.saturating_since(batch.made) >= self.limits.delivery_timeout;
        if !is_transient || is_late || batch.attempts > self.limits.retries_max {
            if self.limits.is_idempotent {
                self.identity = Identity::Wanted;
            }
            if let Some(queue) = self.queues.get_mut(&batch.place) {
                queue.retrying = queue.retrying.saturating_sub(1);
            }
            return Some(batch);
        }
        if let Some(queue) = self.queues.get_mut(&batch.place) {
            queue.not_before = now + pause;
            if batch.attempts == 1 {
                queue.retrying += 1;
            }
            let at = queue.closed.iter().position(|other| other.number > batch.number).unwrap_or(queue.closed.len());
            queue.closed.insert(at, batch);
        }
        None
    }

    /// A batch came back for being larger than the broker takes: its records leave again in smaller ones, in their order
    /// (KIP-126). Gives the batch back if it cannot be divided.
    pub fn split(&mut self, batch: Batch<T>) -> Option<Batch<T>> {
        let Some(builders) = batch.builders(&self.limits) else { return Some(batch) };
        self.returned(&batch.place);
        if let Some(queue) = self.queues.get_mut(&batch.place) {
            let at = queue.closed.iter().position(|other| other.number > batch.number).unwrap_or(queue.closed.len());
            for (part, at) in batch.divide(builders).into_iter().zip(at..) {
                queue.closed.insert(at, part);
            }
        }
        None
    }

    /// Whether the broker lacks something that comes before this batch, so that it had to refuse it as out of order: it is to
    /// be sent again, and not lost.
    #[must_use]
    pub fn is_ahead(&self, batch: &Batch<T>) -> bool {
        let queue = self.queues.get(&batch.place);
        queue.zip(batch.base_sequence).is_some_and(|(queue, sequence)| sequence != queue.acknowledged)
    }

    /// Batches that have waited longer than they may without being sent.
    pub fn expired(&mut self, now: Instant) -> Vec<Batch<T>> {
        let limit = self.limits.delivery_timeout;
        let mut expired = Vec::new();
        for queue in self.queues.values_mut() {
            let is_late = |batch: &Batch<T>| now.saturating_since(batch.made) >= limit;
            while queue.closed.front().is_some_and(is_late) {
                expired.extend(queue.closed.pop_front());
            }
            if queue.closed.is_empty() && queue.open.as_ref().is_some_and(is_late) {
                expired.extend(queue.open.take());
            }
        }
        if self.limits.is_idempotent && expired.iter().any(|batch| batch.base_sequence.is_some()) {
            self.identity = Identity::Wanted;
        }
        expired
    }

    /// Gives up all that waits: no id will come.
    pub fn abandon(&mut self) -> Vec<Batch<T>> {
        self.queues
            .values_mut()
            .flat_map(|queue| queue.closed.drain(..).chain(queue.open.take()).collect::<Vec<_>>())
            .collect()
    }

    /// When something may have to be done next, if nothing else happens: a batch becomes due, or too late.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = |queue: &Queue<T>| {
            let closed = queue.closed.front().map(|_| queue.not_before);
            let open = queue.open.as_ref().map(|batch| batch.made + self.limits.linger);
            closed.into_iter().chain(open).min()
        };
        let may_send = |queue: &&Queue<T>| queue.in_flight < queue.in_flight_max(&self.limits) && !queue.is_held();
        self.queues.values().filter(may_send).filter_map(due).min()
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.queues.values().all(|queue| queue.open.is_none() && queue.closed.is_empty())
    }

    /// The partitions for which something waits.
    pub fn waiting(&self) -> impl Iterator<Item = &Place> {
        self.queues.iter().filter(|(_, queue)| queue.open.is_some() || !queue.closed.is_empty()).map(|(place, _)| place)
    }

    fn returned(&mut self, place: &Place) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(queue) = self.queues.get_mut(place) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            open: None,
            closed: VecDeque::new(),
            in_flight: 0,
            next_sequence: 0,
            acknowledged: 0,
            is_known: false,
            not_before: Instant(0),
            retrying: 0,
        }
    }
}

impl<T> Queue<T> {
    fn in_flight_max(&self, limits: &Limits) -> usize {
        let is_alone = self.retrying > 0 || (limits.is_idempotent && !self.is_known);
        if is_alone { 1 } else { limits.in_flight_max }
    }

    /// Whether its next batch was numbered before, and the broker lacks something that comes before it: if that were
    /// overtaken, it would be refused; or not, where the broker does not know this producer yet, and the rest be lost.
    fn is_held(&self) -> bool {
        let next = self.closed.front().and_then(|batch| batch.base_sequence);
        next.is_some_and(|sequence| sequence != self.acknowledged)
    }

    fn is_due(&self, now: Instant, linger: Duration, is_flushing: bool) -> bool {
        self.open.as_ref().is_some_and(|batch| is_flushing || now.saturating_since(batch.made) >= linger)
    }
}

impl<T> Batch<T> {
    fn size(&self) -> usize {
        self.builder.as_ref().map_or(self.bytes.len(), BatchBuilder::uncompressed_size)
    }

    fn count(&self) -> i32 {
        self.builder.as_ref().map_or(0, BatchBuilder::record_count)
    }

    /// For the metrics, once it was sealed.
    #[must_use]
    pub fn as_sent(&self, now: Instant) -> SentBatch<'_> {
        let plain = self.builder.as_ref().map_or(0, BatchBuilder::uncompressed_size).saturating_sub(HEADER_LEN);
        let left = self.bytes.len().saturating_sub(HEADER_LEN);
        SentBatch {
            topic: &self.place.0,
            records: self.tickets.len(),
            bytes: self.bytes.len(),
            compression: if plain == 0 { 1.0 } else { left as f64 / plain as f64 },
            queued_ms: now.saturating_since(self.made).as_millis() as f64,
            record_bytes_max: self.record_bytes_max,
        }
    }

    /// Writes the batch's bytes, numbered where an id was given. The builder stays, for another numbering.
    fn seal(&mut self, identity: Identity, next_sequence: &mut i32, codecs: &mut Codecs) -> bool {
        let Some(mut builder) = self.builder.clone() else { return false };
        if let Identity::Given { producer_id, producer_epoch } = identity {
            let base_sequence = *self.base_sequence.get_or_insert(*next_sequence);
            *next_sequence = after(base_sequence, builder.record_count());
            builder = builder.producer(ProducerStamp { producer_id, producer_epoch, base_sequence });
        }
        builder.build(codecs, &mut self.bytes).is_ok()
    }
}

/// The sequence behind so many records. Sequences go round after `i32::MAX` (KIP-98).
const fn after(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
}

/// The most that the fields around key, value and headers take: length, attributes, time and offset.
const RECORD_OVERHEAD_MAX: usize = 21;

/// The most that the record can take in a batch, as Kafka's producer reckons it.
fn record_room(record: &NewRecord<'_>) -> usize {
    let length = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| varint_len(bytes.len()) + bytes.len());
    let headers: usize = record.headers.iter().map(|header| length(Some(header.key)) + length(header.value)).sum();
    let count = varint_len(record.headers.len());
    RECORD_OVERHEAD_MAX + length(record.key) + length(record.value) + count + headers
}

/// The bytes of a length, which is written with a sign (zigzag), seven bits a byte.
fn varint_len(length: usize) -> usize {
    let bits = usize::BITS - (length << 1).leading_zeros();
    bits.max(1).div_ceil(7) as usize
}

/// What a record takes at most when it is alone: compared with `max.request.size`.
#[must_use]
pub fn size_upper_bound(record: &NewRecord<'_>) -> usize {
    HEADER_LEN + record_room(record)
}
