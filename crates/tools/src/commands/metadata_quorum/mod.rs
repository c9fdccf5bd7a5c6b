//! `ottla metadata-quorum`: the state of the controllers' quorum, as `kafka-metadata-quorum.sh`.

mod voters;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Sub, Tool, flag, int, say, say_json, say_raw, table, text,
};
use crate::cluster::{admin_of, block_on};
use ottla_client::shell::network::{Target, Topics};
use ottla_client::{Admin, ClientError, Reply};
use ottla_io::clock;
use ottla_wire::Uuid;
use ottla_wire::api::describe_quorum_request::{PartitionData, TopicData};
use ottla_wire::api::describe_quorum_response::ReplicaState;
use ottla_wire::api::{DescribeQuorumRequest, DescribeQuorumResponse};
use std::collections::BTreeMap;

pub(crate) const TOOL: Tool = Tool {
    name: "metadata-quorum",
    script: "kafka-metadata-quorum",
    classes: &["org.apache.kafka.tools.MetadataQuorumCommand", "kafka.admin.MetadataQuorumCommand"],
    group: Group::Cluster,
    about: "This tool describes kraft metadata quorum status.",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[
        Sub { name: "describe", about: "Describe the metadata quorum info", options: DESCRIBE },
        Sub { name: "add-controller", about: "Add a controller to the KRaft controller cluster", options: ADD },
        Sub {
            name: "remove-controller",
            about: "Remove a controller from the KRaft controller cluster",
            options: REMOVE,
        },
    ],
    examples: &[
        "metadata-quorum --bootstrap-server localhost:9092 describe --status",
        "metadata-quorum --bootstrap-controller localhost:9093 describe --replication --human-readable",
        "metadata-quorum --bootstrap-server localhost:9092 --command-config controller.properties add-controller",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "bootstrap_server", "The brokers to begin with."),
    text("bootstrap-controller", "bootstrap_controller", "The controllers to begin with, instead of brokers."),
    text("command-config", "command_config", "A file of settings for the client, and of the controller to be added."),
];
const DESCRIBE: &[Opt] = &[
    flag("status", "A summary."),
    flag("replication", "How far each replica is."),
    flag("human-readable", "Times as what has passed since."),
    flag("json", "Print one JSON object (--status), or one a replica (--replication), instead of text."),
];
const ADD: &[Opt] = &[flag("dry-run", "Say what would be done, and do nothing.")];
const REMOVE: &[Opt] = &[
    int("controller-id", "controller_id", "The controller to remove.").also(&["i"]).required(),
    text("controller-directory-id", "controller_directory_id", "Its directory's id.").also(&["d"]).required(),
    flag("dry-run", "Say what would be done, and do nothing."),
];

fn run(parsed: &Parsed) -> Done {
    let done = match parsed.subcommand {
        Some("add-controller") => voters::add(parsed),
        Some("remove-controller") => voters::remove(parsed),
        _ => describe(parsed),
    };
    done.map_err(|failure| match failure {
        Failure::Client(error) => Failure::told(format!("{}: {error}", error.class())),
        other => other,
    })
}

fn describe(parsed: &Parsed) -> Done {
    let (status, replication) = (parsed.has("status"), parsed.has("replication"));
    let message = match (status, replication) {
        (true, true) => "Only one of --status or --replication should be specified with describe sub-command",
        (false, false) => "One of --status or --replication must be specified with describe sub-command",
        (true, false) if parsed.has("human-readable") => {
            "The option --human-readable is only supported along with --replication"
        }
        _ => "",
    };
    if !message.is_empty() {
        return Err(Failure::told(message));
    }
    let admin = admin_of(parsed, "command-config")?;
    block_on(async {
        let quorum = quorum(&admin).await?;
        if parsed.has("json") {
            let cluster = admin.cluster("describeCluster", Topics::None).await?;
            quorum.json(cluster.id.as_deref(), replication).iter().for_each(say_json);
            return Ok(());
        }
        if replication {
            describe_replication(&quorum, parsed.has("human-readable"))
        } else {
            let cluster = admin.cluster("describeCluster", Topics::None).await?;
            describe_status(&quorum, cluster.id.as_deref().unwrap_or("null"))
        }
    })
}

struct Quorum {
    leader_id: i32,
    leader_epoch: i32,
    high_watermark: i64,
    voters: Vec<Replica>,
    observers: Vec<Replica>,
    /// Each node's endpoints, as `NAME://host:port`.
    endpoints: BTreeMap<i32, Vec<String>>,
}

struct Replica {
    id: i32,
    directory: Uuid,
    log_end_offset: i64,
    last_fetch: i64,
    last_caught_up: i64,
}

