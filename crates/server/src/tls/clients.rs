//! Which clients are believed: those whose certificate was issued by one that is trusted, and those whose own certificate is
//! trusted itself, which Java takes too.

use super::names::Names;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Clients {
    issued: Arc<dyn ClientCertVerifier>,
    trusted: Vec<CertificateDer<'static>>,
    mandatory: bool,
}

impl Clients {
    pub(super) fn new(
        trusted: Vec<CertificateDer<'static>>,
        mandatory: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &trusted {
            roots.add(certificate.clone()).map_err(|error| format!("a trusted certificate cannot be used: {error}"))?;
        }
        let issued = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let issued = issued.build().map_err(|error| error.to_string())?;
        Ok(Arc::new(Self { issued, trusted, mandatory }))
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.issued.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if !self.trusted.iter().any(|trusted| trusted == own) {
            return self.issued.verify_client_cert(own, others, now);
        }
        let refuse = |why: CertificateError| Err(Error::InvalidCertificate(why));
        let Ok(names) = Names::of(own) else { return refuse(CertificateError::BadEncoding) };
        match now.as_secs() {
            now if now < names.valid.0 => refuse(CertificateError::NotValidYet),
            now if now > names.valid.1 => refuse(CertificateError::Expired),
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}
