//! Fetch (4-18): v7 brings sessions (KIP-227), v9 and v12 leader epochs and divergence, v11 racks, v13 topic ids, v15 to v17
//! what followers say of themselves, v16 who leads instead (KIP-951), v18 the follower's high watermark (KIP-1166).
//!
//! A fetch that finds less than `min.bytes` waits for more, up to `max.wait.ms`; an error anywhere ends the wait. Record
//! data is never copied: the answer names ranges of files. The first partition that has data ignores the size limits, so
//! that a batch larger than they are can be read at all.

use super::metadata::reachable_broker;
use super::throttle::{NOT_THROTTLED_MS, millis, took};
use crate::node::{Node, Published, lock};
use crate::request::{Answer, Context, Now, Parked, Reply, Worker};
use ottla_log::{FetchedSlice, MinOneBatch, ReadBound, ReadError};
use ottla_machine::{Disk, Instant, LeaderEpoch, Offset};
use ottla_replica::{
    CachedPartition, FetchContext, FetchKind, FetchPartition, FetchTopic, Partition, PartitionAnswer, PartitionError,
    SessionError, Wake,
};
use ottla_security::AclOperation;
use ottla_wire::api::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use ottla_wire::api::{FetchRequest, FetchResponse};
use ottla_wire::{Encode, ErrorCode, Records, Uuid};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The sizes that a fetch keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FetchLimits {
    min_bytes: usize,
    max_bytes: usize,
    bound: ReadBound,
}

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &FetchRequest<'_>) -> Answer<D> {
    let replica_id = if context.version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    // Followers come with the cluster: nobody else holds a replica yet.
    if replica_id >= 0 {
        return context.reply(&failed(ErrorCode::NotLeaderOrFollower, 0));
    }
    let uses_ids = context.version >= 13;
    let topic = |name: &str, id: Uuid| if uses_ids { FetchTopic::Id(id) } else { FetchTopic::Name(name.into()) };
    let mut named = Vec::new();
    for asked in &request.topics {
        for p in &asked.partitions {
            let partition = FetchPartition {
                current_leader_epoch: p.current_leader_epoch,
                fetch_offset: p.fetch_offset,
                last_fetched_epoch: p.last_fetched_epoch,
                log_start_offset: p.log_start_offset,
                max_bytes: p.partition_max_bytes,
            };
            named.push((topic(&asked.topic, asked.topic_id), p.partition, partition));
        }
    }
    let forgotten: Vec<(FetchTopic, i32)> = request
        .forgotten_topics_data
        .iter()
        .flat_map(|t| t.partitions.iter().map(|index| (topic(&t.topic, t.topic_id), *index)))
        .collect();
    let kind = FetchKind::new(request.session_id, request.session_epoch);
    let begun = lock(&node.sessions).begin(context.now.instant, kind, uses_ids, false, named, &forgotten);
    let session = match begun {
        Ok(session) => session,
        Err(error) => return refuse(node, context, error),
    };
    let bound = if request.isolation_level == 1 { ReadBound::LastStableOffset } else { ReadBound::HighWatermark };
    let positive = |value: i32| usize::try_from(value).unwrap_or(0);
    let limits = FetchLimits {
        min_bytes: positive(request.min_bytes),
        max_bytes: positive(request.max_bytes).min(node.settings().fetch_max_bytes).min(burst(node, context)),
        bound,
    };
    let limits = FetchLimits { min_bytes: limits.min_bytes.min(limits.max_bytes), ..limits };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let mut fetch = Fetch {
        context: context.clone(),
        session,
        limits,
        deadline: context.now.instant + wait,
        spent: None,
        waker: Arc::clone(&context.connection.waker),
    };
    let answers = fetch.read(node);
    if wait.is_zero() || fetch.session.partitions.is_empty() || answers.enough(&limits) {
        return fetch.answer(node, context.now, answers);
    }
    fetch.spent = node.quotas.requested.is_set().then(|| context.spent());
    fetch.register(node);
    // What came between the look and the registration woke nobody.
    match fetch.resume(node, context.now, &mut Worker::default()) {
        Some(answer) => answer,
        None => Answer::Parked(Box::new(fetch)),
    }
}

/// What the client may be sent at once without waiting afterwards: more would make it wait for ever.
fn burst<D: Disk>(node: &Node<D>, context: &Context) -> usize {
    let (user, client) = context.taker();
    let burst = node.quotas.fetched.ask(|quota| quota.burst(user, client)).flatten();
    burst.map_or(usize::MAX, |bytes| bytes as usize)
}

