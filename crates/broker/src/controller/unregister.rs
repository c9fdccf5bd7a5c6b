//! UnregisterBroker (0) and UnregisterController (0): a node that will not come back is taken out of the metadata.

use super::{Asker, Decision, Response};
use crate::node::Desk;
use ottla_metadata::controller::VersionedRecord;
use ottla_security::AclOperation;
use ottla_wire::api::{
    UnregisterBrokerRequest, UnregisterBrokerResponse, UnregisterControllerRequest, UnregisterControllerResponse,
};
use ottla_wire::{ApiError, ErrorCode};

type Decided = Result<Vec<VersionedRecord>, ApiError>;

fn allowed(asker: &Asker) -> Result<(), ApiError> {
    match asker.may_to_cluster(AclOperation::Alter) {
        true => Ok(()),
        false => Err(ErrorCode::ClusterAuthorizationFailed.into()),
    }
}

pub(super) fn decide_broker(desk: &mut Desk<'_>, asker: &Asker, request: &UnregisterBrokerRequest<'_>) -> Decision {
    let decided: Decided = allowed(asker).and_then(|()| desk.controller.unregister_broker(request.broker_id));
    match decided {
        Ok(records) => {
            // Nobody waits for its heartbeats any more.
            desk.sessions.remove(&request.broker_id);
            (records, Box::new(UnregisterBrokerResponse::default()))
        }
        Err(error) => (Vec::new(), broker_refusal(error)),
    }
}

pub(super) fn decide_controller(
    desk: &mut Desk<'_>,
    asker: &Asker,
    request: &UnregisterControllerRequest<'_>,
) -> Decision {
    let decided: Decided = allowed(asker).and_then(|()| desk.controller.unregister_controller(request.controller_id));
    match decided {
        Ok(records) => (records, Box::new(UnregisterControllerResponse::default())),
        Err(error) => (Vec::new(), controller_refusal(error)),
    }
}

pub(super) fn broker_refusal(error: ApiError) -> Response {
    let (error_code, error_message) = (error.code.into(), error.message);
    Box::new(UnregisterBrokerResponse { error_code, error_message, ..Default::default() })
}

pub(super) fn controller_refusal(error: ApiError) -> Response {
    let (error_code, error_message) = (error.code.into(), error.message);
    Box::new(UnregisterControllerResponse { error_code, error_message, ..Default::default() })
}
