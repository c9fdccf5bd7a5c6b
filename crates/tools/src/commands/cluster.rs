//! `ottla cluster`: a cluster's id, its endpoints, and what its nodes speak, as `kafka-cluster.sh`.

use super::broker_api_versions;
use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Sub, Tool, flag, int, say, say_json, text};
use crate::cluster::{admin_of, block_on};
use ottla_client::shell::network::{Target, Topics};
use ottla_client::{Admin, ClientError, Reply};
use ottla_wire::api::{
    DescribeClusterRequest, DescribeClusterResponse, UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use serde_json::json;

pub(crate) const TOOL: Tool = Tool {
    name: "cluster",
    script: "kafka-cluster",
    classes: &["org.apache.kafka.tools.ClusterTool", "kafka.tools.ClusterTool"],
    group: Group::Cluster,
    about: "The Kafka cluster tool.",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: &[],
    subcommands: &[
        Sub { name: "cluster-id", about: "Get information about the ID of a cluster.", options: CONNECTION },
        Sub { name: "unregister", about: "Unregister a broker.", options: UNREGISTER },
        Sub { name: "list-endpoints", about: "List endpoints", options: ENDPOINTS },
        Sub {
            name: "api-versions",
            about: "Which versions of each API the brokers speak, as broker-api-versions.",
            options: CONNECTION,
        },
    ],
    examples: &[
        "cluster cluster-id --bootstrap-server localhost:9092",
        "cluster list-endpoints --bootstrap-server localhost:9092",
        "cluster unregister --bootstrap-server localhost:9092 --id 3",
    ],
    run,
};

const SERVER: Opt = text("bootstrap-server", "bootstrap_server", "The brokers to begin with.").also(&["b"]);
const CONTROLLER: Opt =
    text("bootstrap-controller", "bootstrap_controller", "The controllers to begin with, instead of brokers.")
        .also(&["C"]);
const CONFIG: Opt = text("config", "config", "Deprecated: use --command-config.");
const COMMAND_CONFIG: Opt = text("command-config", "command_config", "A file of settings for the client.").also(&["c"]);
const JSON: Opt = flag("json", "Print JSON instead of text.");
const CONNECTION: &[Opt] = &[SERVER, CONTROLLER, CONFIG, COMMAND_CONFIG, JSON];
const UNREGISTER: &[Opt] = &[
    SERVER,
    CONTROLLER,
    CONFIG,
    COMMAND_CONFIG,
    int("id", "id", "The broker to unregister.").also(&["i"]).required(),
    JSON,
];
const ENDPOINTS: &[Opt] = &[
    SERVER,
    CONTROLLER,
    CONFIG,
    COMMAND_CONFIG,
    flag("include-fenced-brokers", "Show brokers that are fenced as well."),
    JSON,
];

fn run(parsed: &Parsed) -> Done {
    if parsed.has("config") && parsed.has("command-config") {
        return Err(Failure::told("--config and --command-config cannot be specified together."));
    }
    if parsed.has("config") {
        say(
            "Option --config has been deprecated and will be removed in a future version. Use --command-config instead.",
        );
    }
    let admin = admin_of(parsed, if parsed.has("config") { "config" } else { "command-config" })?;
    let as_json = parsed.has("json");
    let done = block_on(async {
        match parsed.subcommand {
            Some("cluster-id") => cluster_id(&admin, as_json).await,
            Some("unregister") => unregister(&admin, parsed.int("id")?.unwrap_or_default(), as_json).await,
            Some("api-versions") => broker_api_versions::show(&admin, as_json).await,
            _ => endpoints(&admin, parsed).await,
        }
    });
    done.map_err(|failure| match failure {
        Failure::Client(error) => {
            Failure::told(format!("java.util.concurrent.ExecutionException: {}: {error}", error.class()))
        }
        other => other,
    })
}

async fn cluster_id(admin: &Admin, as_json: bool) -> Done {
    let cluster = admin.cluster("describeCluster", Topics::None).await?;
    match &cluster.id {
        id if as_json => say_json(&json!({ "clusterId": id })),
        Some(id) => say(&format!("Cluster ID: {id}")),
        None => say("No cluster ID found. The Kafka version is probably too old."),
    }
    Ok(())
}

async fn unregister(admin: &Admin, id: i32, as_json: bool) -> Done {
    let request = |_| UnregisterBrokerRequest { broker_id: id, ..Default::default() };
    let read = |reply: &Reply| {
        let response: UnregisterBrokerResponse<'_> = reply.read()?;
        ClientError::check(response.error_code, response.error_message.as_deref())
    };
    match admin.call("unregisterBroker", Target::Controller, request, read).await {
        Ok(()) if as_json => say_json(&json!({ "unregistered": id })),
        Ok(()) => say(&format!("Broker {id} is no longer registered.")),
        Err(ClientError::UnsupportedVersion(_)) => {
            say("The target cluster does not support the broker unregistration API.");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// One row of the list.
struct Endpoint {
    id: i32,
    host: String,
    port: i32,
    rack: Option<String>,
    is_fenced: bool,
}

async fn endpoints(admin: &Admin, parsed: &Parsed) -> Done {
    let are_controllers = parsed.has("bootstrap-controller");
    let with_fenced = parsed.has("include-fenced-brokers");
    if with_fenced && are_controllers {
        return Err(Failure::told(
            "The option --include-fenced-brokers is only supported with --bootstrap-server option",
        ));
    }
    let request = |_| DescribeClusterRequest {
        endpoint_type: if are_controllers { 2 } else { 1 },
        include_fenced_brokers: with_fenced,
        ..Default::default()
    };
    let read = |reply: &Reply| {
        let response: DescribeClusterResponse<'_> = reply.read()?;
        ClientError::check(response.error_code, response.error_message.as_deref())?;
        let endpoint = |told: &ottla_wire::api::describe_cluster_response::DescribeClusterBroker<'_>| Endpoint {
            id: told.broker_id,
            host: told.host.to_string(),
            port: told.port,
            rack: told.rack.as_deref().map(str::to_owned),
            is_fenced: told.is_fenced,
        };
        Ok(response.brokers.iter().map(endpoint).collect::<Vec<_>>())
    };
    let mut endpoints = match admin.call("describeCluster", Target::Any, request, read).await {
        Err(error @ ClientError::UnsupportedVersion(_)) => {
            say(&error.to_string());
            return Ok(());
        }
        told => told?,
    };
    endpoints.sort_by_key(|endpoint| endpoint.id);
    let host_width = endpoints.iter().map(|endpoint| endpoint.host.len()).max().unwrap_or(100);
    let rack_width = endpoints.iter().filter_map(|endpoint| Some(endpoint.rack.as_ref()?.len())).max().unwrap_or(10);
    let row = |id: &str, host: &str, port: &str, rack: &str, state: &str, kind: &str| {
        let state = if are_controllers { String::new() } else { format!("{state:10} ") };
        say(&format!("{id:10} {host:host_width$} {port:10} {rack:rack_width$} {state}{kind:15}"));
    };
    if parsed.has("json") {
        for endpoint in &endpoints {
            let kind = if are_controllers { "controller" } else { "broker" };
            let json = json!({
                "id": endpoint.id, "host": endpoint.host, "port": endpoint.port, "rack": endpoint.rack,
                "fenced": endpoint.is_fenced, "type": kind,
            });
            say_json(&json);
        }
        return Ok(());
    }
    row("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
    for endpoint in &endpoints {
        row(
            &endpoint.id.to_string(),
            &endpoint.host,
            &endpoint.port.to_string(),
            endpoint.rack.as_deref().unwrap_or("null"),
            if endpoint.is_fenced { "fenced" } else { "unfenced" },
            if are_controllers { "controller" } else { "broker" },
        );
    }
    Ok(())
}
