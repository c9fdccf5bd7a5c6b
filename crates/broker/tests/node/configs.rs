//! Configurations that are altered while the node runs.

use crate::harness::Fixture;
use ottla_wire::api::describe_configs_request::DescribeConfigsResource;
use ottla_wire::api::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_wire::api::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use ottla_wire::{ApiKey, ErrorCode};

const BROKER: i8 = 4;
/// A config's source.
const DYNAMIC_BROKER_CONFIG: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// What altering this broker's keys says.
pub fn alter(fixture: &Fixture, operations: &[(&'static str, i8, &'static str)]) -> (i16, Option<String>) {
    alter_of(fixture, "1", operations)
}

/// What altering the keys of one broker says, or of all where it has no name.
fn alter_of(
    fixture: &Fixture,
    broker: &'static str,
    operations: &[(&'static str, i8, &'static str)],
) -> (i16, Option<String>) {
    let config = |(name, config_operation, value): &(&'static str, i8, &'static str)| AlterableConfig {
        name: (*name).into(),
        config_operation: *config_operation,
        value: Some((*value).into()),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: BROKER,
        resource_name: broker.into(),
        configs: operations.iter().map(config).collect(),
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let reply = fixture.ask(ApiKey::IncrementalAlterConfigs, 1, &request);
    let response: IncrementalAlterConfigsResponse<'_> = reply.read();
    let result = &response.responses[0];
    (result.error_code, result.error_message.as_deref().map(str::to_owned))
}

/// What of a broker's configuration is its own and set while it runs.
fn held(fixture: &Fixture) -> Vec<(String, String)> {
    let resource = DescribeConfigsResource { resource_type: BROKER, resource_name: "1".into(), ..Default::default() };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let reply = fixture.ask(ApiKey::DescribeConfigs, 4, &request);
    let response: DescribeConfigsResponse<'_> = reply.read();
    let dynamic = response.results[0].configs.iter().filter(|config| config.config_source == DYNAMIC_BROKER_CONFIG);
    dynamic.map(|config| (config.name.to_string(), config.value.as_deref().unwrap().to_owned())).collect()
}

#[test]
fn a_deletion_takes_no_heed_of_the_value_beside_it() {
    let fixture = Fixture::new();
    let set = [("background.threads", SET, "9"), ("log.cleanup.policy", APPEND, "compact")];
    assert_eq!(alter(&fixture, &set).0, 0);
    let both = [("background.threads", "9"), ("log.cleanup.policy", "delete,compact")];
    assert_eq!(held(&fixture), both.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let removed = [("background.threads", DELETE, ""), ("log.cleanup.policy", SUBTRACT, "compact")];
    assert_eq!(alter(&fixture, &removed), (0, None));
    assert_eq!(held(&fixture), [("log.cleanup.policy".to_owned(), "delete".to_owned())]);
}

#[test]
fn what_a_list_becomes_is_checked() {
    let fixture = Fixture::new();
    let (code, message) = alter(&fixture, &[("log.cleanup.policy", APPEND, "burn")]);
    assert_eq!(code, ErrorCode::InvalidRequest.code());
    assert!(message.unwrap().contains("log.cleanup.policy"));
    assert_eq!(held(&fixture), []);
}

const TOPIC: i8 = 2;

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

#[test]
fn what_the_program_cannot_do_with_is_refused_before_it_is_set() {
    let fixture = Fixture::new();
    for broker in ["1", ""] {
        let alter = |value: &'static str| alter_of(&fixture, broker, &[("plugin.key", SET, value)]);
        assert_eq!(alter("good"), (0, None));
        assert_eq!(alter("bad"), (42, Some("the program cannot do with bad".to_owned())), "{broker:?}");
    }
}
