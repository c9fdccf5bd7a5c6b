//! Configurations as clients see and change them.

use crate::harness::Fixture;
use ottla_wire::ApiKey;
use ottla_wire::api::describe_configs_request::DescribeConfigsResource;
use ottla_wire::api::{DescribeConfigsRequest, DescribeConfigsResponse};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// The documentation of one key.
fn documentation(fixture: &Fixture, kind: i8, name: &str, key: &str, wanted: bool) -> Option<String> {
    let resource = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configuration_keys: Some(vec![key.into()]),
        ..Default::default()
    };
    let request =
        DescribeConfigsRequest { resources: vec![resource], include_documentation: wanted, ..Default::default() };
    let reply = fixture.ask(ApiKey::DescribeConfigs, 4, &request);
    let response: DescribeConfigsResponse<'_> = reply.read();
    let configs = &response.results[0].configs;
    assert_eq!(configs.len(), 1, "{key}");
    configs[0].documentation.as_ref().map(ToString::to_string)
}

#[test]
fn keys_are_documented_where_it_is_asked_for() {
    let fixture = Fixture::new();
    fixture.create_topic("events", 1);
    let told = documentation(&fixture, TOPIC, "events", "retention.ms", true).unwrap();
    assert_eq!(told, "How long records are kept; -1 is for ever.");
    assert!(documentation(&fixture, BROKER, "1", "num.io.threads", true).unwrap().starts_with("How many threads"));
    assert_eq!(documentation(&fixture, TOPIC, "events", "retention.ms", false), None);
}
