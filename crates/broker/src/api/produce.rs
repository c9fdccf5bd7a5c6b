//! Produce (3-13): v7 brings zstd, v8 tells which records were at fault (KIP-467), v10 who leads instead (KIP-951), v12
//! transactions of version 2, v13 topic ids.
//!
//! Checked in Kafka's order: the transactional id, topic ids, the right to write, whether the partition is there, the
//! shape of its records, acks. Every batch is appended before the next is looked at; with acks=0 nothing is answered,
//! but an error closes the connection so that the producer hears of it. What is to be acknowledged later waits in
//! `produce_wait.rs`.

use super::metadata::reachable_broker;
use super::produce_wait::{Unacknowledged, Waiting};
use super::throttle::{millis, took};
use crate::node::{Node, Published};
use crate::request::{Answer, Context, Worker};
use ottla_log::{AppendError, AppendOrigin, Appended, RecordError, RecordErrorReason};
use ottla_machine::Disk;
use ottla_metadata::controller::is_internal_topic;
use ottla_replica::{Partition, PartitionError, RequiredAcks};
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::api::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::api::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use ottla_wire::api::{ProduceRequest, ProduceResponse};
use ottla_wire::batch::{BatchError, Batches, Compression};
use ottla_wire::{ErrorCode, Uuid};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where a batch tells its format, and the one that is taken.
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;

/// The client of Kafka's own tools, which may write to internal topics.
const ADMIN_CLIENT: &str = "__admin_client";

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &ProduceRequest<'_>,
    worker: &mut Worker,
) -> Answer<D> {
    let published = node.published();
    let refused = refusal(node, context, request);
    let mut outcomes = Vec::with_capacity(request.topic_data.len());
    let mut failed = None;
    let mut waits = Vec::new();
    for topic in &request.topic_data {
        // By id from version 13, by name before.
        let known = match topic.topic_id.is_zero() {
            true => published.image.topics.named(&topic.name),
            false => published.image.topics.with_id(topic.topic_id),
        };
        let name = known.map_or(topic.name.as_ref(), |known| &*known.name);
        let by_id = !topic.topic_id.is_zero() || context.version >= 13;
        let error = match refused {
            Some(error) => Some(error),
            None if by_id && known.is_none() => Some(ErrorCode::UnknownTopicId),
            None if !context.may_to_topic(node, AclOperation::Write, name) => Some(ErrorCode::TopicAuthorizationFailed),
            None if known.is_none() => Some(ErrorCode::UnknownTopicOrPartition),
            None => None,
        };
        let append = Append { node, context, acks: request.acks, published: &published };
        let mut of_topic = Vec::with_capacity(topic.partition_data.len());
        for data in &topic.partition_data {
            let outcome = match error {
                Some(error) => Err(Refusal::of(error)),
                None => append.one(name, known.map_or(Uuid::ZERO, |known| known.id), data, worker),
            };
            let outcome = outcome.map(|(appended, partition)| {
                let place = (outcomes.len(), of_topic.len());
                waits.extend(Unacknowledged::new(partition, &appended, request.acks, place));
                appended
            });
            if let Err(refusal) = &outcome {
                failed = Some(refusal.code);
            }
            of_topic.push(describe(data.index, outcome));
        }
        outcomes.push(of_topic);
    }
    let topics = request.topic_data.iter().zip(outcomes);
    match (request.acks, failed) {
        (0, Some(error)) => Answer::Close(format!("a produce request with acks=0 failed: {}", error.name())),
        (0, None) => {
            let bytes = context.frame_bytes as f64;
            Answer::Silence { wait: node.quotas.produced.record(context, bytes, context.now.instant) }
        }
        _ if waits.is_empty() => {
            let responses = topics.map(|(topic, outcomes)| of_topic(topic.name.clone(), topic.topic_id, outcomes));
            answer(node, context, responses.collect(), None)
        }
        _ => {
            let name = |topic: &TopicProduceData<'_>| topic.name.to_string().into();
            let responses = topics.map(|(topic, outcomes)| of_topic(name(topic), topic.topic_id, outcomes));
            Waiting::park(context, responses.collect(), waits, request.timeout_ms)
        }
    }
}

fn of_topic<'a>(
    name: Cow<'a, str>,
    topic_id: Uuid,
    partition_responses: Vec<PartitionProduceResponse<'a>>,
) -> TopicProduceResponse<'a> {
    TopicProduceResponse { name, topic_id, partition_responses, ..Default::default() }
}

