//! The APIs of groups and their offsets: the broker checks rights and finds the shard, the shard decides. What may have to
//! wait for others is parked until the shards it asked have answered.

mod delete;
mod describe;
mod heartbeat;
mod join;
mod leave;
mod list;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod sync;

use crate::node::{Asked, GroupWait, Node, lock};
use crate::request::{Answer, Context, FrameError, Now, Parked, Worker};
use ottla_coordinator::Env;
use ottla_group::{GroupAnswer, GroupShard, WaiterId};
use ottla_machine::{Disk, Instant};
use ottla_wire::{ApiKey, ErrorCode, Reader};
use std::task::Poll;

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    reader: &mut Reader<'_>,
) -> Result<Answer<D>, FrameError> {
    Ok(match context.key {
        ApiKey::JoinGroup => join::handle(node, context, &context.body(reader)?),
        ApiKey::SyncGroup => sync::handle(node, context, &context.body(reader)?),
        ApiKey::Heartbeat => heartbeat::handle(node, context, &context.body(reader)?),
        ApiKey::LeaveGroup => leave::handle(node, context, &context.body(reader)?),
        ApiKey::OffsetCommit => offset_commit::handle(node, context, &context.body(reader)?),
        ApiKey::OffsetFetch => offset_fetch::handle(node, context, &context.body(reader)?),
        ApiKey::OffsetDelete => offset_delete::handle(node, context, &context.body(reader)?),
        ApiKey::DescribeGroups => describe::handle(node, context, &context.body(reader)?),
        ApiKey::ListGroups => list::handle(node, context, &context.body(reader)?),
        ApiKey::DeleteGroups => delete::handle(node, context, &context.body(reader)?),
        key => return Err(FrameError::Unsupported { key: key as i16, version: context.version }),
    })
}

/// The answer of one shard to a part of a request.
enum Part<D: Disk> {
    Known(GroupAnswer),
    Waiting(GroupWait<D>),
}

/// Asks a group's shard. `wrap` makes an answer of what comes at once, `unavailable` of an error before the shard.
fn ask<D: Disk, T>(
    node: &Node<D>,
    context: &Context,
    group: &str,
    wrap: fn(T) -> GroupAnswer,
    unavailable: impl FnOnce(ErrorCode) -> T,
    call: impl FnOnce(&mut GroupShard, &mut Env<'_>, WaiterId) -> Poll<T>,
) -> Part<D> {
    match node.on_group(group, &context.connection.waker, context.now, call) {
        Ok(Asked::Answer(answer)) => Part::Known(wrap(answer)),
        Ok(Asked::Waiting(wait)) => Part::Waiting(wait),
        Err(error) => Part::Known(wrap(unavailable(error))),
    }
}

/// What makes one answer of the shards' answers, which come in the order of the parts.
type Finish<D> = Box<dyn FnOnce(&Node<D>, &Context, Vec<GroupAnswer>) -> Answer<D> + Send>;

/// Answers when all parts are known.
fn finish<D: Disk>(
    node: &Node<D>,
    context: &Context,
    parts: Vec<Part<D>>,
    finish: impl FnOnce(&Node<D>, &Context, Vec<GroupAnswer>) -> Answer<D> + Send + 'static,
) -> Answer<D> {
    let mut waiting = Waiting { context: context.clone(), parts, finish: Some(Box::new(finish)) };
    match waiting.try_finish(node) {
        Some(answer) => answer,
        None => Answer::Parked(Box::new(waiting)),
    }
}

struct Waiting<D: Disk> {
    context: Context,
    parts: Vec<Part<D>>,
    finish: Option<Finish<D>>,
}

impl<D: Disk> Waiting<D> {
    fn try_finish(&mut self, node: &Node<D>) -> Option<Answer<D>> {
        for part in &mut self.parts {
            if let Part::Waiting(wait) = part {
                let answer = lock(&wait.slot.answer).take();
                *part = Part::Known(answer?);
            }
        }
        let finish = self.finish.take()?;
        let known = std::mem::take(&mut self.parts).into_iter().filter_map(|part| match part {
            Part::Known(answer) => Some(answer),
            Part::Waiting(_) => None,
        });
        Some(finish(node, &self.context, known.collect()))
    }
}

impl<D: Disk> Parked<D> for Waiting<D> {
    fn resume(&mut self, node: &Node<D>, _now: Now, _worker: &mut Worker) -> Option<Answer<D>> {
        self.try_finish(node)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn cancel(&mut self, _node: &Node<D>) {
        for part in &self.parts {
            if let Part::Waiting(wait) = part {
                wait.cancel();
            }
        }
    }
}

/// Waits for one shard and answers with what it says.
fn reply_with<D: Disk>(node: &Node<D>, context: &Context, part: Part<D>) -> Answer<D> {
    finish(node, context, vec![part], |_, context, answers| match answers.into_iter().next() {
        Some(GroupAnswer::Join(answer)) => context.reply(&answer),
        Some(GroupAnswer::Sync(answer)) => context.reply(&answer),
        Some(GroupAnswer::Heartbeat(answer)) => context.reply(&answer),
        Some(GroupAnswer::Leave(answer)) => context.reply(&answer),
        Some(GroupAnswer::OffsetCommit(answer)) => context.reply(&answer),
        Some(GroupAnswer::OffsetDelete(answer)) => context.reply(&answer),
        Some(GroupAnswer::DeleteGroups(answer)) => context.reply(&answer),
        Some(GroupAnswer::OffsetFetch(_)) | None => Answer::Close("a shard answered something else".to_owned()),
    })
}
