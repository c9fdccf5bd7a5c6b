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
    defs.get(key).or_else(|| defs.get(listener_base_name(key)?))
}

fn known(key: &str, text: &str, def: &ConfigDef, findings: &Findings<'_>) {
    if let Err(error) = def.parse(text) {
        findings.mistake(key, error.to_string());
    }
    if def.deprecated && key != "broker.id" {
        findings.warning(key, format!("{key} is deprecated"));
    }
}

fn unknown(key: &str, findings: &Findings<'_>) {
    if AUTHORIZER_KEYS.contains(&key) || FOREIGN_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return;
    }
    if key.starts_with(OWN_PREFIX) {
        findings.mistake(key, format!("there is no key {key}"));
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
