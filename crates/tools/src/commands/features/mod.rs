//! `ottla features`: the levels of a cluster's features, as `kafka-features.sh`.

mod update;

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Sub, Tool, flag, int, say, say_json, text};
use crate::cluster::{admin_of, block_on};
use ottla_client::Admin;
use ottla_client::shell::network::Target;
use ottla_metadata::features::{Feature, METADATA_VERSION, METADATA_VERSION_LATEST, MetadataVersion};
use ottla_wire::api::ApiVersionsResponse;
use update::Direction;

pub(crate) const TOOL: Tool = Tool {
    name: "features",
    script: "kafka-features",
    classes: &["org.apache.kafka.tools.FeatureCommand", "kafka.admin.FeatureCommand"],
    group: Group::Cluster,
    about: "This tool manages feature flags in Kafka.",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[
        Sub { name: "describe", about: "Describes the current active feature flags.", options: DESCRIBE },
        Sub { name: "upgrade", about: "Upgrade one or more feature flags.", options: UPGRADE },
        Sub { name: "downgrade", about: "Downgrade one or more feature flags.", options: DOWNGRADE },
        Sub { name: "disable", about: "Disable one or more feature flags.", options: DISABLE },
        Sub { name: "version-mapping", about: "Show the levels that go with a release.", options: MAPPING },
        Sub { name: "feature-dependencies", about: "Show what a level depends on.", options: DEPENDENCIES },
    ],
    examples: &[
        "features --bootstrap-server localhost:9092 describe",
        "features --bootstrap-server localhost:9092 upgrade --release-version 4.4 --dry-run",
        "features --bootstrap-server localhost:9092 downgrade --feature group.version=0",
        "features version-mapping --release-version 4.2",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "bootstrap_server", "The brokers to begin with."),
    text("bootstrap-controller", "bootstrap_controller", "The controllers to begin with, instead of brokers."),
    text("command-config", "command_config", "A file of settings for the client."),
    flag("json", "Print one JSON object a feature instead of text (describe, version-mapping)."),
];
const DESCRIBE: &[Opt] = &[int("node-id", "node_id", "The node to ask; any unless given.")];
const METADATA: Opt = text("metadata", "metadata", "Deprecated: the level of the metadata, by its name.");
const RELEASE: Opt = text("release-version", "release_version", "The release whose levels all features get.");
const FEATURE: Opt = text("feature", "feature", "A feature and its level, as feature=level; may be given again.");
const UNSAFE: Opt = flag("unsafe", "Do it even if metadata is lost.");
const DRY_RUN: Opt = flag("dry-run", "Only see whether it can be done.");
const UPGRADE: &[Opt] = &[METADATA, RELEASE, FEATURE, DRY_RUN];
const DOWNGRADE: &[Opt] = &[METADATA, RELEASE, FEATURE, UNSAFE, DRY_RUN];
const DISABLE: &[Opt] =
    &[text("feature", "feature", "A feature that gets level 0; may be given again."), UNSAFE, DRY_RUN];
const MAPPING: &[Opt] = &[text("release-version", "release_version", "The release; the newest unless given.")];
const DEPENDENCIES: &[Opt] = &[text("feature", "feature", "A feature and its level, as feature=level.").required()];

fn run(parsed: &Parsed) -> Done {
    match parsed.subcommand {
        Some("version-mapping") => version_mapping(parsed.value("release-version")?, parsed.has("json")),
        Some("describe") => {
            let admin = admin_of(parsed, "command-config")?;
            let node = parsed.int("node-id")?;
            if let Some(id) = node.filter(|id| *id < 0) {
                return Err(Failure::told(format!("Invalid node id {id}: must be non-negative.")));
            }
            block_on(describe(&admin, node.map_or(Target::Any, Target::Node), parsed.has("json")))
        }
        Some("feature-dependencies") => dependencies(&parsed.values("feature")),
        change => {
            let direction = match change {
                Some("upgrade") => Direction::Upgrade,
                Some("downgrade") => Direction::Downgrade,
                _ => Direction::Disable,
            };
            let admin = admin_of(parsed, "command-config")?;
            let updates = update::updates(direction, parsed)?;
            block_on(update::run(&admin, direction, updates, parsed.has("dry-run")))
        }
    }
}

fn unknown_version(name: &str) -> Failure {
    Failure::told(MetadataVersion::unknown(name))
}

/// `feature=level`
fn parse_update(text: &str) -> Done<(String, i16)> {
    let wrong = |why: String| Failure::told(format!("Can't parse feature=level string {text}: {why}"));
    let (name, level) = text.split_once('=').ok_or_else(|| wrong("equals sign not found.".to_owned()))?;
    let level = level.trim();
    let parsed = level.parse().map_err(|_| wrong(format!("unable to parse {level} as a short.")))?;
    Ok((name.trim().to_owned(), parsed))
}

