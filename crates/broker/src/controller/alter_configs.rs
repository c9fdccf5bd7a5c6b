//! AlterConfigs (0-2), which replaces all of a resource's configurations, and IncrementalAlterConfigs (0-1, KIP-339).

use super::{Asker, Decision, owned};
use crate::node::{Desk, check_cleaner_change};
use crate::request::ListenerKind;
use ottla_metadata::config_defs::{BrokerLayers, BrokerScope, validate_broker_update};
use ottla_metadata::controller::{ConfigOperation, ConfigOperationKind, Outcome};
use ottla_metadata::image::{ConfigResource, ConfigResourceKind, Configs};
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::api::alter_configs_response::AlterConfigsResourceResponse;
use ottla_wire::api::incremental_alter_configs_request::AlterableConfig;
use ottla_wire::api::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    incremental_alter_configs_response,
};
use ottla_wire::{ApiError, ErrorCode};
use std::collections::{BTreeMap, BTreeSet};

/// A resource as the request names it, and what came of it.
type Answers = Vec<(i8, String, Result<(), ApiError>)>;

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &IncrementalAlterConfigsRequest<'_>) -> Decision {
    let resources = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_ref(), &r.configs));
    let (changes, mut answers) = sort(asker, desk.controller.settings.node_id, resources, operations);
    let controller = &desk.controller;
    let valid = |resource: &ConfigResource, operations: &BTreeMap<String, ConfigOperation>| {
        let outcome = controller.values_after(resource, operations)?;
        check_broker(resource, &outcome)?;
        check_own(desk, resource, &outcome)
    };
    let changes = checked(changes, valid, &mut answers);
    let outcome = desk.controller.incremental_alter_configs(&changes);
    let records = finish(outcome, request.validate_only, &mut answers);
    let response = |(resource_type, name, result): (i8, String, Result<(), ApiError>)| {
        let (code, error_message) = told(result);
        incremental_alter_configs_response::AlterConfigsResourceResponse {
            error_code: code,
            error_message,
            resource_type,
            resource_name: owned(&name),
            ..Default::default()
        }
    };
    let responses = answers.into_iter().map(response).collect();
    (records, Box::new(IncrementalAlterConfigsResponse { responses, ..Default::default() }))
}

pub(super) fn decide_legacy(desk: &mut Desk<'_>, asker: &Asker, request: &AlterConfigsRequest<'_>) -> Decision {
    let resources = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_ref(), &r.configs));
    let (changes, mut answers) = sort(asker, desk.controller.settings.node_id, resources, |configs| {
        let null = |c: &ottla_wire::api::alter_configs_request::AlterableConfig<'_>| c.value.is_none();
        if let Some(config) = configs.iter().find(|c| null(c)) {
            let message = format!("Null value not supported for : {}", config.name);
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        }
        Ok(configs.iter().filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string()))).collect())
    });
    let valid = |resource: &ConfigResource, configs: &Configs| {
        check_broker(resource, configs)?;
        check_own(desk, resource, configs)
    };
    let changes: BTreeMap<ConfigResource, Configs> = checked(changes, valid, &mut answers);
    let outcome = desk.controller.alter_configs(&changes);
    let records = finish(outcome, request.validate_only, &mut answers);
    let response = |(resource_type, name, result): (i8, String, Result<(), ApiError>)| {
        let (code, error_message) = told(result);
        AlterConfigsResourceResponse {
            error_code: code,
            error_message,
            resource_type,
            resource_name: owned(&name),
            ..Default::default()
        }
    };
    let responses = answers.into_iter().map(response).collect();
    (records, Box::new(AlterConfigsResponse { responses, ..Default::default() }))
}

fn told(result: Result<(), ApiError>) -> (i16, Option<std::borrow::Cow<'static, str>>) {
    match result {
        Ok(()) => (0, None),
        Err(error) => (error.code.into(), error.message),
    }
}

