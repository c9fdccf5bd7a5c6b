//! Quotas by request: what is told of them, and that clients which take more are told to wait. The clients' id is "test".

use crate::harness::{BY_NAME, Client, Fixture, Reply, client, fetch_request, slow_client};
use ottla_broker::Authorization;
use ottla_security::{Decision, Principal};
use ottla_wire::api::alter_client_quotas_request::{EntityData, EntryData, OpData};
use ottla_wire::api::create_partitions_request::CreatePartitionsTopic;
use ottla_wire::api::create_topics_request::CreatableTopic;
use ottla_wire::api::describe_client_quotas_request::ComponentData;
use ottla_wire::api::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::api::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ApiVersionsRequest, ApiVersionsResponse,
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse, FetchRequest, FetchResponse,
    ProduceRequest, ProduceResponse,
};
use ottla_wire::batch::BatchBuilder;
use ottla_wire::{ApiKey, ErrorCode};
use std::collections::BTreeSet;
use std::time::Duration;

/// Whose broker is not fenced while the test's time goes on.
fn fixture() -> Fixture {
    Fixture::with(Authorization::None, &[("broker.session.timeout.ms", "600000")])
}

type Entity<'a> = &'a [(&'static str, Option<&'static str>)];

fn alteration(entity: Entity<'_>, key: &'static str, value: Option<f64>) -> AlterClientQuotasRequest<'static> {
    let data = |(kind, name): &(&'static str, Option<&'static str>)| EntityData {
        entity_type: (*kind).into(),
        entity_name: name.map(Into::into),
        ..Default::default()
    };
    let op =
        OpData { key: key.into(), value: value.unwrap_or_default(), remove: value.is_none(), ..Default::default() };
    let entry = EntryData { entity: entity.iter().map(data).collect(), ops: vec![op], ..Default::default() };
    AlterClientQuotasRequest { entries: vec![entry], ..Default::default() }
}

fn error_of(fixture: &Fixture, client: &Client, request: &AlterClientQuotasRequest<'_>) -> i16 {
    let reply = fixture.send(client, ApiKey::AlterClientQuotas, 1, request).reply();
    let response: AlterClientQuotasResponse<'_> = reply.read();
    response.entries[0].error_code
}

fn set(fixture: &Fixture, entity: Entity<'_>, key: &'static str, value: Option<f64>) {
    assert_eq!(error_of(fixture, &fixture.admin, &alteration(entity, key, value)), 0);
}

/// The entities that a filter matches, with their quotas; or the error.
fn describe(
    fixture: &Fixture,
    client: &Client,
    components: &[(&'static str, i8, Option<&'static str>)],
    strict: bool,
) -> Result<Vec<String>, String> {
    let component = |(kind, match_type, name): &(&'static str, i8, Option<&'static str>)| ComponentData {
        entity_type: (*kind).into(),
        match_type: *match_type,
        r#match: name.map(Into::into),
        ..Default::default()
    };
    let components = components.iter().map(component).collect();
    let request = DescribeClientQuotasRequest { components, strict, ..Default::default() };
    let reply = fixture.send(client, ApiKey::DescribeClientQuotas, 1, &request).reply();
    let response: DescribeClientQuotasResponse<'_> = reply.read();
    let Some(entries) = response.entries else {
        let text = response.error_message.unwrap_or_default();
        return Err(format!("{} {text}", ErrorCode::from_code(response.error_code).name()).trim().to_owned());
    };
    let told = entries.iter().map(|entry| {
        let entity =
            entry.entity.iter().map(|e| format!("{}={}", e.entity_type, e.entity_name.as_deref().unwrap_or("*")));
        let values = entry.values.iter().map(|v| format!("{}={}", v.key, v.value));
        entity.chain(values).collect::<Vec<_>>().join(" ")
    });
    Ok(told.collect())
}

fn produce(fixture: &Fixture, client: &Client, topic: &'static str, bytes: usize) -> Reply {
    let mut builder = BatchBuilder::new(0);
    builder.append(1_700_000_000_000, None, Some(&vec![7; bytes]), &[]).unwrap();
    let mut records = Vec::new();
    builder.build_plain(&mut records).unwrap();
    let data = PartitionProduceData { index: 0, records: Some((&records[..]).into()), ..Default::default() };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
    let request = ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
    let reply = fixture.send(client, ApiKey::Produce, BY_NAME, &request).reply();
    let response: ProduceResponse<'_> = reply.read();
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    assert_eq!(Duration::from_millis(response.throttle_time_ms as u64), reply.wait, "what is told and what is done");
    reply
}

