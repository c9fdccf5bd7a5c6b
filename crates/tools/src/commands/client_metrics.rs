//! `ottla client-metrics`: which metrics clients are asked to send (KIP-714), as `kafka-client-metrics.sh`.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, convert, flag, say, say_json, text};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin, block_on, java_map_order};
use ottla_client::Admin;
use ottla_client::shell::admin::configs::{ConfigChange, ConfigEntry, Resource, ResourceKind};
use ottla_machine::Seed;
use ottla_wire::Uuid;

pub(crate) const TOOL: Tool = Tool {
    name: "client-metrics",
    script: "kafka-client-metrics",
    classes: &["org.apache.kafka.tools.ClientMetricsCommand"],
    group: Group::Cluster,
    about: "This tool helps to manipulate and describe client metrics configurations.",
    style: Style::Jopt,
    on_parse_error: ParseError::Usage,
    options: &OPTIONS,
    subcommands: &[],
    examples: &[
        "client-metrics --bootstrap-server localhost:9092 --alter --generate-name --metrics org.apache.kafka.producer. --interval 30000",
        "client-metrics --bootstrap-server localhost:9092 --describe",
    ],
    run,
};

const OPTIONS: [Opt; 12] = [
    flag("json", "Print one JSON object a subscription instead of text (--list, --describe)."),
    text("bootstrap-server", "server to connect to", "The brokers to begin with.").default(DEFAULT_BOOTSTRAP),
    text("command-config", "command config property file", "A file of settings for the client."),
    flag("alter", "Make or change a subscription."),
    flag("delete", "Remove a subscription."),
    flag("describe", "Show subscriptions."),
    flag("list", "List the names of the subscriptions."),
    text("name", "name", "The subscription."),
    flag("generate-name", "Make up a name."),
    text("interval", "push interval", "How often clients send, in milliseconds; empty for the default."),
    text(
        "match",
        "k1=v1,k2=v2",
        "Which clients: by client_id, client_instance_id, client_software_name, client_software_version, client_source_address and client_source_port.",
    ),
    text("metrics", "m1,m2", "Which metrics, by the beginnings of their names."),
];

const ACTIONS: [&str; 4] = ["alter", "delete", "describe", "list"];

fn run(parsed: &Parsed) -> Done {
    check(parsed)?;
    let mut settings = convert::settings(parsed, "command-config")?;
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    let admin = admin(&mut settings)?;
    let done = block_on(async {
        match ACTIONS.into_iter().find(|action| parsed.has(action)) {
            Some("alter") => alter(&admin, parsed).await,
            Some("delete") => delete(&admin, parsed.value("name")?.unwrap_or_default()).await,
            Some("describe") => describe(&admin, parsed.value("name")?, parsed.has("json")).await,
            _ => list(&admin, parsed.has("json")).await,
        }
    });
    done.map_err(|failure| match failure {
        Failure::Said => Failure::Said,
        other => {
            say(&format!("Error while executing client metrics command : {other}"));
            Failure::Said
        }
    })
}

fn check(parsed: &Parsed) -> Done {
    if ACTIONS.into_iter().filter(|action| parsed.has(action)).count() != 1 {
        return Err(Failure::usage(
            "Command must include exactly one action: --alter, --delete, --describe or --list.",
        ));
    }
    let of_alter = ["generate-name", "interval", "match", "metrics"];
    parsed.forbid("delete", &of_alter)?;
    parsed.forbid("describe", &of_alter)?;
    parsed.forbid("list", &["name", "generate-name", "interval", "match", "metrics"])?;
    if parsed.has("alter") {
        if parsed.has("name") == parsed.has("generate-name") {
            return Err(Failure::told("One of --name or --generate-name must be specified with --alter."));
        }
        if let Some(interval) = parsed.value("interval")?
            && !interval.is_empty()
            && interval.parse::<i32>().is_err()
        {
            return Err(Failure::told("Invalid interval value. Enter an integer, or leave empty to reset."));
        }
    }
    if parsed.has("delete") && !parsed.has("name") {
        return Err(Failure::told("A client metrics resource name must be specified with --delete."));
    }
    Ok(())
}

fn subscription(name: &str) -> Resource {
    Resource { kind: ResourceKind::ClientMetrics, name: name.to_owned() }
}

async fn alter(admin: &Admin, parsed: &Parsed) -> Done {
    let name = match parsed.value("name")? {
        Some(name) => name.to_owned(),
        None => new_name(ottla_io::clock::seed()),
    };
    let listed = |option: &str| {
        let values = parsed.values(option);
        let entries = values.iter().flat_map(|text| text.split(',')).filter(|entry| !entry.is_empty());
        parsed.has(option).then(|| entries.collect::<Vec<_>>().join(","))
    };
    let values = [
        ("interval.ms", parsed.value("interval")?.map(str::to_owned)),
        ("metrics", listed("metrics")),
        ("match", listed("match")),
    ];
    let changes = values.into_iter().filter_map(|(key, value)| {
        let value = value?;
        Some(match value.is_empty() {
            true => ConfigChange::Delete(key.to_owned()),
            false => ConfigChange::Set(key.to_owned(), value),
        })
    });
    admin.alter_config(&subscription(&name), &changes.collect::<Vec<_>>()).await?;
    say(&format!("Altered client metrics config for {name}."));
    Ok(())
}

fn new_name(mut seed: Seed) -> String {
    loop {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&seed.draw().to_be_bytes());
        if let Some(id) = Uuid::from_random(bytes) {
            return id.to_string();
        }
    }
}

async fn delete(admin: &Admin, name: &str) -> Done {
    let known = admin.describe_config(&subscription(name), false).await?;
    let changes: Vec<_> = known.into_iter().map(|entry| ConfigChange::Delete(entry.name)).collect();
    admin.alter_config(&subscription(name), &changes).await?;
    say(&format!("Deleted client metrics config for {name}."));
    Ok(())
}

async fn describe(admin: &Admin, name: Option<&str>, as_json: bool) -> Done {
    let known = admin.list_config_resources(ResourceKind::ClientMetrics).await?;
    let names = match name {
        Some(name) if !known.iter().any(|other| other == name) => {
            say(&format!("The client metric resource {name} doesn't exist and doesn't have dynamic config."));
            return Ok(());
        }
        Some(name) => vec![name.to_owned()],
        None => known,
    };
    for name in names {
        let mut entries = admin.describe_config(&subscription(&name), false).await?;
        if as_json {
            let configs: serde_json::Map<_, _> =
                entries.into_iter().map(|entry| (entry.name, entry.value.into())).collect();
            say_json(&serde_json::json!({ "name": name, "configs": configs }));
            continue;
        }
        say(&format!("Client metrics configs for {name} are:"));
        java_map_order(&mut entries, |entry| &entry.name);
        for ConfigEntry { name, value, .. } in &entries {
            say(&format!("  {name}={}", value.as_deref().unwrap_or("null")));
        }
    }
    Ok(())
}

async fn list(admin: &Admin, as_json: bool) -> Done {
    let names = admin.list_config_resources(ResourceKind::ClientMetrics).await?;
    if as_json {
        names.iter().for_each(|name| say_json(&serde_json::json!({ "name": name })));
        return Ok(());
    }
    say(&names.join("\n"));
    Ok(())
}
