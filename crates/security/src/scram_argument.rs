//! `--add-scram` of storage format: `SCRAM-SHA-256=[name=alice,iterations=8192,salt="…",password="…"]`.
//!
//! Salt and salted password are base64. The texts of refusals are Kafka's, but without the secrets in them.

use crate::scram::{ITERATIONS_MAX, ITERATIONS_MIN, ScramCredential, ScramMechanism};
use std::collections::BTreeMap;

/// A user and a credential to be written at format time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramUser {
    pub name: String,
    pub mechanism: ScramMechanism,
    pub credential: ScramCredential,
}

/// The argument says something else. For people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidScramArgument(String);

impl ScramUser {
    /// `salt` is random and used where the argument has none.
    pub fn parse(argument: &str, salt: &[u8]) -> Result<Self, InvalidScramArgument> {
        let argument = argument.trim();
        let Some((mechanism_name, settings)) = argument.split_once('=') else {
            return Err(error(format!("Failed to find equals sign in SCRAM argument '{argument}'")));
        };
        let Some(mechanism) = ScramMechanism::from_name(mechanism_name) else {
            return Err(error(format!("The add-scram mechanism {mechanism_name} is not supported.")));
        };
        let Some(settings) = settings.strip_prefix('[') else {
            return Err(error("Expected configuration string to start with ["));
        };
        let Some(settings) = settings.strip_suffix(']') else {
            return Err(error("Expected configuration string to end with ]"));
        };
        let mut settings = components(settings)?;
        let Some(name) = settings.remove("name") else {
            return Err(error("You must supply 'name' to add-scram"));
        };
        let given_salt = match settings.remove("salt") {
            Some(text) => Some(base64(text).ok_or_else(|| error(format!("Failed to decode given salt: {text}")))?),
            None => None,
        };
        let iterations = match settings.remove("iterations") {
            Some(text) => text.parse().map_err(|_| error(format!("Failed to parse iterations count: {text}")))?,
            None => ITERATIONS_MIN,
        };
        if iterations < ITERATIONS_MIN {
            return Err(error(format!(
                "The 'iterations' value must be >= {ITERATIONS_MIN} for add-scram using {}",
                mechanism.name()
            )));
        }
        if iterations > ITERATIONS_MAX {
            return Err(error(format!(
                "The 'iterations' value must be <= {ITERATIONS_MAX} for add-scram using {}",
                mechanism.name()
            )));
        }
        let credential = match (settings.remove("password"), settings.remove("saltedpassword")) {
            (Some(password), None) => {
                let salt = given_salt.unwrap_or_else(|| salt.to_vec());
                ScramCredential::from_password(mechanism, password, salt, iterations)
            }
            (None, Some(salted)) => {
                let Some(salt) = given_salt else {
                    return Err(error("You must supply 'salt' with 'saltedpassword' to add-scram"));
                };
                let salted = base64(salted).ok_or_else(|| error("Failed to decode given saltedPassword"))?;
                ScramCredential::from_salted_password(mechanism, &salted, salt, iterations)
            }
            // Kafka takes the password then and drops the other without a word.
            (Some(_), Some(_)) => return Err(error("Give either 'password' or 'saltedpassword' to add-scram")),
            (None, None) => return Err(error("You must supply one of 'password' or 'saltedpassword' to add-scram")),
        };
        if !settings.is_empty() {
            let names: Vec<&str> = settings.into_keys().collect();
            return Err(error(format!("Unknown SCRAM configurations: {}", names.join(", "))));
        }
        Ok(Self { name: name.to_owned(), mechanism, credential })
    }
}

/// `key=value`, the value in quotes or not, separated by commas; no blanks in between, as in Kafka.
fn components(settings: &str) -> Result<BTreeMap<&str, &str>, InvalidScramArgument> {
    settings
        .split(',')
        .map(|component| {
            let Some((key, value)) = component.split_once('=') else {
                return Err(error("No equals sign found in SCRAM component"));
            };
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            Ok((key, quoted.unwrap_or(value)))
        })
        .collect()
}

