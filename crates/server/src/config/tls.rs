//! A listener's keys of certificates and protocols, as `ssl.*` or under the listener's own prefix. What contradicts itself
//! is found here, in Kafka's words; the stores are opened by `crate::tls`.

use super::listeners::Listener;
use ottla_io::stores::{KeyStore, TrustStore, key_store, trust_store};
use ottla_metadata::config_defs::{BrokerLayers, ConfigDef, ConfigValue, broker};
use ottla_security::PrincipalRules;

/// What a TLS listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    pub key_store: KeyStore,
    pub trust_store: Option<TrustStore>,
    pub client_auth: ClientAuth,
    pub protocols: Vec<String>,
    /// Empty: all that there are.
    pub cipher_suites: Vec<String>,
    pub principal_rules: String,
    pub allow_dn_changes: bool,
    pub allow_san_changes: bool,
}

/// `ssl.client.auth`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    None,
    Requested,
    Required,
}

/// A key that is at fault, as it was given, and why.
pub type TlsMistake = (String, String);

/// The protocols that are served. Those before are broken, and no client of Kafka 4 needs them.
const PROTOCOLS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// The values that hold for one listener: its own prefix first, then the general keys.
struct Reader<'a> {
    layers: BrokerLayers<'a>,
    prefix: String,
}

impl Reader<'_> {
    /// The key as it was given: with the listener's prefix or without.
    fn given(&self, name: &str) -> String {
        let prefixed = format!("{}{name}", self.prefix);
        match self.set(&prefixed) {
            Some(_) => prefixed,
            None => name.to_owned(),
        }
    }

    fn set(&self, key: &str) -> Option<&String> {
        [self.layers.dynamic, self.layers.dynamic_default, self.layers.file]
            .into_iter()
            .find_map(|layer| layer.get(key))
    }

    fn value(&self, name: &str) -> ConfigValue {
        let Some(def) = broker().get(name) else { return ConfigValue::Null };
        let own = self.set(&format!("{}{name}", self.prefix)).and_then(|text| ConfigDef::parse(def, text).ok());
        own.unwrap_or_else(|| self.layers.value(name))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name).as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.value(name).as_list().map(<[String]>::to_vec).unwrap_or_default()
    }

    fn boolean(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or_default()
    }
}

impl TlsSettings {
    /// What holds for a listener, or all that is wrong with it.
    pub fn read(listener: &Listener, layers: BrokerLayers<'_>) -> Result<Self, Vec<TlsMistake>> {
        let reader = Reader { layers, prefix: listener_prefix(&listener.name) };
        let mut mistakes = Vec::new();
        let mut take = |result: Result<(), (&str, String)>| {
            if let Err((name, text)) = result {
                mistakes.push((reader.given(name), format!("listener {}: {text}", listener.name)));
            }
        };
        let key_store = key_store(|name| reader.text(name));
        let trust_store = trust_store(|name| reader.text(name));
        let client_auth = match reader.text("ssl.client.auth").as_deref() {
            Some("required") => ClientAuth::Required,
            Some("requested") => ClientAuth::Requested,
            _ => ClientAuth::None,
        };
        let lacks_trust = client_auth != ClientAuth::None && matches!(trust_store, Ok(None));
        let trusts = || {
            "clients are to show certificates, but ssl.truststore.location or ssl.truststore.certificates, \
             which says whose, is not set"
        };
        take(if lacks_trust { Err(("ssl.client.auth", trusts().to_owned())) } else { Ok(()) });
        let protocols = reader.list("ssl.enabled.protocols");
        for protocol in protocols.iter().filter(|protocol| !PROTOCOLS.contains(&protocol.as_str())) {
            let text = format!("the protocol {protocol} is not served: there are {}", PROTOCOLS.join(" and "));
            take(Err(("ssl.enabled.protocols", text)));
        }
        let principal_rules = reader.text("ssl.principal.mapping.rules").unwrap_or_default();
        let rules = PrincipalRules::parse(&principal_rules).map(drop);
        take(rules.map_err(|error| ("ssl.principal.mapping.rules", error.to_string())));
        if let Some(class) = reader.text("ssl.engine.factory.class").filter(|class| class != DEFAULT_FACTORY) {
            let text = format!("{class} would decide about certificates; classes of one's own cannot be loaded here");
            take(Err(("ssl.engine.factory.class", text)));
        }
        let (key_store, trust_store) = match (key_store, trust_store) {
            (Ok(Some(key_store)), Ok(trust_store)) => (key_store, trust_store),
            (key_store, trust_store) => {
                take(key_store.and_then(|store| {
                    let text = "there is no key: set ssl.keystore.location, or ssl.keystore.key and \
                                ssl.keystore.certificate.chain";
                    store.map_or_else(|| Err(("ssl.keystore.location", text.to_owned())), |_| Ok(()))
                }));
                take(trust_store.map(drop));
                return Err(mistakes);
            }
        };
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            key_store,
            trust_store,
            client_auth,
            protocols: if protocols.is_empty() { PROTOCOLS.map(str::to_owned).to_vec() } else { protocols },
            cipher_suites: reader.list("ssl.cipher.suites"),
            principal_rules,
            allow_dn_changes: reader.boolean("ssl.allow.dn.changes"),
            allow_san_changes: reader.boolean("ssl.allow.san.changes"),
        })
    }
}

const DEFAULT_FACTORY: &str = "org.apache.kafka.common.security.ssl.DefaultSslEngineFactory";

/// What a listener's own keys begin with.
pub fn listener_prefix(listener: &str) -> String {
    format!("listener.name.{}.", listener.to_lowercase())
}
