//! `ottla broker-api-versions`: which versions of each API the brokers speak, as `kafka-broker-api-versions.sh`.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, flag, say, say_json, text};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin_of, block_on};
use ottla_client::shell::network::{Target, Topics};
use ottla_client::{Admin, ClientError};
use ottla_wire::ApiKey;
use ottla_wire::api::ApiVersionsResponse;
use serde_json::{Value, json};
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

const OPTIONS: [Opt; 3] = [
    text("command-config", "command config property file", "A file of settings for the client."),
    text("bootstrap-server", "server(s) to use for bootstrapping", "The brokers to begin with.")
        .default(DEFAULT_BOOTSTRAP),
    flag("json", "Print one JSON object a node instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    let admin = admin_of(parsed, "command-config")?;
    block_on(show(&admin, parsed.has("json")))
}

/// What each broker speaks.
pub(super) async fn show(admin: &Admin, as_json: bool) -> Done {
    let cluster = match admin.cluster("listNodes", Topics::None).await {
        Err(ClientError::TimedOut(_)) => {
            let asked = admin.network().config().bootstrap.addresses().iter().zip(1..);
            let asked = asked.map(|((host, port), id)| format!("{host}:{port} (id: -{id} rack: null isFenced: false)"));
            let asked = asked.collect::<Vec<_>>().join(", ");
            return Err(Failure::told(format!("Request METADATA failed on brokers [{asked}]")));
        }
        told => told?,
    };
    for node in cluster.nodes.values() {
        let told = versions(admin, node.id).await;
        if as_json {
            let apis = told.as_ref().map_or_else(|_| Value::Null, |apis| apis.iter().map(Api::json).collect());
            let error = told.err().map(|error| error.to_string());
            let json = json!({ "node": node.id, "host": node.host, "port": node.port, "rack": node.rack, "apis": apis, "error": error });
            say_json(&json);
            continue;
        }
        let rack = node.rack.as_deref().unwrap_or("null");
        let who = format!("{}:{} (id: {} rack: {rack} isFenced: false)", node.host, node.port, node.id);
        match told {
            Ok(apis) => {
                let lines: Vec<_> = apis.iter().map(Api::to_string).collect();
                say(&format!("{who} -> (\n\t{}\n)", lines.join(",\n\t")));
            }
            Err(error) => say(&format!("{who} -> ERROR: {error}")),
        }
    }
    Ok(())
}

/// An API that the node tells, or one that it might have told.
struct Api {
    code: i16,
    /// The versions that the node has; none where it does not tell the API.
    told: Option<(i16, i16)>,
}

impl Api {
    fn known(&self) -> Option<ApiKey> {
        ApiKey::from_code(self.code)
    }

    /// The newest version that both sides have, or why there is none.
    fn usable(&self) -> Option<Result<i16, &'static str>> {
        let own = self.known()?.info().versions;
        Some(match self.told? {
            (least, _) if own.high < least => Err("node too new"),
            (_, most) if most < own.low => Err("node too old"),
            (_, most) => Ok(own.high.min(most)),
        })
    }

    fn json(&self) -> Value {
        json!({
            "api": self.known().map(|key| key.info().name),
            "code": self.code,
            "min": self.told.map(|(min, _)| min),
            "max": self.told.map(|(_, max)| max),
            "usable": self.usable().and_then(Result::ok),
        })
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.known() {
            None => write!(f, "UNKNOWN({})", self.code)?,
            Some(key) => write!(f, "{}({})", key.info().name, self.code)?,
        }
        match self.told {
            None => f.write_str(": UNSUPPORTED")?,
            Some((min, max)) if min == max => write!(f, ": {min}")?,
            Some((min, max)) => write!(f, ": {min} to {max}")?,
        }
        match self.usable() {
            None => Ok(()),
            Some(Ok(version)) => write!(f, " [usable: {version}]"),
            Some(Err(why)) => write!(f, " [unusable: {why}]"),
        }
    }
}

/// In the order of their numbers.
async fn versions(admin: &Admin, node: i32) -> Result<Vec<Api>, ClientError> {
    let hello = admin.network().hello(Target::Node(node)).await?;
    let response: ApiVersionsResponse<'_> = hello.read()?;
    let mut apis: BTreeMap<i16, Api> = BTreeMap::new();
    // What a broker may tell and this one does not.
    for key in ApiKey::ALL.iter().filter(|key| key.info().on_broker) {
        apis.insert(*key as i16, Api { code: *key as i16, told: None });
    }
    for told in &response.api_keys {
        apis.insert(told.api_key, Api { code: told.api_key, told: Some((told.min_version, told.max_version)) });
    }
    Ok(apis.into_values().collect())
}