#[test]
fn filters_match_names_defaults_and_kinds() {
    let fixture = Fixture::new();
    for (value, entity) in [
        (1.0, &[("user", Some("ann"))][..]),
        (2.0, &[("user", None)]),
        (3.0, &[("user", Some("ann")), ("client-id", Some("x"))]),
        (4.0, &[("user", Some("bob")), ("client-id", None)]),
        (5.0, &[("client-id", Some("x"))]),
    ] {
        set(&fixture, entity, "producer_byte_rate", Some(value));
    }
    set(&fixture, &[("ip", Some("127.0.0.1"))], "connection_creation_rate", Some(6.0));
    let (exact, default, any) = (0, 1, 2);
    // Which values are found, by their number.
    let found = |components: &[_], strict| {
        let told = describe(&fixture, &fixture.admin, components, strict).unwrap();
        let mut numbers: Vec<_> = told.iter().map(|line| line.rsplit_once('=').unwrap().1.to_owned()).collect();
        numbers.sort();
        numbers.concat()
    };
    assert_eq!(found(&[], false), "123456");
    assert_eq!(found(&[], true), "");
    assert_eq!(found(&[("user", any, None)], false), "1234");
    assert_eq!(found(&[("user", any, None)], true), "12");
    assert_eq!(found(&[("user", exact, Some("ann"))], false), "13");
    assert_eq!(found(&[("user", default, None)], false), "2");
    assert_eq!(found(&[("user", any, None), ("client-id", default, None)], true), "4");
    assert_eq!(found(&[("client-id", exact, Some("x"))], false), "35");
    assert_eq!(found(&[("ip", any, None)], true), "6");
    let told = describe(&fixture, &fixture.admin, &[("client-id", default, None)], false);
    assert_eq!(told.unwrap(), ["client-id=* user=bob producer_byte_rate=4"]);
}

#[test]
fn filters_that_mean_nothing_are_refused() {
    let fixture = Fixture::new();
    let refused = |components: &[_]| describe(&fixture, &fixture.admin, components, false).unwrap_err();
    for (components, expected) in [
        (&[("", 2, None)][..], "INVALID_REQUEST Invalid empty entity type."),
        (
            &[("user", 2, None), ("user", 1, None)],
            "INVALID_REQUEST Entity type user cannot appear more than once in the filter.",
        ),
        (&[("group", 2, None)], "UNSUPPORTED_VERSION Unsupported entity type group"),
        (&[("user", 0, None)], "INVALID_REQUEST Request specified MATCH_TYPE_EXACT, but set match string to null."),
        (
            &[("user", 1, Some("a"))],
            "INVALID_REQUEST Request specified MATCH_TYPE_DEFAULT, but also specified a match string.",
        ),
        (
            &[("user", 2, Some("a"))],
            "INVALID_REQUEST Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.",
        ),
        (&[("user", 3, None)], "INVALID_REQUEST Unknown match type 3"),
        (
            &[("ip", 2, None), ("user", 2, None)],
            "INVALID_REQUEST Invalid entity filter component combination. IP filter component should not be used with \
             user or clientId filter component.",
        ),
    ] {
        assert_eq!(refused(components), expected);
    }
}

#[test]
fn whoever_may_not_neither_sees_nor_sets_quotas() {
    let super_users = BTreeSet::from([Principal::user("admin")]);
    let fixture = Fixture::with(Authorization::Standard { super_users, no_acl_found: Decision::Denied }, &[]);
    let refused = ErrorCode::ClusterAuthorizationFailed;
    let request = alteration(&[("user", None)], "producer_byte_rate", Some(1.0));
    assert_eq!(error_of(&fixture, &client("ann"), &request), refused.code());
    assert_eq!(describe(&fixture, &client("ann"), &[], false), Err(refused.name().to_owned()));
    assert_eq!(describe(&fixture, &fixture.admin, &[], false), Ok(Vec::new()));
}

