//! `ottla configs`: show and change configurations, as `kafka-configs.sh`.

mod entities;
mod quotas;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, convert, flag, say, say_json, say_raw, text,
};
use crate::cluster::{admin_of, block_on};
use entities::{Entities, Kind};
use ottla_client::shell::admin::configs::{ConfigChange, ConfigEntry, ConfigSource, Resource, ResourceKind};
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use std::fmt::Write;

pub(crate) const TOOL: Tool = Tool {
    name: "configs",
    script: "kafka-configs",
    classes: &["kafka.admin.ConfigCommand", "org.apache.kafka.tools.ConfigCommand"],
    group: Group::Cluster,
    about: "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "configs --bootstrap-server localhost:9092 --describe --topic orders --all",
        "configs --alter --topic orders --add-config retention.ms=604800000",
        "configs --alter --entity-type brokers --entity-default --add-config log.retention.ms=86400000",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "server to connect to", "The brokers to begin with; localhost:9092 unless given."),
    text("bootstrap-controller", "controller to connect to", "The controllers to begin with, instead of brokers."),
    text("command-config", "command config property file", "A file of settings for the client."),
    flag("alter", "Change the configuration."),
    flag("describe", "Show the configuration."),
    flag("all", "Show what is not set as well."),
    text("entity-type", "String", "topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups."),
    text("entity-name", "String", "A topic, client id, user, broker id, address, subscription or group."),
    flag("entity-default", "The default of all clients, users, brokers or addresses."),
    text("add-config", "String", "Settings to make, as 'k1=v1,k2=[v1,v2],k3=v3'."),
    text("add-config-file", "String", "A properties file of settings to make."),
    text("delete-config", "String", "Settings to remove, as 'k1,k2'."),
    text("topic", "String", "The topic."),
    text("client", "String", "The client id."),
    flag("client-defaults", "The default of all clients."),
    text("user", "String", "The user."),
    flag("user-defaults", "The default of all users."),
    text("broker", "String", "The broker's id."),
    flag("broker-defaults", "The default of all brokers."),
    text("broker-logger", "String", "The broker whose loggers it is about."),
    flag("ip-defaults", "The default of all addresses."),
    text("ip", "String", "The address."),
    text("group", "String", "The group."),
    text("client-metrics", "String", "The subscription to client metrics."),
    flag("json", "Print one JSON object an entity instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    let entities = Entities::of(parsed)?;
    let done = act(parsed, &entities);
    // What a node does not know is told in so many words, but for quotas and credentials.
    let is_resource = entities.kind()?.resource().is_some();
    done.map_err(|failure| match failure {
        Failure::Client(error @ ClientError::UnsupportedVersion(_)) if is_resource => Failure::told(error.to_string()),
        Failure::Client(error) => {
            complain(&format!("Error while executing config command with args '{}'", parsed.line));
            complain(&format!("java.util.concurrent.ExecutionException: {}: {error}", error.class()));
            Failure::Said
        }
        other => other,
    })
}

fn act(parsed: &Parsed, entities: &Entities) -> Done {
    let admin = admin_of(parsed, "command-config")?;
    block_on(async {
        if parsed.has("alter") {
            alter(&admin, parsed, entities).await
        } else {
            describe(&admin, parsed, entities).await
        }
    })
}

async fn alter(admin: &Admin, parsed: &Parsed, entities: &Entities) -> Done {
    let kind = entities.kind()?;
    let name = entities.name().unwrap_or_default();
    let added = added(parsed)?;
    let deleted: Vec<String> = parsed
        .values("delete-config")
        .iter()
        .flat_map(|text| text.split(','))
        .map(|key| key.trim().to_owned())
        .collect();
    match kind.resource() {
        Some(kind) => alter_resource(admin, Resource { kind, name: name.to_owned() }, added, deleted).await?,
        None => quotas::alter(admin, entities, added, deleted).await?,
    }
    say(&match name {
        "" => format!("Completed updating default config for {} in the cluster.", kind.plural()),
        name => format!("Completed updating config for {} {name}.", kind.singular()),
    });
    Ok(())
}

