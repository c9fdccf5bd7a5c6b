//! UpdateFeatures (0-2): v1 says in which direction and can only try; from v2 on a success has no results of its own.

use super::{Asker, Decision, Response, owned};
use crate::node::{Desk, QuorumChange};
use ottla_metadata::controller::Outcome;
use ottla_security::AclOperation;
use ottla_wire::api::update_features_response::UpdatableFeatureResult;
use ottla_wire::api::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use ottla_wire::{ApiError, ErrorCode};

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &UpdateFeaturesRequest<'_>) -> Decision {
    if !asker.may_to_cluster(AclOperation::Alter) {
        return (Vec::new(), refusal(ErrorCode::ClusterAuthorizationFailed.into()));
    }
    match desk.controller.update_features(request, desk.membership.kraft_version) {
        Ok(Outcome { records, response }) => {
            desk.quorum_change = response.kraft_version.map(QuorumChange::KraftVersion);
            let result = |feature: &str| UpdatableFeatureResult {
                feature: owned(feature),
                // Kafka's word for the code 0.
                error_message: Some("NONE".into()),
                ..Default::default()
            };
            let results = match asker.context.version {
                ..2 => request.feature_updates.iter().map(|update| result(&update.feature)).collect(),
                _ => Vec::new(),
            };
            (records, Box::new(UpdateFeaturesResponse { results, ..Default::default() }))
        }
        Err(error) => {
            let why = error.message.unwrap_or_default();
            let message = format!("The update failed for all features since the following feature had an error: {why}");
            (Vec::new(), refusal(ApiError::new(error.code, message)))
        }
    }
}

/// The answer when nothing was changed.
pub(super) fn refusal(error: ApiError) -> Response {
    let (error_code, error_message) = (error.code.into(), error.message);
    Box::new(UpdateFeaturesResponse { error_code, error_message, ..Default::default() })
}
