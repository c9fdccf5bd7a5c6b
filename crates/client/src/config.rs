//! A client's settings, under the names that Kafka's clients give them. Durations are milliseconds in the properties and
//! [`Duration`] here.
//!
//! What would guard data and is not there (SASL) is refused, never passed over.

mod consumer;
mod producer;
mod tls;
mod values;

pub use consumer::{ConsumerConfig, GroupConfig, Reset};
pub use producer::ProducerConfig;
pub use tls::TlsConfig;
pub use values::Settings;

use crate::error::{ClientError, Result};
use crate::session::metrics::stats::Windows;
use std::time::Duration;

/// What every client needs, whatever it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where to begin: brokers, or controllers.
    pub bootstrap: Bootstrap,
    pub client_id: String,
    /// The longest that one request may take.
    pub request_timeout: Duration,
    /// The longest that a call may take, retries included.
    pub default_api_timeout: Duration,
    pub retry_backoff: Duration,
    pub retry_backoff_max: Duration,
    pub reconnect_backoff: Duration,
    pub reconnect_backoff_max: Duration,
    pub socket_connection_setup_timeout: Duration,
    pub metadata_max_age: Duration,
    /// None where the listener speaks plainly.
    pub tls: Option<TlsConfig>,
    /// How many calls are tried again; Kafka's default is as many as the time allows.
    pub retries: u32,
    /// What metrics are reckoned over.
    pub metrics: Windows,
}

/// The nodes that a client asks first, each as host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bootstrap {
    Servers(Vec<(String, u16)>),
    Controllers(Vec<(String, u16)>),
}

impl Bootstrap {
    #[must_use]
    pub fn addresses(&self) -> &[(String, u16)] {
        match self {
            Self::Servers(addresses) | Self::Controllers(addresses) => addresses,
        }
    }

    #[must_use]
    pub const fn is_controllers(&self) -> bool {
        matches!(self, Self::Controllers(_))
    }
}

impl ClientConfig {
    /// Reads the settings that all clients share.
    pub fn read(settings: &Settings) -> Result<Self> {
        let bootstrap = bootstrap(settings)?;
        let request_timeout = settings.millis("request.timeout.ms", 30_000)?;
        Ok(Self {
            bootstrap,
            client_id: settings.text("client.id", "").to_owned(),
            request_timeout,
            default_api_timeout: settings.millis("default.api.timeout.ms", 60_000)?,
            retry_backoff: settings.millis("retry.backoff.ms", 100)?,
            retry_backoff_max: settings.millis("retry.backoff.max.ms", 1_000)?,
            reconnect_backoff: settings.millis("reconnect.backoff.ms", 50)?,
            reconnect_backoff_max: settings.millis("reconnect.backoff.max.ms", 1_000)?,
            socket_connection_setup_timeout: settings.millis("socket.connection.setup.timeout.ms", 10_000)?,
            metadata_max_age: settings.millis("metadata.max.age.ms", 300_000)?,
            tls: TlsConfig::read(settings)?,
            retries: u32::try_from(settings.int("retries", i64::from(i32::MAX))?.max(0)).unwrap_or(u32::MAX),
            metrics: Windows {
                window_ms: settings.at_least("metrics.sample.window.ms", 30_000, 0)?,
                samples: usize::try_from(settings.at_least("metrics.num.samples", 2, 1)?).unwrap_or(usize::MAX),
            },
        })
    }
}

fn bootstrap(settings: &Settings) -> Result<Bootstrap> {
    let servers = settings.list("bootstrap.servers");
    let controllers = settings.list("bootstrap.controllers");
    let (key, list) = match (servers.is_empty(), controllers.is_empty()) {
        (false, false) => {
            return Err(ClientError::Bootstrap(
                "You must specify either bootstrap.servers or bootstrap.controllers, but not both.".into(),
            ));
        }
        (_, false) => ("bootstrap.controllers", controllers),
        (false, true) => ("bootstrap.servers", servers),
        (true, true) => {
            return Err(ClientError::Bootstrap("No resolvable bootstrap urls given in bootstrap.servers".into()));
        }
    };
    let addresses = list.iter().map(|entry| address(key, entry)).collect::<Result<Vec<_>>>()?;
    Ok(if key == "bootstrap.servers" { Bootstrap::Servers(addresses) } else { Bootstrap::Controllers(addresses) })
}

/// `host:port`, perhaps after a listener's name (`PLAINTEXT://`); an IPv6 address stands in brackets.
fn address(key: &str, entry: &str) -> Result<(String, u16)> {
    let wrong = || ClientError::Bootstrap(format!("Invalid url in {key}: {entry}"));
    let rest = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(plain) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ClientConfig> {
        ClientConfig::read(&Settings::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn addresses_are_hosts_and_ports() {
        let config = read(&[("bootstrap.servers", "localhost:9092, [::1]:9093,PLAINTEXT://b:1")]).unwrap();
        let expected = [("localhost".to_owned(), 9092), ("::1".to_owned(), 9093), ("b".to_owned(), 1)];
        assert_eq!(config.bootstrap.addresses(), expected);
    }

    #[test]
    fn mistakes_are_told_in_kafkas_words() {
        let told = |pairs: &[(&str, &str)]| read(pairs).unwrap_err().to_string();
        assert_eq!(told(&[("bootstrap.servers", "nowhere")]), "Invalid url in bootstrap.servers: nowhere");
        assert_eq!(
            told(&[("bootstrap.servers", "a:1"), ("request.timeout.ms", "soon")]),
            "Invalid value soon for configuration request.timeout.ms: Not a number of type INT"
        );
        assert!(told(&[("bootstrap.servers", "a:1"), ("security.protocol", "SASL_SSL")]).contains("not supported"));
    }
}