async fn alter_resource(admin: &Admin, resource: Resource, added: Vec<(String, String)>, deleted: Vec<String>) -> Done {
    if resource.kind == ResourceKind::BrokerLogger {
        let known = admin.describe_config(&resource, false).await?;
        let is_known = |name: &String| known.iter().any(|entry| entry.name == *name);
        let unknown: Vec<_> =
            deleted.iter().chain(added.iter().map(|(key, _)| key)).filter(|name| !is_known(name)).cloned().collect();
        if !unknown.is_empty() {
            return Err(Failure::told(format!("Invalid broker logger(s): {}", unknown.join(","))));
        }
    }
    let deletions = deleted.into_iter().map(ConfigChange::Delete);
    let changes: Vec<_> =
        deletions.chain(added.into_iter().map(|(key, value)| ConfigChange::Set(key, value))).collect();
    if resource.kind == ResourceKind::Broker && !resource.name.is_empty() {
        admin.cluster("incrementalAlterConfigs", Topics::None).await?;
    }
    Ok(admin.alter_config(&resource, &changes).await?)
}

/// The settings of the file, then those of the command line; brackets hold commas together.
fn added(parsed: &Parsed) -> Done<Vec<(String, String)>> {
    let mut pairs = match parsed.value("add-config-file")? {
        Some(path) => convert::properties_file(path)?,
        None => Vec::new(),
    };
    if let Some(text) = parsed.value("add-config")? {
        for part in outside_brackets(text, ',') {
            let sides = outside_brackets(part, '=');
            let [key, value] = sides[..] else {
                return Err(Failure::told(
                    "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \"key=[val1,val2]\" to group values which contain commas.",
                ));
            };
            pairs.push((key.trim().to_owned(), value.replace(['[', ']'], "").trim().to_owned()));
        }
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '.' | '_' | '-');
    match pairs.iter().find(|(key, _)| !key.chars().all(is_plain)) {
        Some((key, _)) => Err(Failure::told(format!("Invalid character found for config key: {key}"))),
        None => Ok(pairs),
    }
}

fn outside_brackets(text: &str, separator: char) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c: char| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == separator && depth <= 0
    })
    .collect()
}

async fn describe(admin: &Admin, parsed: &Parsed, entities: &Entities) -> Done {
    let kind = entities.kind()?;
    let Some(resource_kind) = kind.resource() else {
        return quotas::describe(admin, entities, parsed.has("json")).await;
    };
    let is_all = parsed.has("all");
    if let Some(name) = entities.name()
        && !is_all
        && !entities::exists(admin, kind, name).await?
    {
        say(&format!("The {} '{name}' doesn't exist and doesn't have dynamic config.", kind.singular()));
        return Ok(());
    }
    let names = match entities.name() {
        Some(name) => vec![name.to_owned()],
        None => entities::all(admin, kind).await?,
    };
    if kind == Kind::Brokers {
        admin.cluster("describeConfigs", Topics::None).await?;
    }
    for name in names {
        let mut page = String::new();
        let mut entries = admin.describe_config(&Resource { kind: resource_kind, name: name.clone() }, true).await?;
        entries.retain(|entry| is_all || kind.dynamic_source(&name).is_none_or(|source| entry.source == source));
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        if parsed.has("json") {
            say_json(&json(kind, &name, &entries));
            continue;
        }
        let _ = match name.as_str() {
            "" => writeln!(page, "Default configs for {} in the cluster are:", kind.plural()),
            name if is_all => writeln!(page, "All configs for {} {name} are:", kind.singular()),
            name => writeln!(page, "Dynamic configs for {} {name} are:", kind.singular()),
        };
        for entry in &entries {
            write_entry(&mut page, entry);
        }
        say_raw(&page);
    }
    Ok(())
}

fn write_entry(page: &mut String, entry: &ConfigEntry) {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let synonyms: Vec<_> = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", synonym.source.name(), synonym.name, shown(&synonym.value)))
        .collect();
    let _ = writeln!(
        page,
        "  {}={} sensitive={} synonyms={{{}}}",
        entry.name,
        shown(&entry.value),
        entry.is_sensitive,
        synonyms.join(", ")
    );
}

fn json(kind: Kind, name: &str, entries: &[ConfigEntry]) -> serde_json::Value {
    let entry = |entry: &ConfigEntry| {
        let value = serde_json::json!({
            "value": entry.value,
            "source": ConfigSource::name(entry.source),
            "sensitive": entry.is_sensitive,
            "readOnly": entry.is_read_only,
        });
        (entry.name.clone(), value)
    };
    let configs: serde_json::Map<_, _> = entries.iter().map(entry).collect();
    serde_json::json!({ "entityType": kind.plural(), "entityName": name, "configs": configs })
}
