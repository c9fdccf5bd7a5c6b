//! Features are raised and lowered (KIP-584, KIP-778): what was asked for happens as a whole, or nothing of it.

use super::{Controller, Outcome, VersionedRecord};
use crate::features::{
    Feature, KRAFT_VERSION, METADATA_VERSION, METADATA_VERSION_LATEST, METADATA_VERSION_MIN, METADATA_VERSIONS,
    MetadataVersion,
};
use crate::image::{ConfigResource, ConfigResourceKind, SupportedFeatures, config_record};
use ottla_wire::api::UpdateFeaturesRequest;
use ottla_wire::api::update_features_request::FeatureUpdateKey;
use ottla_wire::metadata::{FeatureLevelRecord, NoOpRecord};
use ottla_wire::{ApiError, ErrorCode};
use std::collections::BTreeMap;

/// The level that lets replicas lead that left the ISR (KIP-966).
const ELR_VERSION: &str = "eligible.leader.replicas.version";
const MIN_ISR: &str = "min.insync.replicas";

/// What an update says of the direction in which it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    const fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Upgrade),
            2 => Some(Self::SafeDowngrade),
            3 => Some(Self::UnsafeDowngrade),
            _ => None,
        }
    }
}

/// What raising or lowering features leads to beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureChange {
    /// The new `kraft.version`. It lives in control records, which are the quorum's to write.
    pub kraft_version: Option<i16>,
}

