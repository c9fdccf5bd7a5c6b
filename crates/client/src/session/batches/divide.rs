//! A batch that is larger than the broker takes becomes several (KIP-126).

use super::{Batch, Limits, NewRecord, after, record_room};
use ottla_wire::batch::{BatchBuilder, Batches, Codecs, HEADER_LEN, RecordHeader, Records};

impl<T> Batch<T> {
    /// Smaller batches of the same records, numbered as these were.
    pub(super) fn divide(self, builders: Vec<(BatchBuilder, usize)>) -> Vec<Self> {
        let Self { place, tickets, made, number, base_sequence, .. } = self;
        let mut tickets = tickets.into_iter();
        let (mut sequence, (number, mut first)) = (base_sequence, number);
        let mut parts = Vec::new();
        for (builder, record_bytes_max) in builders {
            let count = builder.record_count();
            let records = usize::try_from(count).unwrap_or(0);
            let own = tickets.by_ref().take(records).collect();
            parts.push(Self {
                place: place.clone(),
                bytes: Vec::new(),
                tickets: own,
                builder: Some(builder),
                made,
                number: (number, first),
                base_sequence: sequence,
                attempts: 0,
                record_bytes_max,
            });
            first += records;
            sequence = sequence.map(|sequence| after(sequence, count));
        }
        parts
    }

    /// The records anew, in at least two batches; with the size of each one's largest record.
    pub(super) fn builders(&self, limits: &Limits) -> Option<Vec<(BatchBuilder, usize)>> {
        // One that was as large as may be is halved.
        let whole = self.size();
        let bytes_max = match whole > limits.batch_bytes {
            true => limits.batch_bytes,
            false => self.record_bytes_max.max(whole / 2),
        };
        let batch = Batches::new(&self.bytes).next()?.ok()?;
        let header = &batch.header;
        let mut plain = Vec::new();
        let compression = header.attributes.compression().ok()?;
        Codecs::default().decompress(compression, batch.record_bytes(), &mut plain, usize::MAX).ok()?;
        let mut builders: Vec<(BatchBuilder, usize)> = Vec::new();
        for record in Records::new(&plain, header.record_count) {
            let record = record.ok()?;
            let mut headers = Vec::new();
            for header in record.headers {
                headers.push(RecordHeader { key: header.key, value: header.value });
            }
            let timestamp_ms = header.record_timestamp(record.timestamp_delta);
            let new = NewRecord { timestamp_ms, key: record.key, value: record.value, headers: &headers };
            let room = record_room(&new);
            let is_full = |(builder, _): &(BatchBuilder, usize)| builder.uncompressed_size() + room > bytes_max;
            if builders.last().is_none_or(is_full) {
                builders.push((limits.builder(), 0));
            }
            let (builder, largest) = builders.last_mut()?;
            builder.append(timestamp_ms, record.key, record.value, &headers).ok()?;
            *largest = (*largest).max(room + HEADER_LEN);
        }
        (builders.len() > 1).then_some(builders)
    }
}