/// The answer; `spent` is the time that the request took so far, if it waited since.
pub(super) fn answer<D: Disk>(
    node: &Node<D>,
    context: &Context,
    mut responses: Vec<TopicProduceResponse<'_>>,
    spent: Option<Duration>,
) -> Answer<D> {
    let node_endpoints = name_leaders(context, &node.published(), &mut responses);
    let bytes = context.frame_bytes as f64;
    let wait = node.quotas.produced.record(context, bytes, context.now.instant).max(took(node, context, spent));
    let throttle_time_ms = millis(wait);
    let response = ProduceResponse { responses, throttle_time_ms, node_endpoints, ..Default::default() };
    context.reply_and_wait(&response, wait)
}

/// What keeps the whole request from being looked at.
fn refusal<D: Disk>(node: &Node<D>, context: &Context, request: &ProduceRequest<'_>) -> Option<ErrorCode> {
    let transactional = request.topic_data.iter().flat_map(|t| &t.partition_data).any(|data| {
        let bytes = data.records.as_ref().map_or(&[][..], |records| records.bytes());
        Batches::new(bytes).next().is_some_and(|b| b.is_ok_and(|b| b.header.attributes.is_transactional()))
    });
    if !transactional {
        return None;
    }
    let may = |id: &str| context.may(node, AclOperation::Write, ResourceType::TransactionalId, id);
    match &request.transactional_id {
        Some(id) if may(id) => None,
        _ => Some(ErrorCode::TransactionalIdAuthorizationFailed),
    }
}

struct Append<'a, D: Disk> {
    node: &'a Node<D>,
    context: &'a Context,
    acks: i16,
    published: &'a Published<D>,
}

/// Why a partition's batch was not appended.
struct Refusal {
    code: ErrorCode,
    message: Option<String>,
    records: Vec<BatchIndexAndErrorMessage<'static>>,
    log_start_offset: i64,
}

impl Refusal {
    fn of(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new(), log_start_offset: -1 }
    }

    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::of(code) }
    }
}

impl<D: Disk> Append<'_, D> {
    fn one(
        &self,
        topic: &str,
        topic_id: Uuid,
        data: &PartitionProduceData<'_>,
        worker: &mut Worker,
    ) -> Result<(Appended, &Arc<Partition<D>>), Refusal> {
        let records = data.records.as_ref().map_or(&[][..], |records| records.bytes());
        let partition = self.published.partition(topic_id, data.index);
        let exists =
            self.published.image.topics.with_id(topic_id).is_some_and(|t| t.partitions.contains_key(&data.index));
        if !exists {
            return Err(Refusal::of(ErrorCode::UnknownTopicOrPartition));
        }
        self.check_records(records)?;
        let Some(acks) = RequiredAcks::from_code(self.acks) else {
            return Err(Refusal::of(ErrorCode::InvalidRequiredAcks));
        };
        if is_internal_topic(topic) && self.context.client_id.as_deref() != Some(ADMIN_CLIENT) {
            let message = format!("Cannot append to internal topic {topic}");
            return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
        }
        // Known to the metadata but not here: its directory is offline.
        let Some(partition) = partition else { return Err(self.not_here(topic_id, data.index)) };
        let now = self.context.now.wall;
        let appended = partition.append(records, AppendOrigin::Client, acks, now, &mut worker.log);
        let appended = appended.map_err(|error| {
            if let PartitionError::Append(AppendError::Log(error)) = &error {
                self.node.directories.note(error);
            }
            refused(&error, partition)
        })?;
        self.node.committer.appended(partition, &appended);
        Ok((appended, partition))
    }

    fn not_here(&self, topic_id: Uuid, index: i32) -> Refusal {
        let topic = self.published.image.topics.with_id(topic_id);
        let known = topic.and_then(|t| t.partitions.get(&index));
        let is_ours = known.is_some_and(|partition| partition.replicas.contains(&self.node.id));
        Refusal::of(if is_ours { ErrorCode::KafkaStorageError } else { ErrorCode::NotLeaderOrFollower })
    }

    /// Exactly one batch, of the newest format, in a codec that this version knows.
    fn check_records(&self, records: &[u8]) -> Result<(), Refusal> {
        let version = self.context.version;
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRecord, message));
        // Older formats are refused before anything else of them is looked at; one that nobody knows is a broken batch.
        if records.get(MAGIC_AT).is_some_and(|magic| (0..MAGIC).contains(magic)) {
            return invalid(format!(
                "Produce requests with version {version} are only allowed to contain record batches with magic version 2"
            ));
        }
        let mut batches = Batches::new(records);
        let first = match batches.next() {
            None => {
                return invalid(format!(
                    "Produce requests with version {version} must have at least one record batch per partition"
                ));
            }
            Some(Err(BatchError::UnsupportedMagic(0 | 1))) => {
                return invalid(format!(
                    "Produce requests with version {version} are only allowed to contain record batches with magic version 2"
                ));
            }
            // What else cannot be read is for the log to say.
            Some(Err(_)) => return Ok(()),
            Some(Ok(batch)) => batch,
        };
        if version < 7 && first.header.attributes.compression() == Ok(Compression::Zstd) {
            return Err(Refusal::new(
                ErrorCode::UnsupportedCompressionType,
                format!("Produce requests with version {version} are not allowed to use ZStandard compression"),
            ));
        }
        if batches.next().is_some() {
            return invalid(format!(
                "Produce requests with version {version} are only allowed to contain exactly one record batch per partition"
            ));
        }
        Ok(())
    }
}

