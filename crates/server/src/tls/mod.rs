//! TLS on a listener: what its settings come to, kept current while the node runs.
//!
//! A new connection takes what holds then. Settings that the metadata has changed count at once, files that have changed
//! within a second; what cannot be used is told in the log, and the connection gets what held before. Sessions are not
//! resumed, so that a client is always judged by the certificates that are trusted now.

mod clients;
mod names;
mod version1;

use crate::config::{ClientAuth, Listener, TlsSettings, listener_prefix};
use clients::Clients;
use names::Names;
use ottla_io::stores;
use ottla_metadata::config_defs::{BrokerLayers, Configs};
use ottla_security::{Principal, PrincipalRules};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{CommonState, InconsistentKeys, ServerConfig, SupportedCipherSuite};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often files are looked at, at the most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a new connection of a listener is served with.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) config: Arc<ServerConfig>,
    rules: Arc<PrincipalRules>,
}

/// A listener's TLS, as it changes.
pub(crate) struct Tls {
    listener: Listener,
    file: Configs,
    /// Where the metadata has no configurations; always this one.
    pub(crate) nothing: Arc<Configs>,
    held: Mutex<Held>,
}

struct Held {
    terms: Terms,
    names: Names,
    /// What was last tried, whether it could be used or not.
    tried: Tried,
    looked: Instant,
}

struct Tried {
    dynamic: Arc<Configs>,
    dynamic_default: Arc<Configs>,
    settings: TlsSettings,
    files: Vec<Option<SystemTime>>,
}

impl Terms {
    /// Who a client is, after the handshake; `None` where its name is nobody's.
    pub(crate) fn principal(&self, session: &CommonState) -> Option<Principal> {
        match session.peer_certificates().and_then(<[CertificateDer<'_>]>::first) {
            None => Some(Principal::anonymous()),
            Some(certificate) => self.rules.name(&Names::of(certificate).ok()?.subject).map(Principal::user),
        }
    }
}

impl Tls {
    /// Opens the stores that the listener's settings name.
    pub(crate) fn new(listener: &Listener, settings: TlsSettings, file: Configs) -> Result<Self, String> {
        let (terms, names) = open(&settings).map_err(|why| format!("listener {}: {why}", listener.name))?;
        let files = modified(&settings);
        let tried = Tried { dynamic: Arc::default(), dynamic_default: Arc::default(), settings, files };
        let held = Held { terms, names, tried, looked: Instant::now() };
        Ok(Self { listener: listener.clone(), file, nothing: Arc::default(), held: Mutex::new(held) })
    }

    /// What holds now.
    pub(crate) fn terms(&self, dynamic: &Arc<Configs>, dynamic_default: &Arc<Configs>) -> Terms {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = &held.tried;
        let told = !Arc::ptr_eq(&tried.dynamic, dynamic) || !Arc::ptr_eq(&tried.dynamic_default, dynamic_default);
        if told || held.looked.elapsed() >= LOOK_INTERVAL {
            held.looked = Instant::now();
            if let Err(why) = self.look(&mut held, dynamic, dynamic_default) {
                let name = &self.listener.name;
                tracing::error!("listener {name}: the new keys or certificates are not used, the old ones stay: {why}");
            }
        }
        held.terms.clone()
    }

