//! What is not there yet and guards something: named, and never passed over in silence.
//!
//! A node that ignored an authorizer or a TLS listener would be open where its owner believes it closed. Whatever only
//! observes (metric reporters) is skipped with a warning.

use super::listeners::{Listener, SecurityProtocol};
use super::mistakes::Findings;
use super::properties::Properties;
use ottla_metadata::config_defs::{self, Default};

pub(super) const STANDARD_AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// Classes that would take part in deciding, and what they decide.
const GUARDING_CLASSES: [(&str, &str); 5] = [
    ("alter.config.policy.class.name", "which configurations may be set"),
    ("client.quota.callback.class", "which quota a client has"),
    ("create.topic.policy.class.name", "which topics may be created"),
    ("principal.builder.class", "who a client is"),
    ("security.providers", "which cryptography is used"),
];

/// Plugins that are only left out.
const SKIPPED_CLASSES: [&str; 4] = [
    "group.streams.topology.description.plugin.class",
    "kafka.metrics.reporters",
    "metric.reporters",
    "replica.selector.class",
];

pub(super) fn check(properties: &Properties, listeners: &[Listener], findings: &Findings<'_>) {
    for listener in listeners {
        if matches!(listener.protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl) {
            findings.mistake(
                "listeners",
                format!(
                    "listener {} wants {}, which this version does not have yet: PLAINTEXT and SSL are served",
                    listener.name, listener.protocol
                ),
            );
        }
    }
    let authorizer = properties.get("authorizer.class.name").unwrap_or_default().trim();
    if !authorizer.is_empty() && authorizer != STANDARD_AUTHORIZER {
        findings.mistake(
            "authorizer.class.name",
            format!("authorizer {authorizer} is unknown: the one there is, is {STANDARD_AUTHORIZER}"),
        );
    }
    for (key, decides) in GUARDING_CLASSES {
        if let Some(class) = given(properties, key) {
            findings.mistake(
                key,
                format!("{key}={class} would decide {decides}; classes of one's own cannot be loaded here"),
            );
        }
    }
    for key in SKIPPED_CLASSES {
        if let Some(class) = given(properties, key) {
            findings.warning(key, format!("{key}={class} is skipped: Java classes cannot be loaded here"));
        }
    }
    if let Some(providers) = given(properties, "config.providers") {
        findings.mistake(
            "config.providers",
            format!("config.providers={providers} is not there yet, so the values that it would fetch are missing"),
        );
    }
    if given(properties, "remote.log.storage.system.enable").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        findings.mistake(
            "remote.log.storage.system.enable",
            "tiered storage is not there yet: records that lie in remote storage could not be read",
        );
    }
}

/// A value that is set, and not to what it would be anyway.
fn given<'a>(properties: &'a Properties, key: &str) -> Option<&'a str> {
    let value = properties.get(key)?.trim();
    let default = match config_defs::broker().get(key).map(|def| def.default) {
        Some(Default::Value(text)) => text,
        _ => "",
    };
    (!value.is_empty() && value != default).then_some(value)
}
