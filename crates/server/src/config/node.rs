//! What a node is to be, from its file and the command line.
//!
//! All mistakes are found before any is told; nothing here opens a file or a socket. Keys that change at run time
//! stand in `file` too, under the layers that the metadata adds.

use super::guards;
use super::listeners::{Listener, ProtocolMap, SecurityProtocol, check_distinct_ports, normalized, parse_listeners};
use super::mistakes::{Findings, InvalidConfig, Remark};
use super::properties::{Origin, Properties};
use super::quorum::{Voter, parse_bootstrap_servers, parse_voters};
use super::settings::{
    ClassicGroupSettings, InternalTopicSettings, LifecycleSettings, LogSettings, MetadataLogSettings, QuorumTimers,
    Reader, ReplicaSettings, RequestSettings, SocketSettings, TopicSettings,
};
use super::tls::TlsSettings;
use super::{keys, older, roles};
use ottla_metadata::config_defs::{BrokerLayers, Configs, check_group_limits};
use ottla_security::{Decision, Principal, parse_super_users};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A node's configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeConfig {
    pub identity: Identity,
    pub network: Network,
    pub quorum: QuorumSettings,
    pub directories: Directories,
    pub authorization: Authorization,
    pub topics: TopicSettings,
    pub offsets_topic: InternalTopicSettings,
    pub transaction_topic: InternalTopicSettings,
    pub share_topic: InternalTopicSettings,
    pub groups: ClassicGroupSettings,
    pub sockets: SocketSettings,
    pub requests: RequestSettings,
    pub log: LogSettings,
    pub replica: ReplicaSettings,
    pub metadata_log: MetadataLogSettings,
    pub lifecycle: LifecycleSettings,
    /// Everything that was set, as text: the lowest of the layers that DescribeConfigs shows.
    pub file: Configs,
}

/// A configuration, and what its owner should know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub config: NodeConfig,
    pub warnings: Vec<Remark>,
    /// Keys that are set and have no effect, each with the reason.
    pub notes: Vec<Remark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub node_id: i32,
    pub roles: Roles,
    pub rack: Option<String>,
}

/// `process.roles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    Broker,
    Controller,
    Combined,
}

impl Roles {
    pub fn has_broker(self) -> bool {
        self != Self::Controller
    }

