//! Features raised and lowered while the node runs, and what stays of it.

use crate::harness::{Fixture, LOG_DIR, controller_client, directory_id};
use ottla_broker::Authorization;
use ottla_security::Decision;
use ottla_wire::api::update_features_request::FeatureUpdateKey;
use ottla_wire::api::{
    AddRaftVoterRequest, AddRaftVoterResponse, ApiVersionsRequest, ApiVersionsResponse, RemoveRaftVoterRequest,
    RemoveRaftVoterResponse, UnregisterBrokerRequest, UnregisterBrokerResponse, UnregisterControllerRequest,
    UnregisterControllerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse, add_raft_voter_request,
};
use ottla_wire::{ApiKey, ErrorCode, Uuid};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;

fn update(
    fixture: &Fixture,
    feature: &'static str,
    level: i16,
    kind: i8,
    version: i16,
) -> (i16, Option<String>, usize) {
    let update = FeatureUpdateKey {
        feature: feature.into(),
        max_version_level: level,
        upgrade_type: kind,
        ..Default::default()
    };
    let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
    let reply = fixture.ask(ApiKey::UpdateFeatures, version, &request);
    let response: UpdateFeaturesResponse<'_> = reply.read();
    (response.error_code, response.error_message.as_deref().map(str::to_owned), response.results.len())
}

fn finalized(fixture: &Fixture, feature: &str) -> i16 {
    let request = ApiVersionsRequest {
        client_software_name: "t".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let reply = fixture.ask(ApiKey::ApiVersions, 4, &request);
    let response: ApiVersionsResponse<'_> = reply.read();
    let told = response.finalized_features.iter().find(|told| told.name == feature);
    told.map_or(0, |told| told.max_version_level)
}

#[test]
fn levels_survive_a_restart() {
    let mut fixture = Fixture::new();
    assert_eq!(update(&fixture, "group.version", 1, UPGRADE, 2), (0, None, 0));
    assert_eq!(finalized(&fixture, "group.version"), 1);
    assert_eq!(update(&fixture, "group.version", 0, SAFE_DOWNGRADE, 1), (0, None, 1));
    assert_eq!(finalized(&fixture, "group.version"), 0);
    let (code, message, results) = update(&fixture, "group.version", 2, UPGRADE, 2);
    assert_eq!((code, results), (ErrorCode::InvalidUpdateVersion.code(), 0));
    assert_eq!(
        message.unwrap(),
        "The update failed for all features since the following feature had an error: Invalid update version 2 for \
         feature group.version. Local controller 1 only supports versions 0-1"
    );
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(finalized(&fixture, "group.version"), 0);
    assert_eq!(update(&fixture, "group.version", 1, UPGRADE, 0), (0, None, 1));
    assert_eq!(finalized(&fixture, "group.version"), 1);
}

#[test]
fn what_a_raised_level_lets_nodes_say_is_said_at_once() {
    let mut fixture = Fixture::of_level(11);
    fixture.create_topic("t", 1);
    let known = |fixture: &Fixture| {
        let image = &fixture.node.published().image;
        let directory = image.topics.partition("t", 0).unwrap().directories[0];
        (image.controllers.len(), image.brokers[&1].log_dirs.len(), directory)
    };
    assert_eq!(known(&fixture), (0, 0, Uuid::MIGRATING_DIR));
    let before = fixture.node.published().image.brokers[&1].clone();
    assert_eq!(update(&fixture, "metadata.version", 33, UPGRADE, 2), (0, None, 0));
    assert_eq!(known(&fixture), (1, 1, directory_id(LOG_DIR)));
    let after = fixture.node.published().image.brokers[&1].clone();
    assert_eq!((after.incarnation_id, after.epoch, after.fenced), (before.incarnation_id, before.epoch, false));
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"value"), (0, 0));
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(known(&fixture), (1, 1, directory_id(LOG_DIR)));
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"value"), (0, 1));
}

