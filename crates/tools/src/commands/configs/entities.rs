//! Whose configuration it is: kinds of entities, the options that name them, and which of them there are.

use crate::cli::{Done, Failure, Parsed};
use ottla_client::Admin;
use ottla_client::shell::admin::configs::{ConfigSource, ResourceKind};
use ottla_client::shell::network::{Target, Topics};
use ottla_client::{ClientError, Reply};
use ottla_wire::api::{ListConfigResourcesRequest, ListConfigResourcesResponse, ListGroupsRequest, ListGroupsResponse};
use std::collections::BTreeSet;
use std::net::ToSocketAddrs;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Topics,
    Clients,
    Users,
    Brokers,
    BrokerLoggers,
    Ips,
    ClientMetrics,
    Groups,
}

/// In the order in which Kafka names them.
const KINDS: [(Kind, &str); 8] = [
    (Kind::Topics, "topics"),
    (Kind::Clients, "clients"),
    (Kind::Users, "users"),
    (Kind::Brokers, "brokers"),
    (Kind::Ips, "ips"),
    (Kind::ClientMetrics, "client-metrics"),
    (Kind::Groups, "groups"),
    (Kind::BrokerLoggers, "broker-loggers"),
];

/// Options that name an entity by themselves, and those that mean the default of a kind.
const NAMED: [(&str, Kind); 8] = [
    ("topic", Kind::Topics),
    ("client", Kind::Clients),
    ("user", Kind::Users),
    ("broker", Kind::Brokers),
    ("broker-logger", Kind::BrokerLoggers),
    ("ip", Kind::Ips),
    ("client-metrics", Kind::ClientMetrics),
    ("group", Kind::Groups),
];
const DEFAULTS: [(&str, Kind); 4] = [
    ("client-defaults", Kind::Clients),
    ("user-defaults", Kind::Users),
    ("broker-defaults", Kind::Brokers),
    ("ip-defaults", Kind::Ips),
];

impl Kind {
    pub(super) fn plural(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Without the last letter, whatever it is: so Kafka writes it.
    pub(super) fn singular(self) -> &'static str {
        let plural = self.plural();
        plural.get(..plural.len() - 1).unwrap_or(plural)
    }

    pub(super) const fn resource(self) -> Option<ResourceKind> {
        match self {
            Self::Topics => Some(ResourceKind::Topic),
            Self::Brokers => Some(ResourceKind::Broker),
            Self::BrokerLoggers => Some(ResourceKind::BrokerLogger),
            Self::ClientMetrics => Some(ResourceKind::ClientMetrics),
            Self::Groups => Some(ResourceKind::Group),
            Self::Clients | Self::Users | Self::Ips => None,
        }
    }

    /// The source of what was set for the entity itself; None where all is shown.
    pub(super) const fn dynamic_source(self, name: &str) -> Option<ConfigSource> {
        match self {
            Self::Topics => Some(ConfigSource::DYNAMIC_TOPIC),
            Self::Brokers if name.is_empty() => Some(ConfigSource::DYNAMIC_DEFAULT_BROKER),
            Self::Brokers => Some(ConfigSource::DYNAMIC_BROKER),
            Self::ClientMetrics => Some(ConfigSource::DYNAMIC_CLIENT_METRICS),
            Self::Groups => Some(ConfigSource::DYNAMIC_GROUP),
            _ => None,
        }
    }
}

/// What the command line names.
pub(super) struct Entities {
    kinds: Vec<Kind>,
    /// Empty for a default.
    names: Vec<String>,
}

