//! The stores of keys and certificates: PEM texts and files, and PKCS#12 files, which Java calls JKS where it is asked for
//! that and finds the newer format.

mod keys;
pub mod pem;

pub use keys::{StoreMistake, key_store, trust_store};

use p12_keystore::{CertificateBag, Pkcs12Archive};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Where one's own key and certificates come from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyStore {
    /// The texts themselves.
    Pem {
        key: String,
        chain: String,
        key_password: Option<String>,
    },
    PemFile {
        location: String,
        key_password: Option<String>,
    },
    File {
        kind: String,
        location: String,
        password: String,
    },
}

/// Who is believed.
#[derive(Clone, PartialEq, Eq)]
pub enum TrustStore {
    Pem(String),
    PemFile(String),
    File { kind: String, location: String, password: Option<String> },
}

/// Passwords and keys are in no message.
impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.location().unwrap_or("ssl.keystore.key"))
    }
}

impl std::fmt::Debug for TrustStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.location().unwrap_or("ssl.truststore.certificates"))
    }
}

impl KeyStore {
    pub fn location(&self) -> Option<&str> {
        match self {
            Self::Pem { .. } => None,
            Self::PemFile { location, .. } | Self::File { location, .. } => Some(location),
        }
    }
}

impl TrustStore {
    pub fn location(&self) -> Option<&str> {
        match self {
            Self::Pem(_) => None,
            Self::PemFile(location) | Self::File { location, .. } => Some(location),
        }
    }
}

/// One's own key, and its certificate with those that vouch for it.
pub struct Identity {
    pub key: PrivateKeyDer<'static>,
    pub chain: Vec<CertificateDer<'static>>,
}

/// What the older Java store begins with.
const JKS_MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

pub fn identity(store: &KeyStore) -> Result<Identity, String> {
    match store {
        KeyStore::Pem { key, chain, key_password } => pem_identity(key, chain, key_password.as_deref()),
        KeyStore::PemFile { location, key_password } => {
            let text = read_text(location)?;
            pem_identity(&text, &text, key_password.as_deref())
                .map_err(|why| format!("Failed to load PEM SSL keystore {location}: {why}"))
        }
        KeyStore::File { kind, location, password } => archive(kind, location, password)
            .and_then(|archive| pkcs12_identity(&archive))
            .map_err(|why| format!("Failed to load SSL keystore {location} of type {kind}: {why}")),
    }
}

/// The certificates that are believed.
pub fn trusted(store: &TrustStore) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = match store {
        TrustStore::Pem(text) => certificates(text)?,
        TrustStore::PemFile(location) => certificates(&read_text(location)?)
            .map_err(|why| format!("Failed to load PEM SSL truststore {location}: {why}"))?,
        TrustStore::File { kind, location, password } => {
            let archive = archive(kind, location, password.as_deref().unwrap_or_default())
                .map_err(|why| format!("Failed to load SSL truststore {location} of type {kind}: {why}"))?;
            archive.certs.iter().map(der).collect()
        }
    };
    match found.is_empty() {
        true => Err(format!("{store:?}: no certificates are in it")),
        false => Ok(found),
    }
}

fn read_text(location: &str) -> Result<String, String> {
    std::fs::read_to_string(location).map_err(|error| format!("{location}: {error}"))
}

fn archive(kind: &str, location: &str, password: &str) -> Result<Pkcs12Archive, String> {
    if !["JKS", "PKCS12"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Err(format!("there is no store of type {kind}: PEM and PKCS12 are read"));
    }
    let bytes = std::fs::read(location).map_err(|error| error.to_string())?;
    if bytes.starts_with(&JKS_MAGIC) {
        return Err("it is in the older Java format, which is not read here; convert it with \
                    keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12"
            .to_owned());
    }
    Pkcs12Archive::from_pkcs12(&bytes, password).map_err(|error| error.to_string())
}

fn der(bag: &CertificateBag) -> CertificateDer<'static> {
    CertificateDer::from(bag.cert.as_der().to_vec())
}

/// The first key with its certificate, and from there each issuer that is in the store.
fn pkcs12_identity(archive: &Pkcs12Archive) -> Result<Identity, String> {
    let key = archive.keys.first().ok_or("there is no private key in it")?;
    let id = key.local_key_id.as_ref().map(AsRef::<[u8]>::as_ref);
    let own = archive.certs.iter().find(|bag| id.is_some() && bag.local_key_id.as_deref() == id);
    let mut last = own.or(archive.certs.first()).ok_or("the private key has no certificate in it")?;
    let mut chain = vec![last];
    while last.cert.issuer() != last.cert.subject() {
        let issuer = archive.certs.iter().find(|bag| bag.cert.subject() == last.cert.issuer());
        // A certificate that stands in the chain already would lead around for ever.
        let Some(issuer) = issuer.filter(|bag| !chain.iter().any(|known| known.cert == bag.cert)) else { break };
        chain.push(issuer);
        last = issuer;
    }
    Ok(Identity {
        key: PrivatePkcs8KeyDer::from(key.key.as_der().to_vec()).into(),
        chain: chain.into_iter().map(der).collect(),
    })
}

fn pem_identity(key: &str, chain: &str, password: Option<&str>) -> Result<Identity, String> {
    let chain = certificates(chain)?;
    if chain.is_empty() {
        return Err("No matching CERTIFICATE entries in PEM file".to_owned());
    }
    Ok(Identity { key: private_key(key, password)?, chain })
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = pem::blocks(text)?.into_iter().filter(|(label, _)| label == "CERTIFICATE");
    Ok(certificates.map(|(_, bytes)| CertificateDer::from(bytes)).collect())
}

fn private_key(text: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    for (label, bytes) in pem::blocks(text)? {
        return match label.as_str() {
            "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(bytes).into()),
            "RSA PRIVATE KEY" => Ok(PrivateKeyDer::Pkcs1(bytes.into())),
            "EC PRIVATE KEY" => Ok(PrivateKeyDer::Sec1(bytes.into())),
            "ENCRYPTED PRIVATE KEY" => {
                let password = password.ok_or("the key is encrypted, and ssl.key.password is not set")?;
                let encrypted = EncryptedPrivateKeyInfoRef::try_from(bytes.as_slice())
                    .map_err(|error| format!("the encrypted key cannot be read: {error}"))?;
                let key =
                    encrypted.decrypt(password).map_err(|error| format!("the key cannot be decrypted: {error}"))?;
                Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
            }
            _ => continue,
        };
    }
    Err("No matching PRIVATE KEY entries in PEM file".to_owned())
}
