//! Reads the `.defs` files, which ship inside the binary.
//!
//! One key a line, columns separated by `|`:
//!
//! | column | values |
//! |---|---|
//! | name | |
//! | type | boolean, string, int, short, long, double, list, class, password |
//! | default | `required`, `null`, or the value (nothing is the empty string) |
//! | valid | `1..`, `1..9`, `1..9 or -1`, `one of a, b`, `any case of a, b`, `non-empty`, `replicas`, `offset reset` |
//! | importance | high, medium, low |
//! | update | read-only, per-broker, cluster-wide |
//! | synonyms | broker keys in the order they count, with `(hours)` or `(minutes)` where a value is converted to ms |
//! | flags | internal, deprecated, non-empty (a list), dynamic-only |
//!
//! The `.docs` files have a line `name | sentence` for each key.
//!
//! A file that cannot be read is our own mistake, found by the tests; at run time it stops the program.

use super::{ConfigDef, ConfigDefs, ConfigType, Default, Importance, Synonym, Unit, UpdateMode, Valid};
use std::collections::BTreeMap;

pub(super) fn parse(text: &'static str, docs: &'static str) -> ConfigDefs {
    let mut keys: BTreeMap<&str, ConfigDef> = BTreeMap::new();
    for line in lines(text) {
        let Some(def) = parse_line(line) else { panic!("definition cannot be read: {line}") };
        let known = keys.insert(def.name, def);
        assert!(known.is_none(), "defined twice: {line}");
    }
    for line in lines(docs) {
        let def = line.split_once(" | ").and_then(|(name, text)| Some((keys.get_mut(name)?, text)));
        let Some((def, text)) = def else { panic!("documentation of no key: {line}") };
        assert!(def.documentation.is_empty(), "documented twice: {line}");
        def.documentation = text;
    }
    ConfigDefs { keys }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn parse_line(line: &'static str) -> Option<ConfigDef> {
    let mut columns = line.split('|').map(str::trim);
    let name = columns.next()?;
    let config_type = ConfigType::parse_name(columns.next()?)?;
    let default = match columns.next()? {
        "required" => Default::Required,
        "null" => Default::Null,
        value => Default::Value(value),
    };
    let valid = parse_valid(columns.next()?)?;
    let importance = match columns.next()? {
        "high" => Importance::High,
        "medium" => Importance::Medium,
        "low" => Importance::Low,
        _ => return None,
    };
    let update = match columns.next()? {
        "read-only" => UpdateMode::ReadOnly,
        "per-broker" => UpdateMode::PerBroker,
        "cluster-wide" => UpdateMode::ClusterWide,
        _ => return None,
    };
    let synonyms = columns.next().unwrap_or_default();
    let synonyms: Option<Vec<Synonym>> = list(synonyms).map(parse_synonym).collect();
    let mut def = ConfigDef {
        name,
        config_type,
        default,
        valid,
        importance,
        update,
        synonyms: synonyms?,
        internal: false,
        deprecated: false,
        non_empty: false,
        dynamic_only: false,
        documentation: "",
    };
    for flag in columns.next().unwrap_or_default().split_whitespace() {
        match flag {
            "internal" => def.internal = true,
            "deprecated" => def.deprecated = true,
            "non-empty" => def.non_empty = true,
            "dynamic-only" => def.dynamic_only = true,
            _ => return None,
        }
    }
    columns.next().is_none().then_some(def)
}

fn parse_valid(text: &'static str) -> Option<Valid> {
    if let Some(values) = text.strip_prefix("one of ") {
        return Some(Valid::OneOf(list(values).collect()));
    }
    if let Some(values) = text.strip_prefix("any case of ") {
        return Some(Valid::AnyCaseOf(list(values).collect()));
    }
    Some(match text {
        "" => Valid::Anything,
        "non-empty" => Valid::NonEmpty,
        "replicas" => Valid::ThrottledReplicas,
        "offset reset" => Valid::ShareOffsetReset,
        range => {
            let (range, or_minus_one) = match range.strip_suffix(" or -1") {
                Some(range) => (range, true),
                None => (range, false),
            };
            let (min, max) = range.split_once("..")?;
            min.parse::<f64>().ok()?;
            if !max.is_empty() {
                max.parse::<f64>().ok()?;
            }
            Valid::Range { min, max: (!max.is_empty()).then_some(max), or_minus_one }
        }
    })
}

fn parse_synonym(text: &'static str) -> Option<Synonym> {
    let (name, unit) = match text.split_once(' ') {
        None => (text, Unit::Same),
        Some((name, "(minutes)")) => (name, Unit::Minutes),
        Some((name, "(hours)")) => (name, Unit::Hours),
        Some(_) => return None,
    };
    Some(Synonym { name, unit })
}

fn list(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_read() {
        let defs = parse(
            "# a comment\na | int | 5 | 1..9 or -1 | low | per-broker | b, c (hours) | internal deprecated\nd | list | | one of x, y | high | read-only | | non-empty\n",
            "# a comment\na | What it is for.\n",
        );
        assert_eq!(defs.keys["a"].documentation, "What it is for.");
        let a = &defs.keys["a"];
        assert_eq!(a.synonyms[1], Synonym { name: "c", unit: Unit::Hours });
        assert_eq!(a.valid, Valid::Range { min: "1", max: Some("9"), or_minus_one: true });
        assert!(a.internal && a.deprecated && !a.non_empty);
        assert_eq!(defs.keys["d"].default, Default::Value(""));
        assert!(defs.keys["d"].non_empty);
    }

    #[test]
    fn a_line_that_says_something_else_is_refused() {
        for line in [
            "a",
            "a | number | 1 | | low | read-only",
            "a | int | 1 | 1-9 | low | read-only",
            "a | int | 1 | x.. | low | read-only",
            "a | int | 1 | | urgent | read-only",
            "a | int | 1 | | low | sometimes",
            "a | int | 1 | | low | read-only | b (days)",
            "a | int | 1 | | low | read-only | | secret",
        ] {
            assert!(parse_line(line).is_none(), "{line}");
        }
    }
}
