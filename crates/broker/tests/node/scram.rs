//! SCRAM credentials by request: who may see and change them, and that they are kept.

use crate::harness::{Client, Fixture, client};
use ottla_broker::Authorization;
use ottla_security::{Decision, Principal};
use ottla_wire::api::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use ottla_wire::api::describe_user_scram_credentials_request::UserName;
use ottla_wire::api::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};
use ottla_wire::{ApiKey, ErrorCode};
use std::collections::BTreeSet;

fn upsert(user: &'static str, mechanism: i8) -> ScramCredentialUpsertion<'static> {
    ScramCredentialUpsertion {
        name: user.into(),
        mechanism,
        iterations: 4096 + i32::from(mechanism),
        salt: b"salt"[..].into(),
        salted_password: b"password"[..].into(),
        ..Default::default()
    }
}

/// The error of each user.
fn alter(fixture: &Fixture, client: &Client, request: &AlterUserScramCredentialsRequest<'_>) -> Vec<(String, i16)> {
    let reply = fixture.send(client, ApiKey::AlterUserScramCredentials, 0, request).reply();
    let response: AlterUserScramCredentialsResponse<'_> = reply.read();
    response.results.iter().map(|result| (result.user.to_string(), result.error_code)).collect()
}

/// What is told of each user: its error, or its mechanisms and iterations.
fn describe(fixture: &Fixture, client: &Client, users: &[&'static str]) -> Vec<String> {
    let name = |user: &&'static str| UserName { name: (*user).into(), ..Default::default() };
    let users = Some(users.iter().map(name).collect());
    let request = DescribeUserScramCredentialsRequest { users, ..Default::default() };
    let reply = fixture.send(client, ApiKey::DescribeUserScramCredentials, 0, &request).reply();
    let response: DescribeUserScramCredentialsResponse<'_> = reply.read();
    if response.error_code != 0 {
        return vec![ErrorCode::from_code(response.error_code).name().to_owned()];
    }
    let told = response.results.iter().map(|result| match &result.error_message {
        Some(message) => format!("{}: {message}", ErrorCode::from_code(result.error_code).name()),
        None => {
            let infos: Vec<_> =
                result.credential_infos.iter().map(|i| format!("{}={}", i.mechanism, i.iterations)).collect();
            format!("{} {}", result.user, infos.join(" "))
        }
    });
    told.collect()
}

#[test]
fn credentials_are_told_without_what_proves_them_and_outlive_a_restart() {
    let mut fixture = Fixture::new();
    let upsertions = vec![upsert("ann", 2), upsert("bob", 1)];
    let request = AlterUserScramCredentialsRequest { upsertions, ..Default::default() };
    assert_eq!(alter(&fixture, &fixture.admin, &request), [("ann".to_owned(), 0), ("bob".to_owned(), 0)]);
    let request = AlterUserScramCredentialsRequest { upsertions: vec![upsert("ann", 1)], ..Default::default() };
    alter(&fixture, &fixture.admin, &request);
    let both = ["ann 1=4097 2=4098", "bob 1=4097"];
    assert_eq!(describe(&fixture, &fixture.admin, &[]), both);
    assert_eq!(
        describe(&fixture, &fixture.admin, &["ann", "eve", "eve", "nobody"]),
        [
            both[0],
            "DUPLICATE_RESOURCE: Cannot describe SCRAM credentials for the same user twice in a single request: eve",
            "RESOURCE_NOT_FOUND: Attempt to describe a user credential that does not exist: nobody",
        ]
    );
    fixture.disk.kill_process();
    fixture.restart();
    let deletions = vec![ScramCredentialDeletion { name: "ann".into(), mechanism: 1, ..Default::default() }];
    let request = AlterUserScramCredentialsRequest { deletions, ..Default::default() };
    alter(&fixture, &fixture.admin, &request);
    assert_eq!(describe(&fixture, &fixture.admin, &[]), ["ann 2=4098", "bob 1=4097"]);
}

#[test]
fn whoever_may_not_is_told_nothing() {
    let super_users = BTreeSet::from([Principal::user("admin")]);
    let fixture = Fixture::with(Authorization::Standard { super_users, no_acl_found: Decision::Denied }, &[]);
    let refused = ErrorCode::ClusterAuthorizationFailed;
    let request = AlterUserScramCredentialsRequest { upsertions: vec![upsert("ann", 1)], ..Default::default() };
    assert_eq!(alter(&fixture, &client("ann"), &request), [("ann".to_owned(), refused.code())]);
    assert_eq!(describe(&fixture, &client("ann"), &["ann"]), [refused.name()]);
    assert!(describe(&fixture, &fixture.admin, &[]).is_empty());
}
