//! Fetching: one request at a time to each leader, for its partitions that have little left to give out.

use super::{Consumer, Reading};
use crate::error::{ClientError, Result};
use crate::session::batches::Place;
use crate::session::fetched::{ConsumerRecord, Fetched};
use crate::shell::network::Target;
use crate::shell::reply::Reply;
use ottla_wire::api::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::api::{FetchRequest, FetchResponse};
use ottla_wire::{ErrorCode, Message, VersionRange};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A partition is asked again while the answers that wait are fewer than this.
const BUFFERED_ANSWERS_MAX: usize = 2;
/// The last version that names topics.
const BY_NAME: i16 = 12;

/// What a leader answered, and to what.
pub(super) struct Answer {
    leader: i32,
    generation: u64,
    asked: BTreeMap<Place, i64>,
    reply: Result<Reply>,
}

impl Consumer {
    /// Asks each leader that is not busy for what may be wanted next.
    pub(super) fn send_fetches(&mut self) {
        let cluster = self.network.cluster();
        let mut by_leader: BTreeMap<i32, Vec<(Place, i64, i32)>> = BTreeMap::new();
        for (place, reading) in &self.places {
            let (Some(from), Some((leader, epoch))) = (reading.fetch_from, cluster.leader(&place.0, place.1)) else {
                continue;
            };
            if reading.buffered < BUFFERED_ANSWERS_MAX && !self.asked.contains(&leader) {
                by_leader.entry(leader).or_default().push((place.clone(), from, epoch));
            }
        }
        for (leader, partitions) in by_leader {
            self.asked.insert(leader);
            let network = Arc::clone(&self.network);
            let config = self.config.clone();
            let generation = self.generation;
            self.requests.spawn(async move {
                let known = <FetchRequest<'static> as Message>::VERSIONS;
                let versions = VersionRange::new(known.low, BY_NAME);
                let limit = config.client.request_timeout.max(config.fetch_max_wait * 2);
                let build = |version| request(&config, &partitions, version);
                let reply = network.ask_within(limit, Target::Node(leader), versions, build).await;
                let asked = partitions.into_iter().map(|(place, from, _)| (place, from)).collect();
                Answer { leader, generation, asked, reply }
            });
        }
    }

    pub(super) async fn take_answer(&mut self, answer: Answer) -> Result<()> {
        if answer.generation != self.generation {
            return Ok(());
        }
        self.asked.remove(&answer.leader);
        let reply = match answer.reply {
            Ok(reply) => reply,
            Err(error) if error.is_transient() || matches!(error, ClientError::TimedOut(_)) => {
                tokio::time::sleep(self.config.client.retry_backoff).await;
                return self.relearn().await;
            }
            Err(error) => return Err(error),
        };
        let response: FetchResponse<'_> = reply.read()?;
        ClientError::check(response.error_code, None)?;
        let mut must_relearn = false;
        for topic in &response.responses {
            for told in &topic.partitions {
                let place: Place = match answer
                    .asked
                    .keys()
                    .find(|(name, index)| **name == *topic.topic && *index == told.partition_index)
                {
                    Some(place) => place.clone(),
                    None => continue,
                };
                let Some(reading) = self.places.get_mut(&place) else { continue };
                let from_offset = answer.asked.get(&place).copied().unwrap_or_default();
                if reading.fetch_from != Some(from_offset) {
                    // It was moved meanwhile.
                    continue;
                }
                match ErrorCode::from_code(told.error_code) {
                    ErrorCode::None => {
                        reading.end = Some(told.high_watermark);
                        let Some(records) = &told.records else { continue };
                        if records.is_empty() {
                            continue;
                        }
                        let aborted = self.config.is_read_committed.then(|| {
                            let list = told.aborted_transactions.as_deref().unwrap_or_default();
                            list.iter().map(|one| (one.producer_id, one.first_offset)).collect()
                        });
                        let fetched = Fetched {
                            place,
                            from_offset,
                            bytes: reply.bytes().slice_ref(records.bytes()),
                            aborted,
                            check_crcs: self.config.check_crcs,
                        };
                        reading.fetch_from = Some(fetched.next_offset());
                        reading.buffered += 1;
                        self.fetched.push_back(fetched);
                    }
                    ErrorCode::OffsetOutOfRange => self.out_of_range(&place, from_offset)?,
                    ErrorCode::TopicAuthorizationFailed => {
                        let message = format!("Not authorized to access topics: [{}]", place.0);
                        return ClientError::check(told.error_code, Some(&message));
                    }
                    ErrorCode::CorruptMessage => {
                        return Err(ClientError::Failed(format!(
                            "Encountered corrupt message when fetching offset {from_offset} for topic-partition {}-{}",
                            place.0, place.1
                        )));
                    }
                    _ => must_relearn = true,
                }
            }
        }
        if must_relearn {
            tokio::time::sleep(self.config.client.retry_backoff).await;
            self.relearn().await?;
        }
        Ok(())
    }

