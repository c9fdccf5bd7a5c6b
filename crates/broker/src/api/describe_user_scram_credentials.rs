//! DescribeUserScramCredentials (0, KIP-554): which users have which mechanisms. Never what proves them.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_metadata::image::Image;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult};
use ottla_wire::api::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use std::collections::BTreeMap;

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &DescribeUserScramCredentialsRequest<'_>,
) -> Answer<D> {
    let named = request.users.as_deref().unwrap_or_default();
    if !context.may_to_cluster(node, AclOperation::Describe) {
        let error_code = ErrorCode::ClusterAuthorizationFailed.into();
        // Nameless, as Kafka has them.
        let result = DescribeUserScramCredentialsResult { error_code, ..Default::default() };
        let results = vec![result; named.len()];
        return context.reply(&DescribeUserScramCredentialsResponse { error_code, results, ..Default::default() });
    }
    let published = node.published();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    if named.is_empty() {
        times.extend(published.image.scram.keys().map(|(_, user)| (user.as_str(), 1)));
    }
    named.iter().for_each(|user| *times.entry(user.name.as_ref()).or_default() += 1);
    let results = times.into_iter().map(|(user, times)| match times {
        1 => describe(&published.image, user),
        _ => DescribeUserScramCredentialsResult {
            user: user.into(),
            error_code: ErrorCode::DuplicateResource.into(),
            error_message: Some(
                format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}").into(),
            ),
            ..Default::default()
        },
    });
    context.reply(&DescribeUserScramCredentialsResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        results: results.collect(),
        ..Default::default()
    })
}

fn describe<'a>(image: &Image, user: &'a str) -> DescribeUserScramCredentialsResult<'a> {
    // By mechanism first, and there are few: no walk over all users.
    let credential_infos: Vec<CredentialInfo<'_>> = [1, 2]
        .into_iter()
        .filter_map(|mechanism| {
            let credential = image.scram.get(&(mechanism, user.to_owned()))?;
            Some(CredentialInfo { mechanism, iterations: credential.iterations, ..Default::default() })
        })
        .collect();
    if credential_infos.is_empty() {
        let message = format!("Attempt to describe a user credential that does not exist: {user}");
        return DescribeUserScramCredentialsResult {
            user: user.into(),
            error_code: ErrorCode::ResourceNotFound.into(),
            error_message: Some(message.into()),
            ..Default::default()
        };
    }
    DescribeUserScramCredentialsResult { user: user.into(), credential_infos, ..Default::default() }
}
