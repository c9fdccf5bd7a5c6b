//! DescribeGroups, versions 0 to 6, for classic groups. v6 tells a group that is not there by an error (KIP-1043), before it was
//! a group in state Dead. The operations that the client may do (v3) are the broker's to add.

use crate::classic::{ClassicGroup, ClassicState};
use crate::offsets::Standing;
use crate::state::GroupEntry;
use crate::text::text;
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use std::borrow::Cow;

const NOT_FOUND_VERSION: i16 = 6;

pub(crate) fn describe(standing: Standing<'_>, version: i16, group_id: &str) -> DescribedGroup<'static> {
    match (standing.entry, standing.live) {
        (Some(GroupEntry::Classic(_)), Some(live)) => describe_live(live),
        (Some(GroupEntry::Classic(record)), None) => DescribedGroup {
            group_id: text(group_id),
            group_state: Cow::Borrowed(ClassicState::Empty.name()),
            protocol_type: text(record.protocol_type.as_deref().unwrap_or_default()),
            ..DescribedGroup::default()
        },
        (Some(GroupEntry::Foreign(_)), _) => {
            not_found(version, group_id, format!("Group {group_id} is not a classic group."))
        }
        (None, _) => not_found(version, group_id, format!("Group {group_id} not found.")),
    }
}

fn describe_live(group: &ClassicGroup) -> DescribedGroup<'static> {
    // What a protocol says of a member is only told while the protocol holds.
    let protocol = group.protocol_name.as_deref().filter(|_| group.state == ClassicState::Stable);
    let members = group.members.iter().map(|member| {
        let metadata = protocol.and_then(|name| member.metadata(name));
        DescribedGroupMember {
            member_id: text(&member.id),
            group_instance_id: member.instance_id.as_deref().map(text),
            client_id: text(&member.client_id),
            client_host: text(&member.client_host),
            member_metadata: Cow::Owned(metadata.map(|bytes| bytes.to_vec()).unwrap_or_default()),
            member_assignment: Cow::Owned(member.assignment.to_vec()),
            ..DescribedGroupMember::default()
        }
    });
    DescribedGroup {
        group_id: text(&group.id),
        group_state: Cow::Borrowed(group.state.name()),
        protocol_type: text(group.protocol_type.as_deref().unwrap_or_default()),
        protocol_data: text(protocol.unwrap_or_default()),
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

fn not_found(version: i16, group_id: &str, message: String) -> DescribedGroup<'static> {
    let group =
        DescribedGroup { group_id: text(group_id), group_state: Cow::Borrowed("Dead"), ..DescribedGroup::default() };
    if version < NOT_FOUND_VERSION {
        return group;
    }
    DescribedGroup { error_code: ErrorCode::GroupIdNotFound.code(), error_message: Some(Cow::Owned(message)), ..group }
}
