//! SCRAM credentials (RFC 5802, RFC 7677): what a password becomes before it is stored.
//!
//! Passwords are taken as UTF-8 without SASLprep, as Kafka does. The salt is the caller's: there is no randomness here.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use std::fmt;

/// Below this Kafka refuses to create a credential.
pub const ITERATIONS_MIN: i32 = 4096;
/// Above this a controller refuses, since every login pays for it.
pub const ITERATIONS_MAX: i32 = 16384;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

impl ScramMechanism {
    /// As it stands in requests and records; other codes are no mechanism that Kafka has.
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub fn code(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The SASL name: `SCRAM-SHA-256`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512].into_iter().find(|m| m.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The salted password: what `AlterUserScramCredentials` carries in place of the password.
    pub fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                let mut out = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut out);
                out
            }
            Self::Sha512 => {
                let mut out = vec![0; 64];
                pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, iterations, &mut out);
                out
            }
        }
    }

    /// HMAC with this mechanism's hash.
    pub fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                // A key of any length is a key: longer ones are hashed first.
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
                    unreachable!("HMAC takes keys of any length")
                };
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }
            Self::Sha512 => {
                let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key) else {
                    unreachable!("HMAC takes keys of any length")
                };
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }

    pub fn hash(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

/// What a UserScramCredentialRecord holds. Never printed: the keys let their holder play the server.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    pub salt: Vec<u8>,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
    pub iterations: i32,
}

impl ScramCredential {
    pub fn from_password(mechanism: ScramMechanism, password: &str, salt: Vec<u8>, iterations: i32) -> Self {
        let rounds = u32::try_from(iterations).unwrap_or(0).max(1);
        let salted = mechanism.salted_password(password, &salt, rounds);
        Self::from_salted_password(mechanism, &salted, salt, iterations)
    }

    pub fn from_salted_password(
        mechanism: ScramMechanism,
        salted_password: &[u8],
        salt: Vec<u8>,
        iterations: i32,
    ) -> Self {
        let client_key = mechanism.hmac(salted_password, b"Client Key");
        Self {
            salt,
            stored_key: mechanism.hash(&client_key),
            server_key: mechanism.hmac(salted_password, b"Server Key"),
            iterations,
        }
    }
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(text: &str) -> Vec<u8> {
        crate::scram_argument::base64(text).unwrap()
    }

    /// The exchange printed in a standard proves the credential: its proof yields the stored key, its server
    /// signature comes from the server key.
    fn check(mechanism: ScramMechanism, salt: &str, auth_message: &str, proof: &str, signature: &str) {
        let credential = ScramCredential::from_password(mechanism, "pencil", base64(salt), 4096);
        let client_signature = mechanism.hmac(&credential.stored_key, auth_message.as_bytes());
        let client_key: Vec<u8> = base64(proof).iter().zip(client_signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(mechanism.hash(&client_key), credential.stored_key);
        assert_eq!(mechanism.hmac(&credential.server_key, auth_message.as_bytes()), base64(signature));
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        check(
            ScramMechanism::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "n=user,r=rOprNGfwEbeRWgbNEkqO,\
             r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
             c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        );
    }

    #[test]
    fn mechanisms_have_their_codes_and_names() {
        for mechanism in [ScramMechanism::Sha256, ScramMechanism::Sha512] {
            assert_eq!(ScramMechanism::from_code(mechanism.code()), Some(mechanism));
            assert_eq!(ScramMechanism::from_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(ScramMechanism::from_code(0), None);
        assert_eq!(ScramMechanism::from_name("PLAIN"), None);
    }

    #[test]
    fn debug_shows_no_keys() {
        let credential = ScramCredential::from_password(ScramMechanism::Sha512, "p", vec![7; 4], 4096);
        assert_eq!(credential.stored_key.len(), 64);
        assert_eq!(format!("{credential:?}"), "ScramCredential { iterations: 4096, .. }");
    }
}
