//! `--json`: lines of JSON that programs read.

use super::{Place, Running, command, text};
use serde_json::Value;

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
}

#[test]
fn what_is_shown_is_also_told_as_json() {
    let place = Place::with_acls();
    place.produce("orders", &["one", "two"]);
    place.run("console-consumer --topic orders --group billing --from-beginning --max-messages 2");
    place.run("client-metrics --alter --name m --metrics org. --interval 1000");
    place.run("acls --add --allow-principal User:ann --operation Read --topic orders");
    for (line, field) in [
        ("consumer-groups --list", "group"),
        ("groups --list", "group"),
        ("topics --list", "topic"),
        ("topics --create --topic other", "created"),
        ("topics --alter --topic other --partitions 2", "partitions"),
        ("topics --delete --topic other", "deleted"),
        ("configs --alter --entity-type topics --entity-name orders --add-config retention.ms=9000000", "message"),
        ("consumer-groups --describe --group billing", "currentOffset"),
        ("consumer-groups --describe --group billing --state", "coordinator"),
        ("consumer-groups --reset-offsets --group billing --topic orders --to-earliest --execute", "newOffset"),
        ("consumer-groups --delete-offsets --group billing --topic orders", "deleted"),
        ("consumer-groups --delete --group billing --group none", "deleted"),
        ("topics --describe --topic orders", "partitions"),
        ("configs --describe --entity-type topics --entity-name orders --all", "configs"),
        ("get-offsets --topic orders", "offset"),
        ("log-dirs --describe", "brokers"),
        ("broker-api-versions", "apis"),
        ("top --iterations 1 --interval 1", "topics"),
        ("tail orders --no-follow", "offset"),
        ("console-consumer --topic orders --from-beginning --max-messages 2", "offset"),
        ("consumer-perf-test --topic orders --num-records 2", "recordsPerSecond"),
        ("cluster cluster-id", "clusterId"),
        ("cluster list-endpoints", "host"),
        ("features describe", "finalized"),
        ("metadata-quorum describe --status", "leaderId"),
        ("metadata-quorum describe --replication", "logEndOffset"),
        ("leader-election --election-type preferred --topic orders --partition 0", "outcome"),
        ("client-metrics --describe", "configs"),
        ("acls --list", "principal"),
        ("e2e-latency --topic latency --num-records 3 --producer-acks all --record-size 8", "latencyMs"),
        ("producer-perf-test --topic perf --num-records 10 --record-size 10 --throughput -1", "latencyMs"),
    ] {
        let told = objects(&place.run(&format!("{line} --json")));
        assert!(!told.is_empty(), "{line}");
        for object in &told {
            assert!(object.get(field).is_some(), "{line}: no '{field}' in {object}");
        }
    }
    let id = &objects(&text(command("storage random-uuid --json").output().unwrap()))[0];
    assert_eq!(id["uuid"].as_str().map(str::len), Some(22));
    let levels = &objects(&text(command("storage version-mapping --json").output().unwrap()))[0];
    assert!(levels["metadata.version"].is_number(), "{levels}");
}

#[test]
fn files_are_dumped_as_json() {
    let place = Place::start();
    place.produce("orders", &["one", "two"]);
    let folder = |name: &str| place.node.directory().join(name).display().to_string();
    let dump = |line: &str| objects(&text(command(&format!("dump-log --json {line}")).output().unwrap()));
    let log = format!("{}/00000000000000000000.log", folder("orders-0"));
    let told = dump(&format!("--print-data-log --files {log}"));
    assert_eq!((&told[0]["file"], &told[1]["logStartingOffset"]), (&log.into(), &0.into()));
    assert_eq!((&told[2]["baseOffset"], &told[2]["isvalid"]), (&0.into(), &true.into()));
    let payloads: Vec<_> = told.iter().filter_map(|object| object["payload"].as_str()).collect();
    assert_eq!(payloads, ["one", "two"]);
    let log = format!("{}/00000000000000000000.log", folder("__cluster_metadata-0"));
    let told = dump(&format!("--cluster-metadata-decoder --files {log}"));
    assert!(told.iter().any(|object| object["payload"]["type"] == "TOPIC_RECORD"), "{told:?}");
    assert!(told.iter().any(|object| object.get("leaderChange").is_some()), "{told:?}");
}

#[test]
fn reassignments_are_told_as_json() {
    let place = Place::start();
    place.run("topics --create --topic orders");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let topics = file("topics.json", r#"{"topics":[{"topic":"orders"}],"version":1}"#);
    let line = format!("reassign-partitions --json --generate --broker-list 1 --topics-to-move-json-file {topics}");
    let told = objects(&place.run(&line));
    assert_eq!(told[1]["proposed"]["partitions"][0]["topic"], "orders", "{told:?}");
    let moves = file("moves.json", &told[1]["proposed"].to_string());
    let line = format!("reassign-partitions --json --execute --reassignment-json-file {moves}");
    let told = objects(&place.run(&line));
    assert!(told[0].get("current").is_some() && told[1]["started"][0] == "orders-0", "{told:?}");
    let line = format!("reassign-partitions --json --verify --reassignment-json-file {moves}");
    assert!(objects(&place.run(&line)).iter().any(|object| object["state"] == "completed"));
    assert_eq!(objects(&place.run("reassign-partitions --json --list")), [] as [Value; 0]);
}

#[test]
fn records_go_from_a_consumer_to_a_producer_as_json() {
    let place = Place::start();
    let line =
        r#"{"key":"alice","valueHex":"ff00","headers":[{"name":"source","value":"web"}],"timestamp":1795271400250}"#;
    let mut producer = Running::new(place.command("console-producer --topic one --json"));
    producer.say(line);
    assert!(producer.end().status.success());
    let first = place.run("tail one --no-follow --json");
    let mut producer = Running::new(place.command("console-producer --topic other --json"));
    producer.say(first.trim_end());
    assert!(producer.end().status.success());
    let other = place.run("tail other --no-follow --json");
    assert_eq!(other, first.replace("\"topic\":\"one\"", "\"topic\":\"other\""));

    let mut producer = Running::new(place.command("console-producer --topic one --json"));
    producer.say("not JSON");
    let ended = producer.end();
    assert!(!ended.status.success());
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.starts_with("line 1: no JSON object"), "{told}");
}
