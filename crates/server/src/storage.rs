//! Formatting: a directory's identity, and on a controller the zero snapshot with the bootstrap records (KIP-1170). Its
//! texts are those of Kafka's `kafka-storage`.

use crate::config::{Listener, NodeConfig, Roles};
use crate::settings::host_name;
use ottla_io::clock;
use ottla_io::disk::RealDisk;
use ottla_log::TopicId;
use ottla_log::directory::{LogDirectory, MetaProperties};
use ottla_machine::{Disk, Seed};
use ottla_metadata::features::{
    FEATURES, Feature, KRAFT_VERSION, METADATA_VERSION, METADATA_VERSION_LATEST, MetadataVersion,
};
use ottla_metadata::framing;
use ottla_raft::{RaftLogError, SnapshotId, SnapshotWriter, Voter, VoterEndpoint, VoterSet};
use ottla_security::ScramUser;
use ottla_wire::Uuid;
use ottla_wire::metadata::{FeatureLevelRecord, MetadataRecord, UserScramCredentialRecord};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Which controllers a new quorum begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum InitialControllers {
    /// Those of `controller.quorum.voters`, or none was said.
    #[default]
    Unsaid,
    /// This node alone.
    Standalone,
    /// `id@host:port:directory`, separated by commas.
    Listed(String),
    /// This node waits to be added.
    None,
}

/// What `storage format` is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormatOptions {
    pub cluster_id: String,
    pub ignore_formatted: bool,
    pub release_version: Option<String>,
    /// `feature=level`
    pub features: Vec<String>,
    /// `SCRAM-SHA-256=[name=alice,password=…]`
    pub scram: Vec<String>,
    pub initial_controllers: InitialControllers,
}

/// From this level on Kafka's own formatting is read only by 4.4 and later; below it 4.3 may have to open the directory.
const FIRST_LEVEL_OF_4_4: i16 = 31;
/// What the line with the bootstrap records begins with.
const RECORDS: &str = "Bootstrap metadata: ";
const METADATA_FOLDER: &str = "__cluster_metadata-0";

/// A cluster's id, an id of a topic, a directory and so on: 22 characters, none of them a hyphen.
#[must_use]
pub fn random_uuid(seed: &mut Seed) -> Uuid {
    loop {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&seed.draw().to_be_bytes());
        if let Some(id) = Uuid::from_random(bytes) {
            return id;
        }
    }
}

/// The directories of a node, the metadata's among them, each once, in their order.
fn directories(config: &NodeConfig) -> Vec<PathBuf> {
    let mut all = config.directories.log_dirs.clone();
    all.push(config.directories.metadata_log_dir.clone());
    all.sort();
    all.dedup();
    all
}