    pub fn has_controller(self) -> bool {
        self != Self::Broker
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// To bind, those of the controller among them.
    pub listeners: Vec<Listener>,
    /// To tell clients and brokers: the broker's listeners only. Where the host is `None`, tell this machine's name.
    pub advertised: Vec<Listener>,
    /// To tell other controllers.
    pub advertised_controllers: Vec<Listener>,
    /// In upper case, in the order of the file; the first is the one that brokers ask.
    pub controller_listener_names: Vec<String>,
    pub inter_broker_listener_name: String,
    pub protocols: ProtocolMap,
    /// Of the listeners that speak TLS, by their names.
    pub tls: BTreeMap<String, TlsSettings>,
}

impl Network {
    pub fn is_controller_listener(&self, name: &str) -> bool {
        self.controller_listener_names.iter().any(|known| known == name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumSettings {
    /// Not empty: a static quorum.
    pub voters: Vec<Voter>,
    pub bootstrap_servers: Vec<(String, u16)>,
    pub auto_join: bool,
    pub timers: QuorumTimers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    pub log_dirs: Vec<PathBuf>,
    pub metadata_log_dir: PathBuf,
}

/// `authorizer.class.name` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Everybody may do everything.
    None,
    Standard {
        super_users: BTreeSet<Principal>,
        no_acl_found: Decision,
    },
}

impl NodeConfig {
    /// Reads everything, or says everything that is wrong.
    pub fn load(properties: &Properties) -> Result<Loaded, InvalidConfig> {
        let given = properties;
        let properties = with_node_id(&older::completed(given));
        let findings = Findings::new(&properties);
        older::check(given, &findings);
        keys::check(&properties, &findings);
        let file: Configs = properties.iter().map(|(key, value, _)| (key.to_owned(), value.to_owned())).collect();
        let reader = Reader { layers: BrokerLayers::of_file(&file) };
        let identity = identity(&reader, &findings);
        let network = network(&reader, &properties, &findings);
        let quorum = quorum(&reader, &findings);
        let network = Network {
            advertised_controllers: roles::advertised_controllers(&network, &identity, &quorum),
            tls: tls(&network, &file, &findings),
            ..network
        };
        let names = network.listeners.iter().chain(&network.advertised).map(|listener| listener.name.clone());
        let names: Vec<String> = names.chain(network.controller_listener_names.clone()).collect();
        keys::check_listener_prefixes(&properties, &names, &findings);
        let authorization = authorization(&properties, &findings);
        guards::check(&properties, &network.listeners, &findings);
        roles::check(&identity, &network, &quorum, &properties, &findings);
        check_numbers(&reader, &findings);
        let directories = directories(&reader);
        check_references(&reader, &network, &directories, &findings);
        let config = Self {
            identity,
            network,
            quorum,
            directories,
            authorization,
            topics: TopicSettings::read(&reader),
            offsets_topic: InternalTopicSettings::offsets(&reader),
            transaction_topic: InternalTopicSettings::transactions(&reader),
            share_topic: InternalTopicSettings::shares(&reader),
            groups: ClassicGroupSettings::read(&reader),
            sockets: SocketSettings::read(&reader),
            requests: RequestSettings::read(&reader),
            log: LogSettings::read(&reader),
            replica: ReplicaSettings::read(&reader),
            metadata_log: MetadataLogSettings::read(&reader),
            lifecycle: LifecycleSettings::read(&reader),
            file: file.clone(),
        };
        let (warnings, notes) = findings.finish()?;
        Ok(Loaded { config, warnings, notes })
    }

    /// The file's values, typed: for keys that have no place in a struct here.
    pub fn file_layer(&self) -> BrokerLayers<'_> {
        BrokerLayers::of_file(&self.file)
    }
}

/// `node.id` and the older `broker.id` stand for each other.
fn with_node_id(properties: &Properties) -> Properties {
    let mut properties = properties.clone();
    for (given, missing) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
        if let (Some(id), None) = (properties.get(given), properties.get(missing)) {
            let (id, origin) = (id.to_owned(), properties.origin(given).unwrap_or(Origin::Program));
            properties.set(missing, id, origin);
            break;
        }
    }
    properties
}

fn identity(reader: &Reader<'_>, findings: &Findings<'_>) -> Identity {
    let roles = reader.list("process.roles");
    let has = |role: &str| roles.iter().any(|r| r == role);
    let node_id = reader.value("node.id").as_i32().unwrap_or(-1);
    let broker_id = reader.value("broker.id").as_i32().unwrap_or(-1);
    findings.require(&["broker.id", "node.id"], node_id == broker_id, || {
        "`node.id` and `broker.id` must be set to the same value. `broker.id` is deprecated, please use `node.id` instead."
            .to_owned()
    });
    Identity {
        node_id,
        roles: match (has("broker"), has("controller")) {
            (true, false) => Roles::Broker,
            (false, true) => Roles::Controller,
            _ => Roles::Combined,
        },
        rack: reader.text("broker.rack").filter(|rack| !rack.is_empty()),
    }
}

fn network(reader: &Reader<'_>, properties: &Properties, findings: &Findings<'_>) -> Network {
    const MAP: &str = "listener.security.protocol.map";
    let entries = reader.list("listeners");
    let controllers = reader.list("controller.listener.names");
    let mut protocols =
        parsed(findings, MAP, ProtocolMap::parse(&reader.text(MAP).unwrap_or_default())).unwrap_or_default();
    if properties.get(MAP).is_none() {
        protocols.add_controller_defaults(&controllers, &entries);
    }
    // Without the map or the controllers' names, which protocol a listener speaks cannot be said.
    let unclear = findings.is_bad(&[MAP, "controller.listener.names"]);
    let parse = |key: &str, entries: &[String]| match parse_listeners(entries, &protocols) {
        Err(_) if unclear => Vec::new(),
        result => parsed(findings, key, result).unwrap_or_default(),
    };
    let listeners = parse("listeners", &entries);
    parsed(findings, "listeners", check_distinct_ports(&listeners, &entries));
    if unclear && listeners.is_empty() {
        findings.follows("listeners");
    }
    let controller_listener_names: Vec<String> = controllers.iter().map(|name| normalized(name)).collect();
    let advertised = match reader.value("advertised.listeners").as_list() {
        Some(entries) => parse("advertised.listeners", entries),
        None => listeners.clone(),
    };
    let (advertised_controllers, advertised) =
        advertised.into_iter().partition(|listener| controller_listener_names.contains(&listener.name));
    Network {
        inter_broker_listener_name: roles::inter_broker_listener_name(reader, properties, &protocols, findings),
        listeners,
        advertised,
        advertised_controllers,
        controller_listener_names,
        protocols,
        tls: BTreeMap::new(),
    }
}

fn tls(network: &Network, file: &Configs, findings: &Findings<'_>) -> BTreeMap<String, TlsSettings> {
    let mut all = BTreeMap::new();
    for listener in network.listeners.iter().filter(|listener| listener.protocol == SecurityProtocol::Ssl) {
        match TlsSettings::read(listener, BrokerLayers::of_file(file)) {
            Ok(settings) => drop(all.insert(listener.name.clone(), settings)),
            Err(mistakes) => mistakes.into_iter().for_each(|(key, text)| findings.mistake(&key, text)),
        }
    }
    all
}

fn quorum(reader: &Reader<'_>, findings: &Findings<'_>) -> QuorumSettings {
    let (voters, servers) = ("controller.quorum.voters", "controller.quorum.bootstrap.servers");
    QuorumSettings {
        voters: parsed(findings, voters, parse_voters(&reader.list(voters))).unwrap_or_default(),
        bootstrap_servers: parsed(findings, servers, parse_bootstrap_servers(&reader.list(servers)))
            .unwrap_or_default(),
        auto_join: reader.boolean("controller.quorum.auto.join.enable"),
        timers: QuorumTimers::read(reader),
    }
}

fn directories(reader: &Reader<'_>) -> Directories {
    let dirs = match reader.value("log.dirs").as_list() {
        Some(dirs) => dirs.to_vec(),
        None => reader.list("log.dir"),
    };
    let log_dirs: Vec<PathBuf> = dirs.into_iter().map(PathBuf::from).collect();
    let metadata_log_dir = reader.text("metadata.log.dir").map(PathBuf::from);
    Directories {
        metadata_log_dir: metadata_log_dir.or_else(|| log_dirs.first().cloned()).unwrap_or_default(),
        log_dirs,
    }
}

fn authorization(properties: &Properties, findings: &Findings<'_>) -> Authorization {
    if properties.get("authorizer.class.name").is_none_or(|class| class.trim().is_empty()) {
        // Whoever sets these believes that they count.
        for key in ["super.users", "allow.everyone.if.no.acl.found"] {
            if properties.get(key).is_some() {
                findings.warning(
                    key,
                    format!("{key} has no effect without authorizer.class.name={}", guards::STANDARD_AUTHORIZER),
                );
            }
        }
        return Authorization::None;
    }
    let super_users = parse_super_users(properties.get("super.users").unwrap_or_default());
    let everyone =
        properties.get("allow.everyone.if.no.acl.found").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    Authorization::Standard {
        super_users: parsed(findings, "super.users", super_users.map_err(|error| error.to_string()))
            .unwrap_or_default(),
        no_acl_found: if everyone { Decision::Allowed } else { Decision::Denied },
    }
}

/// What names listeners and directories of others.
fn check_references(r: &Reader<'_>, network: &Network, directories: &Directories, findings: &Findings<'_>) {
    const EARLY: &str = "early.start.listeners";
    const CORDONED: &str = "cordoned.log.dirs";
    for name in r.list(EARLY).iter().map(|name| normalized(name)) {
        let known = network.is_controller_listener(&name) || network.listeners.iter().any(|l| l.name == name);
        findings.require(&[EARLY, "listeners"], known, || {
            format!(
                "{EARLY} contains listener {name}, but this is not contained in listeners or controller.listener.names"
            )
        });
    }
    let cordoned = r.list(CORDONED);
    if cordoned.iter().any(|dir| dir == "*") {
        findings.require(&[CORDONED], cordoned.len() == 1, || {
            format!("When {CORDONED} is set to *, it must not contain other values")
        });
        return;
    }
    let is_known = |dir: &&String| directories.log_dirs.iter().any(|known| *known == PathBuf::from(dir));
    let unknown: Vec<&str> = cordoned.iter().filter(|dir| !is_known(dir)).map(String::as_str).collect();
    findings.require(&[CORDONED, "log.dirs", "log.dir"], unknown.is_empty(), || {
        format!(
            "All entries in {CORDONED} must be present in log.dirs or log.dir. Missing entries : {}",
            unknown.join(", ")
        )
    });
}

/// Settings that must fit together.
fn check_numbers(r: &Reader<'_>, findings: &Findings<'_>) {
    let rule = |keys: &[&str], holds: bool, text: &str| findings.require(keys, holds, || text.to_owned());
    let none = Configs::new();
    let roll = r.layers.topic_value(&none, "segment.ms").as_i64();
    rule(&["log.roll.ms"], roll >= Some(1), "log.roll.ms must be greater than or equal to 1");
    let jitter = r.layers.topic_value(&none, "segment.jitter.ms").as_i64();
    rule(&["log.roll.jitter.ms"], jitter >= Some(0), "log.roll.jitter.ms must be greater than or equal to 0");
    let retention = r.layers.topic_value(&none, "retention.ms").as_i64();
    rule(
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        retention != Some(0),
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    );
    rule(
        &["replica.fetch.wait.max.ms", "replica.socket.timeout.ms"],
        r.int("replica.fetch.wait.max.ms") <= r.int("replica.socket.timeout.ms"),
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts",
    );
    rule(
        &["replica.fetch.wait.max.ms", "replica.lag.time.max.ms"],
        i64::from(r.int("replica.fetch.wait.max.ms")) <= r.long("replica.lag.time.max.ms"),
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR",
    );
    let queued = r.long("queued.max.request.bytes");
    rule(
        &["queued.max.request.bytes", "socket.request.max.bytes"],
        queued <= 0 || queued >= i64::from(r.int("socket.request.max.bytes")),
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    );
    let (per_ip, overrides) = ("max.connections.per.ip", "max.connections.per.ip.overrides");
    let text = r.layers.value(overrides);
    let mut entries = text.as_str().unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty());
    rule(
        &[per_ip, overrides],
        r.int(per_ip) != 0 || entries.clone().next().is_some(),
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    );
    let host = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-%._:".contains(&b));
    let pair =
        |entry: &str| entry.rsplit_once(':').is_some_and(|(of, n)| host(of.trim()) && n.trim().parse::<i32>().is_ok());
    rule(&[overrides], entries.all(pair), "max.connections.per.ip.overrides contains invalid addresses");
    let threads = i64::from(r.int("log.cleaner.threads")).max(1);
    rule(
        &["log.cleaner.dedupe.buffer.size", "log.cleaner.threads"],
        r.long("log.cleaner.dedupe.buffer.size") / threads > 1024 * 1024,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    );
    for ([a, b], error) in check_group_limits(&r.layers) {
        findings.require(&[&a, &b], false, || error.to_string());
    }
    let (idle, delay) = (r.long("connections.max.idle.ms"), r.int("connection.failed.authentication.delay.ms"));
    findings.require(
        &["connection.failed.authentication.delay.ms", "connections.max.idle.ms"],
        idle < 0 || i64::from(delay) < idle,
        || format!("connection.failed.authentication.delay.ms={delay} should always be less than connections.max.idle.ms={idle} to prevent failed authentication responses from timing out"),
    );
    for key in ["offsets.topic.compression.codec", "share.coordinator.state.topic.compression.codec"] {
        let codec = r.int(key);
        findings.require(&[key], (0..=4).contains(&codec), || format!("Unknown compression type id: {codec}"));
    }
    const PROTOCOLS: &str = "group.coordinator.rebalance.protocols";
    let has_classic = r.list(PROTOCOLS).iter().any(|protocol| protocol == "classic");
    rule(&[PROTOCOLS], has_classic, "Disabling the 'classic' protocol is not supported.");
    if r.int("group.min.session.timeout.ms") > r.int("group.max.session.timeout.ms") {
        findings.warning(
            "group.min.session.timeout.ms",
            "group.min.session.timeout.ms is above group.max.session.timeout.ms: no classic group can be joined",
        );
    }
    if r.int("broker.heartbeat.interval.ms").saturating_mul(2) > r.int("broker.session.timeout.ms") {
        findings.warning(
            "broker.heartbeat.interval.ms",
            "broker.heartbeat.interval.ms should be at most half of broker.session.timeout.ms, or one lost heartbeat fences the broker",
        );
    }
}

fn parsed<T>(findings: &Findings<'_>, key: &str, result: Result<T, String>) -> Option<T> {
    result.map_err(|text| findings.mistake(key, text)).ok()
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