async fn quorum(admin: &Admin) -> Result<Quorum, ClientError> {
    let request = |_| DescribeQuorumRequest {
        topics: vec![TopicData {
            topic_name: "__cluster_metadata".into(),
            partitions: vec![PartitionData::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    admin.call("describeMetadataQuorum", Target::Controller, request, read_quorum).await
}

fn read_quorum(reply: &Reply) -> Result<Quorum, ClientError> {
    let response: DescribeQuorumResponse<'_> = reply.read()?;
    ClientError::check(response.error_code, response.error_message.as_deref())?;
    let partition = response.topics.first().and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or_else(|| ClientError::Failed("the answer names no quorum".into()))?;
    ClientError::check(partition.error_code, partition.error_message.as_deref())?;
    let replica = |told: &ReplicaState<'_>| Replica {
        id: told.replica_id,
        directory: told.replica_directory_id,
        log_end_offset: told.log_end_offset,
        last_fetch: told.last_fetch_timestamp,
        last_caught_up: told.last_caught_up_timestamp,
    };
    let endpoints = response.nodes.iter().map(|node| {
        let shown = node.listeners.iter().map(|end| {
            let host = if end.host.contains(':') { format!("[{}]", end.host) } else { end.host.to_string() };
            format!("{}://{host}:{}", end.name, end.port)
        });
        (node.node_id, shown.collect())
    });
    Ok(Quorum {
        leader_id: partition.leader_id,
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: partition.current_voters.iter().map(replica).collect(),
        observers: partition.observers.iter().map(replica).collect(),
        endpoints: endpoints.collect(),
    })
}

impl Quorum {
    /// The whole, or each replica.
    fn json(&self, cluster_id: Option<&str>, each: bool) -> Vec<serde_json::Value> {
        let replica = |replica: &Replica| {
            let status = match replica.id {
                id if id == self.leader_id => "Leader",
                id if self.voters.iter().any(|voter| voter.id == id) => "Follower",
                _ => "Observer",
            };
            serde_json::json!({
                "nodeId": replica.id,
                "directoryId": replica.directory.to_string(),
                "endpoints": self.endpoints.get(&replica.id),
                "logEndOffset": replica.log_end_offset,
                "lastFetchTimestamp": replica.last_fetch,
                "lastCaughtUpTimestamp": replica.last_caught_up,
                "status": status,
            })
        };
        let (voters, observers) = (self.voters.iter().map(replica), self.observers.iter().map(replica));
        if each {
            return voters.chain(observers).collect();
        }
        vec![serde_json::json!({
            "clusterId": cluster_id,
            "leaderId": self.leader_id,
            "leaderEpoch": self.leader_epoch,
            "highWatermark": self.high_watermark,
            "voters": voters.collect::<Vec<_>>(),
            "observers": observers.collect::<Vec<_>>(),
        })]
    }

    fn leader(&self) -> Done<&Replica> {
        let leader = self.voters.iter().find(|voter| voter.id == self.leader_id);
        leader.ok_or_else(|| Failure::told("The quorum has no leader."))
    }

    fn shown(&self, replicas: &[Replica]) -> String {
        let shown: Vec<_> = replicas
            .iter()
            .map(|replica| {
                let mut text = format!("{{\"id\": {}", replica.id);
                if replica.directory != Uuid::ZERO {
                    text += &format!(", \"directoryId\": \"{}\"", replica.directory);
                }
                if let Some(endpoints) = self.endpoints.get(&replica.id).filter(|endpoints| !endpoints.is_empty()) {
                    let quoted: Vec<_> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
                    text += &format!(", \"endpoints\": [{}]", quoted.join(", "));
                }
                text + "}"
            })
            .collect();
        format!("[{}]", shown.join(", "))
    }
}

fn describe_status(quorum: &Quorum, cluster_id: &str) -> Done {
    let leader = quorum.leader()?;
    let last = quorum.voters.iter().min_by_key(|voter| voter.log_end_offset).unwrap_or(leader);
    let lag_ms = match (leader.last_caught_up, last.last_caught_up) {
        _ if leader.id == last.id => 0,
        (0.., 0..) => leader.last_caught_up - last.last_caught_up,
        _ => -1,
    };
    say(&format!("ClusterId:              {cluster_id}"));
    say(&format!("LeaderId:               {}", quorum.leader_id));
    say(&format!("LeaderEpoch:            {}", quorum.leader_epoch));
    say(&format!("HighWatermark:          {}", quorum.high_watermark));
    say(&format!("MaxFollowerLag:         {}", leader.log_end_offset - last.log_end_offset));
    say(&format!("MaxFollowerLagTimeMs:   {lag_ms}"));
    say(&format!("CurrentVoters:          {}", quorum.shown(&quorum.voters)));
    say(&format!("CurrentObservers:       {}", quorum.shown(&quorum.observers)));
    Ok(())
}

fn describe_replication(quorum: &Quorum, human_readable: bool) -> Done {
    let leader = quorum.leader()?;
    let now = clock::wall().0;
    let time = |millis: i64| match millis {
        i64::MIN..=-1 => "-1".to_owned(),
        millis if human_readable => format!("{} ms ago", (now - millis).max(0)),
        millis => millis.to_string(),
    };
    let row = |replica: &Replica, status: &str| {
        vec![
            replica.id.to_string(),
            replica.directory.to_string(),
            replica.log_end_offset.to_string(),
            (leader.log_end_offset - replica.log_end_offset).to_string(),
            time(replica.last_fetch),
            time(replica.last_caught_up),
            status.to_owned(),
        ]
    };
    let mut rows = vec![row(leader, "Leader")];
    rows.extend(quorum.voters.iter().filter(|voter| voter.id != leader.id).map(|voter| row(voter, "Follower")));
    rows.extend(quorum.observers.iter().map(|observer| row(observer, "Observer")));
    let headers =
        ["NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"];
    say_raw(&table(&headers, &rows));
    Ok(())
}