impl Entities {
    /// Reads and checks, in Kafka's order.
    pub(super) fn of(parsed: &Parsed) -> Done<Self> {
        if [parsed.has("alter"), parsed.has("describe")].iter().filter(|action| **action).count() != 1 {
            return Err(Failure::usage("Command must include exactly one action: --describe, --alter"));
        }
        parsed.forbid("describe", &["alter", "add-config", "delete-config"])?;
        let mut kinds = Vec::new();
        for name in parsed.values("entity-type") {
            kinds.push(KINDS.iter().find(|(_, known)| *known == name).map_or(Err(name), |(kind, _)| Ok(*kind)));
        }
        let flags: Vec<_> = NAMED.iter().chain(&DEFAULTS).filter(|(option, _)| parsed.has(option)).collect();
        kinds.extend(flags.iter().map(|(_, kind)| Ok(*kind)));
        for (place, kind) in kinds.iter().enumerate() {
            if kinds.get(..place).is_some_and(|before| before.contains(kind)) {
                let name = match kind {
                    Ok(kind) => kind.plural(),
                    Err(name) => name,
                };
                return Err(Failure::told(format!("Duplicate entity type(s) specified: {name}")));
            }
        }
        let known: Vec<_> = KINDS.iter().map(|(_, name)| *name).collect();
        let kinds: Vec<Kind> = kinds
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|name| {
                Failure::told(format!(
                    "Invalid entity type {name}, the entity type must be one of {} with a --bootstrap-server or --bootstrap-controller argument",
                    known.join(", ")
                ))
            })?;
        if kinds.is_empty() {
            return Err(Failure::told("At least one entity type must be specified"));
        }
        let is_user_and_client = kinds.len() == 2 && kinds.contains(&Kind::Users) && kinds.contains(&Kind::Clients);
        if kinds.len() > 1 && !is_user_and_client {
            return Err(Failure::told("Only 'users' and 'clients' entity types may be specified together"));
        }
        let has_general = ["entity-name", "entity-type", "entity-default"].iter().any(|option| parsed.has(option));
        if has_general && !flags.is_empty() {
            return Err(Failure::told(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            ));
        }
        let general = parsed.in_order(&["entity-name", "entity-default"]);
        let mut names: Vec<String> = general.into_iter().map(|(_, name)| name.unwrap_or_default().to_owned()).collect();
        for (option, _) in flags {
            names.push(parsed.last(option).unwrap_or_default().to_owned());
        }
        let entities = Self { kinds, names };
        entities.check(parsed)?;
        Ok(entities)
    }

    fn check(&self, parsed: &Parsed) -> Done {
        if parsed.has("bootstrap-server") && parsed.has("bootstrap-controller") {
            return Err(Failure::told("Only one of --bootstrap-server or --bootstrap-controller can be specified"));
        }
        let kind = self.kind()?;
        let named = self.names.iter().find(|name| !name.is_empty());
        if let (Kind::Brokers | Kind::BrokerLoggers, Some(name)) = (kind, named)
            && name.parse::<i32>().is_err()
        {
            return Err(Failure::told(format!(
                "The entity name for {} must be a valid integer broker id, but it is: {name}",
                kind.plural()
            )));
        }
        if let (Kind::Ips, Some(name)) = (kind, named)
            && (name.as_str(), 0).to_socket_addrs().is_err()
        {
            return Err(Failure::told(format!(
                "The entity name for ips must be a valid IP or resolvable host, but it is: {name}"
            )));
        }
        let takes_default = matches!(kind, Kind::Users | Kind::Clients | Kind::Brokers | Kind::Ips);
        let has_default = self.names.iter().any(String::is_empty);
        if parsed.has("describe") {
            if !takes_default && parsed.has("entity-default") {
                return Err(Failure::told(format!(
                    "--entity-default must not be specified with --describe of {}",
                    kind.plural()
                )));
            }
            if kind == Kind::BrokerLoggers && named.is_none() {
                return Err(Failure::told(format!(
                    "An entity name must be specified with --describe of {}",
                    kind.plural()
                )));
            }
            return Ok(());
        }
        if takes_default && named.is_none() && !has_default {
            return Err(Failure::told(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            ));
        }
        if !takes_default && named.is_none() {
            return Err(Failure::told(format!("An entity name must be specified with --alter of {}", kind.plural())));
        }
        if parsed.has("add-config") && parsed.has("add-config-file") {
            return Err(Failure::told("Only one of --add-config or --add-config-file must be specified"));
        }
        if !["add-config", "add-config-file", "delete-config"].iter().any(|option| parsed.has(option)) {
            return Err(Failure::told(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            ));
        }
        if self.kinds.len() != self.names.len() {
            return Err(Failure::told("An entity name must be specified for every entity type"));
        }
        Ok(())
    }

    pub(super) fn kind(&self) -> Done<Kind> {
        self.kinds.first().copied().ok_or_else(|| Failure::told("At least one entity type must be specified"))
    }

    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// For each kind, as far as there are any; empty for a default.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Empty for a default; None for all of a kind.
    pub(super) fn name(&self) -> Option<&str> {
        self.names.first().map(String::as_str)
    }
}

pub(super) async fn exists(admin: &Admin, kind: Kind, name: &str) -> Done<bool> {
    let is_default = matches!(kind, Kind::Brokers | Kind::BrokerLoggers) && name.is_empty();
    Ok(is_default || all(admin, kind).await?.iter().any(|known| known == name))
}

/// The entities of a kind that there are, or that have a configuration.
pub(super) async fn all(admin: &Admin, kind: Kind) -> Done<Vec<String>> {
    Ok(match kind {
        Kind::Topics => admin.list_topics().await?.into_keys().collect(),
        Kind::Brokers | Kind::BrokerLoggers => {
            let cluster = admin.cluster("describeCluster", Topics::None).await?;
            cluster.nodes.keys().map(i32::to_string).chain([String::new()]).collect()
        }
        Kind::ClientMetrics => resources(admin, ResourceKind::ClientMetrics).await?,
        Kind::Groups => {
            let mut names: BTreeSet<String> = groups(admin).await?.into_iter().collect();
            names.extend(resources(admin, ResourceKind::Group).await?);
            names.into_iter().collect()
        }
        // What they have are quotas, and they need not be anywhere else.
        Kind::Clients | Kind::Users | Kind::Ips => Vec::new(),
    })
}

async fn resources(admin: &Admin, kind: ResourceKind) -> Result<Vec<String>, ClientError> {
    let request = |version| ListConfigResourcesRequest {
        resource_types: if version >= 1 { vec![kind as i8] } else { Vec::new() },
        ..Default::default()
    };
    let read = |reply: &Reply| {
        let response: ListConfigResourcesResponse<'_> = reply.read()?;
        ClientError::check(response.error_code, None)?;
        Ok(response.config_resources.iter().map(|resource| resource.resource_name.to_string()).collect())
    };
    admin.call("listConfigResources", Target::Any, request, read).await
}

async fn groups(admin: &Admin) -> Result<Vec<String>, ClientError> {
    let read = |reply: &Reply| {
        let response: ListGroupsResponse<'_> = reply.read()?;
        ClientError::check(response.error_code, None)?;
        Ok(response.groups.iter().map(|group| group.group_id.to_string()).collect::<Vec<_>>())
    };
    let mut names = Vec::new();
    let nodes: Vec<i32> = admin.cluster("listGroups", Topics::None).await?.nodes.keys().copied().collect();
    for node in nodes {
        names.extend(admin.call("listGroups", Target::Node(node), |_| ListGroupsRequest::default(), read).await?);
    }
    Ok(names)
}
