//! Membership in a group by the classic protocol: find the coordinator, join, divide the partitions if this member leads,
//! and keep telling that it lives.

use super::{Consumer, Subscription};
use crate::config::{ConsumerConfig, GroupConfig};
use crate::error::{ClientError, Result};
use crate::session::assignors::{
    Assignor, Member, Partitions, decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use crate::session::metrics::consumer::{ConsumerMetrics, Standing};
use crate::shell::meter::Meter;
use crate::shell::network::{Network, Target, Topics, Versions};
use ottla_wire::ErrorCode;
use ottla_wire::api::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::api::leave_group_request::MemberIdentity;
use ottla_wire::api::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::api::{
    FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest, SyncGroupResponse,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI16, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A member, from its first join until it leaves.
pub(super) struct Membership {
    group: GroupConfig,
    coordinator: Option<i32>,
    member_id: String,
    generation: Option<i32>,
    /// The round that is under way.
    joining: Option<JoinHandle<Result<Joined>>>,
    heart: Option<Heart>,
    /// As leader: the partitions of each topic that the division was made from.
    divided: Option<BTreeMap<String, i32>>,
    topics: Vec<String>,
    last_commit: Instant,
    /// When the round that is under way began, and when the last one ended well, by the metrics' clock.
    round_begun_ms: i64,
    last_round_ms: Option<i64>,
}

/// Who commits.
pub(super) struct Identity {
    pub(super) group_id: String,
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) generation: i32,
}

/// How a round ended well.
struct Joined {
    coordinator: i32,
    member_id: String,
    generation: i32,
    assigned: Partitions,
    divided: Option<BTreeMap<String, i32>>,
}

/// The task that sends heartbeats, and what it has heard.
struct Heart {
    task: JoinHandle<()>,
    heard: Arc<Heard>,
}

/// For the time of a heartbeat that was not sent yet.
const NEVER: i64 = -1;

struct Heard {
    /// When the last heartbeat was sent, by the metrics' clock.
    last_ms: AtomicI64,
    /// The error code that ended the heartbeats; 0 while all is well.
    code: AtomicI16,
    changed: Notify,
}

impl Membership {
    fn new(group: GroupConfig) -> Self {
        Self {
            group,
            coordinator: None,
            member_id: String::new(),
            generation: None,
            joining: None,
            heart: None,
            divided: None,
            topics: Vec::new(),
            last_commit: Instant::now(),
            round_begun_ms: 0,
            last_round_ms: None,
        }
    }

    /// What the metrics tell of it.
    pub(super) fn stand(&self, standing: &mut Standing, now_ms: i64) {
        standing.last_rebalance_ms = self.last_round_ms.map(|at| now_ms - at);
        let last = self.heart.as_ref().map_or(NEVER, |heart| heart.heard.last_ms.load(Ordering::Relaxed));
        standing.last_heartbeat_ms = (last != NEVER).then(|| now_ms - last);
    }

    pub(super) fn group_id(&self) -> &str {
        &self.group.id
    }

    pub(super) const fn coordinator(&self) -> Option<i32> {
        self.coordinator
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        Some(Identity {
            group_id: self.group.id.clone(),
            member_id: self.member_id.clone(),
            instance_id: self.group.instance_id.clone(),
            generation: self.generation?,
        })
    }

    pub(super) fn commit_is_due(&mut self, interval: Duration) -> bool {
        let is_due = self.generation.is_some() && self.last_commit.elapsed() >= interval;
        if is_due {
            self.last_commit = Instant::now();
        }
        is_due
    }

    /// Ends when the coordinator wants something, or the round that is under way may be over.
    pub(super) fn disturbed(&self) -> impl Future<Output = ()> + use<> {
        let heard = self.heart.as_ref().map(|heart| Arc::clone(&heart.heard));
        async move {
            match heard {
                Some(heard) => heard.changed.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    fn stop_heart(&mut self) {
        if let Some(heart) = self.heart.take() {
            heart.task.abort();
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.stop_heart();
        if let Some(joining) = &self.joining {
            joining.abort();
        }
    }
}

impl Consumer {
    /// Joins, or joins again when the group or the topics have changed.
    pub(super) async fn keep_membership(&mut self) -> Result<()> {
        let Some(group) = self.config.group.clone() else { return Ok(()) };
        let topics = self.wanted_topics(&self.network.cluster());
        if topics.is_empty() {
            return Ok(());
        }
        let membership = self.membership.get_or_insert_with(|| Membership::new(group));
        if membership.joining.is_none() {
            let code = membership.heart.as_ref().map_or(0, |heart| heart.heard.code.load(Ordering::Acquire));
            let has_grown =
                membership.divided.as_ref().is_some_and(|divided| *divided != counts(&self.network, &topics));
            if membership.generation.is_some() && code == 0 && membership.topics == topics && !has_grown {
                return Ok(());
            }
            self.rejoin(ErrorCode::from_code(code), topics).await?;
        }
        self.finish_round().await
    }

    /// Gives up what it has, and begins a round.
    async fn rejoin(&mut self, why: ErrorCode, topics: Vec<String>) -> Result<()> {
        if why == ErrorCode::FencedInstanceId {
            return Err(why.into());
        }
        let commits = self.config.group.as_ref().is_some_and(|group| group.auto_commit.is_some());
        if commits && matches!(why, ErrorCode::None | ErrorCode::RebalanceInProgress) {
            self.commit_given().await?;
        }
        self.drop_assignment();
        let Some(membership) = &mut self.membership else { return Ok(()) };
        membership.stop_heart();
        if matches!(why, ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) {
            membership.member_id.clear();
        }
        membership.generation = None;
        membership.topics.clone_from(&topics);
        let round = Round {
            network: Arc::clone(&self.network),
            config: self.config.clone(),
            group: membership.group.clone(),
            member_id: membership.member_id.clone(),
            topics,
            is_pattern: matches!(self.subscription, Subscription::Matching(_)),
            meter: Arc::clone(&self.meter),
            sensors: self.sensors,
        };
        membership.round_begun_ms = self.meter.now_ms();
        membership.joining = Some(tokio::spawn(round.run()));
        Ok(())
    }

    /// Waits for the round; if it is interrupted, the next poll goes on waiting.
    async fn finish_round(&mut self) -> Result<()> {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        let Some(joining) = &mut membership.joining else { return Ok(()) };
        let joined = joining.await;
        membership.joining = None;
        let joined = joined.map_err(|error| ClientError::Failed(format!("joining the group failed: {error}")))??;
        membership.coordinator = Some(joined.coordinator);
        membership.member_id.clone_from(&joined.member_id);
        membership.generation = Some(joined.generation);
        membership.divided = joined.divided;
        membership.last_commit = Instant::now();
        let heard = Arc::new(Heard { last_ms: AtomicI64::new(NEVER), code: AtomicI16::new(0), changed: Notify::new() });
        let now_ms = self.meter.now_ms();
        let round_ms = (now_ms - membership.round_begun_ms) as f64;
        membership.last_round_ms = Some(now_ms);
        let task = tokio::spawn(beat(
            Arc::clone(&self.network),
            joined.coordinator,
            membership.group.clone(),
            joined.member_id,
            joined.generation,
            Arc::clone(&heard),
            (Arc::clone(&self.meter), self.sensors),
        ));
        membership.heart = Some(Heart { task, heard });
        self.feed(|own, metrics, now| own.rebalanced(metrics, round_ms, now));
        self.take_assignment(&joined.assigned);
        Ok(())
    }

    /// A commit has learned that the group goes on without this generation.
    pub(super) fn disturb(&mut self) {
        if let Some(heart) = self.membership.as_ref().and_then(|membership| membership.heart.as_ref()) {
            heart.heard.tell(ErrorCode::RebalanceInProgress);
        }
    }

    /// The coordinator has moved: the next round looks for it.
    pub(super) fn lose_coordinator(&mut self) {
        self.disturb();
    }

    /// A member without a fixed name says goodbye, so that the others need not wait for it.
    pub(super) async fn leave(&mut self) {
        let Some(membership) = &mut self.membership else { return };
        membership.stop_heart();
        if let Some(joining) = membership.joining.take() {
            joining.abort();
        }
        let Some(coordinator) = membership.coordinator.filter(|_| membership.group.instance_id.is_none()) else {
            return;
        };
        let (group_id, member_id) = (membership.group.id.clone(), membership.member_id.clone());
        let request = |version: i16| {
            let mut request = LeaveGroupRequest { group_id: group_id.as_str().into(), ..Default::default() };
            if version >= 3 {
                request.members = vec![MemberIdentity {
                    member_id: member_id.as_str().into(),
                    reason: Some("the consumer is being closed").filter(|_| version >= 5).map(Into::into),
                    ..Default::default()
                }];
            } else {
                request.member_id = member_id.as_str().into();
            }
            request
        };
        // Without an answer the session times out.
        let _ = self.network.ask(Target::Coordinator(coordinator), LeaveGroupRequest::VERSIONS_ALL, request).await;
    }
}

/// One round: everything that it needs, so that it can go on while the program does not poll.
struct Round {
    network: Arc<Network>,
    config: ConsumerConfig,
    group: GroupConfig,
    member_id: String,
    topics: Vec<String>,
    is_pattern: bool,
    meter: Arc<Meter>,
    sensors: ConsumerMetrics,
}

impl Round {
    /// Until it is through, or fails for good.
    async fn run(mut self) -> Result<Joined> {
        loop {
            let failed = match self.attempt().await {
                Ok(joined) => return Ok(joined),
                Err(error) => error,
            };
            self.meter.with(|metrics, now| self.sensors.failed(metrics, now));
            match failed.code() {
                // Asked to come again under the id that it was given (KIP-394): at once.
                Some(ErrorCode::MemberIdRequired) => continue,
                Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => self.member_id.clear(),
                Some(ErrorCode::RebalanceInProgress) => {}
                _ if failed.is_transient() || matches!(failed, ClientError::TimedOut(_)) => {}
                _ => return Err(failed),
            }
            tokio::time::sleep(self.config.client.retry_backoff).await;
        }
    }

    async fn attempt(&mut self) -> Result<Joined> {
        let coordinator = self.find_coordinator().await?;
        let begun = Instant::now();
        let reply = {
            let subscription = encode_subscription(&self.topics, &Partitions::new(), -1)?;
            let build = |version: i16| self.join_request(version, &subscription);
            // The answer comes when all have joined.
            let limit = self.group.rebalance_timeout + Duration::from_secs(5);
            self.network
                .ask_within(limit, Target::Coordinator(coordinator), JoinGroupRequest::VERSIONS_ALL, build)
                .await?
        };
        let response: JoinGroupResponse<'_> = reply.read()?;
        if ErrorCode::from_code(response.error_code) == ErrorCode::MemberIdRequired {
            self.member_id = response.member_id.to_string();
        }
        ClientError::check(response.error_code, None)?;
        self.meter.with(|metrics, now| self.sensors.joined(metrics, begun.elapsed().as_millis() as f64, now));
        self.member_id = response.member_id.to_string();
        let mut divided = None;
        let mut assignments = Vec::new();
        let chosen = response.protocol_name.as_deref().unwrap_or_default();
        if response.leader == response.member_id && !response.skip_assignment {
            let assignor = Assignor::by_class(chosen)
                .ok_or_else(|| ClientError::Failed(format!("the group chose '{chosen}', which is not known here")))?;
            let mut members = Vec::new();
            for member in &response.members {
                let topics = decode_subscription(&member.metadata)
                    .map_err(|error| ClientError::Malformed(self.group.id.clone(), error))?;
                let instance_id = member.group_instance_id.as_deref().map(str::to_owned);
                members.push(Member { id: member.member_id.to_string(), instance_id, topics });
            }
            let mut topics: Vec<String> = members.iter().flat_map(|member| member.topics.clone()).collect();
            topics.sort_unstable();
            topics.dedup();
            self.learn(&topics).await?;
            let all = counts(&self.network, &topics);
            for (member, partitions) in assignor.assign(&members, &all) {
                assignments.push((member, encode_assignment(&partitions)?));
            }
            divided = Some(counts(&self.network, &self.topics));
        }
        let generation = response.generation_id;
        let protocol = chosen.to_owned();
        let build = |version: i16| self.sync_request(version, generation, &protocol, &assignments);
        let limit = self.group.rebalance_timeout + Duration::from_secs(5);
        let begun = Instant::now();
        let reply = self
            .network
            .ask_within(limit, Target::Coordinator(coordinator), SyncGroupRequest::VERSIONS_ALL, build)
            .await?;
        let synced: SyncGroupResponse<'_> = reply.read()?;
        ClientError::check(synced.error_code, None)?;
        self.meter.with(|metrics, now| self.sensors.synced(metrics, begun.elapsed().as_millis() as f64, now));
        let assigned = decode_assignment(&synced.assignment)
            .map_err(|error| ClientError::Malformed(self.group.id.clone(), error))?;
        Ok(Joined { coordinator, member_id: self.member_id.clone(), generation, assigned, divided })
    }

    async fn learn(&self, topics: &[String]) -> Result<()> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let wanted = if self.is_pattern { Topics::All } else { Topics::Named(&names) };
        self.network.refresh(wanted).await.map(drop)
    }

    async fn find_coordinator(&self) -> Result<i32> {
        let request = |version: i16| {
            let mut request = FindCoordinatorRequest::default();
            if version >= 4 {
                request.coordinator_keys = vec![self.group.id.as_str().into()];
            } else {
                request.key = self.group.id.as_str().into();
            }
            request
        };
        let reply = self.network.ask(Target::Any, FindCoordinatorRequest::VERSIONS_ALL, request).await?;
        let response: FindCoordinatorResponse<'_> = reply.read()?;
        let (code, node) = match response.coordinators.first() {
            Some(found) => (found.error_code, found.node_id),
            None => (response.error_code, response.node_id),
        };
        ClientError::check(code, None)?;
        Ok(node)
    }

    fn join_request<'a>(&'a self, version: i16, subscription: &'a [u8]) -> JoinGroupRequest<'a> {
        let protocols = self.group.assignors.iter().map(|assignor| JoinGroupRequestProtocol {
            name: assignor.name().into(),
            metadata: subscription.into(),
            ..Default::default()
        });
        JoinGroupRequest {
            group_id: self.group.id.as_str().into(),
            session_timeout_ms: millis(self.group.session_timeout),
            rebalance_timeout_ms: if version >= 1 { millis(self.group.rebalance_timeout) } else { -1 },
            member_id: self.member_id.as_str().into(),
            group_instance_id: self.group.instance_id.as_deref().filter(|_| version >= 5).map(Into::into),
            protocol_type: "consumer".into(),
            protocols: protocols.collect(),
            ..Default::default()
        }
    }

    fn sync_request<'a>(
        &'a self,
        version: i16,
        generation: i32,
        protocol: &'a str,
        assignments: &'a [(String, Vec<u8>)],
    ) -> SyncGroupRequest<'a> {
        let assignments = assignments.iter().map(|(member, bytes)| SyncGroupRequestAssignment {
            member_id: member.as_str().into(),
            assignment: bytes.as_slice().into(),
            ..Default::default()
        });
        SyncGroupRequest {
            group_id: self.group.id.as_str().into(),
            generation_id: generation,
            member_id: self.member_id.as_str().into(),
            group_instance_id: self.group.instance_id.as_deref().filter(|_| version >= 3).map(Into::into),
            protocol_type: Some("consumer").filter(|_| version >= 5).map(Into::into),
            protocol_name: Some(protocol).filter(|_| version >= 5).map(Into::into),
            assignments: assignments.collect(),
            ..Default::default()
        }
    }
}

impl Heard {
    fn tell(&self, code: ErrorCode) {
        self.code.store(code.code(), Ordering::Release);
        self.changed.notify_one();
    }
}

/// Tells the coordinator that this member lives, until it says something else.
async fn beat(
    network: Arc<Network>,
    coordinator: i32,
    group: GroupConfig,
    member_id: String,
    generation: i32,
    heard: Arc<Heard>,
    (meter, sensors): (Arc<Meter>, ConsumerMetrics),
) {
    let mut last_answer = Instant::now();
    loop {
        tokio::time::sleep(group.heartbeat_interval).await;
        let request = |version: i16| HeartbeatRequest {
            group_id: group.id.as_str().into(),
            generation_id: generation,
            member_id: member_id.as_str().into(),
            group_instance_id: group.instance_id.as_deref().filter(|_| version >= 3).map(Into::into),
            ..Default::default()
        };
        let begun = Instant::now();
        heard.last_ms.store(meter.now_ms(), Ordering::Relaxed);
        let asked = network.ask(Target::Coordinator(coordinator), HeartbeatRequest::VERSIONS_ALL, request).await;
        let code = asked.and_then(|reply| {
            let response: HeartbeatResponse<'_> = reply.read()?;
            meter.with(|metrics, now| sensors.heard(metrics, begun.elapsed().as_millis() as f64, now));
            Ok(ErrorCode::from_code(response.error_code))
        });
        match code {
            Ok(ErrorCode::None) => last_answer = Instant::now(),
            Ok(code) => return heard.tell(code),
            // Tried again until the session would be over on the other side.
            Err(_) if last_answer.elapsed() < group.session_timeout => {}
            Err(_) => return heard.tell(ErrorCode::CoordinatorNotAvailable),
        }
    }
}

/// How many partitions each of the topics has that are there.
fn counts(network: &Network, topics: &[String]) -> BTreeMap<String, i32> {
    let cluster = network.cluster();
    let known = topics.iter().filter_map(|topic| {
        let known = cluster.topics.get(topic).filter(|known| known.error_code == 0)?;
        Some((topic.clone(), i32::try_from(known.partitions.len()).ok().filter(|count| *count > 0)?))
    });
    known.collect()
}

fn millis(span: Duration) -> i32 {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX)
}