/// The answer to a fetch whose session cannot be gone on with. It took its time as well.
fn refuse<D: Disk>(node: &Node<D>, context: &Context, error: SessionError) -> Answer<D> {
    let wait = took(node, context, None);
    let response = FetchResponse { throttle_time_ms: millis(wait), ..failed(error.code(), 0) };
    context.reply_and_wait(&response, wait)
}

fn failed(error: ErrorCode, session_id: i32) -> FetchResponse<'static> {
    FetchResponse { error_code: error.into(), session_id, ..Default::default() }
}

struct Fetch {
    context: Context,
    session: FetchContext,
    limits: FetchLimits,
    deadline: Instant,
    /// The time that it took before it waited, where that is counted.
    spent: Option<Duration>,
    waker: Arc<dyn Wake>,
}

/// What was found for each partition, in the session's order.
struct Answers<D: Disk> {
    each: Vec<Found<D>>,
    bytes: usize,
    /// Something that must be told at once.
    urgent: bool,
}

impl<D: Disk> Answers<D> {
    fn enough(&self, limits: &FetchLimits) -> bool {
        self.urgent || self.bytes >= limits.min_bytes
    }
}

enum Found<D: Disk> {
    Slice {
        slice: FetchedSlice<D::File>,
        diverging: Option<EpochEndOffset<'static>>,
    },
    /// The client may not read it, or it is not here.
    NotHere(ErrorCode),
    /// It is here, but has nothing to give to this request. `leader`, with its epoch, is told to a client that has
    /// another one in mind.
    Refused {
        code: ErrorCode,
        leader: Option<(i32, i32)>,
    },
}

impl Fetch {
    /// Reads every partition, as far as the sizes allow. Nothing is waited for.
    fn read<D: Disk>(&self, node: &Node<D>) -> Answers<D> {
        let published = node.published();
        let mut left = self.limits.max_bytes;
        let mut answers = Answers { each: Vec::with_capacity(self.session.partitions.len()), bytes: 0, urgent: false };
        let mut min_one = MinOneBatch::Yes;
        for asked in &self.session.partitions {
            let found = self.read_one(node, &published, asked, left, min_one);
            if let Found::Slice { slice, diverging } = &found {
                answers.bytes += slice.length;
                left = left.saturating_sub(slice.length);
                if slice.length > 0 {
                    min_one = MinOneBatch::No;
                }
                answers.urgent |= diverging.is_some();
            } else {
                answers.urgent = true;
            }
            answers.each.push(found);
        }
        answers
    }

    fn read_one<D: Disk>(
        &self,
        node: &Node<D>,
        published: &Published<D>,
        asked: &CachedPartition,
        left: usize,
        min_one: MinOneBatch,
    ) -> Found<D> {
        let partition = match self.find(node, published, asked) {
            Ok(partition) => partition,
            Err(code) => return Found::NotHere(code),
        };
        if let Err(error) = partition.check_leader(asked.request.current_leader_epoch) {
            let known = partition.leadership();
            // Below version 16 a client cannot hear who leads instead, and asks for the metadata.
            let told = self.context.version >= 16
                && matches!(error, PartitionError::NotLeader | PartitionError::FencedLeaderEpoch);
            let leader = told.then_some((known.leader, known.leader_epoch));
            return Found::Refused { code: error.code(), leader };
        }
        let log = partition.log();
        let request = &asked.request;
        let mut diverging = None;
        if request.last_fetched_epoch >= 0 && request.fetch_offset >= log.log_start_offset().0 {
            // An epoch that this log has never heard of: the client's log is not a copy of this one.
            let Some(end) = log.end_offset_for_epoch(LeaderEpoch(request.last_fetched_epoch)) else {
                return Found::Refused { code: ErrorCode::OffsetOutOfRange, leader: None };
            };
            let (epoch, end_offset) = (end.epoch.0, end.end_offset.0);
            if epoch < request.last_fetched_epoch || end_offset < request.fetch_offset {
                diverging = Some(EpochEndOffset { epoch, end_offset, ..Default::default() });
            }
        }
        let max_bytes = left.min(usize::try_from(request.max_bytes).unwrap_or(0));
        let max_bytes = if diverging.is_some() { 0 } else { max_bytes };
        let min_one = if diverging.is_some() { MinOneBatch::No } else { min_one };
        match partition.read(Offset(request.fetch_offset), max_bytes, self.limits.bound, min_one) {
            Ok(mut slice) => {
                // A batch that is cut off is of no use to a client, and a follower's first must be whole.
                if slice.first_entry_incomplete {
                    slice.length = 0;
                    slice.file = None;
                }
                Found::Slice { slice, diverging }
            }
            Err(error) => {
                let code = ErrorCode::from_code(error.error_code());
                if let ReadError::Log(error) = &error {
                    node.directories.note(error);
                }
                if code == ErrorCode::KafkaStorageError {
                    tracing::error!("{}-{} cannot be read: {error}", partition.topic, partition.index);
                }
                Found::Refused { code, leader: None }
            }
        }
    }

