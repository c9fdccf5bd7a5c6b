//! OffsetCommit, OffsetFetch and OffsetDelete: from the request to the replicated state.

use super::GroupShard;
use crate::answer::{GroupAnswer, WaiterId};
use crate::classic::ClassicState;
use crate::context::Effect;
use crate::offsets::{self, CommitCall, DeletedTopic, Standing, TopicResolver};
use ottla_coordinator::{Atomicity, Env};
use ottla_wire::ErrorCode;
use ottla_wire::api::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::api::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_wire::api::{OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse};
use std::task::Poll;

impl GroupShard {
    /// OffsetCommit, versions 2 to 10, of the topics that the client may read. Topics and partitions that are not there are
    /// answered here.
    pub fn commit_offsets(
        &mut self,
        env: &mut Env<'_>,
        version: i16,
        request: &OffsetCommitRequest<'_>,
        topics: &dyn TopicResolver,
        waiter: WaiterId,
    ) -> Poll<OffsetCommitResponse<'static>> {
        self.outbox.begin(waiter);
        let standing = Standing::of(self.shard.state(), &self.live, &request.group_id);
        let call = CommitCall { version, request, topics, settings: &self.settings, now: env.now.timestamp };
        let active = self.shard.check_active().map(|_| ());
        match offsets::commit(standing, call, active) {
            Err(_) => {
                // A name that a record cannot hold.
                let refused = offsets::commit(standing, call, Err(ErrorCode::UnknownServerError));
                let answer = refused.map(|decision| decision.answer).unwrap_or_default();
                self.outbox.push(waiter, GroupAnswer::OffsetCommit(answer));
            }
            Ok(decision) if decision.records.is_empty() => {
                self.outbox.push(waiter, GroupAnswer::OffsetCommit(decision.answer));
            }
            Ok(decision) => {
                // A member that commits is alive.
                self.with_live(env, &request.group_id, |group, cx| {
                    if matches!(group.state, ClassicState::Stable | ClassicState::PreparingRebalance) {
                        group.renew_session(cx, &request.member_id);
                    }
                });
                let answer = GroupAnswer::OffsetCommit(decision.answer);
                self.answer_after(env, Ok(decision.records), waiter, answer);
            }
        }
        self.settle(env);
        self.ready(waiter, |answer| match answer {
            GroupAnswer::OffsetCommit(answer) => Some(answer),
            _ => None,
        })
    }

    /// OffsetFetch, versions 1 to 10, of one group (see [`crate::requested_groups`] and [`crate::fetch_response`]). Without
    /// `require_stable` it reads what is committed and never waits; with it, it reads what is appended and answers when that
    /// is committed. Topics that the client may not see are the caller's to leave out, also from the answer to "all topics".
    pub fn fetch_offsets(
        &mut self,
        env: &mut Env<'_>,
        version: i16,
        group: &OffsetFetchRequestGroup<'_>,
        require_stable: bool,
        topics: &dyn TopicResolver,
        waiter: WaiterId,
    ) -> Poll<OffsetFetchResponseGroup<'static>> {
        if let Err(error) = self.shard.check_active() {
            return Poll::Ready(offsets::group_error(version, group, error));
        }
        if !require_stable {
            return Poll::Ready(offsets::fetch(self.shard.committed_state(), version, group, false, topics));
        }
        self.outbox.begin(waiter);
        let answer = offsets::fetch(self.shard.state(), version, group, true, topics);
        self.answer_after(env, Ok(Vec::new()), waiter, GroupAnswer::OffsetFetch(answer));
        self.settle(env);
        self.ready(waiter, |answer| match answer {
            GroupAnswer::OffsetFetch(answer) => Some(answer),
            _ => None,
        })
    }

    /// OffsetDelete, version 0, of the topics that the client may read.
    pub fn delete_offsets(
        &mut self,
        env: &mut Env<'_>,
        request: &OffsetDeleteRequest<'_>,
        topics: &dyn TopicResolver,
        waiter: WaiterId,
    ) -> Poll<OffsetDeleteResponse<'static>> {
        if request.group_id.is_empty() {
            let error_code = ErrorCode::InvalidGroupId.code();
            return Poll::Ready(OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() });
        }
        self.outbox.begin(waiter);
        let state = self.shard.state();
        let standing = Standing::of(state, &self.live, &request.group_id);
        let active = self.shard.check_active().map(|_| ());
        let (records, answer) = match offsets::delete(state, standing, request, topics, active) {
            Ok(decision) => (Ok(decision.records), decision.answer),
            Err(error) => (Err(error), OffsetDeleteResponse::default()),
        };
        if matches!(&records, Ok(records) if records.is_empty()) {
            self.outbox.push(waiter, GroupAnswer::OffsetDelete(answer));
        } else {
            self.answer_after(env, records, waiter, GroupAnswer::OffsetDelete(answer));
        }
        self.settle(env);
        self.ready(waiter, |answer| match answer {
            GroupAnswer::OffsetDelete(answer) => Some(answer),
            _ => None,
        })
    }

    /// Topics are gone from the metadata: their offsets go too. Nobody waits for it; what fails is left to expire.
    pub fn topics_deleted(&mut self, env: &mut Env<'_>, deleted: &[DeletedTopic]) {
        if self.shard.check_active().is_err() {
            return;
        }
        let tombstones = offsets::of_deleted_topics(self.shard.state(), deleted);
        let (mut cx, _) = self.split(env);
        cx.write(tombstones, Atomicity::Split, Effect::Nothing);
        self.settle(env);
    }
}
