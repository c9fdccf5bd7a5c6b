//! Connections over TLS: the stores opened, and whom a client believes.

use crate::config::TlsConfig;
use crate::error::{ClientError, Result};
use ottla_io::stores::{self, Identity, TrustStore};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// Where systems keep the certificates that they believe.
const SYSTEM_STORES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Opens the stores; what is wrong with them is a mistake in the settings.
pub(super) fn connector(config: &TlsConfig) -> Result<TlsConnector> {
    build(config).map(|config| TlsConnector::from(Arc::new(config))).map_err(ClientError::Config)
}

fn build(config: &TlsConfig) -> std::result::Result<ClientConfig, String> {
    let provider = Arc::new(provider(config)?);
    let versions: Vec<_> = [("TLSv1.2", &TLS12), ("TLSv1.3", &TLS13)]
        .into_iter()
        .filter(|(name, _)| config.protocols.iter().any(|wanted| wanted == name))
        .map(|(_, version)| version)
        .collect();
    let mut roots = RootCertStore::empty();
    let store = match &config.trust_store {
        Some(store) => store.clone(),
        None => system_store()?,
    };
    for certificate in stores::trusted(&store)? {
        // Machines believe some that are not understood here; of one's own store each must be.
        if let (Err(error), Some(store)) = (roots.add(certificate), &config.trust_store) {
            return Err(format!("{store:?}: a certificate cannot be read: {error}"));
        }
    }
    let web = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| format!("no certificate is believed: {error}"))?;
    let verifier = Arc::new(Verifier { web, checks_names: config.checks_names });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| format!("ssl.enabled.protocols, ssl.cipher.suites: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &config.key_store {
        None => Ok(builder.with_no_client_auth()),
        Some(store) => {
            let Identity { key, chain } = stores::identity(store)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| format!("{store:?}: {error}"))
        }
    }
}

fn provider(config: &TlsConfig) -> std::result::Result<CryptoProvider, String> {
    let mut provider = default_provider();
    if !config.cipher_suites.is_empty() {
        // rustls says TLS13_, where Java says TLS_.
        let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        provider.cipher_suites.retain(|suite| config.cipher_suites.contains(&name(suite)));
        if provider.cipher_suites.is_empty() {
            return Err(format!("ssl.cipher.suites: none of {} is spoken", config.cipher_suites.join(", ")));
        }
    }
    Ok(provider)
}

fn system_store() -> std::result::Result<TrustStore, String> {
    let found = SYSTEM_STORES.into_iter().find(|path| Path::new(path).is_file());
    found.map(|path| TrustStore::PemFile(path.to_owned())).ok_or_else(|| {
        "this machine has no list of certificates that it believes: set ssl.truststore.location".to_owned()
    })
}

/// The chain is always checked; the name in it where it is asked for.
#[derive(Debug)]
struct Verifier {
    web: Arc<WebPkiServerVerifier>,
    checks_names: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        // The chain is checked before the name.
        match self.web.verify_server_cert(own, chain, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_names => Ok(ServerCertVerified::assertion()),
            told => told,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.web.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.web.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web.supported_verify_schemes()
    }
}
