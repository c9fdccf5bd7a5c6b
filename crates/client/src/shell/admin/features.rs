//! Features raised and lowered (KIP-584).

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::update_features_request::FeatureUpdateKey;
use ottla_wire::api::{UpdateFeaturesRequest, UpdateFeaturesResponse};

/// In which direction a level goes; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeType {
    Upgrade = 1,
    SafeDowngrade = 2,
    UnsafeDowngrade = 3,
}

/// A new level of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    pub feature: String,
    pub level: i16,
    pub kind: UpgradeType,
}

/// Whether an update happens, or is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    Perform,
    ValidateOnly,
}

impl Admin {
    /// All of the updates, or none. Each has its own result, in their order.
    pub async fn update_features(&self, updates: &[FeatureUpdate], mode: UpdateMode) -> Result<Vec<Result<()>>> {
        let timeout_ms = self.request_timeout_ms();
        let request = |_| {
            let update = |update: &FeatureUpdate| FeatureUpdateKey {
                feature: update.feature.clone().into(),
                max_version_level: update.level,
                upgrade_type: update.kind as i8,
                ..Default::default()
            };
            UpdateFeaturesRequest {
                timeout_ms,
                feature_updates: updates.iter().map(update).collect(),
                validate_only: mode == UpdateMode::ValidateOnly,
                ..Default::default()
            }
        };
        let read = |reply: &Reply| {
            let response: UpdateFeaturesResponse<'_> = reply.read()?;
            let whole = ClientError::check(response.error_code, response.error_message.as_deref());
            if let Err(error) = &whole
                && error.is_transient()
            {
                whole.clone()?;
            }
            let own = |update: &FeatureUpdate| {
                let told = response.results.iter().find(|result| result.feature == update.feature);
                match (&whole, told) {
                    (Ok(()), Some(told)) => ClientError::check(told.error_code, told.error_message.as_deref()),
                    (whole, _) => whole.clone(),
                }
            };
            Ok(updates.iter().map(own).collect())
        };
        self.call("updateFeatures", Target::Controller, request, read).await
    }
}
