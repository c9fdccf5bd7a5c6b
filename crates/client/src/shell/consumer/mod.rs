//! A consumer: `poll` gives records of the partitions that it was assigned, by hand or by its group.
//!
//! Everything but heartbeats and the waiting for answers happens within `poll`: who does not poll, makes no progress, and
//! after `max.poll.interval.ms` loses its partitions, as with Kafka's own.

mod fetching;
mod group;
mod positions;

use super::meter::Meter;
use super::network::{Network, Topics};
use crate::config::ConsumerConfig;
use crate::error::{ClientError, Result};
use crate::session::assignors::Partitions;
use crate::session::batches::Place;
use crate::session::cluster::Cluster;
use crate::session::fetch_session::FetchSession;
use crate::session::fetched::{ConsumerRecord, Fetched};
use crate::session::metrics::consumer::{ConsumerMetrics, Fetches, Standing};
use crate::session::metrics::network::NetworkMetrics;
use crate::session::metrics::{Metric, Metrics};
use fetching::{Answer, Ready};
use group::Membership;
use ottla_wire::ErrorCode;
use ottla_wire::batch::Codecs;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long a topic that is not there is waited for between two looks.
const UNKNOWN_TOPIC_PAUSE: Duration = Duration::from_millis(200);

/// What a consumer reads.
enum Subscription {
    None,
    /// Partitions chosen by hand.
    Assigned,
    Topics(Vec<String>),
    /// Topics whose names it accepts.
    Matching(Box<dyn Fn(&str) -> bool + Send + Sync>),
}

/// What happened to the assignment, in order; for those who tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Revoked(Vec<(String, i32)>),
    Assigned(Vec<(String, i32)>),
    Committed(BTreeMap<(String, i32), i64>),
}

/// See the module's text.
pub struct Consumer {
    config: ConsumerConfig,
    network: Arc<Network>,
    subscription: Subscription,
    places: BTreeMap<Place, Reading>,
    membership: Option<Membership>,
    fetched: VecDeque<Fetched>,
    ready: Option<Ready>,
    requests: JoinSet<Answer>,
    /// Leaders that have been asked and have not answered.
    asked: BTreeSet<i32>,
    /// By leader.
    sessions: BTreeMap<i32, FetchSession>,
    /// Counted up with each assignment: an answer to an older one is thrown away.
    generation: u64,
    metadata_at: Option<Instant>,
    codecs: Codecs,
    events: VecDeque<Event>,
    meter: Arc<Meter>,
    sensors: ConsumerMetrics,
    fetches: Fetches,
    /// By the metrics' clock.
    last_poll_ms: Option<i64>,
}

/// How far a partition has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// Where the next fetch begins. None until it is known.
    fetch_from: Option<i64>,
    /// The offset behind the last record that was given out.
    position: Option<i64>,
    leader_epoch: Option<i32>,
    /// Fetches whose records have not been given out.
    buffered: usize,
    /// Where to begin if nothing else is known.
    start: Option<Start>,
    /// The offset behind the last one that can be read, and the log's first, as of the last answer.
    end: Option<i64>,
    log_start: Option<i64>,
}

/// Where a partition that was assigned by hand begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Beginning,
    End,
    Offset(i64),
}

impl Consumer {
    /// Must be used within a tokio runtime.
    #[must_use]
    pub fn new(config: ConsumerConfig) -> Self {
        let meter = Arc::new(Meter::new(&config.client, "consumer"));
        Self {
            sensors: meter.with(|metrics, _| ConsumerMetrics::new(metrics)),
            network: Arc::new(Network::metered(config.client.clone(), Arc::clone(&meter))),
            config,
            subscription: Subscription::None,
            places: BTreeMap::new(),
            membership: None,
            fetched: VecDeque::new(),
            ready: None,
            requests: JoinSet::new(),
            asked: BTreeSet::new(),
            sessions: BTreeMap::new(),
            generation: 0,
            metadata_at: None,
            codecs: Codecs::default(),
            events: VecDeque::new(),
            meter,
            fetches: Fetches::default(),
            last_poll_ms: None,
        }
    }

    /// Reads topics, sharing their partitions with the rest of the group.
    pub fn subscribe(&mut self, topics: Vec<String>) {
        self.subscription = Subscription::Topics(topics);
    }

    /// Reads all topics whose names are accepted, also those that come later.
    pub fn subscribe_matching(&mut self, accepts: impl Fn(&str) -> bool + Send + Sync + 'static) {
        self.subscription = Subscription::Matching(Box::new(accepts));
    }

    /// Reads these partitions, without a group's say.
    pub fn assign(&mut self, partitions: Vec<(Place, Start)>) {
        self.subscription = Subscription::Assigned;
        self.generation += 1;
        self.give_up_fetches();
        for ((topic, partition), _) in &partitions {
            self.feed(|_, metrics, _| ConsumerMetrics::assigned(metrics, (topic, *partition)));
        }
        self.places = partitions
            .into_iter()
            .map(|(place, start)| (place, Reading { start: Some(start), ..Reading::new() }))
            .collect();
    }