    fn find<'p, D: Disk>(
        &self,
        node: &Node<D>,
        published: &'p Published<D>,
        asked: &CachedPartition,
    ) -> Result<&'p Arc<Partition<D>>, ErrorCode> {
        let topic = match &asked.topic {
            FetchTopic::Name(name) => {
                if !self.context.may_to_topic(node, AclOperation::Read, name) {
                    return Err(ErrorCode::TopicAuthorizationFailed);
                }
                published.image.topics.named(name).ok_or(ErrorCode::UnknownTopicOrPartition)?
            }
            FetchTopic::Id(id) => {
                let topic = published.image.topics.with_id(*id).ok_or(ErrorCode::UnknownTopicId)?;
                if !self.context.may_to_topic(node, AclOperation::Read, &topic.name) {
                    return Err(ErrorCode::TopicAuthorizationFailed);
                }
                topic
            }
        };
        if !topic.partitions.contains_key(&asked.index) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        published.partition(topic.id, asked.index).ok_or(ErrorCode::KafkaStorageError)
    }

    fn register<D: Disk>(&self, node: &Node<D>) {
        let published = node.published();
        for asked in &self.session.partitions {
            if let Ok(partition) = self.find(node, &published, asked) {
                partition.wait(&self.waker);
            }
        }
    }

    /// Writes the answer: what each partition says, and where its records lie.
    fn answer<D: Disk>(&self, node: &Node<D>, now: Now, answers: Answers<D>) -> Answer<D> {
        let summaries: Vec<PartitionAnswer> = answers.each.iter().map(summary).collect();
        let wait = self.count(node, now, &summaries);
        if !wait.is_zero() {
            return self.empty(node, wait);
        }
        let finished = {
            let mut sessions = lock(&node.sessions);
            sessions.finish(now.instant, &self.session, &summaries, || (node.draw() & 0x7fff_ffff) as i32)
        };
        let (session_id, told) = match finished {
            Ok(finished) => finished,
            Err(error) => return self.context.reply(&failed(SessionError::code(error), 0)),
        };
        let mut topics: Vec<FetchableTopicResponse<'_>> = Vec::new();
        let mut slices = Vec::new();
        let mut leaders = BTreeSet::new();
        for ((asked, found), told) in self.session.partitions.iter().zip(answers.each).zip(told) {
            if !told {
                continue;
            }
            if let Found::Refused { leader: Some((id, _)), .. } = &found {
                leaders.insert(*id);
            }
            let data = describe(asked.index, found, &mut slices);
            let (name, id) = match &asked.topic {
                FetchTopic::Name(name) => (&**name, Uuid::ZERO),
                FetchTopic::Id(id) => ("", *id),
            };
            match topics.last_mut() {
                Some(last) if last.topic == name && last.topic_id == id => last.partitions.push(data),
                _ => topics.push(FetchableTopicResponse {
                    topic: name.into(),
                    topic_id: id,
                    partitions: vec![data],
                    ..Default::default()
                }),
            }
        }
        let response = FetchResponse {
            throttle_time_ms: NOT_THROTTLED_MS,
            session_id,
            responses: topics,
            node_endpoints: self.endpoints(node, &leaders),
            ..Default::default()
        };
        self.send(&response, slices)
    }

    /// Counts what is to be sent; how long the client is to wait. Who must wait is sent nothing, which is not counted.
    fn count<D: Disk>(&self, node: &Node<D>, now: Now, summaries: &[PartitionAnswer]) -> Duration {
        let wait = took(node, &self.context, self.spent);
        if !node.quotas.fetched.is_set() {
            return wait;
        }
        let bytes = lock(&node.sessions).told_bytes(&self.session, summaries) as f64;
        let wait = node.quotas.fetched.record(&self.context, bytes, now.instant).max(wait);
        if !wait.is_zero() {
            let (user, client) = self.context.taker();
            node.quotas.fetched.ask(|quota| quota.unrecord(user, client, bytes, now.instant));
        }
        wait
    }

    /// The answer to a client that is to wait first. Its session is as it was.
    fn empty<D: Disk>(&self, node: &Node<D>, wait: Duration) -> Answer<D> {
        let session_id = match lock(&node.sessions).check(&self.session) {
            Ok(()) => self.session.session_id(),
            Err(error) => return self.context.reply(&failed(SessionError::code(error), 0)),
        };
        let response = FetchResponse { throttle_time_ms: millis(wait), session_id, ..Default::default() };
        self.context.reply_and_wait(&response, wait)
    }

    /// Where the leaders that are named can be reached, so that the client need not ask.
    fn endpoints<D: Disk>(&self, node: &Node<D>, leaders: &BTreeSet<i32>) -> Vec<NodeEndpoint<'static>> {
        let published = node.published();
        let reachable = |id| reachable_broker(&self.context, &published.image, id);
        let named = leaders.iter().filter_map(|id| reachable(*id));
        named
            .map(|(broker, endpoint)| NodeEndpoint {
                node_id: broker.id,
                host: endpoint.host.clone().into(),
                port: endpoint.port.into(),
                rack: broker.rack.clone().map(Into::into),
                ..Default::default()
            })
            .collect()
    }

    fn send<D: Disk>(&self, response: &FetchResponse<'_>, slices: Vec<FetchedSlice<D::File>>) -> Answer<D> {
        let mut writer = self.context.begin_reply();
        let written = response.encode(&mut writer, self.context.version).and_then(|()| writer.patch_frame_length(0));
        if let Err(error) = written {
            return Answer::Close(format!("the answer to Fetch cannot be written: {error}"));
        }
        let (bytes, splices) = writer.into_parts();
        let mut slices: Vec<Option<FetchedSlice<D::File>>> = slices.into_iter().map(Some).collect();
        let place = |splice: &ottla_wire::Splice| Some((splice.at, slices.get_mut(splice.token as usize)?.take()?));
        let slices = splices.iter().filter_map(place).collect();
        Answer::Reply(Reply { bytes, slices, wait: Duration::ZERO })
    }
}

