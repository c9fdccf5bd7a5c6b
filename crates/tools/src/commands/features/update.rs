//! Raises, lowers and disables features.

use super::{parse_update, unknown_version};
use crate::cli::{Done, Failure, Parsed, say};
use crate::cluster::java_map_order;
use ottla_client::Admin;
use ottla_client::shell::admin::features::{FeatureUpdate, UpdateMode, UpgradeType};
use ottla_metadata::features::{FEATURES, METADATA_VERSION, MetadataVersion};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Upgrade,
    Downgrade,
    Disable,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
            Self::Disable => "disable",
        }
    }
}

/// The levels that a command line asks for.
pub(super) fn updates(direction: Direction, parsed: &Parsed) -> Done<Vec<FeatureUpdate>> {
    let kind = match direction {
        Direction::Upgrade => UpgradeType::Upgrade,
        Direction::Downgrade | Direction::Disable if parsed.has("unsafe") => UpgradeType::UnsafeDowngrade,
        Direction::Downgrade | Direction::Disable => UpgradeType::SafeDowngrade,
    };
    let update = |feature: &str, level: i16| FeatureUpdate { feature: feature.to_owned(), level, kind };
    let features = parsed.values("feature");
    let mut updates = Vec::new();
    if direction != Direction::Disable {
        let (release, metadata) = (parsed.value("release-version")?, parsed.value("metadata")?);
        if release.is_some() && (metadata.is_some() || !features.is_empty()) {
            return Err(Failure::told("Can not specify `release-version` with other feature flags."));
        }
        if metadata.is_some() {
            say(" `metadata` flag is deprecated and may be removed in a future release.");
        }
        if let Some(name) = release.or(metadata) {
            let version = MetadataVersion::from_name(name).ok_or_else(|| unknown_version(name))?;
            updates.push(update(METADATA_VERSION, version.level));
            if release.is_some() {
                let levels = FEATURES.iter().map(|feature| (feature.name, feature.default_level(version.level)));
                // Nobody raises a feature to 0.
                let wanted = levels.filter(|(_, level)| direction != Direction::Upgrade || *level > 0);
                updates.extend(wanted.map(|(name, level)| update(name, level)));
            }
        }
    }
    for text in features {
        let (name, level) = match direction {
            Direction::Disable => (text.to_owned(), 0),
            Direction::Upgrade | Direction::Downgrade => parse_update(text)?,
        };
        if updates.iter().any(|known| known.feature == name) {
            return Err(Failure::told(format!("Feature {name} was specified more than once.")));
        }
        updates.push(update(&name, level));
    }
    if updates.is_empty() {
        return Err(Failure::told(format!("You must specify at least one feature to {}", direction.name())));
    }
    for FeatureUpdate { level, .. } in &updates {
        if *level == 0 && kind == UpgradeType::Upgrade {
            return Err(Failure::told(format!(
                "The upgradeType flag should be set to SAFE_DOWNGRADE or UNSAFE_DOWNGRADE when the provided \
                 maxVersionLevel:{level} is < 1."
            )));
        }
        if *level < 0 {
            return Err(Failure::told("Cannot specify a negative version level."));
        }
    }
    if updates.iter().any(|update| update.feature.trim().is_empty()) {
        return Err(Failure::told("Provided feature can not be empty."));
    }
    // The controller tells of the first mistake alone, in the order of the request.
    java_map_order(&mut updates, |update| &update.feature);
    Ok(updates)
}

pub(super) async fn run(admin: &Admin, direction: Direction, mut updates: Vec<FeatureUpdate>, dry_run: bool) -> Done {
    let mode = if dry_run { UpdateMode::ValidateOnly } else { UpdateMode::Perform };
    let results = match admin.update_features(&updates, mode).await {
        Ok(results) => results,
        Err(error) => vec![Err(error); updates.len()],
    };
    let mut told: Vec<_> = updates.drain(..).zip(results).collect();
    told.sort_by(|(one, _), (other, _)| one.feature.cmp(&other.feature));
    let name = direction.name();
    for (FeatureUpdate { feature, level, .. }, result) in &told {
        let to = if direction == Direction::Disable { String::new() } else { format!(" to {level}") };
        match result {
            Ok(()) => say(&format!("{feature} {} {name}d{to}.", if dry_run { "can be" } else { "was" })),
            Err(error) => {
                let helper = if dry_run { "Can not" } else { "Could not" };
                say(&format!("{helper} {name} {feature}{to}. {error}"));
            }
        }
    }
    match told.iter().filter(|(_, result)| result.is_err()).count() {
        0 => Ok(()),
        failed => Err(Failure::told(format!("{failed} out of {} operation(s) failed.", told.len()))),
    }
}
