//! What the keys `ssl.keystore.*` and `ssl.truststore.*` say, in servers' files and in clients'. What contradicts itself is
//! found here, in Kafka's words.

use super::{KeyStore, TrustStore};

/// The key that is at fault, and why.
pub type StoreMistake = (&'static str, String);

type Read<T> = Result<Option<T>, StoreMistake>;

fn wrong<T>(key: &'static str, why: &str) -> Read<T> {
    Err((key, why.to_owned()))
}

/// Where one's own key is, by `ssl.keystore.*` and `ssl.key.password`.
///
/// # Errors
///
/// Where the keys contradict one another.
pub fn key_store(text: impl Fn(&str) -> Option<String>) -> Read<KeyStore> {
    const KEY: &str = "ssl.keystore.key";
    let kind = text("ssl.keystore.type").unwrap_or_default();
    let (location, password) = (text("ssl.keystore.location"), text("ssl.keystore.password"));
    let key_password = text("ssl.key.password");
    let is_pem = kind.eq_ignore_ascii_case("PEM");
    match (text(KEY), text("ssl.keystore.certificate.chain"), location, password) {
        (Some(_), ..) if !is_pem => {
            let why = format!("SSL private key can be specified only for PEM, but key store type is {kind}.");
            Err((KEY, why))
        }
        (Some(_), None, ..) => wrong(KEY, "SSL private key is specified, but certificate chain is not specified."),
        (Some(_), _, Some(_), _) => wrong(KEY, "Both SSL key store location and separate private key are specified."),
        (Some(_), .., Some(_)) => wrong(
            "ssl.keystore.password",
            "SSL key store password cannot be specified with PEM format, only key password may be specified.",
        ),
        (Some(key), Some(chain), ..) => Ok(Some(KeyStore::Pem { key, chain, key_password })),
        (None, Some(_), ..) => wrong(
            "ssl.keystore.certificate.chain",
            "SSL certificate chain is specified, but private key is not specified",
        ),
        (None, None, Some(_), Some(_)) if is_pem => wrong(
            "ssl.keystore.password",
            "SSL key store password cannot be specified with PEM format, only key password may be specified",
        ),
        (None, None, Some(location), None) if is_pem => Ok(Some(KeyStore::PemFile { location, key_password })),
        (None, None, None, Some(_)) => {
            wrong("ssl.keystore.password", "SSL key store is not specified, but key store password is specified.")
        }
        (None, None, Some(_), None) => {
            wrong("ssl.keystore.location", "SSL key store is specified, but key store password is not specified.")
        }
        (None, None, Some(_), Some(password)) if key_password.is_some_and(|own| own != password) => wrong(
            "ssl.key.password",
            "ssl.key.password differs from ssl.keystore.password: a PKCS#12 store has one password for both",
        ),
        (None, None, Some(location), Some(password)) => Ok(Some(KeyStore::File { kind, location, password })),
        (None, None, None, None) => Ok(None),
    }
}

/// Who is believed, by `ssl.truststore.*`.
///
/// # Errors
///
/// Where the keys contradict one another.
pub fn trust_store(text: impl Fn(&str) -> Option<String>) -> Read<TrustStore> {
    const CERTIFICATES: &str = "ssl.truststore.certificates";
    const PASSWORD: &str = "ssl.truststore.password";
    let kind = text("ssl.truststore.type").unwrap_or_default();
    let is_pem = kind.eq_ignore_ascii_case("PEM");
    match (text(CERTIFICATES), text("ssl.truststore.location"), text(PASSWORD)) {
        (Some(_), ..) if !is_pem => {
            let why = format!("SSL trust store certs can be specified only for PEM, but trust store type is {kind}.");
            Err((CERTIFICATES, why))
        }
        (Some(_), Some(_), _) => {
            wrong(CERTIFICATES, "Both SSL trust store location and separate trust certificates are specified.")
        }
        (_, _, Some(_)) if is_pem => wrong(PASSWORD, "SSL trust store password cannot be specified for PEM format."),
        (Some(certificates), None, _) => Ok(Some(TrustStore::Pem(certificates))),
        (None, Some(location), _) if is_pem => Ok(Some(TrustStore::PemFile(location))),
        (None, None, Some(_)) => {
            wrong(PASSWORD, "SSL trust store is not specified, but trust store password is specified.")
        }
        (None, Some(location), password) => Ok(Some(TrustStore::File { kind, location, password })),
        (None, None, None) => Ok(None),
    }
}
