//! What is not there yet and guards something: named, and never passed over in silence.
//!
//! A node that ignored an authorizer or a SASL listener would be open where its owner believes it closed. Kafka's own
//! classes are known by their names. Whatever only observes (metric reporters) is skipped with a warning.

use super::effects::{Effect, effect};
use super::listeners::{Listener, SecurityProtocol};
use super::mistakes::Findings;
use super::properties::Properties;
use ottla_metadata::config_defs::{ConfigDef, ConfigValue, Default, broker, listener_base_name};

pub(super) const STANDARD_AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// Classes that Kafka brings along, where they are more than the key's default.
const KAFKAS_OWN: [(&str, &[&str]); 7] = [
    (
        "group.consumer.assignors",
        &[
            "uniform",
            "range",
            "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
            "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
        ],
    ),
    ("group.share.assignors", &["simple", "org.apache.kafka.coordinator.group.assignor.SimpleAssignor"]),
    ("group.streams.assignors", &["sticky", "org.apache.kafka.coordinator.group.streams.assignor.StickyTaskAssignor"]),
    // With the leader as the only replica it chooses as if it were not set.
    ("replica.selector.class", &["org.apache.kafka.common.replica.RackAwareReplicaSelector"]),
    (
        "sasl.oauthbearer.jwt.retriever.class",
        &[
            "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
            "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
            "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
            "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever",
        ],
    ),
    (
        "sasl.oauthbearer.jwt.validator.class",
        &[
            "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator",
            "org.apache.kafka.common.security.oauthbearer.ClientJwtValidator",
            "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        ],
    ),
    ("ssl.engine.factory.class", &["org.apache.kafka.common.security.ssl.DefaultSslEngineFactory"]),
];

/// Plugins that are only left out.
const REPORTERS: [&str; 2] = ["kafka.metrics.reporters", "metric.reporters"];

/// Whether there is what a listener's protocol takes.
pub(crate) fn check_served(listener: &Listener) -> Result<(), String> {
    match listener.protocol {
        SecurityProtocol::Plaintext | SecurityProtocol::Ssl => Ok(()),
        SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl => Err(format!(
            "listener {} wants {}, which this version does not have yet: PLAINTEXT and SSL are served",
            listener.name, listener.protocol
        )),
    }
}

pub(super) fn check(properties: &Properties, listeners: &[Listener], findings: &Findings<'_>) {
    for listener in listeners {
        if let Err(why) = check_served(listener) {
            findings.mistake("listeners", why);
        }
    }
    let authorizer = properties.get("authorizer.class.name").unwrap_or_default().trim();
    if !authorizer.is_empty() && authorizer != STANDARD_AUTHORIZER {
        findings.mistake(
            "authorizer.class.name",
            format!("authorizer {authorizer} is unknown: the one there is, is {STANDARD_AUTHORIZER}"),
        );
    }
    for (key, text, _) in properties.iter() {
        let Some(def) = broker().get(key).or_else(|| broker().get(listener_base_name(key)?)) else { continue };
        if def.dynamic_only || !is_set(def, text) {
            continue;
        }
        match effect(def.name) {
            Some(Effect::Refused(decides)) => refuse(key, def, text, decides, findings),
            _ if REPORTERS.contains(&def.name) => {
                findings.warning(key, format!("{key}={} is skipped: Java classes cannot be loaded here", text.trim()));
            }
            Some(Effect::None(why)) => findings.note(key, format!("{key} has no effect here: {why}")),
            Some(Effect::ActedOn) | None => {}
        }
    }
}

/// Whether a value is set to something else than what it would be anyway. One that cannot be read is told elsewhere.
fn is_set(def: &ConfigDef, text: &str) -> bool {
    let Ok(value) = def.parse(text) else { return false };
    if text.trim().is_empty() {
        return false;
    }
    let default = match def.default {
        Default::Value(text) => def.parse(text).ok(),
        Default::Null | Default::Required => None,
    };
    default != Some(value)
}

fn refuse(key: &str, def: &ConfigDef, text: &str, decides: &str, findings: &Findings<'_>) {
    if def.name == "remote.log.storage.system.enable" {
        let why = "tiered storage is not there yet: records that lie in remote storage could not be read";
        return findings.mistake(key, why);
    }
    let own = KAFKAS_OWN.iter().find(|(known, _)| *known == def.name).map_or(&[][..], |(_, classes)| *classes);
    let classes = match def.parse(text) {
        Ok(ConfigValue::List(entries)) => entries,
        _ => vec![text.trim().to_owned()],
    };
    for class in classes.iter().filter(|class| !own.contains(&class.as_str())) {
        findings
            .mistake(key, format!("{key}={class} would decide {decides}; classes of one's own cannot be loaded here"));
    }
}
