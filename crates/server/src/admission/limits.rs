//! The limits as they hold now: the metadata's over the file's, and a listener's own over the node's.

use ottla_metadata::config_defs::{BrokerLayers, ConfigValue, broker};
use ottla_metadata::image::{ClientQuotas, ConfigResource, ConfigResourceKind, Configs, Image};
use ottla_quota::Window;
use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const CONNECTIONS: &str = "max.connections";
const CREATION_RATE: &str = "max.connection.creation.rate";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    pub connections: usize,
    pub creation_rate: usize,
    pub window: Window,
    pub inter_broker_listener: Arc<str>,
    of_listeners: BTreeMap<String, OfListener>,
    per_ip: usize,
    overrides: BTreeMap<IpAddr, usize>,
    rates: AddressRates,
}

/// The quotas `connection_creation_rate`: an address's own, and that of all others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct AddressRates {
    own: BTreeMap<IpAddr, usize>,
    default: Option<usize>,
}

/// Where limits are read from; what was read is kept until something was set anew.
pub(crate) struct Source {
    pub node_id: String,
    pub file: Configs,
    pub listeners: Mutex<Vec<String>>,
    pub inter_broker_listener: String,
    pub last: Mutex<Option<Read>>,
}

/// What was set in the metadata, for this node and for all, and the limits that followed.
type Read = (Arc<Configs>, Arc<Configs>, ClientQuotas, Arc<Limits>);

impl Source {
    /// The listeners that there are from now on.
    pub(crate) fn know(&self, listeners: Vec<String>) {
        *self.listeners.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn limits(&self, image: &Image) -> Arc<Limits> {
        let set = |name: &str| {
            let resource = ConfigResource { kind: ConfigResourceKind::Broker, name: name.to_owned() };
            image.configs.get(&resource)
        };
        let nothing = Arc::default();
        let (dynamic, dynamic_default) = (set(&self.node_id).unwrap_or(&nothing), set("").unwrap_or(&nothing));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of_node, of_all, quotas, limits)) = &*last
            && (of_node, of_all) == (dynamic, dynamic_default)
            && quotas.ptr_eq(&image.quotas)
        {
            return Arc::clone(limits);
        }
        let layers = BrokerLayers { dynamic, dynamic_default, file: &self.file };
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut limits = Limits::read(&layers, &listeners, &self.inter_broker_listener);
        limits.rates = AddressRates::read(&image.quotas);
        let limits = Arc::new(limits);
        *last = Some((dynamic.clone(), dynamic_default.clone(), image.quotas.clone(), Arc::clone(&limits)));
        limits
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OfListener {
    pub connections: usize,
    pub creation_rate: usize,
}

impl Limits {
    pub(crate) fn read(layers: &BrokerLayers<'_>, listeners: &[String], inter_broker_listener: &str) -> Self {
        let count = |value: ConfigValue| value.as_i32().map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
        let own = |key: &str| count(layers.value(key));
        let (connections, creation_rate) = (own(CONNECTIONS), own(CREATION_RATE));
        let of_listener = |name: &String| {
            let or = |key: &str, otherwise| listener_value(layers, name, key).map_or(otherwise, count);
            let of_listener = OfListener {
                connections: or(CONNECTIONS, connections),
                creation_rate: or(CREATION_RATE, creation_rate),
            };
            (name.clone(), of_listener)
        };
        let overrides = layers.value("max.connections.per.ip.overrides");
        Self {
            connections,
            creation_rate,
            window: Window {
                length: Duration::from_secs(own("quota.window.size.seconds").max(1) as u64),
                count: own("quota.window.num"),
            },
            inter_broker_listener: inter_broker_listener.into(),
            of_listeners: listeners.iter().map(of_listener).collect(),
            per_ip: own("max.connections.per.ip"),
            overrides: read_overrides(overrides.as_str().unwrap_or_default()),
            rates: AddressRates::default(),
        }
    }

    pub(crate) fn of(&self, listener: &str) -> OfListener {
        let node = OfListener { connections: self.connections, creation_rate: self.creation_rate };
        self.of_listeners.get(listener).copied().unwrap_or(node)
    }

    /// How many connections an address may make in a second, if it has a quota.
    pub(crate) fn rate_of_address(&self, address: IpAddr) -> Option<usize> {
        self.rates.own.get(&address).copied().or(self.rates.default)
    }