impl<D: Disk> Parked<D> for Fetch {
    fn resume(&mut self, node: &Node<D>, now: Now, _worker: &mut Worker) -> Option<Answer<D>> {
        let answers = self.read(node);
        if answers.enough(&self.limits) || now.instant >= self.deadline {
            return Some(self.answer(node, now, answers));
        }
        None
    }

    fn wait_again(&mut self, node: &Node<D>) {
        self.register(node);
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}

fn summary<D: Disk>(found: &Found<D>) -> PartitionAnswer {
    match found {
        Found::Slice { slice, diverging } => PartitionAnswer {
            error: ErrorCode::None,
            records_bytes: slice.length,
            high_watermark: slice.offsets.high_watermark.0,
            log_start_offset: slice.offsets.log_start_offset.0,
            redirects: diverging.is_some(),
        },
        Found::NotHere(code) | Found::Refused { code, .. } => PartitionAnswer {
            error: *code,
            records_bytes: 0,
            high_watermark: -1,
            log_start_offset: -1,
            redirects: false,
        },
    }
}

fn describe<D: Disk>(index: i32, found: Found<D>, slices: &mut Vec<FetchedSlice<D::File>>) -> PartitionData<'static> {
    match found {
        Found::NotHere(code) => PartitionData {
            partition_index: index,
            error_code: code.into(),
            high_watermark: -1,
            aborted_transactions: Some(Vec::new()),
            records: Some(Records::default()),
            ..Default::default()
        },
        Found::Refused { code, leader } => PartitionData {
            partition_index: index,
            error_code: code.into(),
            high_watermark: -1,
            records: Some(Records::default()),
            current_leader: leader
                .map(|(leader_id, leader_epoch)| LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() })
                .unwrap_or_default(),
            ..Default::default()
        },
        Found::Slice { slice, diverging } => {
            let aborted = |t: &ottla_log::AbortedTransaction| AbortedTransaction {
                producer_id: t.producer_id.0,
                first_offset: t.first_offset.0,
                ..Default::default()
            };
            let records = Records::Elsewhere {
                len: u32::try_from(slice.length).unwrap_or(u32::MAX),
                token: u32::try_from(slices.len()).unwrap_or(u32::MAX),
            };
            let data = PartitionData {
                partition_index: index,
                high_watermark: slice.offsets.high_watermark.0,
                last_stable_offset: slice.offsets.last_stable_offset.0,
                log_start_offset: slice.offsets.log_start_offset.0,
                aborted_transactions: slice
                    .aborted_transactions
                    .as_ref()
                    .map(|list| list.iter().map(aborted).collect()),
                diverging_epoch: diverging.unwrap_or_default(),
                records: Some(records),
                ..Default::default()
            };
            slices.push(slice);
            data
        }
    }
}