    /// What happened to the assignment since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The partitions being read, and the offset behind the last record given out.
    pub fn positions(&self) -> BTreeMap<Place, Option<i64>> {
        self.places.iter().map(|(place, reading)| (place.clone(), reading.position)).collect()
    }

    /// Gives back a record that was given out but not used: it will not be committed.
    pub fn rewind(&mut self, place: &Place, offset: i64) {
        self.forget_fetched(place);
        if let Some(reading) = self.places.get_mut(place) {
            reading.fetch_from = Some(offset);
            reading.position = Some(offset);
        }
    }

    /// What was measured up to now.
    pub async fn metrics(&self) -> Vec<Metric> {
        let (connections, _) = self.network.load().await;
        let now_ms = self.meter.now_ms();
        let mut standing = Standing {
            partitions: self.places.len(),
            last_poll_ms: self.last_poll_ms.map(|at| now_ms - at),
            ..Standing::default()
        };
        if let Some(membership) = &self.membership {
            membership.stand(&mut standing, now_ms);
        }
        self.meter.with(|metrics, _| {
            NetworkMetrics::stand(metrics, connections);
            ConsumerMetrics::stand(metrics, &standing);
        });
        self.meter.read()
    }

    fn feed(&self, feed: impl FnOnce(&ConsumerMetrics, &mut Metrics, i64)) {
        self.meter.with(|metrics, now| feed(&self.sensors, metrics, now));
    }

    /// The next records, at most `max.poll.records`; none if there are none within `limit`.
    pub async fn poll(&mut self, limit: Duration) -> Result<Vec<ConsumerRecord>> {
        let begun_ms = self.meter.now_ms();
        // The first poll comes after no time at all.
        let since_ms = self.last_poll_ms.replace(begun_ms).map_or(0, |last| begun_ms - last) as f64;
        self.feed(|own, metrics, now| own.polls(metrics, since_ms, now));
        let polled = self.poll_within(limit).await;
        let took_ms = (self.meter.now_ms() - begun_ms) as f64;
        if took_ms + since_ms > 0.0 {
            self.feed(|own, metrics, now| own.polled(metrics, took_ms / (took_ms + since_ms), now));
        }
        polled
    }

