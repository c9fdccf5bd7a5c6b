//! Where to read: committed offsets, a start chosen by hand, or what `auto.offset.reset` says.

use super::{Consumer, Event, Start};
use crate::config::Reset;
use crate::error::{ClientError, Result};
use crate::session::batches::Place;
use crate::shell::admin::offsets::OffsetSpec;
use crate::shell::network::Target;
use ottla_wire::api::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::api::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::api::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_wire::api::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};
use ottla_wire::{ErrorCode, Message, VersionRange};
use std::collections::BTreeMap;
use tokio::time::Instant;

impl Consumer {
    /// Finds where to begin for each partition that does not know it yet.
    pub(super) async fn find_positions(&mut self) -> Result<()> {
        let unknown = |consumer: &Self| -> Vec<Place> {
            let lacks = consumer.places.iter().filter(|(_, reading)| reading.fetch_from.is_none());
            lacks.map(|(place, _)| place.clone()).collect()
        };
        let lacking = unknown(self);
        if lacking.is_empty() {
            return Ok(());
        }
        if self.membership.is_some() {
            let lacking: Vec<_> =
                lacking.into_iter().filter(|place| self.places.get(place).is_none_or(|r| r.start.is_none())).collect();
            if !lacking.is_empty() {
                self.take_committed(&lacking).await?;
            }
        }
        for place in unknown(self) {
            let start = self.places.get(&place).and_then(|reading| reading.start);
            let spec = match (start, self.config.reset) {
                (Some(Start::Offset(offset)), _) => {
                    self.begin(&place, offset);
                    continue;
                }
                (Some(Start::Beginning), _) | (None, Reset::Earliest) => OffsetSpec::Earliest,
                (Some(Start::End), _) | (None, Reset::Latest) => OffsetSpec::Latest,
                (None, Reset::None) => {
                    return Err(ClientError::Failed(format!(
                        "Undefined offset with no reset policy for partitions: [{}-{}]",
                        place.0, place.1
                    )));
                }
            };
            if let Some(offset) = self.look_up(&place, spec).await? {
                self.begin(&place, offset);
            }
        }
        Ok(())
    }

    fn begin(&mut self, place: &Place, offset: i64) {
        if let Some(reading) = self.places.get_mut(place) {
            reading.fetch_from = Some(offset);
            reading.position = Some(offset);
        }
    }

    /// The offset that was asked for is not there (any more): begins anew where the policy says.
    pub(super) fn out_of_range(&mut self, place: &Place, offset: i64) -> Result<()> {
        if self.config.reset == Reset::None {
            return Err(ClientError::Failed(format!(
                "Fetch position {offset} is out of range for partition {}-{}, and no reset policy is configured",
                place.0, place.1
            )));
        }
        tracing::info!(
            "Fetch position {offset} is out of range for partition {}-{}, resetting offset",
            place.0,
            place.1
        );
        self.forget_fetched(place);
        if let Some(reading) = self.places.get_mut(place) {
            reading.fetch_from = None;
            let policy = if self.config.reset == Reset::Earliest { Start::Beginning } else { Start::End };
            reading.start = Some(policy);
        }
        Ok(())
    }

