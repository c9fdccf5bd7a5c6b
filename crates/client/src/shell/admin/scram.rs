//! SCRAM credentials (KIP-554). A password is salted here, and never leaves the program.

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_security::scram::ScramMechanism;
use ottla_wire::api::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use ottla_wire::api::describe_user_scram_credentials_request::UserName;
use ottla_wire::api::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};
use ottla_wire::{ApiError, ErrorCode};

/// A credential that is to be made, or put in another's place.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCredential {
    pub mechanism: ScramMechanism,
    pub iterations: i32,
    pub password: String,
    /// Random bytes.
    pub salt: Vec<u8>,
}

/// A user's mechanisms with their iterations, or why they are not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCredentials {
    pub user: String,
    pub credentials: Result<Vec<(ScramMechanism, i32)>>,
}

impl Admin {
    /// The credentials of these users, or of all where none is named. Users that have none are left out.
    pub async fn describe_scram(&self, users: &[String]) -> Result<Vec<UserCredentials>> {
        let request = |_| {
            let name = |user: &String| UserName { name: user.clone().into(), ..Default::default() };
            let users = Some(users.iter().map(name).collect());
            DescribeUserScramCredentialsRequest { users, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: DescribeUserScramCredentialsResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, response.error_message.as_deref())?;
            let known = response.results.iter().filter(|one| one.error_code != ErrorCode::ResourceNotFound.code());
            let told = known.map(|result| UserCredentials {
                user: result.user.to_string(),
                credentials: ClientError::check(result.error_code, result.error_message.as_deref()).map(|()| {
                    let infos = result.credential_infos.iter();
                    infos.filter_map(|i| Some((ScramMechanism::from_code(i.mechanism)?, i.iterations))).collect()
                }),
            });
            Ok(told.collect())
        };
        self.call("describeUserScramCredentials", Target::Any, request, read).await
    }

    /// Removes and makes credentials of one user.
    pub async fn alter_scram(&self, user: &str, removed: &[ScramMechanism], made: &[NewCredential]) -> Result<()> {
        let unacceptable =
            |message: &'static str| Err(ClientError::Api(ApiError::new(ErrorCode::UnacceptableCredential, message)));
        if user.is_empty() {
            return unacceptable("Username must not be empty");
        }
        if made.iter().any(|credential| credential.password.is_empty()) {
            return unacceptable("Password must not be empty");
        }
        let salted: Vec<Vec<u8>> = made
            .iter()
            .map(|new| {
                let iterations = u32::try_from(new.iterations).unwrap_or(0).max(1);
                new.mechanism.salted_password(&new.password, &new.salt, iterations)
            })
            .collect();
        let request = |_| {
            let deletion = |mechanism: &ScramMechanism| ScramCredentialDeletion {
                name: user.to_owned().into(),
                mechanism: mechanism.code(),
                ..Default::default()
            };
            let upsertion = |(new, salted): (&NewCredential, &Vec<u8>)| ScramCredentialUpsertion {
                name: user.to_owned().into(),
                mechanism: new.mechanism.code(),
                iterations: new.iterations,
                salt: new.salt.clone().into(),
                salted_password: salted.clone().into(),
                ..Default::default()
            };
            AlterUserScramCredentialsRequest {
                deletions: removed.iter().map(deletion).collect(),
                upsertions: made.iter().zip(&salted).map(upsertion).collect(),
                ..Default::default()
            }
        };
        let read = |reply: &Reply| {
            let response: AlterUserScramCredentialsResponse<'_> = reply.read()?;
            let mut results = response.results.iter();
            results.try_for_each(|result| ClientError::check(result.error_code, result.error_message.as_deref()))
        };
        self.call("alterUserScramCredentials", Target::Controller, request, read).await
    }
}