    async fn poll_within(&mut self, limit: Duration) -> Result<Vec<ConsumerRecord>> {
        let now = Instant::now();
        let deadline = now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(86_400));
        loop {
            // What is not done by the deadline goes on in the next call.
            match timeout_at(deadline, self.prepare()).await {
                Err(_) => return Ok(Vec::new()),
                Ok(done) => done?,
            }
            self.commit_if_due().await?;
            let records = self.take_ready()?;
            self.send_fetches();
            if !records.is_empty() {
                return Ok(records);
            }
            let pause = self.pause();
            let rebalance = self.membership.as_ref().map(Membership::disturbed);
            tokio::select! {
                Some(answer) = self.requests.join_next(), if !self.requests.is_empty() => {
                    if let Ok(answer) = answer {
                        self.take_answer(answer).await?;
                    }
                }
                () = wait_for(rebalance) => {}
                () = tokio::time::sleep(pause) => {}
                () = tokio::time::sleep_until(deadline) => return Ok(Vec::new()),
            }
        }
    }

    /// How long nothing may need to be done, if nothing comes.
    fn pause(&self) -> Duration {
        let has_unknown = self.places.values().any(|reading| reading.fetch_from.is_none());
        let waits_for_topics = self.places.is_empty() && !matches!(self.subscription, Subscription::Assigned);
        if has_unknown || waits_for_topics || (self.requests.is_empty() && !self.places.is_empty()) {
            return UNKNOWN_TOPIC_PAUSE;
        }
        let commit = self.config.group.as_ref().and_then(|group| group.auto_commit);
        commit.unwrap_or(Duration::from_secs(5)).max(Duration::from_millis(1))
    }

    /// Metadata, membership and positions, as far as they are wanted.
    async fn prepare(&mut self) -> Result<()> {
        self.learn().await?;
        match (&self.subscription, self.config.group.is_some()) {
            (Subscription::Topics(_) | Subscription::Matching(_), true) => self.keep_membership().await?,
            (Subscription::Topics(_) | Subscription::Matching(_), false) => {
                return Err(ClientError::Config(
                    "To use the group management or offset commit APIs, you must provide a valid group.id in the consumer configuration."
                        .into(),
                ));
            }
            _ => {}
        }
        self.find_positions().await
    }

    /// Asks for metadata when it is old, or when something that is wanted is not in it.
    async fn learn(&mut self) -> Result<()> {
        let cluster = self.network.cluster();
        let is_old = self.metadata_at.is_none_or(|at| at.elapsed() >= self.config.client.metadata_max_age);
        let lacks = match &self.subscription {
            Subscription::Topics(topics) => topics.iter().any(|topic| !is_there(&cluster, topic)),
            Subscription::Matching(_) => self.wanted_topics(&cluster).is_empty(),
            Subscription::Assigned => self.places.keys().any(|place| cluster.leader(&place.0, place.1).is_none()),
            Subscription::None => return Ok(()),
        };
        let just_asked = self.metadata_at.is_some_and(|at| at.elapsed() < UNKNOWN_TOPIC_PAUSE);
        if !is_old && (!lacks || just_asked) {
            return Ok(());
        }
        self.relearn().await
    }

    async fn relearn(&mut self) -> Result<()> {
        let assigned: BTreeSet<&str> = self.places.keys().map(|(topic, _)| &**topic).collect();
        let names: Vec<&str> = match &self.subscription {
            Subscription::Topics(topics) => topics.iter().map(String::as_str).collect(),
            _ => assigned.into_iter().collect(),
        };
        let wanted = match self.subscription {
            Subscription::Matching(_) => Topics::All,
            _ if self.config.allow_auto_create_topics => Topics::NamedOrCreated(&names),
            _ => Topics::Named(&names),
        };
        match self.network.refresh(wanted).await {
            Ok(cluster) => {
                self.metadata_at = Some(Instant::now());
                self.check_topics(&cluster)
            }
            Err(error) if error.is_transient() || matches!(error, ClientError::TimedOut(_)) => {
                tokio::time::sleep(self.config.client.retry_backoff).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A topic that may not be read is an error; one that is not there may still come.
    fn check_topics(&self, cluster: &Cluster) -> Result<()> {
        for (name, topic) in &cluster.topics {
            let message = match ErrorCode::from_code(topic.error_code) {
                ErrorCode::TopicAuthorizationFailed => format!("Not authorized to access topics: [{name}]"),
                ErrorCode::InvalidTopicException => format!("Invalid topics: [{name}]"),
                ErrorCode::None => continue,
                code => {
                    tracing::warn!(
                        "[Consumer clientId={}] The metadata response from the cluster reported a recoverable issue: {{{name}={}}}",
                        self.config.client.client_id,
                        code.name()
                    );
                    continue;
                }
            };
            ClientError::check(topic.error_code, Some(&message))?;
        }
        Ok(())
    }

    /// The topics that this consumer wants now.
    fn wanted_topics(&self, cluster: &Cluster) -> Vec<String> {
        match &self.subscription {
            Subscription::Topics(topics) => topics.clone(),
            Subscription::Matching(accepts) => cluster
                .topics
                .iter()
                .filter(|(name, topic)| accepts(name) && !(topic.is_internal && self.config.exclude_internal_topics))
                .map(|(name, _)| name.clone())
                .collect(),
            Subscription::Assigned | Subscription::None => Vec::new(),
        }
    }

    /// The group has spoken. What was read before was given up when the round began.
    fn take_assignment(&mut self, assigned: &Partitions) {
        let mut places = Vec::new();
        for (topic, partitions) in assigned {
            let name: Arc<str> = topic.as_str().into();
            for partition in partitions {
                self.places.insert((Arc::clone(&name), *partition), Reading::new());
                self.feed(|_, metrics, _| ConsumerMetrics::assigned(metrics, (topic, *partition)));
                places.push((topic.clone(), *partition));
            }
        }
        self.events.push_back(Event::Assigned(places));
    }

    /// A round begins: all is given up, also where that is nothing yet.
    fn drop_assignment(&mut self) {
        self.generation += 1;
        self.give_up_fetches();
        let places: Vec<Place> = self.places.keys().cloned().collect();
        for place in &places {
            self.forget_fetched(place);
            self.feed(|_, metrics, _| ConsumerMetrics::revoked(metrics, (&place.0, place.1)));
        }
        let revoked: Vec<_> = self.places.keys().map(|(topic, partition)| (topic.to_string(), *partition)).collect();
        self.places.clear();
        self.events.push_back(Event::Revoked(revoked));
    }

    /// Commits what was given out, leaves the group, and ends.
    pub async fn close(mut self) -> Result<()> {
        let committed = match self.config.group.as_ref().is_some_and(|group| group.auto_commit.is_some()) {
            true => self.commit_given().await,
            false => Ok(()),
        };
        self.leave().await;
        self.end_sessions().await;
        committed
    }
}

impl Reading {
    const fn new() -> Self {
        Self {
            fetch_from: None,
            position: None,
            leader_epoch: None,
            buffered: 0,
            start: None,
            end: None,
            log_start: None,
        }
    }
}

fn is_there(cluster: &Cluster, topic: &str) -> bool {
    cluster.topics.get(topic).is_some_and(|topic| topic.error_code == 0 && !topic.partitions.is_empty())
}

/// For ever, if there is nothing to wait for.
async fn wait_for(event: Option<impl Future<Output = ()>>) {
    match event {
        Some(event) => event.await,
        None => std::future::pending().await,
    }
}