impl Controller<'_> {
    /// `kraft_version` is the quorum's present one. With `validate_only` there are no records.
    pub fn update_features(
        &self,
        request: &UpdateFeaturesRequest<'_>,
        kraft_version: i16,
    ) -> Result<Outcome<FeatureChange>, ApiError> {
        // Of a feature that stands twice, the last counts.
        let mut updates: Vec<(&str, &FeatureUpdateKey<'_>)> = Vec::new();
        for update in &request.feature_updates {
            match updates.iter_mut().find(|(name, _)| *name == update.feature) {
                Some((_, known)) => *known = update,
                None => updates.push((&update.feature, update)),
            }
        }
        let mut proposed: BTreeMap<&str, i16> =
            self.image.features.iter().map(|(name, level)| (name.as_str(), *level)).collect();
        proposed.insert(METADATA_VERSION, self.image.record_versions().level);
        proposed.extend(updates.iter().map(|(name, update)| (*name, update.max_version_level)));
        let mut records = Vec::new();
        let mut change = FeatureChange { kraft_version: None };
        for (name, update) in &updates {
            let Some(kind) = UpgradeType::from_code(update.upgrade_type) else {
                return Err(invalid(name, update.max_version_level, UNKNOWN_TYPE));
            };
            let level = update.max_version_level;
            self.check_direction(name, level, kind, kraft_version)?;
            match *name {
                METADATA_VERSION => self.check_metadata_version(level, kind)?,
                KRAFT_VERSION => {
                    if kind == UpgradeType::Upgrade {
                        // Something to wait for, since control records are nobody's answer.
                        records.push((NoOpRecord::default().into(), 0));
                        change.kraft_version = (level != kraft_version).then_some(level);
                    } else if level != kraft_version {
                        return Err(invalid(name, level, "Can't downgrade the version of this feature."));
                    }
                    continue;
                }
                name => check_dependencies(name, level, &proposed)?,
            }
            let record =
                FeatureLevelRecord { name: (*name).to_owned().into(), feature_level: level, ..Default::default() };
            records.push((record.into(), 0));
        }
        if updates.iter().any(|(name, update)| *name == ELR_VERSION && update.max_version_level > 0) {
            records = [self.elr_safety_records(), records].concat();
        }
        if request.validate_only {
            records.clear();
            change.kraft_version = None;
        }
        Ok(Outcome { records, response: change })
    }

    fn check_direction(&self, name: &str, level: i16, kind: UpgradeType, kraft_version: i16) -> Result<(), ApiError> {
        let current = match name {
            METADATA_VERSION => self.image.record_versions().level,
            KRAFT_VERSION => kraft_version,
            name => self.image.feature(name),
        };
        if level < 0 {
            return Err(invalid(name, level, "A feature version cannot be less than 0."));
        }
        if let Some(reason) = self.reason_not_supported(name, level) {
            return Err(invalid(name, level, &reason));
        }
        if level < current && kind == UpgradeType::Upgrade {
            return Err(invalid(
                name,
                level,
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe \
                 downgrade.",
            ));
        }
        if level > current && kind != UpgradeType::Upgrade {
            return Err(invalid(name, level, "Can't downgrade to a newer version."));
        }
        Ok(())
    }

    /// Every node must support a level before it is finalized: this controller, the brokers, the other controllers.
    fn reason_not_supported(&self, name: &str, level: i16) -> Option<String> {
        let own = match name {
            METADATA_VERSION => (METADATA_VERSION_MIN, METADATA_VERSION_LATEST),
            name => (0, Feature::named(name).map_or(0, |feature| feature.latest)),
        };
        let reason = |what: String, (low, high): (i16, i16)| match (low..=high).contains(&level) {
            true => None,
            false if high == 0 => Some(format!("{what} does not support this feature.")),
            // A range of one level is written as that level.
            false if low == high => Some(format!("{what} only supports versions {low}")),
            false => Some(format!("{what} only supports versions {low}-{high}")),
        };
        let supported = |features: &SupportedFeatures| features.get(name).copied().unwrap_or((0, 0));
        let local = || reason(format!("Local controller {}", self.settings.node_id), own);
        let brokers = || {
            let mut brokers = self.image.brokers.values();
            brokers.find_map(|broker| reason(format!("Broker {}", broker.id), supported(&broker.features)))
        };
        let controllers = || {
            let others = self.image.controllers.values().filter(|other| other.id != self.settings.node_id);
            others
                .filter(|_| self.image.record_versions().has_controller_registration())
                .find_map(|other| reason(format!("Controller {}", other.id), supported(&other.features)))
        };
        local().or_else(brokers).or_else(controllers)
    }

    /// Kafka goes back to no level across which the metadata changed its form, forced or not.
    fn check_metadata_version(&self, level: i16, kind: UpgradeType) -> Result<(), ApiError> {
        let refuse = |message: String| Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message));
        if MetadataVersion::from_level(level).is_none() {
            return refuse(format!(
                "Invalid metadata.version {level}. Valid versions are from {METADATA_VERSION_MIN} to \
                 {METADATA_VERSION_LATEST}."
            ));
        }
        let current = self.image.record_versions().level;
        let crossed = METADATA_VERSIONS.iter().filter(|version| version.level > level && version.level <= current);
        if !crossed.into_iter().any(|version| version.changes_metadata) {
            return Ok(());
        }
        let why = match kind {
            UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
            UpgradeType::Upgrade | UpgradeType::SafeDowngrade => {
                "Refusing to perform the requested downgrade because it might delete metadata information."
            }
        };
        refuse(format!("Unsupported metadata.version downgrade from {current} to {level}. {why}"))
    }

    /// Before a cluster relies on eligible leader replicas, `min.insync.replicas` is made one for all: the cluster's is
    /// set to what holds, and brokers lose their own.
    fn elr_safety_records(&self) -> Vec<VersionedRecord> {
        let mut records = Vec::new();
        let cluster = ConfigResource::broker(None);
        if self.image.config(&cluster, MIN_ISR).is_none() {
            let value = self.settings.min_insync_replicas.to_string();
            records.push((config_record(&cluster, MIN_ISR, Some(&value)).into(), 0));
        }
        let brokers = self.image.configs.iter().filter(|(resource, configs)| {
            resource.kind == ConfigResourceKind::Broker && !resource.name.is_empty() && configs.contains_key(MIN_ISR)
        });
        records.extend(brokers.map(|(resource, _)| (config_record(resource, MIN_ISR, None).into(), 0)));
        records
    }
}

const UNKNOWN_TYPE: &str = "The controller does not support the given upgrade type.";

fn invalid(name: &str, level: i16, why: &str) -> ApiError {
    let message = format!("Invalid update version {level} for feature {name}. {why}");
    ApiError::new(ErrorCode::InvalidUpdateVersion, message)
}

fn check_dependencies(name: &str, level: i16, proposed: &BTreeMap<&str, i16>) -> Result<(), ApiError> {
    let needs = Feature::named(name).map_or(&[][..], |feature| feature.needs(level));
    match needs.iter().find(|(other, least)| proposed.get(other).is_none_or(|level| level < least)) {
        None => Ok(()),
        Some((other, least)) => {
            let why = format!("{name} could not be set to {level} because it depends on {other} level {least}");
            Err(invalid(name, level, &why))
        }
    }
}
