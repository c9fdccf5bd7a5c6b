//! What becomes of each broker key: acted on, accepted without effect, or refused. The table is `effects.defs`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a node does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    ActedOn,
    /// Accepted, and why nothing comes of it.
    None(&'static str),
    /// What it would decide. Kafka's own values are taken, any other keeps the node from starting.
    Refused(&'static str),
}

/// What a node does with a broker key; `None` for one that Kafka does not have.
pub fn effect(key: &str) -> Option<Effect> {
    static TABLE: LazyLock<BTreeMap<&str, Effect>> = LazyLock::new(|| parse(include_str!("effects.defs")));
    TABLE.get(key).copied()
}

/// A table that cannot be read is our own mistake, and found by the tests.
fn parse(text: &'static str) -> BTreeMap<&'static str, Effect> {
    let mut table = BTreeMap::new();
    let mut effect = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(heading) => effect = Some(parse_heading(heading)),
            None => {
                let Some(effect) = effect else { panic!("{line} stands under no heading") };
                assert!(table.insert(line, effect).is_none(), "{line} stands twice");
            }
        }
    }
    table
}

fn parse_heading(heading: &'static str) -> Effect {
    match heading.split_once(": ") {
        None if heading == "acted on" => Effect::ActedOn,
        Some(("no effect", why)) => Effect::None(why),
        Some(("refused", decides)) => Effect::Refused(decides),
        _ => panic!("{heading} is no heading"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::config_defs::{broker, group, topic};
    use std::path::Path;

    #[test]
    fn every_key_of_kafka_has_an_effect_and_no_other_has() {
        for def in broker().iter() {
            assert!(effect(def.name).is_some(), "{} stands nowhere in effects.defs", def.name);
        }
        for key in parse(include_str!("effects.defs")).keys() {
            assert!(broker().get(key).is_some(), "{key} is no key of Kafka");
        }
    }

    fn sources(dir: &Path, found: &mut String) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "config_defs" && name != "tests" {
                sources(&path, found);
            } else if name.ends_with(".rs") && !name.contains("tests") && name != "effects.rs" {
                found.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// A key is acted on where the code names it, or a key of a topic that falls back to it.
    #[test]
    fn what_is_acted_on_is_read_somewhere() {
        let mut code = String::new();
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for name in ["server", "broker", "metadata", "group", "io", "tools"] {
            sources(&crates.join(name).join("src"), &mut code);
        }
        code.push_str(&std::fs::read_to_string(crates.join("metadata/src/config_defs/topic.rs")).unwrap());
        let named = |key: &str| code.contains(&format!("\"{key}\""));
        for def in broker().iter().filter(|def| effect(def.name) == Some(Effect::ActedOn)) {
            let stands_in = |other: &&ottla_metadata::config_defs::ConfigDef| {
                other.synonyms.iter().any(|synonym| synonym.name == def.name)
            };
            let mut others = topic().iter().chain(group().iter()).filter(stands_in);
            assert!(named(def.name) || others.any(|other| named(other.name)), "nobody reads {}", def.name);
        }
    }
}