fn error(text: impl Into<String>) -> InvalidScramArgument {
    InvalidScramArgument(text.into())
}

/// Standard base64 (RFC 4648), with or without padding, as Java's decoder takes it.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let padded = padding > 0;
    if digits.len() % 4 == 1 || padded && (padding > 2 || !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.extend(u8::try_from(bits >> count & 0xff));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(argument: &str) -> Result<ScramUser, String> {
        ScramUser::parse(argument, b"random").map_err(|error| error.0)
    }

    #[test]
    fn passwords_become_credentials() {
        let user =
            parse("SCRAM-SHA-256=[name=alice,iterations=8192,salt=\"W22ZaJ0SNY7soEsUEjb6gQ==\",password=\"a=b\"]")
                .unwrap();
        let salt = base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let expected = ScramCredential::from_password(ScramMechanism::Sha256, "a=b", salt, 8192);
        assert_eq!((user.name.as_str(), user.credential), ("alice", expected));
        let user = parse(" SCRAM-SHA-512=[name=bob,password=x] ").unwrap();
        assert_eq!((user.credential.salt.as_slice(), user.credential.iterations), (&b"random"[..], 4096));
    }

    #[test]
    fn a_salted_password_is_taken_as_it_is() {
        let salted = ScramMechanism::Sha256.salted_password("pencil", b"salt", 4096);
        assert_eq!(salted.len(), 32);
        // "c2FsdA==" is "salt"; the zero password shows that nothing is salted again.
        let user = parse("SCRAM-SHA-256=[name=a,salt=c2FsdA==,saltedpassword=AAAA]").unwrap();
        let expected = ScramCredential::from_salted_password(ScramMechanism::Sha256, &[0; 3], b"salt".to_vec(), 4096);
        assert_eq!(user.credential, expected);
    }

    #[test]
    fn anything_else_is_refused_without_showing_a_secret() {
        for (argument, expected) in [
            ("SCRAM-SHA-256", "Failed to find equals sign"),
            ("PLAIN=[name=a,password=secret]", "The add-scram mechanism PLAIN is not supported."),
            ("SCRAM-SHA-256=name=a,password=secret", "to start with ["),
            ("SCRAM-SHA-256=[name=a,password=secret", "to end with ]"),
            ("SCRAM-SHA-256=[password=secret]", "You must supply 'name'"),
            ("SCRAM-SHA-256=[name=a]", "You must supply one of"),
            ("SCRAM-SHA-256=[name=a,secret]", "No equals sign found"),
            ("SCRAM-SHA-256=[name=a,saltedpassword=AAAA]", "You must supply 'salt'"),
            ("SCRAM-SHA-256=[name=a,salt=AAAA,saltedpassword=secret!]", "Failed to decode given saltedPassword"),
            ("SCRAM-SHA-256=[name=a,salt=A,password=secret]", "Failed to decode given salt: A"),
            ("SCRAM-SHA-256=[name=a,iterations=1,password=secret]", "must be >= 4096"),
            ("SCRAM-SHA-256=[name=a,iterations=16385,password=secret]", "must be <= 16384"),
            ("SCRAM-SHA-256=[name=a,iterations=x,password=secret]", "Failed to parse iterations"),
            ("SCRAM-SHA-256=[name=a,password=secret,color=red]", "Unknown SCRAM configurations: color"),
        ] {
            let found = parse(argument).unwrap_err();
            assert!(found.contains(expected) && !found.contains("secret"), "{argument}: {found}");
        }
    }

    #[test]
    fn base64_of_every_length() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("YQ==", b"a"),
            ("YWI=", b"ab"),
            ("YWJj", b"abc"),
            ("YWI", b"ab"),
            ("//+/", b"\xff\xff\xbf"),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["A", "YQ=", "YQ===", "Y Q=", "=", "YWJj=", "-_-_"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
