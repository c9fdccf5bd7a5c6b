//! `tail` and `top`, which Kafka does not have.

use super::{Place, Running};
use serde_json::Value;

#[test]
fn tail_begins_with_the_last_records_and_follows() {
    let place = Place::start();
    place.produce("orders", &["one", "two", "three"]);
    let mut tail = Running::new(place.command("tail orders --lines 2"));
    assert!(tail.line().ends_with("  two"));
    let third = tail.line();
    assert!(third.starts_with("orders[0]@2  20") && third.ends_with("Z  three"), "{third}");
    place.produce("orders", &["four"]);
    assert!(tail.line().starts_with("orders[0]@3"));
}

#[test]
fn tail_filters_by_key_value_header_and_time() {
    let place = Place::start();
    let mut producer = Running::new(place.command("console-producer --topic orders --json"));
    for (key, value, header, timestamp) in [
        ("alice", "{\\\"total\\\":3}", "web", 1_000),
        ("bob", "four", "web", 2_000),
        ("alice", "five", "phone", 3_000),
        ("carol", "six", "web", 4_000),
    ] {
        let header = format!(r#"[{{"name":"source","value":"{header}"}}]"#);
        producer.say(&format!(r#"{{"key":"{key}","value":"{value}","headers":{header},"timestamp":{timestamp}}}"#));
    }
    assert!(producer.end().status.success());
    let offsets = |filter: &str| -> Vec<i64> {
        let told = place.run(&format!("tail orders --no-follow --json {filter}"));
        told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["offset"].as_i64().unwrap()).collect()
    };
    assert_eq!(offsets("--key alice"), [0, 2]);
    assert_eq!(offsets("--value ^f"), [1, 2]);
    assert_eq!(offsets("--header source=web --header source"), [0, 1, 3]);
    assert_eq!(offsets("--header absent"), [0; 0]);
    assert_eq!(offsets("--since 1970-01-01T00:00:02"), [1, 2, 3]);
    assert_eq!(offsets("--since 1970-01-01T00:00:02 --until 1970-01-01T00:00:04"), [1, 2]);
    assert_eq!(offsets("--from-beginning --max-messages 3"), [0, 1, 2]);
    assert_eq!(offsets("--lines 1"), [3]);
    // An end that has passed ends it, though it would follow.
    let told = place.run("tail orders --from-beginning --until 1970-01-01T00:00:03 --compact");
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("  alice  source=web  {\"total\":3}\n"), "{told}");
}

#[test]
fn tail_says_what_it_cannot_do() {
    let place = Place::start();
    for (line, named) in [
        ("tail", "Which topic?"),
        ("tail one two", "One topic at a time"),
        ("tail nothing", "nothing"),
        ("tail orders --since yesterday", "'yesterday' is no time"),
        ("tail orders --value [", "no regular expression"),
        ("tail orders --lines -1", "must not be negative"),
    ] {
        let ended = place.command(line).output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && told.contains(named), "{line}: {told}");
    }
}

#[test]
fn top_shows_rates_lag_and_connections() {
    let place = Place::start();
    place.produce("orders", &["one"]);
    place.run("console-consumer --topic orders --group billing --from-beginning --max-messages 1");
    let mut top = Running::new(place.command("top --json --interval 1 --topic orders"));
    // Each look is a second after the one before: what is written in between has a rate.
    let mut seen = top.line();
    place.produce("orders", &["two", "three", "four"]);
    loop {
        let look: Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(look["topics"].as_array().map(Vec::len), Some(1));
        if look["topics"][0]["recordsPerSecond"].as_f64().is_some_and(|rate| rate > 0.0) {
            assert_eq!(look["groups"][0]["lag"], 3);
            assert!(look["connections"].as_u64().is_some_and(|count| count > 0), "{look}");
            break;
        }
        seen = top.line();
    }
}
