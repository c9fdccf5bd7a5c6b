//! The task that sends: gathers what is ready for each leader, and settles each batch by its answer.

use super::{RecordMetadata, Shared, Ticket};
use crate::error::{ClientError, Result};
use crate::session::batches::{Batch, Place};
use crate::shell::network::{Target, Topics};
use crate::shell::reply::Reply;
use ottla_wire::api::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::api::{InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse};
use ottla_wire::batch::Codecs;
use ottla_wire::{ErrorCode, Message, VersionRange};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

impl Shared {
    /// The sending task: never ends by itself.
    pub(super) async fn run(self: Arc<Self>) {
        let mut codecs = Codecs::default();
        let mut requests = JoinSet::new();
        loop {
            let ready = self.ready.notified();
            self.give_up_late();
            if self.lock().batches.wants_identity() && !self.identify().await {
                // The task ended the batches, or will try again after a pause.
                continue;
            }
            self.dispatch(&mut codecs, &mut requests).await;
            let wake = self.lock().batches.poll_timeout();
            let pause = wake.map_or(Duration::from_secs(1), |wake| wake.saturating_since(self.now()));
            tokio::select! {
                () = ready => {}
                // A finished request may let the next batch of its partition go.
                Some(_) = requests.join_next(), if !requests.is_empty() => {}
                () = sleep(pause.max(Duration::from_micros(500))) => {}
            }
        }
    }

    fn give_up_late(&self) {
        let expired = self.lock().batches.expired(self.now());
        for batch in expired {
            let error = ClientError::TimedOut(format!(
                "Expiring {} record(s) for {}-{}:{} ms has passed since batch creation",
                batch.tickets.len(),
                batch.place.0,
                batch.place.1,
                self.config.limits.delivery_timeout.as_millis()
            ));
            self.tell(batch, &Err(error));
        }
    }

