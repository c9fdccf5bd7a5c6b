//! What a call gives back: the answer at once, or later under the number that the caller chose.

use ottla_wire::ErrorCode;
use ottla_wire::api::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_wire::api::{
    DeleteGroupsResponse, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, OffsetCommitResponse,
    OffsetDeleteResponse, SyncGroupResponse,
};

/// The caller's number for a request that may have to wait; never used twice on one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// An answer, ready to be encoded in the version of its request.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupAnswer {
    Join(JoinGroupResponse<'static>),
    Sync(SyncGroupResponse<'static>),
    Heartbeat(HeartbeatResponse<'static>),
    Leave(LeaveGroupResponse<'static>),
    OffsetCommit(OffsetCommitResponse<'static>),
    OffsetFetch(OffsetFetchResponseGroup<'static>),
    OffsetDelete(OffsetDeleteResponse<'static>),
    DeleteGroups(DeleteGroupsResponse<'static>),
}

impl GroupAnswer {
    /// The same request's answer after its records could not be written.
    #[must_use]
    pub(crate) fn failed(self, code: ErrorCode) -> GroupAnswer {
        let error_code = code.code();
        match self {
            GroupAnswer::Join(answer) => GroupAnswer::Join(JoinGroupResponse {
                error_code,
                generation_id: -1,
                // A null name is only told from version 7 on: what was chosen for the version stays.
                protocol_name: answer.protocol_name.map(|_| "".into()),
                ..JoinGroupResponse::default()
            }),
            GroupAnswer::Sync(_) => GroupAnswer::Sync(SyncGroupResponse { error_code, ..Default::default() }),
            GroupAnswer::Heartbeat(_) => GroupAnswer::Heartbeat(HeartbeatResponse { error_code, ..Default::default() }),
            GroupAnswer::Leave(_) => GroupAnswer::Leave(LeaveGroupResponse { error_code, ..Default::default() }),
            GroupAnswer::OffsetCommit(mut answer) => {
                // What names nothing was refused for itself, before the group was asked.
                let own = [ErrorCode::UnknownTopicOrPartition.code(), ErrorCode::UnknownTopicId.code()];
                for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    if !own.contains(&partition.error_code) {
                        partition.error_code = error_code;
                    }
                }
                GroupAnswer::OffsetCommit(answer)
            }
            GroupAnswer::OffsetFetch(answer) => GroupAnswer::OffsetFetch(OffsetFetchResponseGroup {
                group_id: answer.group_id,
                error_code,
                ..Default::default()
            }),
            GroupAnswer::OffsetDelete(_) => {
                GroupAnswer::OffsetDelete(OffsetDeleteResponse { error_code, ..Default::default() })
            }
            GroupAnswer::DeleteGroups(mut answer) => {
                for result in &mut answer.results {
                    result.error_code = error_code;
                    result.error_message = None;
                }
                GroupAnswer::DeleteGroups(answer)
            }
        }
    }
}
