//! Every key by itself: is it known, does its value fit, is it there where it must be.

use super::mistakes::Findings;
use super::properties::Properties;
use ottla_metadata::config_defs::{self, ConfigDef, Default, listener_base_name};

/// Keys that the authorizer reads; they are no broker keys in Kafka either.
const AUTHORIZER_KEYS: [&str; 2] = ["super.users", "allow.everyone.if.no.acl.found"];

/// Keys of plugins and clients inside a broker; what follows is theirs.
const FOREIGN_PREFIXES: [&str; 5] =
    ["config.providers.", "rlmm.config.", "rsm.config.", "metrics.context.", "listener.name."];

/// Our own keys begin with this, so that none of Kafka's is ever taken for one.
const OWN_PREFIX: &str = "ottla.";

pub(super) fn check(properties: &Properties, findings: &Findings<'_>) {
    for (key, text, _) in properties.iter() {
        match definition(key) {
            Some(def) if def.dynamic_only => findings.warning(
                key,
                format!("{key} has no effect in a file: it is set while the broker runs, with kafka-configs"),
            ),
            // One line that stands for both is told once, under the name that Kafka tells.
            Some(_)
                if key == "node.id"
                    && properties.origin(key) == properties.origin("broker.id")
                    && definition("broker.id").is_some_and(|older| older.parse(text).is_err()) =>
            {
                findings.follows(key);
            }
            Some(def) => known(key, text, def, findings),
            None => unknown(key, findings),
        }
    }
    for def in config_defs::broker().iter() {
        if def.default == Default::Required
            && properties.get(def.name).is_none()
            && let Err(error) = def.default_value()
        {
            findings.mistake(def.name, error.to_string());
        }
    }
}

fn definition(key: &str) -> Option<&'static ConfigDef> {
    let defs = config_defs::broker();
    defs.get(key).or_else(|| config_defs::own().get(key)).or_else(|| defs.get(listener_base_name(key)?))
}

fn known(key: &str, text: &str, def: &ConfigDef, findings: &Findings<'_>) {
    if let Err(error) = def.parse(text) {
        findings.mistake(key, error.to_string());
    }
    if def.deprecated && key != "broker.id" {
        findings.warning(key, format!("{key} is deprecated"));
    }
}

/// A listener's own key must name one of this node's, in lower case: under any other name nobody reads it, and it may be
/// the one that keeps strangers out.
pub(super) fn check_listener_prefixes(properties: &Properties, listeners: &[String], findings: &Findings<'_>) {
    for (key, _, _) in properties.iter() {
        let Some((name, base)) = key.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let known = listeners.iter().any(|listener| listener.to_lowercase() == name);
        if !known && listeners.iter().any(|listener| listener.eq_ignore_ascii_case(name)) {
            let wanted = name.to_lowercase();
            findings.mistake(key, format!("{key} is read as listener.name.{wanted}.{base} only, in lower case"));
        } else if !known {
            findings.warning(key, format!("{key} has no effect: there is no listener {}", name.to_uppercase()));
        } else if !is_listener_key(base) {
            match config_defs::broker().nearest(base) {
                Some(nearest) => {
                    findings.warning(key, format!("{key} is unknown and has no effect; did you mean {nearest}?"))
                }
                None => findings.warning(key, format!("{key} is unknown and has no effect")),
            }
        }
    }
}

/// A key of brokers, or one of a SASL mechanism such as `plain.sasl.jaas.config`.
fn is_listener_key(base: &str) -> bool {
    let of_mechanism =
        base.split_once('.').is_some_and(|(_, key)| key.starts_with("sasl.") && definition(key).is_some());
    definition(base).is_some() || of_mechanism
}

fn unknown(key: &str, findings: &Findings<'_>) {
    if AUTHORIZER_KEYS.contains(&key) || FOREIGN_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return;
    }
    if key.starts_with(OWN_PREFIX) {
        match config_defs::own().nearest(key) {
            Some(nearest) => findings.mistake(key, format!("there is no key {key}; did you mean {nearest}?")),
            None => findings.mistake(key, format!("there is no key {key}")),
        }
        return;
    }
    let nearest = config_defs::broker()
        .nearest(key)
        .or_else(|| AUTHORIZER_KEYS.into_iter().find(|own| own.replace('.', "") == key.replace(['.', '_', '-'], "")));
    match nearest {
        Some(nearest) => findings.warning(key, format!("{key} is unknown and has no effect; did you mean {nearest}?")),
        None => findings.warning(key, format!("{key} is unknown and has no effect")),
    }
}