#[test]
fn what_is_only_validated_is_not_set() {
    let fixture = Fixture::new();
    let request = alteration(&[("user", None)], "producer_byte_rate", Some(1.0));
    let request = AlterClientQuotasRequest { validate_only: true, ..request };
    assert_eq!(error_of(&fixture, &fixture.admin, &request), 0);
    assert_eq!(describe(&fixture, &fixture.admin, &[], false), Ok(Vec::new()));
}

#[test]
fn who_produces_too_much_is_answered_and_told_to_wait_until_the_quota_is_gone() {
    let mut fixture = fixture();
    assert_eq!(fixture.create_topic("t", 1).0, 0);
    let (ann, bob) = (client("ann"), client("bob"));
    assert_eq!(produce(&fixture, &ann, "t", 20_000).wait, Duration::ZERO);
    set(&fixture, &[("user", Some("ann"))], "producer_byte_rate", Some(1000.0));
    // Ten seconds' worth is given at once; the rest takes ten more.
    let wait = produce(&fixture, &ann, "t", 20_000).wait;
    assert!(wait > Duration::from_secs(10) && wait < Duration::from_secs(11), "{wait:?}");
    assert_eq!(produce(&fixture, &bob, "t", 20_000).wait, Duration::ZERO);
    fixture.pass(Duration::from_secs(11));
    assert_eq!(produce(&fixture, &ann, "t", 100).wait, Duration::ZERO);
    assert!(produce(&fixture, &ann, "t", 20_000).wait > Duration::ZERO);
    set(&fixture, &[("user", Some("ann"))], "producer_byte_rate", None);
    assert_eq!(produce(&fixture, &ann, "t", 20_000).wait, Duration::ZERO);
    // Another level holds from then on, and a restart does not forget it.
    set(&fixture, &[("client-id", Some("test"))], "producer_byte_rate", Some(1000.0));
    fixture.disk.kill_process();
    fixture.restart();
    assert!(produce(&fixture, &bob, "t", 20_000).wait > Duration::ZERO);
}

fn fetch(fixture: &Fixture, client: &Client, request: &FetchRequest<'_>) -> (usize, i32, Duration) {
    let reply = fixture.send(client, ApiKey::Fetch, BY_NAME, request).reply();
    let response: FetchResponse<'_> = reply.read();
    assert_eq!(Duration::from_millis(response.throttle_time_ms as u64), reply.wait, "what is told and what is done");
    assert_eq!(response.error_code, 0);
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let bytes = partitions.map(|p| p.records.as_ref().map_or(0, |records| records.bytes().len())).sum();
    (bytes, response.session_id, reply.wait)
}

#[test]
fn who_fetches_too_much_gets_nothing_and_waits_and_then_gets_it() {
    let mut fixture = fixture();
    assert_eq!(fixture.create_topic("t", 1).0, 0);
    let two_batches = |fixture: &Fixture| {
        produce(fixture, &fixture.admin, "t", 4_000);
        produce(fixture, &fixture.admin, "t", 4_000);
    };
    two_batches(&fixture);
    set(&fixture, &[("user", None)], "consumer_byte_rate", Some(1000.0));
    let ann = client("ann");
    let from = |offset| fetch_request("t", 0, offset, 0);
    // Less than ten seconds' worth.
    let (bytes, session, wait) = fetch(&fixture, &ann, &FetchRequest { session_epoch: 0, ..from(0) });
    assert!(bytes > 8_000 && bytes < 10_000 && session > 0 && wait.is_zero(), "{bytes} {session} {wait:?}");
    two_batches(&fixture);
    let next = FetchRequest { session_id: session, session_epoch: 1, ..from(2) };
    let (bytes, same, wait) = fetch(&fixture, &ann, &next);
    assert_eq!((bytes, same), (0, session));
    assert!(wait > Duration::from_secs(6) && wait < Duration::from_secs(8), "{wait:?}");
    // The session goes on where it was, and what was not sent was not counted.
    fixture.pass(Duration::from_secs(11));
    let last = FetchRequest { session_id: session, session_epoch: 2, topics: Vec::new(), ..from(2) };
    let (bytes, same, wait) = fetch(&fixture, &ann, &last);
    assert!(bytes > 8_000 && wait.is_zero(), "{bytes} {wait:?}");
    assert_eq!(same, session);
    // No more is read than ten seconds' worth, or it could never be sent.
    two_batches(&fixture);
    fixture.pass(Duration::from_secs(11));
    let (bytes, _, wait) = fetch(&fixture, &ann, &from(0));
    assert_eq!((bytes, wait < Duration::from_millis(100)), (0, true), "{wait:?}");
    fixture.pass(wait);
    assert_eq!(fetch(&fixture, &ann, &from(0)), (10_000, 0, Duration::ZERO));
}