    pub(crate) fn of_address(&self, address: IpAddr) -> usize {
        self.overrides.get(&address).copied().unwrap_or(self.per_ip)
    }
}

impl AddressRates {
    fn read(quotas: &ClientQuotas) -> Self {
        let mut rates = Self::default();
        for (entity, values) in quotas {
            let (Some(address), Some(max)) = (entity.get("ip"), values.get("connection_creation_rate")) else {
                continue;
            };
            let max = *max as usize;
            match address.as_deref() {
                None => rates.default = Some(max),
                Some(host) => match (host, 0).to_socket_addrs() {
                    // As Kafka: a name counts for the first of its addresses.
                    Ok(mut found) => rates.own.extend(found.next().map(|first| (first.ip().to_canonical(), max))),
                    Err(error) => tracing::warn!("the connection quota of {host} counts for nobody: {error}"),
                },
            }
        }
        rates
    }
}

/// What is set for a listener alone.
fn listener_value(layers: &BrokerLayers<'_>, listener: &str, key: &str) -> Option<ConfigValue> {
    let name = format!("listener.name.{}.{key}", listener.to_lowercase());
    let text = [layers.dynamic, layers.dynamic_default, layers.file].into_iter().find_map(|layer| layer.get(&name))?;
    broker().get(key)?.parse(text).ok()
}

/// `HOST:COUNT,HOST:COUNT`; a name counts for the addresses that it has. What cannot be read holds for nobody.
fn read_overrides(text: &str) -> BTreeMap<IpAddr, usize> {
    let mut overrides = BTreeMap::new();
    for entry in text.split(',').filter(|entry| !entry.trim().is_empty()) {
        let parsed =
            entry.trim().rsplit_once(':').and_then(|(host, count)| Some((host.trim(), count.trim().parse().ok()?)));
        let Some((host, count)) = parsed else { continue };
        match (host, 0).to_socket_addrs() {
            Ok(addresses) => overrides.extend(addresses.map(|address| (address.ip().to_canonical(), count))),
            Err(error) => tracing::warn!("max.connections.per.ip.overrides: {host} has no address: {error}"),
        }
    }
    overrides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(lines: &[(&str, &str)]) -> Configs {
        lines.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_listeners_own_limit_comes_before_the_nodes_and_the_metadata_before_the_file() {
        let file = configs(&[
            (CONNECTIONS, "100"),
            ("listener.name.clients.max.connections", "10"),
            ("listener.name.clients.max.connection.creation.rate", "3"),
            ("max.connections.per.ip", "5"),
            ("max.connections.per.ip.overrides", "127.0.0.1:7, ::2:8"),
        ]);
        let dynamic_default = configs(&[("listener.name.clients.max.connections", "20")]);
        let dynamic = Configs::new();
        let layers = BrokerLayers { dynamic: &dynamic, dynamic_default: &dynamic_default, file: &file };
        let listeners = ["CLIENTS".to_owned(), "PLAINTEXT".to_owned()];
        let limits = Limits::read(&layers, &listeners, "PLAINTEXT");
        assert_eq!(limits.of("CLIENTS"), OfListener { connections: 20, creation_rate: 3 });
        assert_eq!(limits.of("PLAINTEXT"), OfListener { connections: 100, creation_rate: i32::MAX as usize });
        let of = |address: &str| limits.of_address(address.parse().unwrap());
        assert_eq!((of("127.0.0.1"), of("::2"), of("10.0.0.1")), (7, 8, 5));
        assert_eq!(limits.window, Window { length: Duration::from_secs(1), count: 11 });
    }

    #[test]
    fn an_address_has_its_own_quota_before_that_of_all() {
        let mut quotas = ClientQuotas::new();
        let mut set = |address: Option<&str>, key: &str, max: f64| {
            let entity = [("ip".to_owned(), address.map(str::to_owned))].into();
            quotas.insert(entity, Arc::new([(key.to_owned(), max)].into()));
        };
        set(Some("127.0.0.1"), "connection_creation_rate", 3.0);
        set(Some("10.0.0.1"), "another", 3.0);
        let rates = |quotas: &ClientQuotas| {
            let nothing = Configs::new();
            let layers = BrokerLayers { dynamic: &nothing, dynamic_default: &nothing, file: &nothing };
            let mut limits = Limits::read(&layers, &[], "PLAINTEXT");
            limits.rates = AddressRates::read(quotas);
            ["127.0.0.1", "10.0.0.1"].map(|address| limits.rate_of_address(address.parse().unwrap()))
        };
        assert_eq!(rates(&quotas), [Some(3), None]);
        let mut set = |max: f64| {
            quotas.insert(
                [("ip".to_owned(), None)].into(),
                Arc::new([("connection_creation_rate".to_owned(), max)].into()),
            );
        };
        set(7.0);
        assert_eq!(rates(&quotas), [Some(3), Some(7)]);
    }
}