fn refused<D: Disk>(error: &PartitionError, partition: &Arc<Partition<D>>) -> Refusal {
    let mut refusal = Refusal::of(error.code());
    if let PartitionError::Append(append) = error {
        if matches!(append, AppendError::Log(_)) {
            tracing::error!("{}-{}: {append}", partition.topic, partition.index);
        }
        refusal.message = match append {
            AppendError::InvalidTimestamps(_) => {
                Some("One or more records have been rejected due to invalid timestamp".to_owned())
            }
            AppendError::InvalidRecords(errors) => Some(rejected(errors, partition)),
            AppendError::InvalidRecord(_) | AppendError::Batch(_) => Some(append.to_string()),
            _ => None,
        };
        let record = |error: &ottla_log::RecordError| BatchIndexAndErrorMessage {
            batch_index: error.batch_index,
            batch_index_error_message: Some(reason(error, partition).into()),
            ..Default::default()
        };
        refusal.records = append.record_errors().iter().map(record).collect();
        if !refusal.records.is_empty() || matches!(append, AppendError::InvalidRecord(_)) {
            refusal.log_start_offset = partition.log().log_start_offset().0;
        }
    }
    refusal
}

/// How many records a message names; the response holds them all.
const RECORDS_NAMED_MAX: usize = 3;

fn rejected<D: Disk>(errors: &[RecordError], partition: &Partition<D>) -> String {
    let named = errors.iter().take(RECORDS_NAMED_MAX);
    let named = named.map(|e| format!("RecordError(batchIndex={}, message='{}')", e.batch_index, reason(e, partition)));
    let named = named.collect::<Vec<_>>().join(", ");
    format!(
        "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{named}]",
        errors.len()
    )
}

fn reason<D: Disk>(error: &RecordError, partition: &Partition<D>) -> String {
    match error.reason {
        RecordErrorReason::MissingKey => format!(
            "Compacted topic cannot accept message without key in topic partition {}-{}",
            partition.topic, partition.index
        ),
        RecordErrorReason::TimestampOutOfRange { timestamp, min, max } => format!(
            "Timestamp {timestamp} of message with offset {} is out of range. The timestamp should be within [{min}, {max}]",
            error.batch_index
        ),
        RecordErrorReason::LogAppendTimeFromProducer => error.reason.to_string(),
    }
}

fn describe(index: i32, outcome: Result<Appended, Refusal>) -> PartitionProduceResponse<'static> {
    match outcome {
        Ok(appended) => PartitionProduceResponse {
            index,
            base_offset: appended.first_offset.0,
            log_append_time_ms: appended.log_append_time.0,
            log_start_offset: appended.log_start_offset.0,
            ..Default::default()
        },
        Err(refusal) => PartitionProduceResponse {
            index,
            error_code: refusal.code.into(),
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: refusal.log_start_offset,
            record_errors: refusal.records,
            error_message: refusal.message.map(Into::into),
            ..Default::default()
        },
    }
}

/// From version 10 on a producer at the wrong broker hears at once who leads.
fn name_leaders<D: Disk>(
    context: &Context,
    published: &Published<D>,
    responses: &mut [TopicProduceResponse<'_>],
) -> Vec<NodeEndpoint<'static>> {
    if context.version < 10 {
        return Vec::new();
    }
    let mut endpoints = BTreeMap::new();
    for topic in responses {
        for response in &mut topic.partition_responses {
            if response.error_code != ErrorCode::NotLeaderOrFollower.code() {
                continue;
            }
            let known = match topic.topic_id.is_zero() {
                true => published.image.topics.named(&topic.name),
                false => published.image.topics.with_id(topic.topic_id),
            };
            let Some(partition) = known.and_then(|t| t.partitions.get(&response.index)) else { continue };
            let (leader_id, leader_epoch) = (partition.leader, partition.leader_epoch);
            response.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
            if let Some((broker, endpoint)) = reachable_broker(context, &published.image, leader_id) {
                let endpoint = NodeEndpoint {
                    node_id: broker.id,
                    host: endpoint.host.clone().into(),
                    port: endpoint.port.into(),
                    rack: broker.rack.clone().map(Into::into),
                    ..Default::default()
                };
                endpoints.insert(broker.id, endpoint);
            }
        }
    }
    endpoints.into_values().collect()
}
