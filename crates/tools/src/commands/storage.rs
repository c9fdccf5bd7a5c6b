//! `ottla storage`: format, info, random-uuid and version-mapping, as `kafka-storage.sh`.

use super::{load, properties};
use anyhow::Result;
use clap::{Args, Subcommand};
use ottla_io::clock;
use ottla_metadata::features::{FEATURES, METADATA_VERSION_LATEST, MetadataVersion};
use ottla_server::storage::{self, FormatOptions, InitialControllers};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format the log directories of this node
    Format(Format),
    /// Say what is in the log directories of this node
    Info(Info),
    /// Print a random UUID
    RandomUuid,
    /// Print the feature levels that go with a release
    VersionMapping(VersionMapping),
}

#[derive(Args)]
struct Format {
    /// The node's properties file
    #[arg(short, long)]
    config: PathBuf,
    /// The cluster's id, the same on all nodes; `random-uuid` makes one
    #[arg(short = 't', long)]
    cluster_id: String,
    /// A SCRAM credential to begin with, such as 'SCRAM-SHA-256=[name=alice,password=alice-secret]'
    #[arg(short = 'S', long, value_name = "CREDENTIAL")]
    add_scram: Vec<String>,
    /// Leave directories alone that are formatted
    #[arg(short = 'g', long)]
    ignore_formatted: bool,
    /// The release whose feature levels to use; the newest unless given
    #[arg(short, long)]
    release_version: Option<String>,
    /// The level of one feature, as feature=level
    #[arg(short, long, value_name = "FEATURE=LEVEL")]
    feature: Vec<String>,
    /// Begin a quorum of this node alone, which can grow
    #[arg(short, long, group = "quorum")]
    standalone: bool,
    /// Wait to be added to a quorum
    #[arg(short = 'N', long, group = "quorum")]
    no_initial_controllers: bool,
    /// Begin a quorum of these: id@host:port:directory, separated by commas
    #[arg(short = 'I', long, group = "quorum")]
    initial_controllers: Option<String>,
}

#[derive(Args)]
struct Info {
    /// The node's properties file
    #[arg(short, long)]
    config: PathBuf,
}

#[derive(Args)]
struct VersionMapping {
    /// The release; the newest unless given
    #[arg(short, long)]
    release_version: Option<String>,
}

pub(crate) fn run(options: Options) -> Result<ExitCode> {
    match options.command {
        Command::RandomUuid => println!("{}", storage::random_uuid(&mut clock::seed())),
        Command::Info(info) => {
            let (text, in_order) = storage::info(&load(&properties(&info.config)?)?);
            print!("{text}");
            return Ok(if in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Format(format) => {
            let config = load(&properties(&format.config)?)?;
            let initial_controllers =
                match (format.standalone, format.no_initial_controllers, format.initial_controllers) {
                    (true, ..) => InitialControllers::Standalone,
                    (_, true, _) => InitialControllers::None,
                    (.., Some(list)) => InitialControllers::Listed(list),
                    _ => InitialControllers::Unsaid,
                };
            let options = FormatOptions {
                cluster_id: format.cluster_id,
                ignore_formatted: format.ignore_formatted,
                release_version: format.release_version,
                features: format.feature,
                scram: format.add_scram,
                initial_controllers,
            };
            print!("{}", storage::format(&config, &options).map_err(anyhow::Error::msg)?);
        }
        Command::VersionMapping(mapping) => return version_mapping(mapping.release_version.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}

fn version_mapping(release: Option<&str>) -> Result<ExitCode> {
    let version = match release {
        Some(name) => MetadataVersion::from_name(name),
        None => MetadataVersion::from_level(METADATA_VERSION_LATEST),
    };
    let Some(version) = version else {
        eprintln!("Version {} is not a valid version", release.unwrap_or_default());
        return Ok(ExitCode::FAILURE);
    };
    println!("metadata.version={} ({})", version.level, release.unwrap_or(version.name));
    for feature in FEATURES {
        println!("{}={}", feature.name, feature.default_level(version.level));
    }
    Ok(ExitCode::SUCCESS)
}