/// The changes that are well named, named once, and allowed; the rest is answered.
fn sort<'a, C: 'a, T>(
    asker: &Asker,
    node_id: i32,
    resources: impl Iterator<Item = (i8, &'a str, &'a C)>,
    read: impl Fn(&'a C) -> Result<T, ApiError>,
) -> (BTreeMap<ConfigResource, T>, Answers) {
    let mut changes: BTreeMap<ConfigResource, T> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    let mut answers = Answers::new();
    for (code, name, configs) in resources {
        let mut answer = |error: ApiError| answers.push((code, name.to_owned(), Err(error)));
        let through_broker = asker.context.connection.kind == ListenerKind::Broker;
        let Some(kind) = ConfigResourceKind::from_code(code) else {
            // Brokers and controllers have words of their own.
            answer(match through_broker {
                true => ApiError::new(ErrorCode::InvalidRequest, format!("Unknown resource type {code}")),
                false => ApiError::new(ErrorCode::UnsupportedVersion, format!("Unknown resource type {code}.")),
            });
            continue;
        };
        if through_broker && kind == ConfigResourceKind::Broker && !name.is_empty() {
            let message = match name.parse::<i32>() {
                Ok(id) if id == node_id => None,
                Ok(_) => Some(format!("Unexpected broker id, expected {node_id}, but received {name}")),
                Err(_) => Some(format!("Node id must be an integer, but it is: {name}")),
            };
            if let Some(message) = message {
                answer(ApiError::new(ErrorCode::InvalidRequest, message));
                continue;
            }
        }
        let resource = ConfigResource { kind, name: name.to_owned() };
        if twice.contains(&resource) {
            continue;
        }
        if changes.remove(&resource).is_some() {
            answer(ApiError::new(ErrorCode::InvalidRequest, "Duplicate resource."));
            twice.insert(resource);
            continue;
        }
        match authorize(asker, &resource).and_then(|()| read(configs)) {
            Ok(change) => {
                changes.insert(resource, change);
            }
            Err(error) => answer(error),
        }
    }
    (changes, answers)
}

fn authorize(asker: &Asker, resource: &ConfigResource) -> Result<(), ApiError> {
    let may = |kind, name: &str| asker.may(AclOperation::AlterConfigs, kind, name);
    let refused = |code: ErrorCode| Err(ApiError::from(code));
    match resource.kind {
        ConfigResourceKind::Topic if !may(ResourceType::Topic, &resource.name) => {
            refused(ErrorCode::TopicAuthorizationFailed)
        }
        ConfigResourceKind::Group if !may(ResourceType::Group, &resource.name) => {
            refused(ErrorCode::GroupAuthorizationFailed)
        }
        ConfigResourceKind::Topic | ConfigResourceKind::Group => Ok(()),
        _ if !asker.may_to_cluster(AclOperation::AlterConfigs) => refused(ErrorCode::ClusterAuthorizationFailed),
        _ => Ok(()),
    }
}

#[allow(clippy::ptr_arg, reason = "as the request holds them")]
fn operations(configs: &Vec<AlterableConfig<'_>>) -> Result<BTreeMap<String, ConfigOperation>, ApiError> {
    let invalid = |message: String| Err(ApiError::new(ErrorCode::InvalidRequest, message));
    let mut operations = BTreeMap::new();
    for config in configs {
        let Some(kind) = ConfigOperationKind::from_code(config.config_operation) else {
            return invalid(format!("Unknown operation type {}", config.config_operation));
        };
        if config.value.is_none() && kind != ConfigOperationKind::Delete {
            return invalid(format!("Null value not supported for : {}", config.name));
        }
        let operation = ConfigOperation { kind, value: config.value.as_ref().map(ToString::to_string) };
        if operations.insert(config.name.to_string(), operation).is_some() {
            return invalid(format!("Error due to duplicate config keys : {}", config.name));
        }
    }
    Ok(operations)
}

const fn scope_of(resource: &ConfigResource) -> BrokerScope {
    if resource.name.is_empty() { BrokerScope::ClusterDefault } else { BrokerScope::OneBroker }
}

fn check_broker(resource: &ConfigResource, configs: &Configs) -> Result<(), ApiError> {
    if resource.kind != ConfigResourceKind::Broker {
        return Ok(());
    }
    validate_broker_update(configs, scope_of(resource))
        .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.to_string()))
}

/// This broker's own configuration or that of all, as it would be, against what only its program knows.
fn check_own(desk: &Desk<'_>, resource: &ConfigResource, configs: &Configs) -> Result<(), ApiError> {
    let named = resource.name.is_empty() || resource.name == desk.controller.settings.node_id.to_string();
    let holds_here = named && resource.kind == ConfigResourceKind::Broker;
    let check = || {
        cordons_unknown(&desk.controller.settings.file, configs).map_or(Ok(()), Err)?;
        check_cleaner(desk, resource, configs)?;
        desk.host.check_broker_configs(configs, scope_of(resource))
    };
    match holds_here.then(check) {
        Some(Err(why)) => Err(ApiError::new(ErrorCode::InvalidRequest, why)),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Why `cordoned.log.dirs` cannot be as it is set here: it names what is no log directory.
fn cordons_unknown(file: &Configs, configs: &Configs) -> Option<String> {
    const ALL: &str = "*";
    let (of_file, set) = (BrokerLayers::of_file(file), BrokerLayers::of_file(configs));
    let own = of_file.value("log.dirs");
    let own =
        own.as_list().map_or_else(|| of_file.value("log.dir").as_list().unwrap_or_default().to_vec(), <[_]>::to_vec);
    let cordoned = set.value("cordoned.log.dirs");
    let cordoned = cordoned.as_list().unwrap_or_default();
    if cordoned.iter().any(|dir| dir == ALL) {
        let alone = cordoned.len() == 1;
        return (!alone).then(|| "When cordoned.log.dirs is set to *, it must not contain other values".to_owned());
    }
    let unknown: Vec<&str> = cordoned.iter().filter(|dir| !own.contains(dir)).map(String::as_str).collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
            unknown.join(", ")
        )
    })
}

fn check_cleaner(desk: &Desk<'_>, resource: &ConfigResource, configs: &Configs) -> Result<(), String> {
    let settings = &desk.controller.settings;
    let now = desk.controller.image.broker_layers(settings.node_id, &settings.file);
    let then = match resource.name.is_empty() {
        true => BrokerLayers { dynamic_default: configs, ..now },
        false => BrokerLayers { dynamic: configs, ..now },
    };
    check_cleaner_change(&now, &then)
}

fn checked<T>(
    changes: BTreeMap<ConfigResource, T>,
    check: impl Fn(&ConfigResource, &T) -> Result<(), ApiError>,
    answers: &mut Answers,
) -> BTreeMap<ConfigResource, T> {
    let mut good = BTreeMap::new();
    for (resource, change) in changes {
        match check(&resource, &change) {
            Ok(()) => {
                good.insert(resource, change);
            }
            Err(error) => answers.push((resource.kind as i8, resource.name, Err(error))),
        }
    }
    good
}

fn finish(
    outcome: Outcome<BTreeMap<ConfigResource, Result<(), ApiError>>>,
    validate_only: bool,
    answers: &mut Answers,
) -> Vec<ottla_metadata::controller::VersionedRecord> {
    answers.extend(outcome.response.into_iter().map(|(r, result)| (r.kind as i8, r.name, result)));
    if validate_only { Vec::new() } else { outcome.records }
}
