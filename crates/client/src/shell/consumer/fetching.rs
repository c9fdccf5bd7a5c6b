//! Fetching: one request at a time to each leader, for its partitions that have little left to give out.

use super::{Consumer, Reading};
use crate::config::ConsumerConfig;
use crate::error::{ClientError, Result};
use crate::session::batches::Place;
use crate::session::fetch_session::{Asked, Verdict, Wanted};
use crate::session::fetched::{ConsumerRecord, Fetched};
use crate::session::metrics::consumer::Brought;
use crate::shell::network::Target;
use crate::shell::reply::Reply;
use ottla_wire::api::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_wire::api::{FetchRequest, FetchResponse};
use ottla_wire::{ErrorCode, Message, VersionRange};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A partition is asked again while the answers that wait are fewer than this.
const BUFFERED_ANSWERS_MAX: usize = 2;
/// The last version that names topics.
const BY_NAME: i16 = 12;

/// How long a closing consumer waits for a broker to hear of it.
const END_WAIT_MAX: Duration = Duration::from_secs(1);

/// What a leader answered, and to what.
pub(super) struct Answer {
    leader: i32,
    generation: u64,
    asked: BTreeMap<Place, i64>,
    reply: Result<Reply>,
    took_ms: f64,
}

/// Records that are given out next, all of one partition and one fetch.
pub(super) struct Ready {
    place: Place,
    fetch: u64,
    records: VecDeque<ConsumerRecord>,
    /// The offset behind the batches that they came from.
    behind: i64,
    given: Brought,
}

