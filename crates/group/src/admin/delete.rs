//! DeleteGroups, versions 0 to 3. v3 can tell a message beside the error.
//!
//! A group goes with its offsets, in one batch for all groups of a request. Share groups have state in another topic, which is
//! not run yet: they are not deleted halfway.

use crate::classic::ClassicState;
use crate::offsets::{Decision, LiveGroups, Standing};
use crate::records;
use crate::state::{ForeignKind, GroupEntry, GroupState};
use crate::text::text;
use ottla_coordinator::CoordinatorRecord;
use ottla_wire::api::DeleteGroupsResponse;
use ottla_wire::api::delete_groups_response::DeletableGroupResult;
use ottla_wire::{ApiError, EncodeError, ErrorCode};
use std::collections::BTreeSet;

pub(crate) fn delete(
    state: &GroupState,
    live: &LiveGroups,
    groups: &[&str],
) -> Result<Decision<DeleteGroupsResponse<'static>>, EncodeError> {
    let mut decision = Decision { records: Vec::new(), answer: DeleteGroupsResponse::default() };
    let mut seen = BTreeSet::new();
    for group in groups.iter().filter(|group| seen.insert(**group)) {
        let result = validate(Standing::of(state, live, group));
        if result.is_ok() {
            tombstones(state, group, &mut decision.records)?;
        }
        let (error_code, error_message) = match result {
            Ok(()) => (ErrorCode::None, None),
            Err(error) => (error.code, error.message),
        };
        decision.answer.results.push(DeletableGroupResult {
            group_id: text(group),
            error_code: error_code.code(),
            error_message,
            ..DeletableGroupResult::default()
        });
    }
    Ok(decision)
}

/// The answer where nothing can be said of any group but an error.
pub(crate) fn failed(groups: &[&str], error: ErrorCode) -> DeleteGroupsResponse<'static> {
    let results = groups.iter().map(|group| DeletableGroupResult {
        group_id: text(group),
        error_code: error.code(),
        ..DeletableGroupResult::default()
    });
    DeleteGroupsResponse { results: results.collect(), ..DeleteGroupsResponse::default() }
}

fn validate(standing: Standing<'_>) -> Result<(), ApiError> {
    match (standing.entry, standing.live) {
        (None, _) => Err(ErrorCode::GroupIdNotFound.into()),
        (Some(GroupEntry::Classic(_)), Some(live)) if live.state != ClassicState::Empty => {
            Err(ErrorCode::NonEmptyGroup.into())
        }
        (Some(GroupEntry::Classic(_)), _) => Ok(()),
        (Some(GroupEntry::Foreign(group)), _) if !group.is_empty() => Err(ErrorCode::NonEmptyGroup.into()),
        (Some(GroupEntry::Foreign(group)), _) if group.kind == ForeignKind::Share => {
            Err(ApiError::new(ErrorCode::GroupDeletionFailed, "this node cannot delete the state of share groups"))
        }
        (Some(GroupEntry::Foreign(_)), _) => Ok(()),
    }
}

fn tombstones(state: &GroupState, group: &str, records: &mut Vec<CoordinatorRecord>) -> Result<(), EncodeError> {
    for (key, _) in state.offsets.of_group(group) {
        records.push(records::offset_tombstone(group, &key.topic, key.partition)?);
    }
    for key in state.offsets.pending_of_group(group) {
        if state.offsets.get(group, &key.topic, key.partition).is_none() {
            records.push(records::offset_tombstone(group, &key.topic, key.partition)?);
        }
    }
    match state.foreign(group) {
        Some(foreign) => {
            records.extend(foreign.keys().map(|key| CoordinatorRecord { key: key.clone(), value: None }));
        }
        None => records.push(records::group_metadata(group, None)?),
    }
    Ok(())
}
