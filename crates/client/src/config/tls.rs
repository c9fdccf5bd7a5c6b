//! How connections are guarded: `security.protocol` and the keys of `ssl.*`.

use super::Settings;
use crate::error::{ClientError, Result};
use ottla_io::stores::{KeyStore, StoreMistake, TrustStore, key_store, trust_store};

/// What a client over TLS is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// For listeners that want to know who connects.
    pub key_store: Option<KeyStore>,
    /// None for the certificates that the machine believes.
    pub trust_store: Option<TrustStore>,
    /// Whether the certificate must be of the host that was asked for (`ssl.endpoint.identification.algorithm`).
    pub checks_names: bool,
    pub protocols: Vec<String>,
    /// Empty for all.
    pub cipher_suites: Vec<String>,
}

/// Those before are broken, and no node of Kafka 4 wants them.
const PROTOCOLS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

impl TlsConfig {
    /// None where connections are not guarded. What would guard them and is not there is refused, never passed over.
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>> {
        match settings.text("security.protocol", "PLAINTEXT").to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(None),
            "SSL" => Self::of(settings).map(Some),
            known @ ("SASL_PLAINTEXT" | "SASL_SSL") => Err(ClientError::Config(format!(
                "security.protocol={known} is not supported by Ottla's own commands yet; use a PLAINTEXT or SSL listener"
            ))),
            other => Err(ClientError::Config(format!(
                "Invalid value {other} for configuration security.protocol: String must be one of (case insensitive): \
                 SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT"
            ))),
        }
    }

    fn of(settings: &Settings) -> Result<Self> {
        let text = |name: &str| {
            let default = if name.ends_with("store.type") { Some("JKS") } else { None };
            settings.get(name).or(default).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let wrong = |(key, why): StoreMistake| ClientError::Config(format!("{key}: {why}"));
        let mut protocols: Vec<String> =
            settings.list("ssl.enabled.protocols").into_iter().map(str::to_owned).collect();
        if let Some(other) = protocols.iter().find(|protocol| !PROTOCOLS.contains(&protocol.as_str())) {
            let known = PROTOCOLS.join(" and ");
            return Err(ClientError::Config(format!(
                "ssl.enabled.protocols: {other} is not spoken: there are {known}"
            )));
        }
        if protocols.is_empty() {
            protocols = PROTOCOLS.map(str::to_owned).to_vec();
        }
        let algorithm = settings.text("ssl.endpoint.identification.algorithm", "https");
        if !algorithm.is_empty() && !algorithm.eq_ignore_ascii_case("https") {
            return Err(ClientError::Config(format!(
                "ssl.endpoint.identification.algorithm: Unknown identification algorithm: {algorithm}"
            )));
        }
        if let Some(class) = text("ssl.engine.factory.class") {
            return Err(ClientError::Config(format!(
                "ssl.engine.factory.class: {class} would decide about certificates; classes of one's own cannot be loaded here"
            )));
        }
        Ok(Self {
            key_store: key_store(text).map_err(wrong)?,
            trust_store: trust_store(text).map_err(wrong)?,
            checks_names: !algorithm.is_empty(),
            protocols,
            cipher_suites: settings.list("ssl.cipher.suites").into_iter().map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<TlsConfig>> {
        TlsConfig::read(&Settings::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn nothing_is_guarded_unless_it_is_asked_for() {
        assert_eq!(read(&[]), Ok(None));
        let tls = read(&[("security.protocol", "ssl")]).ok().flatten();
        assert!(tls.is_some_and(|tls| tls.checks_names && tls.key_store.is_none() && tls.trust_store.is_none()));
    }

    #[test]
    fn stores_and_names_are_as_in_kafka() {
        let tls = read(&[
            ("security.protocol", "SSL"),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", "ca.pem"),
            ("ssl.keystore.location", "client.p12"),
            ("ssl.keystore.password", "secret"),
            ("ssl.endpoint.identification.algorithm", ""),
            ("ssl.enabled.protocols", "TLSv1.3"),
        ]);
        let Ok(Some(tls)) = tls else { panic!("{tls:?}") };
        assert_eq!(tls.trust_store, Some(TrustStore::PemFile("ca.pem".into())));
        assert_eq!(tls.key_store.as_ref().and_then(KeyStore::location), Some("client.p12"));
        assert!(!tls.checks_names);
        assert_eq!(tls.protocols, ["TLSv1.3"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (key, value) in [
            ("security.protocol", "SASL_SSL"),
            ("security.protocol", "none"),
            ("ssl.enabled.protocols", "SSLv3"),
            ("ssl.endpoint.identification.algorithm", "ldaps"),
            ("ssl.keystore.password", "alone"),
            ("ssl.engine.factory.class", "com.example.Engine"),
        ] {
            let pairs = [("security.protocol", "SSL"), (key, value)];
            let told = read(&pairs).map_err(|error| error.to_string());
            assert!(told.as_ref().is_err_and(|why| why.contains(key)), "{key}={value}: {told:?}");
        }
    }
}