impl Consumer {
    /// Asks each leader that is not busy for what may be wanted next.
    pub(super) fn send_fetches(&mut self) {
        let cluster = self.network.cluster();
        let mut by_leader: BTreeMap<i32, BTreeMap<Place, Wanted>> = BTreeMap::new();
        for (place, reading) in &self.places {
            let (Some(from), Some((leader, epoch))) = (reading.fetch_from, cluster.leader(&place.0, place.1)) else {
                continue;
            };
            if reading.buffered < BUFFERED_ANSWERS_MAX && !self.asked.contains(&leader) {
                let bytes_max = self.config.max_partition_fetch_bytes;
                let wanted = Wanted { offset: from, leader_epoch: epoch, bytes_max };
                by_leader.entry(leader).or_default().insert(place.clone(), wanted);
            }
        }
        for (leader, wanted) in by_leader {
            self.asked.insert(leader);
            // A session remembers: what is not named is asked for all the same.
            let asked = wanted.iter().map(|(place, wanted)| (place.clone(), wanted.offset)).collect();
            let request_of = self.sessions.entry(leader).or_default().next(wanted);
            let network = Arc::clone(&self.network);
            let config = self.config.clone();
            let generation = self.generation;
            self.requests.spawn(async move {
                let known = <FetchRequest<'static> as Message>::VERSIONS;
                let versions = VersionRange::new(known.low, BY_NAME);
                let limit = config.client.request_timeout.max(config.fetch_max_wait * 2);
                let build = |version| request(&config, &request_of, version);
                let begun = Instant::now();
                let reply = network.ask_within(limit, Target::Node(leader), versions, build).await;
                let took_ms = begun.elapsed().as_millis() as f64;
                if reply.is_ok() {
                    network.took(leader, took_ms);
                }
                Answer { leader, generation, asked, reply, took_ms }
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
                self.sessions.entry(answer.leader).or_default().failed();
                tokio::time::sleep(self.config.client.retry_backoff).await;
                return self.relearn().await;
            }
            Err(error) => return Err(error),
        };
        let response: FetchResponse<'_> = reply.read()?;
        let (took_ms, throttle_ms) = (answer.took_ms, response.throttle_time_ms);
        self.feed(|own, metrics, now| own.answered(metrics, took_ms, throttle_ms, now));
        let partitions = response
            .responses
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|told| (&*topic.topic, told.partition_index)));
        let error = ErrorCode::from_code(response.error_code);
        let session = self.sessions.entry(answer.leader).or_default();
        let verdict = session.answered(error, response.session_id, &partitions.collect());
        match (verdict, error) {
            (Verdict::Take, _) => {}
            (
                Verdict::Again,
                ErrorCode::None
                | ErrorCode::FetchSessionIdNotFound
                | ErrorCode::InvalidFetchSessionEpoch
                | ErrorCode::FetchSessionTopicIdError,
            ) => return Ok(()),
            (Verdict::Again, error) => return Err(error.into()),
        }
        let fetch = self.fetches.begin(
            response
                .responses
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|told| (topic.topic.to_string(), told.partition_index))),
        );
        let mut without_records: Vec<Place> = Vec::new();
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
                without_records.push(place.clone());
                let Some(reading) = self.places.get_mut(&place) else { continue };
                let from_offset = answer.asked.get(&place).copied().unwrap_or_default();
                if reading.fetch_from != Some(from_offset) {
                    // It was moved meanwhile.
                    continue;
                }
                match ErrorCode::from_code(told.error_code) {
                    ErrorCode::None => {
                        let is_committed = self.config.is_read_committed;
                        reading.end = Some(if is_committed { told.last_stable_offset } else { told.high_watermark });
                        reading.log_start = (told.log_start_offset >= 0).then_some(told.log_start_offset);
                        let Some(records) = &told.records else { continue };
                        if records.is_empty() {
                            continue;
                        }
                        let aborted = self.config.is_read_committed.then(|| {
                            let list = told.aborted_transactions.as_deref().unwrap_or_default();
                            list.iter().map(|one| (one.producer_id, one.first_offset)).collect()
                        });
                        without_records.pop();
                        let fetched = Fetched {
                            place,
                            fetch,
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
        for place in without_records {
            self.read_out(fetch, &place, Brought::default());
        }
        if must_relearn {
            tokio::time::sleep(self.config.client.retry_backoff).await;
            self.relearn().await?;
        }
        Ok(())
    }

    /// The next records to be given out.
    pub(super) fn take_ready(&mut self) -> Result<Vec<ConsumerRecord>> {
        let mut ready = loop {
            if let Some(ready) = self.ready.take() {
                break ready;
            }
            let Some(fetched) = self.fetched.pop_front() else { return Ok(Vec::new()) };
            let records = fetched.records(&mut self.codecs).map_err(|error| {
                ClientError::Failed(format!(
                    "Record batch for partition {}-{} at offset {} is invalid, cause: {error}",
                    fetched.place.0, fetched.place.1, fetched.from_offset
                ))
            })?;
            let behind = fetched.next_offset();
            if let Some(reading) = self.places.get_mut(&fetched.place) {
                reading.buffered = reading.buffered.saturating_sub(1);
                if records.is_empty() {
                    // Only control records, or aborted ones: they count as read.
                    reading.position = Some(behind);
                }
            }
            let (place, fetch) = (fetched.place, fetched.fetch);
            if records.is_empty() {
                self.read_out(fetch, &place, Brought::default());
                continue;
            }
            break Ready { place, fetch, records, behind, given: Brought::default() };
        };
        let count = ready.records.len().min(self.config.max_poll_records);
        let records: Vec<_> = ready.records.drain(..count).collect();
        ready.given.records += records.len();
        ready.given.bytes += records.iter().map(|record| record.size_in_bytes).sum::<usize>();
        let is_read = ready.records.is_empty();
        if let (Some(reading), Some(last)) = (self.places.get_mut(&ready.place), records.last()) {
            // What follows the last record, such as a transaction's mark, is nothing that anybody would be given.
            reading.position = Some(if is_read { ready.behind } else { last.offset + 1 });
            reading.leader_epoch = last.leader_epoch;
        }
        self.tell_distance(&ready.place);
        if is_read {
            self.read_out(ready.fetch, &ready.place, ready.given);
        } else {
            self.ready = Some(ready);
        }
        Ok(records)
    }

    /// How far the partition's readers are from its ends.
    fn tell_distance(&self, place: &Place) {
        let Some(reading) = self.places.get(place) else { return };
        let Some(position) = reading.position else { return };
        let lag = reading.end.map(|end| (end - position).max(0));
        let lead = reading.log_start.map(|start| (position - start).max(0));
        self.feed(|own, metrics, now| own.stands_at(metrics, (&place.0, place.1), lag, lead, now));
    }

    /// A partition's part of a fetch was given out, or is thrown away.
    fn read_out(&mut self, fetch: u64, place: &Place, given: Brought) {
        let Self { fetches, meter, sensors, .. } = self;
        meter.with(|metrics, now| fetches.read(sensors, metrics, fetch, (&place.0, place.1), given, now));
    }

    /// Requests that are under way are given up: what the brokers have made of them is not known.
    pub(super) fn give_up_fetches(&mut self) {
        self.requests.abort_all();
        for leader in std::mem::take(&mut self.asked) {
            self.sessions.entry(leader).or_default().failed();
        }
    }

    /// Tells the brokers that they need not remember anything, as far as they can be told now.
    pub(super) async fn end_sessions(&mut self) {
        self.give_up_fetches();
        let known = <FetchRequest<'static> as Message>::VERSIONS;
        let versions = VersionRange::new(known.low, BY_NAME);
        for (leader, session) in std::mem::take(&mut self.sessions) {
            let Some(last) = session.last() else { continue };
            let build = |version| FetchRequest { max_wait_ms: 0, ..request(&self.config, &last, version) };
            // Else it forgets by itself, later.
            let _ = self.network.ask_within(END_WAIT_MAX, Target::Node(leader), versions, build).await;
        }
    }

    /// Throws away what was fetched of a partition and not given out.
    pub(super) fn forget_fetched(&mut self, place: &Place) {
        let (gone, kept) = std::mem::take(&mut self.fetched).into_iter().partition(|fetched| fetched.place == *place);
        self.fetched = kept;
        self.throw_away(gone);
        if let Some(ready) = self.ready.take_if(|ready| ready.place == *place) {
            self.read_out(ready.fetch, place, ready.given);
        }
        if let Some(reading) = self.places.get_mut(place) {
            *reading = Reading { buffered: 0, ..*reading };
        }
    }

    fn throw_away(&mut self, gone: VecDeque<Fetched>) {
        for fetched in gone {
            self.read_out(fetched.fetch, &fetched.place, Brought::default());
        }
    }
}

fn request<'a>(config: &ConsumerConfig, asked: &'a Asked, version: i16) -> FetchRequest<'a> {
    let mut topics: Vec<FetchTopic<'a>> = Vec::new();
    for ((topic, partition), wanted) in &asked.partitions {
        let wanted = FetchPartition {
            partition: *partition,
            current_leader_epoch: if version >= 9 { wanted.leader_epoch } else { -1 },
            fetch_offset: wanted.offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: wanted.bytes_max,
            ..Default::default()
        };
        match topics.last_mut() {
            Some(last) if last.topic == **topic => last.partitions.push(wanted),
            _ => topics.push(FetchTopic { topic: (&**topic).into(), partitions: vec![wanted], ..Default::default() }),
        }
    }
    let mut forgotten: Vec<ForgottenTopic<'a>> = Vec::new();
    for (topic, partition) in &asked.forgotten {
        match forgotten.last_mut() {
            Some(last) if last.topic == **topic => last.partitions.push(*partition),
            _ => forgotten.push(ForgottenTopic {
                topic: (&**topic).into(),
                partitions: vec![*partition],
                ..Default::default()
            }),
        }
    }
    FetchRequest {
        replica_id: -1,
        max_wait_ms: i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: config.fetch_min_bytes,
        max_bytes: config.fetch_max_bytes,
        isolation_level: i8::from(config.is_read_committed),
        // Before version 7 there are no sessions, and each request is a full one.
        session_id: if version >= 7 { asked.session_id } else { 0 },
        session_epoch: if version >= 7 { asked.session_epoch } else { -1 },
        topics,
        forgotten_topics_data: forgotten,
        ..Default::default()
    }
}
