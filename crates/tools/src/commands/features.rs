//! `ottla features`: the levels of a cluster's features, as `kafka-features.sh`.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Sub, Tool, flag, int, say, text};
use crate::cluster::{admin_of, block_on};
use ottla_client::Admin;
use ottla_client::shell::network::Target;
use ottla_metadata::features::{FEATURES, METADATA_VERSION, METADATA_VERSION_LATEST, MetadataVersion};
use ottla_wire::api::ApiVersionsResponse;

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
        Sub { name: "upgrade", about: "Upgrade one or more feature flags.", options: CHANGE },
        Sub { name: "downgrade", about: "Downgrade one or more feature flags.", options: CHANGE },
        Sub { name: "disable", about: "Disable one or more feature flags.", options: CHANGE },
        Sub { name: "version-mapping", about: "Show the levels that go with a release.", options: MAPPING },
        Sub { name: "feature-dependencies", about: "Show what a level depends on.", options: DEPENDENCIES },
    ],
    examples: &[
        "features --bootstrap-server localhost:9092 describe",
        "features version-mapping --release-version 4.2",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "bootstrap_server", "The brokers to begin with."),
    text("bootstrap-controller", "bootstrap_controller", "The controllers to begin with, instead of brokers."),
    text("command-config", "command_config", "A file of settings for the client."),
];
const DESCRIBE: &[Opt] = &[int("node-id", "node_id", "The node to ask; any unless given.")];
const CHANGE: &[Opt] = &[
    text("metadata", "metadata", "Deprecated: the level of the metadata."),
    text("release-version", "release_version", "The release whose levels all features get."),
    text("feature", "feature", "A feature and its level, as feature=level; may be given again."),
    flag("unsafe", "Do it even if metadata is lost."),
    flag("dry-run", "Only see whether it can be done."),
];
const MAPPING: &[Opt] = &[text("release-version", "release_version", "The release; the newest unless given.")];
const DEPENDENCIES: &[Opt] = &[text("feature", "feature", "A feature and its level, as feature=level.").required()];

fn run(parsed: &Parsed) -> Done {
    match parsed.subcommand {
        Some("version-mapping") => version_mapping(parsed.value("release-version")?),
        Some("describe") => {
            let admin = admin_of(parsed, "command-config")?;
            let node = parsed.int("node-id")?;
            if let Some(id) = node.filter(|id| *id < 0) {
                return Err(Failure::told(format!("Invalid node id {id}: must be non-negative.")));
            }
            block_on(describe(&admin, node.map_or(Target::Any, Target::Node)))
        }
        other => Err(Failure::told(format!("{} is not supported yet.", other.unwrap_or_default()))),
    }
}

fn version_mapping(release: Option<&str>) -> Done {
    let version = match release {
        Some(name) => MetadataVersion::from_name(name),
        None => MetadataVersion::from_level(METADATA_VERSION_LATEST),
    };
    let Some(version) = version else {
        return Err(Failure::told(format!("Unknown release version '{}'.", release.unwrap_or_default())));
    };
    say(&format!("metadata.version={} ({})", version.level, version.name));
    for feature in FEATURES {
        say(&format!("{}={}", feature.name, feature.default_level(version.level)));
    }
    Ok(())
}

async fn describe(admin: &Admin, target: Target) -> Done {
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
