//! Leaders elected because somebody asks for it: the preferred ones, or any where none is left (KIP-460).

use super::partition_change::{Change, Election};
use super::{Controller, Outcome, RECORDS_PER_REQUEST_MAX, VersionedRecord};
use crate::image::{NO_LEADER, Topic};
use ottla_wire::api::ElectLeadersRequest;
use ottla_wire::{ApiError, ErrorCode};

/// Which leaders are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The first of each partition's replicas.
    Preferred,
    /// Any replica of a partition that has no leader, whatever is lost.
    Unclean,
}

impl ElectionType {
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Preferred),
            1 => Some(Self::Unclean),
            _ => None,
        }
    }
}

/// What became of one partition.
pub type Elected = Result<(), ApiError>;

/// The partitions of one topic, each with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ElectedTopic {
    pub name: String,
    pub partitions: Vec<(i32, Elected)>,
}

impl Controller<'_> {
    /// Each partition's own result, in the order of the request. Where all are asked for, those that need no election are
    /// left out.
    pub fn elect_leaders(&self, request: &ElectLeadersRequest<'_>) -> Result<Outcome<Vec<ElectedTopic>>, ApiError> {
        let kind = ElectionType::from_code(request.election_type).ok_or_else(|| {
            let message = format!("Unknown election type {}", request.election_type);
            ApiError::new(ErrorCode::InvalidRequest, message)
        })?;
        let mut outcome = Outcome { records: Vec::new(), response: Vec::new() };
        let Some(wanted) = &request.topic_partitions else {
            for topic in self.image.topics.iter() {
                let elect = |index: &i32| (*index, self.elect_leader(topic, *index, kind, &mut outcome.records));
                let mut partitions: Vec<_> = topic.partitions.keys().map(elect).collect();
                partitions.retain(|(_, result)| !is_unneeded(result));
                outcome.response.push(ElectedTopic { name: topic.name.to_string(), partitions });
            }
            return bounded(outcome);
        };
        for topic in wanted {
            let name = topic.topic.to_string();
            let found = self.image.topics.named(&name);
            let mut elect = |index: &i32| {
                let unknown = || ApiError::new(ErrorCode::UnknownTopicOrPartition, format!("No such topic as {name}"));
                let result = found
                    .ok_or_else(unknown)
                    .and_then(|topic| self.elect_leader(topic, *index, kind, &mut outcome.records));
                (*index, result)
            };
            let partitions = topic.partitions.iter().map(&mut elect).collect();
            outcome.response.push(ElectedTopic { name, partitions });
        }
        bounded(outcome)
    }

    fn elect_leader(
        &self,
        topic: &Topic,
        index: i32,
        kind: ElectionType,
        records: &mut Vec<VersionedRecord>,
    ) -> Elected {
        let refuse = |code, message: &'static str| Err(ApiError::new(code, message));
        let Some(partition) = topic.partitions.get(&index) else {
            let message = format!("No such partition as {}-{index}", topic.name);
            return Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message));
        };
        let (is_needed, election) = match kind {
            ElectionType::Preferred => (partition.replicas.first() != Some(&partition.leader), Election::Preferred),
            ElectionType::Unclean => (partition.leader == NO_LEADER, Election::Unclean),
        };
        if !is_needed {
            return refuse(ErrorCode::ElectionNotNeeded, "Leader election not needed for topic partition.");
        }
        let change = Change { election, ..Change::of(partition) };
        let Some(record) = self.change(topic, index, partition, change) else {
            return match kind {
                ElectionType::Preferred => {
                    refuse(ErrorCode::PreferredLeaderNotAvailable, "The preferred leader was not available.")
                }
                ElectionType::Unclean => refuse(
                    ErrorCode::EligibleLeadersNotAvailable,
                    "Eligible topic partition leaders are not available.",
                ),
            };
        };
        records.push((record.into(), self.image.record_versions().partition()));
        Ok(())
    }
}

fn bounded<R>(outcome: Outcome<R>) -> Result<Outcome<R>, ApiError> {
    if outcome.records.len() > RECORDS_PER_REQUEST_MAX {
        let message = "Unable to perform excessively large batch operation.";
        return Err(ApiError::new(ErrorCode::PolicyViolation, message));
    }
    Ok(outcome)
}

fn is_unneeded(result: &Elected) -> bool {
    result.as_ref().is_err_and(|error| error.code == ErrorCode::ElectionNotNeeded)
}
