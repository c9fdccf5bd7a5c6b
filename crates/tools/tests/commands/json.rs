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
        ("topics --list", "topic"),
        ("topics --describe --topic orders", "partitions"),
        ("configs --describe --entity-type topics --entity-name orders --all", "configs"),
        ("consumer-groups --list", "group"),
        ("groups --list", "group"),
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