    /// The next records to be given out.
    pub(super) fn take_ready(&mut self) -> Result<Vec<ConsumerRecord>> {
        while self.ready.is_empty() {
            let Some(fetched) = self.fetched.pop_front() else { return Ok(Vec::new()) };
            let records = fetched.records(&mut self.codecs).map_err(|error| {
                ClientError::Failed(format!(
                    "Record batch for partition {}-{} at offset {} is invalid, cause: {error}",
                    fetched.place.0, fetched.place.1, fetched.from_offset
                ))
            })?;
            if let Some(reading) = self.places.get_mut(&fetched.place) {
                reading.buffered = reading.buffered.saturating_sub(1);
                if records.is_empty() {
                    // Only control records, or aborted ones: they count as read.
                    reading.position = Some(fetched.next_offset());
                }
            }
            self.behind_ready = fetched.next_offset();
            self.ready = records;
        }
        let count = self.ready.len().min(self.config.max_poll_records);
        let records: Vec<_> = self.ready.drain(..count).collect();
        for record in &records {
            let place = (Arc::clone(&record.topic), record.partition);
            if let Some(reading) = self.places.get_mut(&place) {
                reading.position = Some(record.offset + 1);
                reading.leader_epoch = record.leader_epoch;
            }
        }
        if let (true, Some(last)) = (self.ready.is_empty(), records.last())
            && let Some(reading) = self.places.get_mut(&(Arc::clone(&last.topic), last.partition))
        {
            // What follows the last record, such as a transaction's mark, is nothing that anybody would be given.
            reading.position = Some(self.behind_ready);
        }
        Ok(records)
    }

    pub(super) fn forget_fetched(&mut self, place: &Place) {
        self.fetched.retain(|fetched| fetched.place != *place);
        self.ready.retain(|record| (&record.topic, record.partition) != (&place.0, place.1));
        if let Some(reading) = self.places.get_mut(place) {
            *reading = Reading { buffered: 0, ..*reading };
        }
    }
}

fn request<'a>(
    config: &crate::config::ConsumerConfig,
    partitions: &'a [(Place, i64, i32)],
    version: i16,
) -> FetchRequest<'a> {
    let mut topics: Vec<FetchTopic<'a>> = Vec::new();
    for ((topic, partition), from, epoch) in partitions {
        let wanted = FetchPartition {
            partition: *partition,
            current_leader_epoch: if version >= 9 { *epoch } else { -1 },
            fetch_offset: *from,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: config.max_partition_fetch_bytes,
            ..Default::default()
        };
        match topics.last_mut() {
            Some(last) if last.topic == **topic => last.partitions.push(wanted),
            _ => topics.push(FetchTopic { topic: (&**topic).into(), partitions: vec![wanted], ..Default::default() }),
        }
    }
    FetchRequest {
        replica_id: -1,
        max_wait_ms: i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: config.fetch_min_bytes,
        max_bytes: config.fetch_max_bytes,
        isolation_level: i8::from(config.is_read_committed),
        // No session (KIP-227): each request names all that it wants.
        session_id: 0,
        session_epoch: -1,
        topics,
        ..Default::default()
    }
}