/// The order in which Kafka lists what goes with a release.
const MAPPED: [&str; 6] = [
    "kraft.version",
    "transaction.version",
    "group.version",
    "eligible.leader.replicas.version",
    "share.version",
    "streams.version",
];

pub(super) fn version_mapping(release: Option<&str>, as_json: bool) -> Done {
    let latest = MetadataVersion::from_level(METADATA_VERSION_LATEST).map_or("", |version| version.name);
    let name = release.unwrap_or(latest);
    let version = MetadataVersion::from_name(name).ok_or_else(|| unknown_version(name))?;
    if as_json {
        let mut levels = serde_json::Map::new();
        levels.insert(METADATA_VERSION.to_owned(), version.level.into());
        for feature in MAPPED.into_iter().filter_map(Feature::named) {
            levels.insert(feature.name.to_owned(), feature.default_level(version.level).into());
        }
        say_json(&serde_json::Value::Object(levels));
        return Ok(());
    }
    say(&format!("metadata.version={} ({name})", version.level));
    for feature in MAPPED.into_iter().filter_map(Feature::named) {
        say(&format!("{}={}", feature.name, feature.default_level(version.level)));
    }
    Ok(())
}

fn dependencies(features: &[&str]) -> Done {
    for text in features {
        let (name, level) = parse_update(text)?;
        if name == METADATA_VERSION {
            let version = MetadataVersion::from_level(level)
                .ok_or_else(|| Failure::told(format!("Unknown metadata.version {level}")))?;
            say(&format!("{name}={level} ({}) has no dependencies.", version.name));
            continue;
        }
        let feature = Feature::named(&name).ok_or_else(|| Failure::told(format!("Unknown feature: {name}")))?;
        if !(0..=feature.latest).contains(&level) {
            return Err(Failure::told(format!("No feature:{name} with feature level {level}")));
        }
        say_needs(feature, level);
    }
    Ok(())
}

/// What a level of a feature depends on.
pub(super) fn say_needs(feature: &Feature, level: i16) {
    let name = feature.name;
    match feature.needs(level) {
        [] => say(&format!("{name}={level} has no dependencies.")),
        needs => {
            say(&format!("{name}={level} requires:"));
            for (other, level) in needs {
                let named = MetadataVersion::from_level(*level).filter(|_| *other == METADATA_VERSION);
                let named = named.map_or_else(String::new, |version| format!(" ({})", version.name));
                say(&format!("    {other}={level}{named}"));
            }
        }
    }
}

async fn describe(admin: &Admin, target: Target, as_json: bool) -> Done {
    let hello = admin.persist("describeFeatures", async || {
        if let Target::Node(_) = target {
            admin.network().refresh(ottla_client::shell::network::Topics::None).await?;
        }
        admin.network().hello(target).await
    });
    let hello = hello.await?;
    let response: ApiVersionsResponse<'_> = hello.read()?;
    let mut supported: Vec<_> = response.supported_features.iter().collect();
    supported.sort_by(|one, other| one.name.cmp(&other.name));
    let epoch = match response.finalized_features_epoch {
        0.. => response.finalized_features_epoch.to_string(),
        _ => "-".to_owned(),
    };
    for feature in supported {
        let finalized = response.finalized_features.iter().find(|finalized| finalized.name == feature.name);
        let level = |level: i16| shown(&feature.name, level);
        if as_json {
            let json = serde_json::json!({
                "feature": feature.name,
                "min": feature.min_version,
                "max": feature.max_version,
                "finalized": finalized.map_or(0, |finalized| finalized.max_version_level),
                "epoch": response.finalized_features_epoch,
            });
            say_json(&json);
            continue;
        }
        say(&format!(
            "Feature: {:40}  SupportedMinVersion: {:15}  SupportedMaxVersion: {:15}  FinalizedVersionLevel: {:15}  Epoch: {epoch}",
            feature.name,
            level(feature.min_version),
            level(feature.max_version),
            level(finalized.map_or(0, |finalized| finalized.max_version_level)),
        ));
    }
    Ok(())
}

/// The metadata's levels have names.
fn shown(feature: &str, level: i16) -> String {
    if feature != METADATA_VERSION {
        return level.to_string();
    }
    MetadataVersion::from_level(level).map_or_else(|| format!("UNKNOWN {level}"), |version| version.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::features::FEATURES;

    #[test]
    fn every_feature_is_mapped() {
        assert!(FEATURES.iter().all(|feature| MAPPED.contains(&feature.name)));
        assert_eq!(MAPPED.len(), FEATURES.len());
    }
}
