//! `ottla storage`: what is in a node's directories before it starts, as `kafka-storage.sh`.

use super::{features, load, properties};
use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Sub, Tool, flag, say, say_either, say_json, say_raw, text,
};
use ottla_io::clock;
use ottla_metadata::features::{Feature, METADATA_VERSION, MetadataVersion};
use ottla_server::config::NodeConfig;
use ottla_server::storage::{self, FormatOptions, InitialControllers};
use serde_json::json;
use std::path::Path;

pub(crate) const TOOL: Tool = Tool {
    name: "storage",
    script: "kafka-storage",
    classes: &["kafka.tools.StorageTool"],
    group: Group::Node,
    about: "The Kafka storage tool.",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: &[JSON],
    subcommands: &[
        Sub { name: "info", about: "Say what is in the log directories of this node.", options: INFO },
        Sub { name: "format", about: "Format the log directories of this node.", options: FORMAT },
        Sub { name: "version-mapping", about: "Show the feature levels that go with a release.", options: MAPPING },
        Sub { name: "feature-dependencies", about: "Show what levels depend on.", options: DEPENDENCIES },
        Sub { name: "random-uuid", about: "Print a random UUID.", options: &[] },
    ],
    examples: &[
        "storage random-uuid",
        "storage format --standalone -t \"$KAFKA_CLUSTER_ID\" -c config/server.properties",
        "storage info -c config/server.properties",
    ],
    run,
};

const JSON: Opt = flag("json", "Print JSON instead of text.");
const CONFIG: Opt = text("config", "config", "The node's properties file.").also(&["c"]).required();
const RELEASE: Opt =
    text("release-version", "release_version", "The release whose levels; the newest unless given.").also(&["r"]);
const INFO: &[Opt] = &[CONFIG];
const MAPPING: &[Opt] = &[RELEASE];
const DEPENDENCIES: &[Opt] =
    &[text("feature", "feature", "A feature and its level, as feature=level; may be given again.")
        .also(&["f"])
        .required()];
const FORMAT: &[Opt] = &[
    CONFIG,
    text("cluster-id", "cluster_id", "The cluster's id, the same on all nodes; 'random-uuid' makes one.").also(&["t"]).required(),
    text("add-scram", "add_scram", "A SCRAM credential to begin with, such as 'SCRAM-SHA-256=[name=alice,password=alice-secret]'; may be given again.").also(&["S"]),
    flag("ignore-formatted", "Leave directories alone that are formatted.").also(&["g"]),
    RELEASE,
    text("feature", "feature", "The level of one feature, as feature=level; may be given again.").also(&["f"]),
    flag("standalone", "Begin a quorum of this node alone, which can grow.").also(&["s"]),
    flag("no-initial-controllers", "Wait to be added to a quorum.").also(&["N"]).instead_of(&["standalone", "initial-controllers"]),
    text("initial-controllers", "initial_controllers", "Begin a quorum of these: id@host:port:directory, separated by commas.").also(&["I"]).instead_of(&["standalone", "no-initial-controllers"]),
];

fn run(parsed: &Parsed) -> Done {
    match parsed.subcommand {
        Some("random-uuid") => {
            let id = storage::random_uuid(&mut clock::seed()).to_string();
            say_either(&id, || json!({ "uuid": id }));
            Ok(())
        }
        Some("version-mapping") => features::version_mapping(parsed.last("release-version"), parsed.has("json")),
        Some("feature-dependencies") => dependencies(&parsed.values("feature")),
        Some("info") => {
            let (page, in_order) = storage::info(&config(parsed)?);
            if parsed.has("json") {
                say_json(&json!({ "inOrder": in_order, "told": page.lines().collect::<Vec<_>>() }));
            } else {
                say_raw(&page);
            }
            if in_order { Ok(()) } else { Err(Failure::Said) }
        }
        _ => format(parsed),
    }
}

fn config(parsed: &Parsed) -> Done<NodeConfig> {
    let read = || load(&properties(Path::new(parsed.last("config").unwrap_or_default()))?);
    read().map_err(Failure::error)
}

fn format(parsed: &Parsed) -> Done {
    let config = config(parsed)?;
    let several = |name: &str| parsed.values(name).into_iter().map(str::to_owned).collect();
    let options = FormatOptions {
        cluster_id: parsed.last("cluster-id").unwrap_or_default().to_owned(),
        ignore_formatted: parsed.has("ignore-formatted"),
        release_version: parsed.last("release-version").map(str::to_owned),
        features: several("feature"),
        scram: several("add-scram"),
        initial_controllers: match parsed.last("initial-controllers") {
            Some(list) => InitialControllers::Listed(list.to_owned()),
            None if parsed.has("standalone") => InitialControllers::Standalone,
            None if parsed.has("no-initial-controllers") => InitialControllers::None,
            None => InitialControllers::Unsaid,
        },
    };
    let told = storage::format(&config, &options).map_err(Failure::told)?;
    if parsed.has("json") {
        let told: Vec<_> = told.lines().collect();
        say_json(&json!({ "clusterId": options.cluster_id, "told": told }));
    } else {
        say_raw(&told);
    }
    Ok(())
}

/// `feature=level`, each with what it depends on.
fn dependencies(features: &[&str]) -> Done {
    for text in features {
        let wrong =
            || format!("Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')");
        let (name, level) = text.split_once('=').ok_or_else(|| Failure::told(wrong()))?;
        let (name, level) = (name.trim(), level.trim());
        let number = level.parse::<i16>();
        let number =
            number.map_err(|_| Failure::told(format!("Invalid version format: {level} for feature {name}")))?;
        if name == METADATA_VERSION {
            let version = MetadataVersion::from_level(number);
            let version = version.ok_or_else(|| Failure::told(format!("Unknown metadata.version {number}")))?;
            say(&format!("{name}={number} ({}) has no dependencies.", version.name));
            continue;
        }
        let feature = Feature::named(name).ok_or_else(|| Failure::told(format!("Unknown feature: {name}")))?;
        if !(0..=feature.latest).contains(&number) {
            return Err(Failure::told(format!("Feature level {number} is not supported for feature {name}")));
        }
        features::say_needs(feature, number);
    }
    Ok(())
}
