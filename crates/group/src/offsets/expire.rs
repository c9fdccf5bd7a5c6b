//! The expiry of offsets and of the groups that they leave empty (KIP-211).
//!
//! An offset expires `offsets.retention.minutes` after its group became empty, or, where the group has no protocol or still has
//! consumers that no longer subscribe to its topic, after its commit. Groups of other protocols are left alone.

use super::Standing;
use super::delete::is_subscribed;
use crate::classic::ClassicState;
use crate::records;
use crate::settings::GroupSettings;
use crate::state::{CommittedOffset, GroupEntry, GroupState};
use ottla_coordinator::CoordinatorRecord;
use ottla_machine::Timestamp;
use ottla_wire::EncodeError;

/// How many groups are looked at in one step.
pub(crate) const EXPIRATION_STEP_GROUPS: usize = 1_000;

/// From when on an offset's retention counts.
#[derive(Clone, Copy)]
enum Since {
    Commit,
    GroupState(Timestamp),
}

/// Adds the tombstones of one group.
pub(crate) fn expire_group(
    state: &GroupState,
    standing: Standing<'_>,
    group: &str,
    settings: &GroupSettings,
    now: Timestamp,
    tombstones: &mut Vec<CoordinatorRecord>,
) -> Result<(), EncodeError> {
    let Some(GroupEntry::Classic(record)) = standing.entry else { return Ok(()) };
    let since = match standing.live {
        _ if state.offsets.of_group(group).next().is_none() => Some(Since::Commit),
        None if record.protocol_type.is_none() => Some(Since::Commit),
        None => Some(record.state_since.map_or(Since::Commit, Since::GroupState)),
        Some(live) if live.protocol_type.is_none() => Some(Since::Commit),
        Some(live) if live.state == ClassicState::Empty => {
            Some(live.state_since.map_or(Since::Commit, Since::GroupState))
        }
        Some(live) => {
            let is_known = live.uses_consumer_protocol() && live.knows_subscriptions();
            (is_known && live.state == ClassicState::Stable).then_some(Since::Commit)
        }
    };
    let Some(since) = since else { return Ok(()) };
    let mut all_expired = true;
    for (key, offset) in state.offsets.of_group(group) {
        let expired = !is_subscribed(standing, &key.topic)
            && is_expired(offset, since, settings, now)
            && !state.offsets.is_pending(group, &key.topic, key.partition);
        if expired {
            tombstones.push(records::offset_tombstone(group, &key.topic, key.partition)?);
        }
        all_expired &= expired;
    }
    // Ids that were given out keep a group from going: their holders are about to join.
    let is_idle = standing.live.is_none_or(crate::classic::ClassicGroup::is_idle);
    let is_empty = is_idle && (standing.live.is_some() || record.members.is_empty());
    if all_expired && is_empty && state.offsets.pending_of_group(group).next().is_none() {
        tombstones.push(records::group_metadata(group, None)?);
    }
    Ok(())
}

fn is_expired(offset: &CommittedOffset, since: Since, settings: &GroupSettings, now: Timestamp) -> bool {
    if let Some(expire_time) = offset.expire_time {
        return now >= expire_time;
    }
    let from = match since {
        Since::Commit => offset.commit_time,
        Since::GroupState(time) => time,
    };
    let retention = i64::try_from(settings.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    now.0.saturating_sub(from.0) >= retention
}
