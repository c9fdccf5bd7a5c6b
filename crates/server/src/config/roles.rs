//! Which listeners, voters and ids go with which roles.

use super::listeners::{Listener, ProtocolMap, SecurityProtocol, normalized};
use super::mistakes::Findings;
use super::node::{Identity, Network, QuorumSettings, Roles};
use super::properties::Properties;
use super::settings::Reader;

/// The listener that brokers use among themselves: named, or the one named like its protocol.
pub(super) fn inter_broker_listener_name(
    reader: &Reader<'_>,
    properties: &Properties,
    protocols: &ProtocolMap,
    findings: &Findings<'_>,
) -> String {
    const NAME: &str = "inter.broker.listener.name";
    const PROTOCOL: &str = "security.inter.broker.protocol";
    let Some(name) = reader.text(NAME) else {
        return reader.text(PROTOCOL).unwrap_or_else(|| SecurityProtocol::Plaintext.name().to_owned());
    };
    let name = normalized(&name);
    findings.require(&[NAME], properties.get(PROTOCOL).is_none(), || {
        format!("Only one of {NAME} and {PROTOCOL} should be set.")
    });
    findings.require(&[NAME, "listener.security.protocol.map"], protocols.get(&name).is_some(), || {
        format!("Listener with name {name} defined in {NAME} not found in listener.security.protocol.map.")
    });
    name
}

/// What other controllers are told: the advertised one of a name, or the bound one, or for the first the address by
/// which the voters know this node.
pub(super) fn advertised_controllers(network: &Network, identity: &Identity, quorum: &QuorumSettings) -> Vec<Listener> {
    let mut advertised = Vec::new();
    for (index, name) in network.controller_listener_names.iter().enumerate() {
        let of = |listeners: &[Listener]| listeners.iter().find(|l| l.name == *name).cloned();
        // Bound listeners stand in for advertised ones that were not given; their host may be a wildcard.
        let given = of(&network.advertised_controllers).filter(|l| of(&network.listeners).as_ref() != Some(l));
        let Some(mut listener) = given.or_else(|| of(&network.listeners)) else {
            continue;
        };
        let wildcard = listener.host.as_deref().is_none_or(|host| host == "0.0.0.0");
        let voter = quorum.voters.iter().find(|voter| voter.id == identity.node_id);
        match voter {
            Some(voter) if wildcard && index == 0 => {
                listener.host = Some(voter.host.clone());
                listener.port = voter.port;
            }
            _ if wildcard => listener.host = None,
            _ => {}
        }
        advertised.push(listener);
    }
    advertised
}

pub(super) fn check(
    identity: &Identity,
    network: &Network,
    quorum: &QuorumSettings,
    properties: &Properties,
    findings: &Findings<'_>,
) {
    check_quorum(identity, quorum, findings);
    if identity.roles.has_controller() {
        check_controller(network, findings);
    }
    match identity.roles {
        Roles::Broker => check_broker_only(network, quorum, findings),
        Roles::Controller => check_controller_only(network, properties, findings),
        Roles::Combined => {}
    }
    if identity.roles.has_broker() {
        check_advertised(network, findings);
    }
}

fn check_quorum(identity: &Identity, quorum: &QuorumSettings, findings: &Findings<'_>) {
    const VOTERS: &str = "controller.quorum.voters";
    const SERVERS: &str = "controller.quorum.bootstrap.servers";
    findings.require(
        &[SERVERS, VOTERS],
        !quorum.voters.is_empty() || !quorum.bootstrap_servers.is_empty(),
        || {
            format!("If using process.roles, either {SERVERS} must contain the set of bootstrap controllers or {VOTERS} must contain a parseable set of controllers.")
        },
    );
    let (id, is_voter) = (identity.node_id, quorum.voters.iter().any(|v| v.id == identity.node_id));
    let ids: Vec<String> = quorum.voters.iter().map(|voter| voter.id.to_string()).collect();
    let keys = [VOTERS, "node.id", "process.roles"];
    match identity.roles {
        Roles::Broker => findings.require(&keys, !is_voter, || {
            format!("If process.roles contains just the 'broker' role, the node id {id} must not be included in the set of voters {VOTERS}=Set({})", ids.join(", "))
        }),
        Roles::Controller | Roles::Combined => {
            findings.require(&keys, is_voter || quorum.voters.is_empty(), || {
                format!("If process.roles contains the 'controller' role, the node id {id} must be included in the set of voters {VOTERS}=Set({})", ids.join(", "))
            });
        }
    }
}