#[test]
fn a_static_quorum_becomes_a_dynamic_one() {
    let mut fixture = Fixture::new();
    assert_eq!(finalized(&fixture, "kraft.version"), 0);
    let directory = Uuid([9; 16]);
    let add = |fixture: &Fixture| {
        let listener = add_raft_voter_request::Listener { name: "CONTROLLER".into(), ..Default::default() };
        let request = AddRaftVoterRequest {
            voter_id: 2,
            voter_directory_id: directory,
            listeners: vec![listener],
            ..Default::default()
        };
        let reply = fixture.ask(ApiKey::AddRaftVoter, 1, &request);
        let response: AddRaftVoterResponse<'_> = reply.read();
        ErrorCode::from_code(response.error_code)
    };
    let remove = |fixture: &Fixture| {
        let request = RemoveRaftVoterRequest { voter_id: 1, voter_directory_id: directory, ..Default::default() };
        let reply = fixture.ask(ApiKey::RemoveRaftVoter, 0, &request);
        let response: RemoveRaftVoterResponse<'_> = reply.read();
        ErrorCode::from_code(response.error_code)
    };
    assert_eq!((add(&fixture), remove(&fixture)), (ErrorCode::UnsupportedVersion, ErrorCode::UnsupportedVersion));
    assert_eq!(update(&fixture, "kraft.version", 1, UPGRADE, 2), (0, None, 0));
    for round in 0..3 {
        assert_eq!(finalized(&fixture, "kraft.version"), 1);
        assert_eq!((add(&fixture), remove(&fixture)), (ErrorCode::RequestTimedOut, ErrorCode::VoterNotFound));
        assert_eq!(fixture.create_topic(&format!("t{round}"), 1).0, 0);
        fixture.disk.kill_process();
        fixture.restart();
    }
    assert_ne!(update(&fixture, "kraft.version", 0, SAFE_DOWNGRADE, 2).0, 0);
}

#[test]
fn an_unregistered_broker_is_gone_until_it_starts_again() {
    let mut fixture = Fixture::new();
    fixture.create_topic("t", 1);
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"before"), (0, 0));
    let controller = controller_client("admin");
    let unregister = |fixture: &Fixture, broker_id| {
        let request = UnregisterBrokerRequest { broker_id, ..Default::default() };
        let reply = fixture.send(&controller, ApiKey::UnregisterBroker, 0, &request).reply();
        let response: UnregisterBrokerResponse<'_> = reply.read();
        (ErrorCode::from_code(response.error_code), response.error_message.as_deref().map(str::to_owned))
    };
    let unknown = |id| (ErrorCode::BrokerIdNotRegistered, Some(format!("Broker ID {id} is not currently registered")));
    assert_eq!(unregister(&fixture, 7), unknown(7));
    assert_eq!(unregister(&fixture, 1), (ErrorCode::None, None));
    assert_eq!(unregister(&fixture, 1), unknown(1));
    assert_ne!(fixture.produce(&fixture.admin, "t", 0, b"lost").0, 0);
    fixture.stop();
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"after"), (0, 1));
}

#[test]
fn the_active_controller_stays() {
    let fixture = Fixture::new();
    for (controller_id, code) in [(1, ErrorCode::InvalidRequest), (2, ErrorCode::ControllerIdNotRegistered)] {
        let request = UnregisterControllerRequest { controller_id, ..Default::default() };
        let reply = fixture.ask(ApiKey::UnregisterController, 0, &request);
        let response: UnregisterControllerResponse<'_> = reply.read();
        assert_eq!(ErrorCode::from_code(response.error_code), code);
    }
}

#[test]
fn who_may_not_alter_the_cluster_changes_nothing() {
    let authorization = Authorization::Standard { super_users: Default::default(), no_acl_found: Decision::Denied };
    let fixture = Fixture::with(authorization, &[]);
    let refused = ErrorCode::ClusterAuthorizationFailed.code();
    assert_eq!(update(&fixture, "group.version", 0, SAFE_DOWNGRADE, 2).0, refused);
    let request = UnregisterBrokerRequest { broker_id: 1, ..Default::default() };
    let reply = fixture.ask(ApiKey::UnregisterBroker, 0, &request);
    let response: UnregisterBrokerResponse<'_> = reply.read();
    assert_eq!(response.error_code, refused);
}
