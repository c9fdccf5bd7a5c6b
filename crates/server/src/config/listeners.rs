//! Listeners and the protocols they speak.
//!
//! Names are compared in upper case, as Kafka normalizes them.

use ottla_metadata::config_defs::BrokerLayers;
use std::collections::BTreeMap;
use std::fmt;

/// A socket to listen on, or an address to tell others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// In upper case.
    pub name: String,
    pub protocol: SecurityProtocol,
    /// `None` is every address of the machine.
    pub host: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
}

/// As it stands in Kafka's Metadata and registration records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    pub fn code(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl]
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{}", self.name, self.port),
            false => write!(f, "{}://{host}:{}", self.name, self.port),
        }
    }
}

/// `listener.security.protocol.map`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtocolMap(BTreeMap<String, SecurityProtocol>);

impl ProtocolMap {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let Some((name, protocol)) = entry.rsplit_once(':') else {
                return Err(format!(
                    "Error parsing configuration property 'listener.security.protocol.map': '{entry}' is not name:protocol"
                ));
            };
            let Some(protocol) = SecurityProtocol::parse(protocol.trim()) else {
                return Err(format!(
                    "Invalid security protocol `{}` defined in listener.security.protocol.map",
                    protocol.trim()
                ));
            };
            map.insert(normalized(name), protocol);
        }
        Ok(Self(map))
    }

    pub fn get(&self, name: &str) -> Option<SecurityProtocol> {
        self.0.get(&normalized(name)).copied()
    }

    /// Controller listeners are plaintext unless they, or others, are named after a protocol that is not.
    pub(super) fn add_controller_defaults(&mut self, controllers: &[String], listeners: &[String]) {
        let secured = |name: &str| {
            SecurityProtocol::parse(name.trim()).is_some_and(|protocol| protocol != SecurityProtocol::Plaintext)
        };
        let names = listeners.iter().filter_map(|entry| entry.split(':').next());
        if controllers.iter().map(String::as_str).chain(names).any(secured) {
            return;
        }
        for name in controllers {
            self.0.entry(normalized(name)).or_insert(SecurityProtocol::Plaintext);
        }
    }
}

pub(super) fn normalized(name: &str) -> String {
    name.trim().to_uppercase()
}

/// `NAME://host:port`, each with the protocol of its name.
pub(super) fn parse_listeners(entries: &[String], protocols: &ProtocolMap) -> Result<Vec<Listener>, String> {
    let error = |text: String| Err(creation_error(entries, &text));
    let mut listeners: Vec<Listener> = Vec::new();
    for entry in entries {
        let parsed =
            entry.split_once("://").and_then(|(name, address)| Some((normalized(name), parse_host_port(address)?)));
        let Some((name, (host, port))) = parsed else {
            return error(format!("Unable to parse {entry} to a broker endpoint"));
        };
        let Some(protocol) = protocols.get(&name) else {
            return error(format!("No security protocol defined for listener {name}"));
        };
        if listeners.iter().any(|known| known.name == name) {
            return error(format!("Each listener must have a different name, listeners: [{}]", entries.join(", ")));
        }
        listeners.push(Listener { name, protocol, host: (!host.is_empty()).then_some(host), port });
    }
    Ok(listeners)
}

/// All listeners that layers of configuration come to, and what their names stand for. `controllers` are the names of the
/// controller's.
pub(crate) fn listeners_of(
    layers: BrokerLayers<'_>,
    controllers: &[String],
) -> Result<(Vec<Listener>, ProtocolMap), String> {
    const MAP: &str = "listener.security.protocol.map";
    let entries = layers.value("listeners").as_list().unwrap_or_default().to_vec();
    let map = layers.value(MAP);
    let mut protocols = ProtocolMap::parse(
        &map.as_list().map(|list| list.join(",")).unwrap_or_else(|| map.as_str().unwrap_or_default().to_owned()),
    )?;
    if ![layers.dynamic, layers.dynamic_default, layers.file].iter().any(|layer| layer.contains_key(MAP)) {
        protocols.add_controller_defaults(controllers, &entries);
    }
    let listeners = parse_listeners(&entries, &protocols)?;
    check_distinct_ports(&listeners, &entries)?;
    Ok((listeners, protocols))
}

fn creation_error(entries: &[String], text: &str) -> String {
    format!("Error creating broker listeners from '[{}]': {text}", entries.join(", "))
}