fn check_controller(network: &Network, findings: &Findings<'_>) {
    const NAMES: &str = "controller.listener.names";
    let bound = |name: &String| network.listeners.iter().any(|l| l.name == *name);
    findings.require(
        &[NAMES, "listeners", "process.roles"],
        network.controller_listener_names.iter().any(bound),
        || format!("{NAMES} must contain at least one value appearing in the 'listeners' configuration when running the KRaft controller role"),
    );
    findings.require(
        &[NAMES, "listeners", "process.roles"],
        network.controller_listener_names.iter().all(bound),
        || format!("{NAMES} must only contain values appearing in the 'listeners' configuration when running the KRaft controller role"),
    );
}

fn check_broker_only(network: &Network, quorum: &QuorumSettings, findings: &Findings<'_>) {
    const NAMES: &str = "controller.listener.names";
    findings.require(
        &[NAMES, "listeners", "process.roles"],
        !network.listeners.iter().any(|l| network.is_controller_listener(&l.name)),
        || format!("{NAMES} must not contain a value appearing in the 'listeners' configuration when running KRaft with just the broker role"),
    );
    for name in &network.controller_listener_names {
        findings.require(
            &[NAMES, "listener.security.protocol.map"],
            network.protocols.get(name).is_some(),
            || format!("Controller listener with name {name} defined in {NAMES} not found in listener.security.protocol.map  (an explicit security mapping for each controller listener is required if listener.security.protocol.map is non-empty, or if there are security protocols other than PLAINTEXT in use)"),
        );
    }
    if network.controller_listener_names.len() > 1 {
        findings.warning(NAMES, format!("{NAMES} has several entries: a broker uses only the first"));
    }
    findings.require(&["controller.quorum.auto.join.enable", "process.roles"], !quorum.auto_join, || {
        "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role."
            .to_owned()
    });
}

fn check_controller_only(network: &Network, properties: &Properties, findings: &Findings<'_>) {
    const NAMES: &str = "controller.listener.names";
    findings.require(
        &["listeners", NAMES, "process.roles"],
        network.listeners.iter().all(|l| network.is_controller_listener(&l.name)),
        || format!("The listeners config must only contain KRaft controller listeners from {NAMES} when process.roles=controller"),
    );
    let own = &network.inter_broker_listener_name;
    findings.require(
        &[NAMES, "inter.broker.listener.name"],
        properties.get("inter.broker.listener.name").is_none() || !network.is_controller_listener(own),
        || format!("{NAMES} must not contain an explicitly set inter.broker.listener.name configuration value when process.roles=controller"),
    );
}

fn check_advertised(network: &Network, findings: &Findings<'_>) {
    const ADVERTISED: &str = "advertised.listeners";
    let names = |listeners: &[Listener]| -> Vec<String> { listeners.iter().map(|l| l.name.clone()).collect() };
    let (advertised, bound) = (names(&network.advertised), names(&network.listeners));
    findings.require(&[ADVERTISED, "listeners", "process.roles"], !advertised.is_empty(), || {
        "There must be at least one broker advertised listener. Perhaps all listeners appear in controller.listener.names?".to_owned()
    });
    findings.require(
        &["inter.broker.listener.name", ADVERTISED, "listeners", "process.roles"],
        advertised.contains(&network.inter_broker_listener_name),
        || {
            format!("inter.broker.listener.name must be a listener name defined in {ADVERTISED}. The valid options based on currently configured listeners are {}", advertised.join(","))
        },
    );
    findings.require(&[ADVERTISED, "listeners"], advertised.iter().all(|name| bound.contains(name)), || {
        format!("{ADVERTISED} listener names must be equal to or a subset of the ones defined in listeners. Found {}. The valid options based on the current configuration are {}", advertised.join(","), bound.join(","))
    });
    let meta = |listener: &Listener| listener.host.as_deref() == Some("0.0.0.0");
    findings.require(&[ADVERTISED, "listeners"], !network.advertised.iter().any(meta), || {
        format!("{ADVERTISED} cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.")
    });
}