    /// Asks for a producer id; false if there is none yet.
    async fn identify(&self) -> bool {
        let request = |_| InitProducerIdRequest {
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let versions = <InitProducerIdRequest<'static> as Message>::VERSIONS;
        let asked = self.network.ask(Target::Any, versions, request).await.and_then(|reply| {
            let response: InitProducerIdResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            Ok((response.producer_id, response.producer_epoch))
        });
        match asked {
            Ok((producer_id, producer_epoch)) => {
                self.lock().batches.identify(producer_id, producer_epoch);
                true
            }
            Err(error) if error.is_transient() || matches!(error, ClientError::TimedOut(_)) => {
                sleep(self.config.client.retry_backoff).await;
                false
            }
            Err(error) => {
                let given_up = self.lock().batches.abandon();
                for batch in given_up {
                    self.tell(batch, &Err(error.clone()));
                }
                false
            }
        }
    }

    /// Sends each leader what is ready for it.
    async fn dispatch(self: &Arc<Self>, codecs: &mut Codecs, requests: &mut JoinSet<()>) {
        loop {
            let cluster = self.network.cluster();
            let batches = {
                let mut state = self.lock();
                let is_known = |place: &Place| cluster.leader(&place.0, place.1).is_some();
                state.batches.drain(self.now(), usize::MAX, codecs, is_known)
            };
            if batches.is_empty() {
                break;
            }
            let mut by_leader: BTreeMap<i32, Vec<Vec<Batch<Ticket>>>> = BTreeMap::new();
            for batch in batches {
                let Some((leader, _)) = cluster.leader(&batch.place.0, batch.place.1) else { continue };
                let groups = by_leader.entry(leader).or_default();
                let fits = |group: &Vec<Batch<Ticket>>| {
                    let bytes: usize = group.iter().map(|batch| batch.bytes.len()).sum();
                    bytes + batch.bytes.len() <= self.config.max_request_bytes
                };
                match groups.last_mut() {
                    Some(group) if fits(group) => group.push(batch),
                    _ => groups.push(vec![batch]),
                }
            }
            for (leader, groups) in by_leader {
                for group in groups {
                    self.send_group(leader, group, requests).await;
                }
            }
        }
        let is_unknown = {
            let cluster = self.network.cluster();
            let state = self.lock();
            state.batches.waiting().any(|place| cluster.leader(&place.0, place.1).is_none())
        };
        if is_unknown {
            self.relearn().await;
        }
    }

    /// The frame is written here, so that requests leave in the order of their batches; the answer is awaited elsewhere.
    async fn send_group(self: &Arc<Self>, leader: i32, batches: Vec<Batch<Ticket>>, requests: &mut JoinSet<()>) {
        let versions = <ProduceRequest<'static> as Message>::VERSIONS;
        // Later versions name topics by their ids, which an auto-created topic may not have in our picture yet.
        let versions = VersionRange::new(versions.low, 12);
        let acks = self.config.acks;
        let build = |_| produce_request(acks, self.config.client.request_timeout, &batches);
        let begun = Instant::now();
        let connection = self.network.connection(Target::Node(leader)).await;
        let sent = match connection {
            Err(error) => Err(error),
            Ok(connection) if acks == 0 => connection.send_unanswered(versions, build).await.map(|()| None),
            Ok(connection) => connection.send(versions, build).await.map(Some),
        };
        if sent.is_ok() {
            let at = self.now();
            self.feed(|own, metrics, now| own.sent(metrics, batches.iter().map(|batch| batch.as_sent(at)), now));
        }
        let limit = self.config.client.request_timeout;
        match sent {
            Ok(Some(pending)) => {
                let shared = Arc::clone(self);
                requests.spawn(async move {
                    let reply =
                        timeout(limit, pending.wait()).await.unwrap_or_else(|_| Err(ErrorCode::RequestTimedOut.into()));
                    let took_ms = begun.elapsed().as_millis() as f64;
                    if reply.is_ok() {
                        shared.network.took(leader, took_ms);
                    }
                    shared.settle(batches, reply, took_ms).await;
                });
            }
            Ok(None) => {
                for batch in batches {
                    self.lock().batches.acknowledged(&batch);
                    self.tell(batch, &Ok(None));
                }
            }
            Err(error) => self.settle(batches, Err(error), 0.0).await,
        }
    }

    /// Takes an answer, or what came instead of one.
    async fn settle(&self, batches: Vec<Batch<Ticket>>, reply: Result<Reply>, took_ms: f64) {
        let mut results = match &reply {
            Ok(reply) => read_results(reply).map(|(results, throttle_ms)| {
                self.feed(|own, metrics, now| own.answered(metrics, took_ms, throttle_ms, now));
                results
            }),
            Err(error) => Err(error.clone()),
        };
        let mut must_relearn = false;
        for batch in batches {
            let result = match &mut results {
                Ok(results) => results
                    .remove(&(batch.place.0.to_string(), batch.place.1))
                    .unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into())),
                Err(error) => Err(error.clone()),
            };
            match result {
                Ok(placed) => {
                    self.lock().batches.acknowledged(&batch);
                    self.tell(batch, &Ok(Some(placed)));
                }
                // The broker has had it before (KIP-98).
                Err(error) if error.code() == Some(ErrorCode::DuplicateSequenceNumber) => {
                    self.lock().batches.acknowledged(&batch);
                    self.tell(batch, &Ok(None));
                }
                Err(error) => {
                    let batch = match error.code() {
                        Some(ErrorCode::MessageTooLarge) => match self.split(batch, &error) {
                            None => continue,
                            Some(batch) => batch,
                        },
                        _ => batch,
                    };
                    let is_ahead = error.code() == Some(ErrorCode::OutOfOrderSequenceNumber)
                        && self.lock().batches.is_ahead(&batch);
                    let is_transient = may_be_sent_again(&error) || is_ahead;
                    must_relearn |= is_transient;
                    if is_transient {
                        tracing::warn!(
                            "[Producer clientId={}] Got error produce response on topic-partition {}-{}, retrying. Error: {error}",
                            self.config.client.client_id,
                            batch.place.0,
                            batch.place.1
                        );
                    }
                    let pause = self.config.client.retry_backoff;
                    let (topic, records) = (Arc::clone(&batch.place.0), batch.tickets.len());
                    let lost = self.lock().batches.failed(self.now(), batch, is_transient, pause);
                    if lost.is_none() {
                        self.feed(|own, metrics, now| own.retried(metrics, &topic, records, now));
                    }
                    if let Some(batch) = lost {
                        self.tell(batch, &Err(error));
                    }
                }
            }
        }
        if must_relearn {
            self.relearn().await;
        }
        self.ready.notify_one();
        self.settled.notify_waiters();
    }

    /// Sends a batch's records in smaller ones. Gives it back if it cannot be divided.
    fn split(&self, batch: Batch<Ticket>, error: &ClientError) -> Option<Batch<Ticket>> {
        let place = batch.place.clone();
        let back = self.lock().batches.split(batch);
        if back.is_some() {
            return back;
        }
        tracing::warn!(
            "[Producer clientId={}] Got error produce response on topic-partition {}-{}, splitting and retrying. Error: {error}",
            self.config.client.client_id,
            place.0,
            place.1
        );
        self.feed(|own, metrics, now| own.split(metrics, now));
        None
    }

    async fn relearn(&self) {
        let names: Vec<Arc<str>> = self.lock().batches.waiting().map(|(name, _)| Arc::clone(name)).collect();
        let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
        names.dedup();
        // If it fails, the next round tries again.
        let _ = self.network.refresh(Topics::NamedOrCreated(&names)).await;
        sleep(self.config.client.retry_backoff).await;
    }

    fn tell(&self, batch: Batch<Ticket>, result: &Result<Option<Placed>>) {
        let (topic, partition) = batch.place;
        if result.is_err() {
            self.feed(|own, metrics, now| own.failed(metrics, &topic, batch.tickets.len(), now));
        }
        for (ticket, nth) in batch.tickets.into_iter().zip(0..) {
            let told = result.clone().map(|placed| RecordMetadata {
                topic: Arc::clone(&topic),
                partition,
                offset: placed.map(|placed| placed.base_offset + nth),
                timestamp_ms: placed.and_then(|placed| placed.append_time_ms).unwrap_or(ticket.timestamp_ms),
            });
            (ticket.callback)(told);
        }
        self.settled.notify_waiters();
    }
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    base_offset: i64,
    append_time_ms: Option<i64>,
}

