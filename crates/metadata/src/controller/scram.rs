//! SCRAM credentials come and go (KIP-554). What a client sends is salted already; only what proves it is kept.

use super::{Controller, Outcome};
use ottla_security::scram::{ITERATIONS_MAX, ITERATIONS_MIN, ScramCredential, ScramMechanism};
use ottla_wire::metadata::{RemoveUserScramCredentialRecord, UserScramCredentialRecord};
use ottla_wire::{ApiError, ErrorCode};
use std::collections::BTreeMap;

/// From this `metadata.version` on (3.5-IV2) there are records of credentials.
const SCRAM_FROM: i16 = 11;

/// A credential that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramDeletion {
    pub user: String,
    /// Kafka's code: 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
    pub mechanism: i8,
}

/// A credential that is to be made, or put in another's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramUpsertion {
    pub user: String,
    pub mechanism: i8,
    pub iterations: i32,
    pub salt: Vec<u8>,
    pub salted_password: Vec<u8>,
}

/// What became of each user that a request names.
pub type ScramResults = BTreeMap<String, Result<(), ApiError>>;

impl Controller<'_> {
    /// A user is altered once in a request, whatever the mechanism: who is named again gets nothing done.
    pub fn alter_scram(&self, deletions: &[ScramDeletion], upsertions: &[ScramUpsertion]) -> Outcome<ScramResults> {
        let mut decided: BTreeMap<&str, Result<Vec<super::VersionedRecord>, ApiError>> = BTreeMap::new();
        let named = deletions.iter().map(|deletion| (deletion.user.as_str(), self.delete(deletion)));
        for (user, result) in named.chain(upsertions.iter().map(|one| (one.user.as_str(), self.upsert(one)))) {
            match decided.get(user) {
                None => drop(decided.insert(user, result.map(|record| vec![record]))),
                // An error that was found before is told.
                Some(Err(_)) => {}
                Some(Ok(_)) => {
                    let message = "A user credential cannot be altered twice in the same request";
                    decided.insert(user, Err(ApiError::new(ErrorCode::DuplicateResource, message)));
                }
            }
        }
        let mut outcome = Outcome { records: Vec::new(), response: ScramResults::new() };
        for (user, result) in decided {
            let result = result.map(|records| outcome.records.extend(records));
            outcome.response.insert(user.to_owned(), result);
        }
        outcome
    }

    fn delete(&self, deletion: &ScramDeletion) -> Result<super::VersionedRecord, ApiError> {
        let mechanism = self.check(&deletion.user, deletion.mechanism)?;
        if !self.image.scram.contains_key(&(mechanism.code(), deletion.user.clone())) {
            let message = "Attempt to delete a user credential that does not exist";
            return Err(ApiError::new(ErrorCode::ResourceNotFound, message));
        }
        let record = RemoveUserScramCredentialRecord {
            name: deletion.user.clone().into(),
            mechanism: mechanism.code(),
            ..Default::default()
        };
        Ok((record.into(), 0))
    }

    fn upsert(&self, upsertion: &ScramUpsertion) -> Result<super::VersionedRecord, ApiError> {
        let mechanism = self.check(&upsertion.user, upsertion.mechanism)?;
        let unacceptable = |message: &'static str| Err(ApiError::new(ErrorCode::UnacceptableCredential, message));
        if upsertion.iterations < ITERATIONS_MIN {
            return unacceptable("Too few iterations");
        }
        if upsertion.iterations > ITERATIONS_MAX {
            return unacceptable("Too many iterations");
        }
        let salt = upsertion.salt.clone();
        let credential =
            ScramCredential::from_salted_password(mechanism, &upsertion.salted_password, salt, upsertion.iterations);
        let record = UserScramCredentialRecord {
            name: upsertion.user.clone().into(),
            mechanism: mechanism.code(),
            salt: credential.salt.into(),
            stored_key: credential.stored_key.into(),
            server_key: credential.server_key.into(),
            iterations: credential.iterations,
            ..Default::default()
        };
        Ok((record.into(), 0))
    }

    fn check(&self, user: &str, mechanism: i8) -> Result<ScramMechanism, ApiError> {
        if self.image.record_versions().level < SCRAM_FROM {
            let message = "The current metadata.version does not support SCRAM";
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
        }
        if user.is_empty() {
            return Err(ApiError::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
        }
        ScramMechanism::from_code(mechanism)
            .ok_or_else(|| ApiError::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Cluster;
    use super::*;

    const METADATA_VERSION: &str = "metadata.version";

    fn delete(user: &str, mechanism: i8) -> ScramDeletion {
        ScramDeletion { user: user.to_owned(), mechanism }
    }

    fn upsert(user: &str, mechanism: i8, iterations: i32) -> ScramUpsertion {
        let salted_password = vec![7; 32];
        ScramUpsertion { user: user.to_owned(), mechanism, iterations, salt: b"salt".to_vec(), salted_password }
    }

    /// Users with what came of each, as `user: text`.
    fn told(results: &ScramResults) -> Vec<String> {
        let text = |result: &Result<(), ApiError>| match result {
            Ok(()) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        results.iter().map(|(user, result)| format!("{user}: {}", text(result))).collect()
    }

    #[test]
    fn credentials_are_made_replaced_and_removed() {
        let mut cluster = Cluster::new(&[(METADATA_VERSION, 33)]);
        let (results, records) =
            cluster.decide(|c| c.alter_scram(&[], &[upsert("ann", 1, 4096), upsert("bob", 2, 16384)]));
        assert_eq!((told(&results), records.len()), (vec!["ann: done".to_owned(), "bob: done".to_owned()], 2));
        let kept = &cluster.image.scram[&(1, "ann".to_owned())];
        let proof = ScramCredential::from_salted_password(ScramMechanism::Sha256, &[7; 32], b"salt".to_vec(), 4096);
        assert_eq!((&kept.stored_key, &kept.server_key), (&proof.stored_key, &proof.server_key));
        cluster.decide(|c| c.alter_scram(&[delete("bob", 2)], &[upsert("ann", 1, 8192)]));
        assert_eq!(cluster.image.scram.len(), 1);
        assert_eq!(cluster.image.scram[&(1, "ann".to_owned())].iterations, 8192);
    }

    #[test]
    fn what_cannot_be_is_refused_and_the_rest_is_done() {
        let mut cluster = Cluster::new(&[(METADATA_VERSION, 33)]);
        cluster.decide(|c| c.alter_scram(&[], &[upsert("twice", 1, 4096)]));
        let deletions = [delete("nobody", 1), delete("", 1), delete("odd", 3), delete("twice", 1), delete("twice", 1)];
        let upsertions = [
            upsert("few", 1, 4095),
            upsert("many", 2, 16385),
            upsert("unknown", 0, 4096),
            upsert("both", 1, 4096),
            upsert("both", 2, 4096),
            upsert("twice", 2, 4096),
            upsert("good", 1, 4096),
            upsert("nobody", 1, 4096),
        ];
        let (results, records) = cluster.decide(|c| c.alter_scram(&deletions, &upsertions));
        let expected = [
            ": UNACCEPTABLE_CREDENTIAL: Username must not be empty",
            "both: DUPLICATE_RESOURCE: A user credential cannot be altered twice in the same request",
            "few: UNACCEPTABLE_CREDENTIAL: Too few iterations",
            "good: done",
            "many: UNACCEPTABLE_CREDENTIAL: Too many iterations",
            "nobody: RESOURCE_NOT_FOUND: Attempt to delete a user credential that does not exist",
            "odd: UNSUPPORTED_SASL_MECHANISM: Unknown SCRAM mechanism",
            "twice: DUPLICATE_RESOURCE: A user credential cannot be altered twice in the same request",
            "unknown: UNSUPPORTED_SASL_MECHANISM: Unknown SCRAM mechanism",
        ];
        assert_eq!(told(&results), expected);
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn metadata_that_is_too_old_has_no_credentials() {
        let mut cluster = Cluster::new(&[(METADATA_VERSION, 10)]);
        let (results, _) = cluster.decide(|c| c.alter_scram(&[], &[upsert("ann", 1, 4096)]));
        let expected = "ann: UNSUPPORTED_VERSION: The current metadata.version does not support SCRAM";
        assert_eq!(told(&results), [expected]);
    }
}