    /// Whether what is to be set for this broker can be used.
    pub(crate) fn check(&self, dynamic: &Configs) -> Result<(), String> {
        let prefix = listener_prefix(&self.listener.name);
        if !dynamic.keys().any(|key| key.starts_with(&prefix) || key.starts_with("ssl.")) {
            return Ok(());
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let layers = BrokerLayers { dynamic, dynamic_default: &held.tried.dynamic_default, file: &self.file };
        let settings = TlsSettings::read(&self.listener, layers).map_err(|mistakes| {
            let texts: Vec<String> = mistakes.into_iter().map(|(key, text)| format!("{key}: {text}")).collect();
            texts.join("; ")
        })?;
        let opened = open(&settings).and_then(|(_, names)| held.names.may_become(&names, &settings));
        opened.map_err(|why| format!("listener {}: {why}", self.listener.name))
    }

    /// Takes what has changed, if it can be used.
    fn look(&self, held: &mut Held, dynamic: &Arc<Configs>, dynamic_default: &Arc<Configs>) -> Result<(), String> {
        let layers = BrokerLayers { dynamic, dynamic_default, file: &self.file };
        let read = TlsSettings::read(&self.listener, layers).map_err(|mistakes| {
            let texts: Vec<String> = mistakes.into_iter().map(|(_, text)| text).collect();
            texts.join("; ")
        });
        let tried = &mut held.tried;
        let told = !Arc::ptr_eq(&tried.dynamic, dynamic) || !Arc::ptr_eq(&tried.dynamic_default, dynamic_default);
        (tried.dynamic, tried.dynamic_default) = (Arc::clone(dynamic), Arc::clone(dynamic_default));
        let settings = match read {
            // Said once, when it was set.
            Err(_) if !told => return Ok(()),
            read => read?,
        };
        let files = modified(&settings);
        if settings == tried.settings && files == tried.files {
            return Ok(());
        }
        (tried.settings, tried.files) = (settings, files);
        let (terms, names) = open(&tried.settings)?;
        held.names.may_become(&names, &tried.settings)?;
        (held.terms, held.names) = (terms, names);
        tracing::info!("listener {}: keys and certificates are loaded anew", self.listener.name);
        Ok(())
    }
}

impl Names {
    /// A running listener keeps who it is, unless it is told that it may change.
    fn may_become(&self, other: &Self, settings: &TlsSettings) -> Result<(), String> {
        if self.subject != other.subject && !settings.allow_dn_changes {
            return Err(format!(
                "its certificate is {}'s and not {}'s, and ssl.allow.dn.changes is false",
                other.subject, self.subject
            ));
        }
        if self.alternative != other.alternative && !settings.allow_san_changes {
            return Err("its certificate has other alternative names, and ssl.allow.san.changes is false".to_owned());
        }
        Ok(())
    }
}

/// When the files of the stores were last written.
fn modified(settings: &TlsSettings) -> Vec<Option<SystemTime>> {
    let trust = settings.trust_store.as_ref().and_then(|store| store.location());
    let files = [settings.key_store.location(), trust];
    let modified = |path: &str| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    files.into_iter().flatten().map(modified).collect()
}

fn open(settings: &TlsSettings) -> Result<(Terms, Names), String> {
    let identity = stores::identity(&settings.key_store)?;
    let names = identity.chain.first().ok_or("there is no certificate").map_err(str::to_owned);
    let names = names.and_then(|own| Names::of(own))?;
    let provider = Arc::new(provider(&settings.cipher_suites)?);
    let versions: Vec<_> = [("TLSv1.2", &TLS12), ("TLSv1.3", &TLS13)]
        .into_iter()
        .filter(|(name, _)| settings.protocols.iter().any(|wanted| wanted == name))
        .map(|(_, version)| version)
        .collect();
    let clients = match (settings.client_auth, &settings.trust_store) {
        (ClientAuth::None, _) | (_, None) => WebPkiClientVerifier::no_client_auth(),
        (auth, Some(store)) => {
            let trusted = stores::trusted(store)?;
            Clients::new(trusted, auth == ClientAuth::Required, Arc::clone(&provider))?
        }
    };
    let key = provider.key_provider.load_private_key(identity.key);
    let key = key.map_err(|error| format!("the private key cannot be used: {error}"))?;
    let own = CertifiedKey::new(identity.chain, key);
    if own.keys_match() == Err(InconsistentKeys::KeyMismatch.into()) {
        return Err("the private key is not that of the certificate".to_owned());
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| format!("ssl.enabled.protocols and ssl.cipher.suites: {error}"))?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let rules = PrincipalRules::parse(&settings.principal_rules).map_err(|error| error.to_string())?;
    Ok((Terms { config: Arc::new(config), rules: Arc::new(rules) }, names))
}

/// The cryptography, without the suites that were not asked for. Suites that are asked for and not there are left out: they
/// are the older ones, and a client that has nothing else is turned away.
fn provider(wanted: &[String]) -> Result<CryptoProvider, String> {
    let mut provider = default_provider();
    if !wanted.is_empty() {
        provider.cipher_suites.retain(|suite| wanted.iter().any(|name| *name == java_name(suite)));
        if provider.cipher_suites.is_empty() {
            let all: Vec<String> = default_provider().cipher_suites.iter().map(java_name).collect();
            return Err(format!("ssl.cipher.suites: none of these is there; there are {}", all.join(", ")));
        }
    }
    Ok(provider)
}

/// A suite as Java and OpenSSL's documentation name it.
fn java_name(suite: &SupportedCipherSuite) -> String {
    let name = format!("{:?}", suite.suite());
    name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
}

#[cfg(test)]
mod tests;
