//! `docs/configuration.md`: every key with its type, default, range, way of updating, and what a node does with it. The page
//! is made from the tables that the binary uses; the test here holds them together.

use super::effects::{Effect, effect};
use ottla_metadata::config_defs::{
    ConfigDef, ConfigDefs, Default, UpdateMode, Valid, broker, client_metrics, group, own, topic,
};
use std::fmt::Write;
use std::path::Path;

const OPENING: &str = "\
# Configuration

<!-- Made from the tables of the binary. To make it anew: OTTLA_WRITE_PAGES=1 cargo test -p ottla-server page -->

Keys, types, defaults and ranges are those of Apache Kafka 4.4. A key in a file that this page does not have is a warning,
and names the nearest that it has. All mistakes of a file are told at once, each with its line.

Values come, the first that is set, from the configuration of the one broker in the metadata, of all brokers in the
metadata, from `--override`, from the file, and are the default otherwise. A listener's own value stands under
`listener.name.NAME.`, with the name in lower case. In a container `KAFKA_NUM_PARTITIONS` is `num.partitions`: `_` is a dot,
`__` an underscore, `___` a hyphen.

*Updates* says where a key may change while the broker runs: for the whole cluster, for one broker, or at a restart only.
Keys that begin with `ottla.` are not Kafka's. They stand in a node's file; Kafka's tools show them as they show a plugin's,
without their value.
";

fn page() -> String {
    let mut page = OPENING.to_owned();
    section(&mut page, "Brokers and controllers", broker(), true);
    section(&mut page, "Ottla's own", own(), true);
    section(&mut page, "Topics", topic(), false);
    section(&mut page, "Groups", group(), false);
    section(&mut page, "Client metrics", client_metrics(), false);
    page
}

fn section(page: &mut String, title: &str, defs: &ConfigDefs, of_brokers: bool) {
    let _ = writeln!(page, "\n## {title}\n");
    let _ = writeln!(page, "| key | type | default | values | updates | what it is for |\n|---|---|---|---|---|---|");
    for def in defs.iter().filter(|def| !def.internal) {
        let update = match (of_brokers, def.update) {
            (false, _) => "any time",
            (true, UpdateMode::ReadOnly) => "restart",
            (true, UpdateMode::PerBroker) => "broker",
            (true, UpdateMode::ClusterWide) => "cluster",
        };
        let here = match effect(def.name).filter(|_| of_brokers) {
            Some(Effect::None(why)) => format!(" *No effect here: {why}.*"),
            Some(Effect::Refused(_)) => " *Only Kafka's own; anything else is refused.*".to_owned(),
            Some(Effect::ActedOn) | None => String::new(),
        };
        let kind = def.config_type.to_string().to_lowercase();
        let (default, valid) = (default(def), valid(def));
        let text = def.documentation.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {kind} | {default} | {valid} | {update} | {text}{here} |", def.name);
    }
}

fn default(def: &ConfigDef) -> String {
    match def.default {
        Default::Required => "must be set".to_owned(),
        Default::Null => String::new(),
        Default::Value("") => "empty".to_owned(),
        Default::Value(value) => format!("`{value}`"),
    }
}

fn valid(def: &ConfigDef) -> String {
    match &def.valid {
        Valid::Range { min, max, or_minus_one } => {
            let or = if *or_minus_one { " or -1" } else { "" };
            format!("{min}..{}{or}", max.unwrap_or_default())
        }
        Valid::OneOf(values) | Valid::AnyCaseOf(values) => values.join(", "),
        _ => String::new(),
    }
}

#[test]
fn the_page_of_keys_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = page();
    if std::env::var_os("OTTLA_WRITE_PAGES").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/configuration.md is not current: OTTLA_WRITE_PAGES=1 cargo test -p ottla-server page");
}