/// Two listeners share a port only where one has an IPv4 and the other an IPv6 address. `entries` is for the message.
pub(super) fn check_distinct_ports(listeners: &[Listener], entries: &[String]) -> Result<(), String> {
    let all = entries.join(", ");
    for (at, a) in listeners.iter().enumerate().filter(|(_, a)| a.port != 0) {
        let sharing: Vec<&Listener> = listeners[..at].iter().filter(|b| b.port == a.port).chain([a]).collect();
        let family = |listener: &Listener| {
            let address = listener.host.as_ref()?.parse::<core::net::IpAddr>().ok()?;
            Some(address.is_ipv4())
        };
        let (addresses, names): (Vec<&Listener>, Vec<&Listener>) =
            sharing.iter().partition(|listener| family(listener).is_some());
        let text = match addresses.as_slice() {
            _ if names.len() > 1 => format!("Each listener must have a different port, listeners: [{all}]"),
            [] | [_] if sharing.len() < 2 => continue,
            [one, other] if names.is_empty() && family(one) != family(other) => continue,
            [_, _] => format!(
                "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: [{all}], port: {}",
                a.port
            ),
            _ => format!(
                "Each listener must have a different port unless exactly one listener has an IPv4 address and the other IPv6 address, listeners: [{all}], port: {}",
                a.port
            ),
        };
        return Err(creation_error(entries, &text));
    }
    Ok(())
}

/// `host:port`, `[ipv6]:port` or `:port`.
pub(super) fn parse_host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
    let valid = host.chars().all(|c| c.is_ascii_alphanumeric() || "-%._:".contains(c));
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits && valid)?;
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT";

    fn parse(entries: &[&str]) -> Result<Vec<Listener>, String> {
        let entries: Vec<String> = entries.iter().map(|e| (*e).to_owned()).collect();
        parse_listeners(&entries, &ProtocolMap::parse(DEFAULT).unwrap())
    }

    #[test]
    fn listeners_have_names_hosts_and_ports() {
        let listeners = parse(&["plaintext://:9092", "SSL://[::1]:9093", "SASL_SSL://a.b-c:0"]).unwrap();
        assert_eq!(listeners[0].to_string(), "PLAINTEXT://:9092");
        assert_eq!(listeners[0].host, None);
        assert_eq!(listeners[1].host.as_deref(), Some("::1"));
        assert_eq!(listeners[1].to_string(), "SSL://[::1]:9093");
        assert_eq!(listeners[2].protocol, SecurityProtocol::SaslSsl);
    }

    #[test]
    fn what_is_no_listener() {
        for entry in [
            "PLAINTEXT",
            "PLAINTEXT://",
            "PLAINTEXT://a",
            "PLAINTEXT://a:b",
            "PLAINTEXT://a:65536",
            "PLAINTEXT://a b:1",
            "PLAINTEXT://[::1:1",
            "OTHER://:1",
            "PLAINTEXT://a:+1",
        ] {
            assert!(parse(&[entry]).is_err(), "{entry}");
        }
        assert!(parse(&["SSL://:1", "ssl://:2"]).unwrap_err().contains("different name"));
        assert!(ProtocolMap::parse("A:WRONG").unwrap_err().contains("Invalid security protocol `WRONG`"));
        assert!(ProtocolMap::parse("A").is_err());
    }

    #[test]
    fn ports_are_shared_by_address_families_only() {
        let check = |entries: &[&str]| check_distinct_ports(&parse(entries).unwrap(), &[]).is_ok();
        assert!(check(&["PLAINTEXT://:1", "SSL://:2"]));
        assert!(check(&["PLAINTEXT://:0", "SSL://:0"]));
        assert!(check(&["PLAINTEXT://127.0.0.1:1", "SSL://[::1]:1"]));
        assert!(!check(&["PLAINTEXT://:1", "SSL://:1"]));
        assert!(!check(&["PLAINTEXT://127.0.0.1:1", "SSL://127.0.0.2:1"]));
    }

    #[test]
    fn controllers_are_plaintext_where_nothing_is_secured() {
        let mut map = ProtocolMap::parse(DEFAULT).unwrap();
        map.add_controller_defaults(&["CONTROLLER".into()], &["PLAINTEXT://:1".into()]);
        assert_eq!(map.get("controller"), Some(SecurityProtocol::Plaintext));
        let mut map = ProtocolMap::parse(DEFAULT).unwrap();
        map.add_controller_defaults(&["CONTROLLER".into()], &["SSL://:1".into()]);
        assert_eq!(map.get("CONTROLLER"), None);
    }
}