fn meta(path: &Path) -> Result<Option<MetaProperties>, String> {
    let file = path.join("meta.properties");
    match RealDisk.read(&file) {
        Ok(bytes) => MetaProperties::parse(&String::from_utf8_lossy(&bytes))
            .map(Some)
            .map_err(|error| format!("{}: {error}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// The cluster that the directories belong to.
pub(crate) fn cluster_id(config: &NodeConfig) -> Result<String, String> {
    let mut unreadable = None;
    for path in directories(config) {
        match meta(&path) {
            Ok(Some(meta)) => return Ok(meta.cluster_id),
            Ok(None) => {}
            // It can be one of several, without which the node starts.
            Err(error) => unreadable = Some(error),
        }
    }
    if let Some(error) = unreadable {
        return Err(error);
    }
    let path = config.directories.metadata_log_dir.display();
    Err(format!("No `meta.properties` found in {path} (have you run `kafka-storage.sh` to format the directory?)"))
}

/// Whether none of the directories has been formatted.
pub fn is_unformatted(config: &NodeConfig) -> Result<bool, String> {
    directories(config).iter().try_fold(true, |all, path| Ok(all && meta(path)?.is_none()))
}

/// Whether the directories hold nothing at all, or are not there yet: what may be formatted without being asked. One that
/// cannot be read may hold anything.
#[must_use]
pub fn is_empty(config: &NodeConfig) -> bool {
    directories(config).iter().all(|path| is_bare(path).unwrap_or(false))
}

/// Nothing lies there but what a fresh file system brings along, or what was left by a formatting that did not come to
/// its last file, `meta.properties`.
fn is_bare(path: &Path) -> Result<bool, String> {
    let names = |path: &Path| match std::fs::read_dir(path) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let left = ["lost+found", ".lock", "bootstrap.checkpoint", "meta.properties.tmp", METADATA_FOLDER];
    if names(path).map_err(told)?.iter().any(|name| !left.contains(&name.as_str())) {
        return Ok(false);
    }
    // A log that has begun is nobody's to format over.
    let zero = SnapshotId::ZERO.to_string();
    Ok(names(&path.join(METADATA_FOLDER)).map_err(told)?.iter().all(|name| name.starts_with(&zero)))
}

/// `storage info`: what is found, and whether it is in order.
pub fn info(config: &NodeConfig) -> (String, bool) {
    let mut out = String::new();
    let mut problems = Vec::new();
    let mut found = Vec::new();
    let mut first: Option<MetaProperties> = None;
    for path in directories(config) {
        let shown = path.display();
        match (RealDisk.exists(&path), RealDisk.is_dir(&path)) {
            (_, Ok(true)) => found.push(shown.to_string()),
            (Ok(true), _) => {
                problems.push(format!("{shown} is not a directory"));
                continue;
            }
            _ => {
                problems.push(format!("{shown} does not exist"));
                continue;
            }
        }
        match (meta(&path), &first) {
            (Ok(None), _) => problems.push(format!("{shown} is not formatted.")),
            (Err(error), _) => problems.push(format!("Error loading {error}")),
            (Ok(Some(meta)), None) => first = Some(meta),
            (Ok(Some(meta)), Some(first)) if meta.cluster_id != first.cluster_id => {
                problems.push("Mismatched cluster IDs between storage directories.".to_owned());
            }
            (Ok(Some(meta)), Some(first)) if meta.node_id != first.node_id => {
                problems.push("Mismatched node IDs between storage directories.".to_owned());
            }
            _ => {}
        }
    }
    list(&mut out, "Found log directory:", "Found log directories:", &found);
    if let Some(meta) = &first {
        let directory = meta.directory_id.map(|id| format!("directory.id={id}, ")).unwrap_or_default();
        let text = format!(
            "Found metadata: {{cluster.id={}, {directory}node.id={}, version=1}}",
            meta.cluster_id, meta.node_id
        );
        let _ = writeln!(out, "{text}\n");
    }
    list(&mut out, "Found problem:", "Found problems:", &problems);
    (out, problems.is_empty())
}

/// A headed list with a blank line behind it; nothing where it is empty.
fn list(out: &mut String, one: &str, many: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(out, "{}", if lines.len() == 1 { one } else { many });
        lines.iter().for_each(|line| {
            let _ = writeln!(out, "  {line}");
        });
        out.push('\n');
    }
}

/// `storage format`. Gives what to print; an error is for people, and nothing more was written.
pub fn format(config: &NodeConfig, options: &FormatOptions) -> Result<String, String> {
    let mut seed = clock::seed();
    let plan = Plan::new(config, options, &mut seed)?;
    let mut empty = Vec::new();
    for path in directories(config) {
        match meta(&path)? {
            None => empty.push(path),
            Some(meta) if meta.cluster_id != options.cluster_id => {
                return Err(format!(
                    "Invalid cluster.id in: {}/meta.properties. Expected {}, but read {}",
                    path.display(),
                    options.cluster_id,
                    meta.cluster_id
                ));
            }
            Some(meta) if meta.node_id != config.identity.node_id => {
                return Err(format!(
                    "Stored node id {} doesn't match previous node id {} in {}/meta.properties. If you moved your \
                     data, make sure your configured node id matches. If you intend to create a new node, you should \
                     remove all data in your data directories.",
                    meta.node_id,
                    config.identity.node_id,
                    path.display()
                ));
            }
            Some(_) if !options.ignore_formatted => {
                return Err(format!(
                    "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and \
                     format the others.",
                    path.display()
                ));
            }
            Some(_) => {}
        }
    }
    if empty.is_empty() {
        return Ok("All of the log directories are already formatted.\n".to_owned());
    }
    let mut out = format!("{}\n", plan.told());
    for path in empty {
        plan.format_one(config, &path, &mut seed, &mut out)?;
    }
    Ok(out)
}

/// What is to be written, decided before anything is.
struct Plan {
    cluster_id: String,
    level: &'static MetadataVersion,
    kraft_version: i16,
    voters: Option<VoterSet>,
    records: Vec<MetadataRecord<'static>>,
}

impl Plan {
    fn new(config: &NodeConfig, options: &FormatOptions, seed: &mut Seed) -> Result<Self, String> {
        let mut given = parse_features(&options.features)?;
        let level = release_level(options.release_version.as_deref(), given.remove(METADATA_VERSION))?;
        let dynamic = config.quorum.voters.is_empty();
        let voters = initial_voters(config, options, seed)?;
        let kraft_version = match (given.remove(KRAFT_VERSION), dynamic) {
            (Some(0), true) => {
                return Err("Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags \
                            --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic \
                            controllers support, try removing the --feature flag for kraft.version."
                    .to_owned());
            }
            (Some(level @ 1..), false) => {
                return Err(format!(
                    "Cannot set kraft.version to {level} unless controller.quorum.voters is empty and one of the \
                     flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic \
                     controllers support, try using one of --standalone, --initial-controllers, or \
                     --no-initial-controllers and removing controller.quorum.voters."
                ));
            }
            (Some(level), _) => level,
            (None, dynamic) => i16::from(dynamic),
        };
        let mut records: Vec<MetadataRecord<'static>> = Vec::new();
        let feature = |name: &str, level: i16| FeatureLevelRecord {
            name: name.to_owned().into(),
            feature_level: level,
            ..Default::default()
        };
        records.push(feature(METADATA_VERSION, level.level).into());
        let mut features: Vec<_> = FEATURES.iter().filter(|feature| feature.name != KRAFT_VERSION).collect();
        features.sort_by_key(|feature| feature.name);
        for known in features {
            let chosen = given.remove(known.name).unwrap_or_else(|| known.default_level(level.level));
            if !(0..=known.latest).contains(&chosen) {
                return Err(format!("No feature:{} with feature level {chosen}", known.name));
            }
            if chosen > 0 {
                records.push(feature(known.name, chosen).into());
            }
        }
        for argument in &options.scram {
            records.push(scram_record(argument, seed)?.into());
        }
        Ok(Self { cluster_id: options.cluster_id.clone(), level, kraft_version, voters, records })
    }

    /// The records, as Kafka's tool writes them.
    fn told(&self) -> String {
        let shown = |record: &MetadataRecord<'_>| {
            let text = match record {
                MetadataRecord::FeatureLevel(feature) => {
                    format!("FeatureLevelRecord(name='{}', featureLevel={})", feature.name, feature.feature_level)
                }
                // What guards a user's password is nothing for a terminal.
                MetadataRecord::UserScramCredential(user) => {
                    format!("UserScramCredentialRecord(name='{}', mechanism={})", user.name, user.mechanism)
                }
                other => other.name().to_owned(),
            };
            format!("ApiMessageAndVersion({text} at version 0)")
        };
        let records: Vec<_> = self.records.iter().map(shown).collect();
        let level = self.level.level;
        format!(
            "{RECORDS}BootstrapMetadata(records=[{}], metadataVersionLevel={level}, source=format command)",
            records.join(", ")
        )
    }

    fn format_one(&self, config: &NodeConfig, path: &Path, seed: &mut Seed, out: &mut String) -> Result<(), String> {
        let node_id = config.identity.node_id;
        let is_metadata = *path == config.directories.metadata_log_dir;
        let own = self.voters.as_ref().and_then(|voters| voters.0.iter().find(|voter| voter.id == node_id));
        let (what, id) = match (is_metadata, &self.voters, own) {
            (false, ..) => ("data directory", random_uuid(seed)),
            (true, None, _) => ("metadata directory", random_uuid(seed)),
            (true, Some(_), Some(own)) => ("dynamic metadata voter directory", own.directory_id),
            (true, Some(_), None) => ("dynamic metadata directory", random_uuid(seed)),
        };
        let _ = writeln!(out, "Formatting {what} {} with metadata.version {}.", path.display(), self.level.name);
        let failed = |error: &dyn std::fmt::Display| format!("Error while formatting {}: {error}", path.display());
        if is_metadata && config.identity.roles.has_controller() {
            self.write_snapshots(path).map_err(|error| failed(&error))?;
        }
        let mut directory = LogDirectory::open(RealDisk, path).map_err(|error| failed(&error))?;
        let meta = MetaProperties { cluster_id: self.cluster_id.clone(), node_id, directory_id: Some(TopicId(id.0)) };
        directory.write_meta(meta).map_err(|error| failed(&error))
    }

    /// The zero snapshot, and for a level that Kafka 4.3 opens `bootstrap.checkpoint` too, which it needs.
    fn write_snapshots(&self, path: &Path) -> Result<(), String> {
        let folder = path.join(METADATA_FOLDER);
        RealDisk.create_dir_all_durably(&folder).map_err(|error| error.to_string())?;
        let zero = folder.join(SnapshotId::ZERO.to_string());
        let bytes = self.snapshot(self.kraft_version, self.voters.as_ref()).map_err(|error| error.to_string())?;
        RealDisk.write_atomically(&zero, &bytes).map_err(|error| error.to_string())?;
        RealDisk.set_read_only(&zero).map_err(|error| error.to_string())?;
        if self.level.level < FIRST_LEVEL_OF_4_4 {
            let bytes = self.snapshot(0, None).map_err(|error| error.to_string())?;
            let old = path.join("bootstrap.checkpoint");
            RealDisk.write_atomically(&old, &bytes).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn snapshot(&self, kraft_version: i16, voters: Option<&VoterSet>) -> Result<Vec<u8>, RaftLogError> {
        let now = clock::wall().0;
        let mut writer = SnapshotWriter::new(0, now, now, kraft_version, voters)?;
        for record in &self.records {
            writer.append(&framing::encode(record, 0)?)?;
        }
        writer.finish()
    }
}

fn parse_features(features: &[String]) -> Result<BTreeMap<String, i16>, String> {
    let mut levels = BTreeMap::new();
    for text in features {
        let Some((name, level)) = text.split_once('=') else {
            return Err(format!("Can't parse feature=level string {text}: equals sign not found."));
        };
        let level = level.trim();
        let parsed = level
            .parse()
            .map_err(|_| format!("Can't parse feature=level string {text}: unable to parse {level} as a short."))?;
        let name = name.trim();
        if name != METADATA_VERSION && Feature::named(name).is_none() {
            let known: Vec<&str> = FEATURES.iter().map(|f| f.name).collect();
            return Err(format!("Unsupported feature: {name}. Supported features are: {}", known.join(", ")));
        }
        levels.insert(name.to_owned(), parsed);
    }
    Ok(levels)
}

fn release_level(release: Option<&str>, level: Option<i16>) -> Result<&'static MetadataVersion, String> {
    if release.is_some() && level.is_some() {
        return Err("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.".to_owned());
    }
    match (release, level) {
        (Some(name), _) => MetadataVersion::from_name(name).ok_or_else(|| MetadataVersion::unknown(name)),
        (None, Some(level)) => {
            MetadataVersion::from_level(level).ok_or_else(|| format!("No MetadataVersion with feature level {level}"))
        }
        (None, None) => MetadataVersion::from_level(METADATA_VERSION_LATEST)
            .ok_or_else(|| "the newest metadata.version is not known".to_owned()),
    }
}

fn initial_voters(config: &NodeConfig, options: &FormatOptions, seed: &mut Seed) -> Result<Option<VoterSet>, String> {
    let controller = matches!(config.identity.roles, Roles::Controller | Roles::Combined);
    let named = matches!(options.initial_controllers, InitialControllers::Standalone | InitialControllers::Listed(_));
    if named && !config.quorum.voters.is_empty() {
        return Err("You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                    --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and \
                    specify controller.quorum.bootstrap.servers instead."
            .to_owned());
    }
    let listener = config.network.controller_listener_names.first().cloned().unwrap_or_default();
    match &options.initial_controllers {
        InitialControllers::Standalone if !controller => {
            Err("You can only use --standalone on a controller.".to_owned())
        }
        InitialControllers::Standalone => {
            let own = config.network.advertised_controllers.first().ok_or("No controller listeners found.")?;
            let host = own.host.clone().unwrap_or_else(|| "localhost".to_owned());
            let voter = voter(config.identity.node_id, host, own.port, random_uuid(seed), &listener);
            Ok(Some(VoterSet(vec![voter])))
        }
        InitialControllers::Listed(text) => parse_voters(text, &listener).map(Some),
        InitialControllers::Unsaid if controller && config.quorum.voters.is_empty() => {
            Err("Because controller.quorum.voters is not set on this controller, you must specify one of the \
                 following: --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned())
        }
        InitialControllers::Unsaid | InitialControllers::None => Ok(None),
    }
}

fn voter(id: i32, host: String, port: u16, directory_id: Uuid, listener: &str) -> Voter {
    let endpoint = VoterEndpoint { name: listener.to_owned(), host, port };
    Voter { id, directory_id, endpoints: vec![endpoint], kraft_versions: (0, 1) }
}

/// `id@host:port:directory`, separated by commas; an IPv6 address stands in brackets.
fn parse_voters(text: &str, listener: &str) -> Result<VoterSet, String> {
    let mut voters: Vec<Voter> = Vec::new();
    for one in text.split(',').map(str::trim) {
        let wrong = |what: &str| format!("Invalid --initial-controllers entry {one}: {what}");
        let (id, rest) = one.split_once('@').ok_or_else(|| wrong("no @ was found"))?;
        let id: i32 = id.parse().map_err(|_| wrong("the id before @ is no number"))?;
        let (rest, directory) = rest.rsplit_once(':').ok_or_else(|| wrong("no directory id was found"))?;
        let directory: Uuid = directory.parse().map_err(|_| wrong("the directory id is no UUID"))?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("no port was found"))?;
        let port: u16 = port.parse().map_err(|_| wrong("the port is no number below 65536"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if voters.iter().any(|voter| voter.id == id) {
            return Err(wrong("the id stands twice"));
        }
        voters.push(voter(id, host, port, directory, listener));
    }
    voters.sort_by_key(|voter| voter.id);
    Ok(VoterSet(voters))
}

fn scram_record(argument: &str, seed: &mut Seed) -> Result<UserScramCredentialRecord<'static>, String> {
    let salt: Vec<u8> = (0..4).flat_map(|_| seed.draw().to_be_bytes()).collect();
    let user = ScramUser::parse(argument, &salt).map_err(|error| error.to_string())?;
    let credential = user.credential;
    Ok(UserScramCredentialRecord {
        name: user.name.into(),
        mechanism: user.mechanism.code(),
        salt: credential.salt.into(),
        stored_key: credential.stored_key.into(),
        server_key: credential.server_key.into(),
        iterations: credential.iterations,
        ..Default::default()
    })
}

/// Whether the node is a quorum by itself: broker and controller, the only voter, or nobody else is named to ask.
pub fn stands_alone(config: &NodeConfig) -> bool {
    let quorum = &config.quorum;
    if config.identity.roles != Roles::Combined {
        return false;
    }
    if !quorum.voters.is_empty() {
        return quorum.voters.iter().all(|voter| voter.id == config.identity.node_id);
    }
    let controllers = config.network.listeners.iter().filter(|l| config.network.is_controller_listener(&l.name));
    let own: Vec<&Listener> = controllers.chain(&config.network.advertised_controllers).collect();
    let is_own = |host: &str, port: u16| {
        let local = ["localhost", "127.0.0.1", "::1"].contains(&host) || host == host_name();
        own.iter().any(|l| l.port == port && (local || l.host.as_deref() == Some(host)))
    };
    quorum.bootstrap_servers.iter().all(|(host, port)| is_own(host, *port))
}

/// Formats the directories of a node that stands alone. Its quorum can grow, unless the file names the voters.
pub fn format_alone(config: &NodeConfig, cluster_id: Option<&str>) -> Result<String, String> {
    let initial_controllers = match config.quorum.voters.is_empty() {
        true => InitialControllers::Standalone,
        false => InitialControllers::Unsaid,
    };
    let cluster_id = cluster_id.map_or_else(|| random_uuid(&mut clock::seed()).to_string(), str::to_owned);
    let options = FormatOptions { cluster_id, initial_controllers, ignore_formatted: true, ..FormatOptions::default() };
    let told = format(config, &options)?;
    // Who did not ask for the records has no use for them.
    let shown = |line: &&str| !line.starts_with(RECORDS);
    Ok(told.lines().filter(shown).map(|line| format!("{line}\n")).collect())
}
