//! `ottla broker-api-versions`: which versions of each API the brokers speak, as `kafka-broker-api-versions.sh`.

use crate::cli::{Done, Group, Opt, ParseError, Parsed, Style, Tool, say_raw, text};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin_of, block_on};
use ottla_client::shell::network::{Target, Topics};
use ottla_client::{Admin, ClientError};
use ottla_wire::ApiKey;
use ottla_wire::api::ApiVersionsResponse;
use std::collections::BTreeMap;

pub(crate) const TOOL: Tool = Tool {
    name: "broker-api-versions",
    script: "kafka-broker-api-versions",
    classes: &["org.apache.kafka.tools.BrokerApiVersionsCommand", "kafka.admin.BrokerApiVersionsCommand"],
    group: Group::Cluster,
    about: "This tool helps to retrieve broker version information.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: &OPTIONS,
    subcommands: &[],
    examples: &["broker-api-versions --bootstrap-server localhost:9092"],
    run,
};

const OPTIONS: [Opt; 2] = [
    text("command-config", "command config property file", "A file of settings for the client."),
    text("bootstrap-server", "server(s) to use for bootstrapping", "The brokers to begin with.")
        .default(DEFAULT_BOOTSTRAP),
];

fn run(parsed: &Parsed) -> Done {
    let admin = admin_of(parsed, "command-config")?;
    block_on(print(&admin))
}

/// What each broker speaks.
pub(super) async fn print(admin: &Admin) -> Done {
    let cluster = admin.cluster("listNodes", Topics::None).await?;
    for node in cluster.nodes.values() {
        let rack = node.rack.as_deref().unwrap_or("null");
        let who = format!("{}:{} (id: {} rack: {rack} isFenced: false)", node.host, node.port, node.id);
        match versions(admin, node.id).await {
            Ok(lines) => say_raw(&format!("{who} -> (\n\t{}\n)\n", lines.join(",\n\t"))),
            Err(error) => say_raw(&format!("{who} -> ERROR: {error}\n")),
        }
    }
    Ok(())
}

/// A line for each API, in the order of their numbers.
async fn versions(admin: &Admin, node: i32) -> Result<Vec<String>, ClientError> {
    let hello = admin.network().hello(Target::Node(node)).await?;
    let response: ApiVersionsResponse<'_> = hello.read()?;
    let mut lines = BTreeMap::new();
    for told in &response.api_keys {
        let range = match told.min_version == told.max_version {
            true => told.min_version.to_string(),
            false => format!("{} to {}", told.min_version, told.max_version),
        };
        let line = match ApiKey::from_code(told.api_key) {
            None => format!("UNKNOWN({}): {range}", told.api_key),
            Some(key) => {
                let own = key.info().versions;
                let usable = match (told.min_version, told.max_version) {
                    (least, _) if own.high < least => "[unusable: node too new]".to_owned(),
                    (_, most) if most < own.low => "[unusable: node too old]".to_owned(),
                    (_, most) => format!("[usable: {}]", own.high.min(most)),
                };
                format!("{}({}): {range} {usable}", key.info().name, told.api_key)
            }
        };
        lines.insert(told.api_key, line);
    }
    // What a broker may tell and this one does not.
    for key in ApiKey::ALL.iter().filter(|key| key.info().on_broker) {
        let code = *key as i16;
        lines.entry(code).or_insert_with(|| format!("{}({code}): UNSUPPORTED", key.info().name));
    }
    Ok(lines.into_values().collect())
}
