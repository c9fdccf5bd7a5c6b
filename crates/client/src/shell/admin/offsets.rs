//! Offsets of partitions: by time, and at the ends.

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::network::Topics;
use crate::shell::reply::Reply;
use ottla_wire::api::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::api::{ListOffsetsRequest, ListOffsetsResponse};
use ottla_wire::{ErrorCode, Message, VersionRange};
use std::collections::BTreeMap;

/// Which offset is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    Earliest,
    Latest,
    MaxTimestamp,
    EarliestLocal,
    LatestTiered,
    EarliestPendingUpload,
    /// The first record at or after this time, in milliseconds.
    Timestamp(i64),
}

impl OffsetSpec {
    /// The number that stands for it in a request.
    #[must_use]
    pub const fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::EarliestPendingUpload => -6,
            Self::Timestamp(time) => time,
        }
    }

    /// The versions that know it.
    const fn versions(self) -> VersionRange {
        let known = <ListOffsetsRequest<'static> as Message>::VERSIONS;
        let low = match self {
            Self::Latest | Self::Earliest | Self::Timestamp(_) => known.low,
            Self::MaxTimestamp => 7,
            Self::EarliestLocal => 8,
            Self::LatestTiered => 9,
            Self::EarliestPendingUpload => 11,
        };
        VersionRange::new(low, known.high)
    }
}

/// What a partition answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// -1 where there is none.
    pub offset: i64,
    pub timestamp: i64,
    pub leader_epoch: Option<i32>,
}

pub type TopicPartition = (String, i32);
pub type ListedOffsets = BTreeMap<TopicPartition, Result<ListedOffset>>;

impl Admin {
    /// Asks each partition's leader. A partition that cannot be asked has its own error.
    pub async fn list_offsets(
        &self,
        wanted: &[(TopicPartition, OffsetSpec)],
        committed: bool,
    ) -> Result<ListedOffsets> {
        let config = self.network().config();
        let mut results = ListedOffsets::new();
        let mut names: Vec<&str> = wanted.iter().map(|((topic, _), _)| topic.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut left: Vec<_> = wanted.to_vec();
        let deadline = tokio::time::Instant::now() + config.default_api_timeout;
        let mut pauses = super::Pauses::new(config.retry_backoff, config.retry_backoff_max);
        while !left.is_empty() {
            let cluster = self.cluster("listOffsets(api=METADATA)", Topics::Named(&names)).await?;
            let mut by_leader: BTreeMap<i32, Vec<_>> = BTreeMap::new();
            let mut again = Vec::new();
            for one in left {
                match cluster.leader(&one.0.0, one.0.1) {
                    Some((leader, epoch)) => by_leader.entry(leader).or_default().push((one, epoch)),
                    None => again.push((one, ErrorCode::LeaderNotAvailable)),
                }
            }
            for (leader, partitions) in by_leader {
                let told = self.ask_leader(leader, &partitions, committed).await?;
                for ((one, _), told) in partitions.into_iter().zip(told) {
                    match told {
                        Err(error) if error.is_transient() => {
                            again.push((one, error.code().unwrap_or(ErrorCode::UnknownServerError)));
                        }
                        told => drop(results.insert(one.0, told)),
                    }
                }
            }
            let next = tokio::time::Instant::now() + pauses.next();
            if next >= deadline {
                results.extend(again.into_iter().map(|(one, code)| (one.0, Err(code.into()))));
                break;
            }
            left = again.into_iter().map(|(one, _)| one).collect();
            if !left.is_empty() {
                tokio::time::sleep_until(next).await;
            }
        }
        Ok(results)
    }

    /// One leader's answers, in the order of the questions.
    async fn ask_leader(
        &self,
        leader: i32,
        partitions: &[((TopicPartition, OffsetSpec), i32)],
        committed: bool,
    ) -> Result<Vec<Result<ListedOffset>>> {
        let known = <ListOffsetsRequest<'static> as Message>::VERSIONS;
        let low = partitions.iter().map(|((_, spec), _)| spec.versions().low).max().unwrap_or(known.low);
        let request = |version: i16| {
            let mut topics: Vec<ListOffsetsTopic<'_>> = Vec::new();
            for (((topic, partition), spec), epoch) in partitions {
                let asked = ListOffsetsPartition {
                    partition_index: *partition,
                    current_leader_epoch: if version >= 4 { *epoch } else { -1 },
                    timestamp: spec.timestamp(),
                    ..Default::default()
                };
                match topics.iter_mut().find(|known| known.name == topic.as_str()) {
                    Some(known) => known.partitions.push(asked),
                    None => topics.push(ListOffsetsTopic {
                        name: topic.as_str().into(),
                        partitions: vec![asked],
                        ..Default::default()
                    }),
                }
            }
            ListOffsetsRequest {
                replica_id: -1,
                isolation_level: i8::from(committed && version >= 2),
                topics,
                timeout_ms: if version >= 10 { 30_000 } else { 0 },
                ..Default::default()
            }
        };
        let read = |reply: &Reply| {
            let response: ListOffsetsResponse<'_> = reply.read()?;
            let mut told = BTreeMap::new();
            for topic in &response.topics {
                for one in &topic.partitions {
                    let listed = ClientError::check(one.error_code, None).map(|()| ListedOffset {
                        offset: one.offset,
                        timestamp: one.timestamp,
                        leader_epoch: (one.leader_epoch >= 0).then_some(one.leader_epoch),
                    });
                    told.insert((topic.name.to_string(), one.partition_index), listed);
                }
            }
            let missing = || Err(ErrorCode::UnknownServerError.into());
            Ok(partitions.iter().map(|((one, _), _)| told.remove(one).unwrap_or_else(missing)).collect())
        };
        self.call_in("listOffsets", Target::Node(leader), VersionRange::new(low, known.high), request, read).await
    }
}
