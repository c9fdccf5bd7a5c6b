//! ListGroups, versions 0 to 5. v4 adds states and a filter for them (KIP-518), v5 types (KIP-848).

use crate::classic::ClassicState;
use crate::offsets::LiveGroups;
use crate::state::{GroupEntry, GroupState};
use crate::text::text;
use ottla_wire::api::ListGroupsRequest;
use ottla_wire::api::list_groups_response::ListedGroup;
use std::borrow::Cow;

/// The groups that pass both filters; an empty filter passes all.
pub(crate) fn list(
    state: &GroupState,
    live: &LiveGroups,
    request: &ListGroupsRequest<'_>,
) -> Vec<ListedGroup<'static>> {
    let states: Vec<String> = request.states_filter.iter().map(|state| state.trim().to_lowercase()).collect();
    // A type that there is not passes no group.
    let types: Vec<String> = request.types_filter.iter().map(|name| name.to_lowercase()).collect();
    let mut listed = Vec::new();
    for (id, entry) in state.groups() {
        let (group_type, group_state, protocol_type) = match (entry, live.get(id)) {
            (GroupEntry::Classic(_), Some(group)) => {
                ("classic", group.state.name(), group.protocol_type.as_deref().unwrap_or_default())
            }
            (GroupEntry::Classic(record), None) => {
                ("classic", ClassicState::Empty.name(), record.protocol_type.as_deref().unwrap_or_default())
            }
            // For Kafka the protocol type of these groups is the name of their type.
            (GroupEntry::Foreign(group), _) => (group.type_name(), group.state_name(), group.type_name()),
        };
        let passes = (states.is_empty() || states.iter().any(|state| *state == group_state.to_lowercase()))
            && (types.is_empty() || types.iter().any(|name| name == group_type));
        if passes {
            listed.push(ListedGroup {
                group_id: text(id),
                protocol_type: text(protocol_type),
                group_state: Cow::Borrowed(group_state),
                group_type: Cow::Borrowed(group_type),
                ..ListedGroup::default()
            });
        }
    }
    listed
}