fn topic_request(name: &'static str, partitions: i32) -> CreateTopicsRequest<'static> {
    let topic =
        CreatableTopic { name: name.into(), num_partitions: partitions, replication_factor: 1, ..Default::default() };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() }
}

fn create(fixture: &Fixture, client: &Client, version: i16, name: &'static str, partitions: i32) -> (i16, Duration) {
    let reply = fixture.send(client, ApiKey::CreateTopics, version, &topic_request(name, partitions)).reply();
    let response: CreateTopicsResponse<'_> = reply.read();
    assert_eq!(Duration::from_millis(response.throttle_time_ms as u64), reply.wait, "what is told and what is done");
    (response.topics[0].error_code, reply.wait)
}

#[test]
fn who_makes_too_many_partitions_is_refused_or_if_old_waits() {
    let mut fixture = Fixture::new();
    set(&fixture, &[("user", Some("ann"))], "controller_mutation_rate", Some(1.0));
    let ann = client("ann");
    let exceeded = ErrorCode::ThrottlingQuotaExceeded.code();
    assert_eq!(create(&fixture, &ann, 7, "a", 15), (0, Duration::ZERO));
    assert_eq!(create(&fixture, &ann, 7, "b", 1), (exceeded, Duration::from_secs(4)));
    assert_eq!(create(&fixture, &client("bob"), 7, "c", 30), (0, Duration::ZERO));
    // A version that does not know the refusal gets its topic.
    assert_eq!(create(&fixture, &ann, 5, "d", 1), (0, Duration::from_secs(5)));
    let growth = CreatePartitionsTopic { name: "a".into(), count: 16, assignments: None, ..Default::default() };
    let request = CreatePartitionsRequest { topics: vec![growth], timeout_ms: 1000, ..Default::default() };
    let reply = fixture.send(&ann, ApiKey::CreatePartitions, 3, &request).reply();
    let response: CreatePartitionsResponse<'_> = reply.read();
    assert_eq!((response.results[0].error_code, response.throttle_time_ms), (exceeded, 5000));
    let request = DeleteTopicsRequest { topic_names: vec!["a".into()], timeout_ms: 1000, ..Default::default() };
    let reply = fixture.send(&ann, ApiKey::DeleteTopics, 5, &request).reply();
    let response: DeleteTopicsResponse<'_> = reply.read();
    assert_eq!((response.responses[0].error_code, response.throttle_time_ms), (exceeded, 5000));
    fixture.pass(Duration::from_secs(5));
    assert_eq!(create(&fixture, &ann, 7, "b", 1), (0, Duration::ZERO));
}

#[test]
fn requests_that_take_too_long_are_told_to_wait_a_window_at_most() {
    let fixture = Fixture::with(Authorization::None, &[("quota.window.size.seconds", "2")]);
    let versions = |client: &Client| {
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let reply = fixture.send(client, ApiKey::ApiVersions, 3, &request).reply();
        let response: ApiVersionsResponse<'_> = reply.read();
        assert_eq!(Duration::from_millis(response.throttle_time_ms as u64), reply.wait);
        reply.wait
    };
    // Each of its requests takes a second.
    let slow = slow_client("ann");
    assert_eq!(versions(&slow), Duration::ZERO);
    set(&fixture, &[("user", Some("ann"))], "request_percentage", Some(4.0));
    // A hundred percents of a second in 20 seconds are five: a quarter of 20 seconds too much.
    assert_eq!(versions(&slow), Duration::from_secs(2));
    assert_eq!(versions(&client("bob")), Duration::ZERO);
    // What the controller decides waits for it, and is counted as well.
    assert_eq!(create(&fixture, &slow, 7, "t", 1), (0, Duration::from_secs(2)));
    assert_eq!(produce(&fixture, &slow, "t", 10).wait, Duration::from_secs(2));
    assert_eq!(fetch(&fixture, &slow, &fetch_request("t", 0, 0, 0)), (0, 0, Duration::from_secs(2)));
}
