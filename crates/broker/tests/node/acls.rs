//! What a client may not see is hidden from it as Kafka hides it: it cannot tell a forbidden topic from a missing one.

use crate::harness::{BY_NAME, Client, Fixture, client, fetch_request};
use ottla_broker::Authorization;
use ottla_security::{Decision, Principal};
use ottla_wire::api::create_acls_request::AclCreation;
use ottla_wire::api::delete_topics_request::DeleteTopicState;
use ottla_wire::api::metadata_request::MetadataRequestTopic;
use ottla_wire::api::{
    CreateAclsRequest, CreateAclsResponse, DeleteTopicsRequest, DeleteTopicsResponse, FetchResponse, MetadataRequest,
    MetadataResponse,
};
use ottla_wire::{ApiKey, ErrorCode, Uuid};
use std::collections::BTreeSet;

fn fixture() -> (Fixture, Uuid) {
    let super_users = BTreeSet::from([Principal::user("admin")]);
    let authorization = Authorization::Standard { super_users, no_acl_found: Decision::Denied };
    let fixture = Fixture::with(authorization, &[]);
    assert_eq!(fixture.create_topic("open", 1).0, 0);
    let (error, secret) = fixture.create_topic("secret", 1);
    assert_eq!(error, 0);
    fixture.produce(&fixture.admin, "secret", 0, b"hidden");
    // Ann may read what is open: a literal topic, all hosts.
    let (topic, literal, read, allow) = (2, 3, 3, 3);
    let acl = AclCreation {
        resource_type: topic,
        resource_name: "open".into(),
        resource_pattern_type: literal,
        principal: "User:ann".into(),
        host: "*".into(),
        operation: read,
        permission_type: allow,
        ..Default::default()
    };
    let reply = fixture.ask(ApiKey::CreateAcls, 3, &CreateAclsRequest { creations: vec![acl], ..Default::default() });
    let response: CreateAclsResponse<'_> = reply.read();
    let result = &response.results[0];
    assert_eq!((result.error_code, result.error_message.as_deref()), (0, Some("")), "as Kafka words a success");
    (fixture, secret)
}

fn metadata_error(fixture: &Fixture, client: &Client, name: Option<&str>, topic_id: Uuid) -> (i16, Option<String>) {
    let topic = MetadataRequestTopic { name: name.map(|n| n.to_owned().into()), topic_id, ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    let reply = fixture.send(client, ApiKey::Metadata, 12, &request).reply();
    let response: MetadataResponse<'_> = reply.read();
    let topic = &response.topics[0];
    assert!(topic.error_code == 0 || topic.partitions.is_empty());
    assert!(topic.error_code == 0 || name.is_none() || topic.topic_id.is_zero(), "an id would tell that it is there");
    (topic.error_code, topic.name.as_ref().map(ToString::to_string))
}

#[test]
fn topics_that_a_client_may_not_describe_are_not_listed() {
    let (fixture, _) = fixture();
    let ann = client("ann");
    assert_eq!(fixture.topics(&ann).into_keys().collect::<Vec<_>>(), ["open"]);
    assert_eq!(fixture.topics(&fixture.admin).len(), 2);
    assert!(fixture.topics(&client("nobody")).is_empty());
}

#[test]
fn a_forbidden_topic_looks_like_a_missing_one() {
    let (fixture, secret) = fixture();
    let ann = client("ann");
    let refused = ErrorCode::TopicAuthorizationFailed.code();
    for name in ["secret", "missing"] {
        assert_eq!(metadata_error(&fixture, &ann, Some(name), Uuid::ZERO), (refused, Some(name.to_owned())));
        assert_eq!(fixture.produce(&ann, name, 0, b"value").0, refused);
        let reply = fixture.send(&ann, ApiKey::Fetch, BY_NAME, &fetch_request(name, 0, 0, 0)).reply();
        let response: FetchResponse<'_> = reply.read();
        assert_eq!(response.responses[0].partitions[0].error_code, refused);
        let request = DeleteTopicsRequest { topic_names: vec![name.into()], ..Default::default() };
        let reply = fixture.send(&ann, ApiKey::DeleteTopics, 5, &request).reply();
        let response: DeleteTopicsResponse<'_> = reply.read();
        assert_eq!(response.responses[0].error_code, refused);
    }
    // By its id a topic says no name to those who may not know it.
    let (error, name) = metadata_error(&fixture, &ann, None, secret);
    assert_eq!((error, name), (refused, None));
    let doomed = DeleteTopicState { name: None, topic_id: secret, ..Default::default() };
    let request = DeleteTopicsRequest { topics: vec![doomed], ..Default::default() };
    let reply = fixture.send(&ann, ApiKey::DeleteTopics, 6, &request).reply();
    let response: DeleteTopicsResponse<'_> = reply.read();
    let answer = &response.responses[0];
    assert_eq!((answer.error_code, answer.name.clone()), (refused, None));
}

#[test]
fn reading_is_not_writing() {
    let (fixture, _) = fixture();
    let ann = client("ann");
    assert_eq!(metadata_error(&fixture, &ann, Some("open"), Uuid::ZERO).0, 0);
    assert_eq!(fixture.produce(&ann, "open", 0, b"value").0, ErrorCode::TopicAuthorizationFailed.code());
    assert_eq!(fixture.produce(&fixture.admin, "open", 0, b"value"), (0, 0));
    let reply = fixture.send(&ann, ApiKey::Fetch, BY_NAME, &fetch_request("open", 0, 0, 0)).reply();
    let response: FetchResponse<'_> = reply.read();
    assert_eq!(response.responses[0].partitions[0].error_code, 0);
}

#[test]
fn acls_survive_a_restart() {
    let (mut fixture, _) = fixture();
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(fixture.topics(&client("ann")).into_keys().collect::<Vec<_>>(), ["open"]);
}
