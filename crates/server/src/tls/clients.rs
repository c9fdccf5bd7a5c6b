//! Which clients are believed: those whose certificate was issued by one that is trusted, and those whose own certificate is
//! trusted itself, which Java takes too.

use super::names::{Names, may_issue};
use super::version1::Version1;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Clients {
    /// For what was issued by others; none where nobody who is trusted may issue.
    issued: Option<Arc<dyn ClientCertVerifier>>,
    trusted: Vec<CertificateDer<'static>>,
    /// Of those, whoever may issue.
    issuers: Vec<CertificateDer<'static>>,
    mandatory: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Clients {
    pub(super) fn new(
        trusted: Vec<CertificateDer<'static>>,
        mandatory: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, String> {
        // Whoever is trusted as a client does not vouch for others.
        let issuers: Vec<_> = trusted.iter().filter(|certificate| may_issue(certificate)).cloned().collect();
        let mut roots = RootCertStore::empty();
        for issuer in &issuers {
            roots.add(issuer.clone()).map_err(|error| format!("a trusted certificate cannot be used: {error}"))?;
        }
        let algorithms = provider.signature_verification_algorithms;
        let issued = match roots.is_empty() {
            true => None,
            false => Some(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
        };
        Ok(Arc::new(Self { issued, trusted, issuers, mandatory, algorithms }))
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.issued.as_ref().map_or(&[], |issued| issued.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let refuse = |why: CertificateError| Err(Error::InvalidCertificate(why));
        if !self.trusted.iter().any(|trusted| trusted == own) {
            if let Some(older) = Version1::read(own) {
                return older.verify(&self.issuers, now, &self.algorithms).map(|()| ClientCertVerified::assertion());
            }
            return match &self.issued {
                Some(issued) => issued.verify_client_cert(own, others, now),
                None => refuse(CertificateError::UnknownIssuer),
            };
        }
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
        match Version1::read(certificate) {
            Some(older) => {
                older.verify_tls12(message, signature, &self.algorithms).map(|()| HandshakeSignatureValid::assertion())
            }
            None => verify_tls12_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match Version1::read(certificate) {
            Some(older) => {
                older.verify_tls13(message, signature, &self.algorithms).map(|()| HandshakeSignatureValid::assertion())
            }
            None => verify_tls13_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