fn produce_request<'a>(acks: i16, limit: Duration, batches: &'a [Batch<Ticket>]) -> ProduceRequest<'a> {
    let mut topics: Vec<TopicProduceData<'a>> = Vec::new();
    for batch in batches {
        let data = PartitionProduceData {
            index: batch.place.1,
            records: Some(batch.bytes.as_slice().into()),
            ..Default::default()
        };
        match topics.iter_mut().find(|topic| topic.name == *batch.place.0) {
            Some(topic) => topic.partition_data.push(data),
            None => topics.push(TopicProduceData {
                name: (*batch.place.0).into(),
                partition_data: vec![data],
                ..Default::default()
            }),
        }
    }
    let timeout_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    ProduceRequest { acks, timeout_ms, topic_data: topics, ..Default::default() }
}

type Results = BTreeMap<(String, i32), Result<Placed>>;

/// What became of each batch, and for how long the broker holds this client back (KIP-219).
fn read_results(reply: &Reply) -> Result<(Results, i32)> {
    let response: ProduceResponse<'_> = reply.read()?;
    let mut results = Results::new();
    for topic in &response.responses {
        for partition in &topic.partition_responses {
            let result = ClientError::check(partition.error_code, partition.error_message.as_deref());
            let placed = Placed {
                base_offset: partition.base_offset,
                append_time_ms: (partition.log_append_time_ms >= 0).then_some(partition.log_append_time_ms),
            };
            results.insert((topic.name.to_string(), partition.index), result.map(|()| placed));
        }
    }
    Ok((results, response.throttle_time_ms))
}

fn may_be_sent_again(error: &ClientError) -> bool {
    error.is_transient()
        || matches!(
            error.code(),
            Some(
                ErrorCode::UnknownTopicOrPartition
                    | ErrorCode::NotEnoughReplicas
                    | ErrorCode::NotEnoughReplicasAfterAppend
                    | ErrorCode::KafkaStorageError
                    | ErrorCode::CorruptMessage
                    | ErrorCode::NetworkException
                    | ErrorCode::ThrottlingQuotaExceeded
            )
        )
}