    /// None if the leader could not be asked: it is tried again.
    async fn look_up(&mut self, place: &Place, spec: OffsetSpec) -> Result<Option<i64>> {
        let Some((leader, epoch)) = self.network.cluster().leader(&place.0, place.1) else { return Ok(None) };
        let isolation = i8::from(self.config.is_read_committed);
        let request = |version: i16| ListOffsetsRequest {
            replica_id: -1,
            isolation_level: if version >= 2 { isolation } else { 0 },
            topics: vec![ListOffsetsTopic {
                name: (&*place.0).into(),
                partitions: vec![ListOffsetsPartition {
                    partition_index: place.1,
                    current_leader_epoch: if version >= 4 { epoch } else { -1 },
                    timestamp: spec.timestamp(),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            timeout_ms: if version >= 10 { 30_000 } else { 0 },
            ..Default::default()
        };
        let versions = <ListOffsetsRequest<'static> as Message>::VERSIONS;
        let asked = self.network.ask(Target::Node(leader), versions, request).await.and_then(|reply| {
            let response: ListOffsetsResponse<'_> = reply.read()?;
            let told = response.topics.first().and_then(|topic| topic.partitions.first());
            let told = told.ok_or_else(|| ClientError::from(ErrorCode::UnknownServerError))?;
            ClientError::check(told.error_code, None)?;
            Ok(told.offset)
        });
        match asked {
            Ok(offset) => Ok(Some(offset)),
            Err(error) if error.is_transient() || error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                tokio::time::sleep(self.config.client.retry_backoff).await;
                self.relearn().await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the group has committed becomes the position.
    async fn take_committed(&mut self, places: &[Place]) -> Result<()> {
        let Some(membership) = &self.membership else { return Ok(()) };
        let (group, coordinator) = (membership.group_id().to_owned(), membership.coordinator());
        let Some(coordinator) = coordinator else { return Ok(()) };
        let by_topic = by_topic(places.iter().map(|place| (place, ())));
        // From version 10 on topics have ids; names serve here.
        let versions = VersionRange::new(<OffsetFetchRequest<'static> as Message>::VERSIONS.low, 9);
        let request = |version: i16| {
            let mut request = OffsetFetchRequest { require_stable: version >= 7, ..Default::default() };
            if version >= 8 {
                let topics = by_topic.iter().map(|(topic, partitions)| OffsetFetchRequestTopics {
                    name: (*topic).into(),
                    partition_indexes: partitions.iter().map(|(partition, ())| *partition).collect(),
                    ..Default::default()
                });
                request.groups = vec![OffsetFetchRequestGroup {
                    group_id: group.as_str().into(),
                    member_epoch: -1,
                    topics: Some(topics.collect()),
                    ..Default::default()
                }];
            } else {
                let topics = by_topic.iter().map(|(topic, partitions)| OffsetFetchRequestTopic {
                    name: (*topic).into(),
                    partition_indexes: partitions.iter().map(|(partition, ())| *partition).collect(),
                    ..Default::default()
                });
                request.group_id = group.as_str().into();
                request.topics = Some(topics.collect());
            }
            request
        };
        let reply = match self.network.ask(Target::Coordinator(coordinator), versions, request).await {
            Ok(reply) => reply,
            Err(error) if error.is_transient() => {
                self.lose_coordinator();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let response: OffsetFetchResponse<'_> = reply.read()?;
        let mut committed: Vec<(String, i32, i64, i16)> = Vec::new();
        let mut code = response.error_code;
        for group in &response.groups {
            code = group.error_code;
            for topic in &group.topics {
                let told = topic.partitions.iter();
                committed.extend(
                    told.map(|one| (topic.name.to_string(), one.partition_index, one.committed_offset, one.error_code)),
                );
            }
        }
        for topic in &response.topics {
            let told = topic.partitions.iter();
            committed.extend(
                told.map(|one| (topic.name.to_string(), one.partition_index, one.committed_offset, one.error_code)),
            );
        }
        match ClientError::check(code, None) {
            Err(error) if error.is_transient() => {
                self.lose_coordinator();
                return Ok(());
            }
            told => told?,
        }
        for (topic, partition, offset, code) in committed {
            if ErrorCode::from_code(code) == ErrorCode::UnstableOffsetCommit {
                continue;
            }
            ClientError::check(code, None)?;
            let place = places.iter().find(|place| *place.0 == *topic && place.1 == partition);
            if let (Some(place), 0..) = (place, offset) {
                self.begin(&place.clone(), offset);
            }
        }
        Ok(())
    }

    pub(super) async fn commit_if_due(&mut self) -> Result<()> {
        let interval = self.config.group.as_ref().and_then(|group| group.auto_commit);
        let is_due = match (interval, &mut self.membership) {
            (Some(interval), Some(membership)) => membership.commit_is_due(interval),
            _ => false,
        };
        if is_due { self.commit_given().await } else { Ok(()) }
    }

    /// Commits what was given out. A rebalance that overtakes it is not an error: the records will come again.
    pub async fn commit(&mut self) -> Result<()> {
        let begun = Instant::now();
        let committed = self.commit_given().await;
        let nanos = begun.elapsed().as_nanos() as f64;
        self.feed(|own, metrics, now| own.commit_waited(metrics, nanos, now));
        committed
    }

    /// [`Consumer::commit`], on the consumer's own account.
    pub(super) async fn commit_given(&mut self) -> Result<()> {
        let Some(membership) = &self.membership else { return Ok(()) };
        let (Some(coordinator), Some(identity)) = (membership.coordinator(), membership.identity()) else {
            return Ok(());
        };
        let given: Vec<(Place, (i64, Option<i32>))> = self
            .places
            .iter()
            .filter_map(|(place, reading)| Some((place.clone(), (reading.position?, reading.leader_epoch))))
            .collect();
        if given.is_empty() {
            return Ok(());
        }
        let by_topic = by_topic(given.iter().map(|(place, offset)| (place, *offset)));
        let versions = VersionRange::new(<OffsetCommitRequest<'static> as Message>::VERSIONS.low, 9);
        let request = |version: i16| {
            let topics = by_topic.iter().map(|(topic, partitions)| OffsetCommitRequestTopic {
                name: (*topic).into(),
                partitions: partitions
                    .iter()
                    .map(|(partition, (offset, epoch))| OffsetCommitRequestPartition {
                        partition_index: *partition,
                        committed_offset: *offset,
                        committed_leader_epoch: epoch.filter(|_| version >= 6).unwrap_or(-1),
                        committed_metadata: Some("".into()),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            OffsetCommitRequest {
                group_id: identity.group_id.as_str().into(),
                generation_id_or_member_epoch: identity.generation,
                member_id: identity.member_id.as_str().into(),
                group_instance_id: identity.instance_id.as_deref().filter(|_| version >= 7).map(Into::into),
                topics: topics.collect(),
                ..Default::default()
            }
        };
        let begun = Instant::now();
        let code = match self.network.ask(Target::Coordinator(coordinator), versions, request).await {
            Ok(reply) => {
                let took_ms = begun.elapsed().as_millis() as f64;
                self.feed(|own, metrics, now| own.committed(metrics, took_ms, now));
                let response: OffsetCommitResponse<'_> = reply.read()?;
                let mut codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code);
                ErrorCode::from_code(codes.find(|code| *code != 0).unwrap_or(0))
            }
            Err(error) if error.is_transient() => ErrorCode::CoordinatorNotAvailable,
            Err(error) => return Err(error),
        };
        match code {
            ErrorCode::None => {
                let offsets =
                    given.iter().map(|((topic, partition), (offset, _))| ((topic.to_string(), *partition), *offset));
                self.events.push_back(Event::Committed(offsets.collect()));
                Ok(())
            }
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId => {
                self.disturb();
                Ok(())
            }
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator | ErrorCode::CoordinatorLoadInProgress => {
                self.lose_coordinator();
                Ok(())
            }
            code => Err(code.into()),
        }
    }
}

/// Partitions with what belongs to them, by topic.
fn by_topic<'a, T>(places: impl Iterator<Item = (&'a Place, T)>) -> BTreeMap<&'a str, Vec<(i32, T)>> {
    let mut topics: BTreeMap<&str, Vec<(i32, T)>> = BTreeMap::new();
    for ((topic, partition), value) in places {
        topics.entry(topic).or_default().push((*partition, value));
    }
    topics
}
