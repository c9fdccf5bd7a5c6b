//! Certificates of X.509's first version, as `openssl x509 -req` makes them where it is told of no extensions. Many of
//! Kafka's guides make such ones, Java takes them, and webpki reads the third version only.
//!
//! They say nothing about what they are for, so only those are taken that a trusted certificate has issued itself.

use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::{Certificate, TbsCertificate};

/// A certificate of the first version.
pub(super) struct Version1<'a> {
    der: &'a [u8],
    certificate: Certificate,
}

fn refuse<T>(why: CertificateError) -> Result<T, Error> {
    Err(Error::InvalidCertificate(why))
}

impl<'a> Version1<'a> {
    /// `None` for one of another version, or what is no certificate.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        (certificate.tbs_certificate().version() == Version::V1).then_some(Self { der, certificate })
    }

    fn signed(&self) -> &TbsCertificate {
        self.certificate.tbs_certificate()
    }

    /// Whether one of `trusted` has issued it, and it holds now.
    pub(super) fn verify(
        &self,
        trusted: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let validity = self.signed().validity();
        if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
            return refuse(CertificateError::NotValidYet);
        }
        if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
            return refuse(CertificateError::Expired);
        }
        let issuers = trusted.iter().filter_map(|der| Certificate::from_der(der).ok());
        let mut issuers = issuers.filter(|issuer| issuer.tbs_certificate().subject() == self.signed().issuer());
        match issuers.any(|issuer| self.is_signed_by(issuer.tbs_certificate().subject_public_key_info(), algorithms)) {
            true => Ok(()),
            false => refuse(CertificateError::UnknownIssuer),
        }
    }

    fn is_signed_by(&self, key: &SubjectPublicKeyInfoOwned, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let signed = content(self.der).and_then(first);
        let how = self.certificate.signature_algorithm().to_der().ok();
        let (Some(signed), Some(how), Some((kind, key))) = (signed, how, key_parts(key)) else { return false };
        let Some(signature) = self.certificate.signature().as_bytes() else { return false };
        let fits = |algorithm: &&&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
            algorithm.public_key_alg_id().as_ref() == kind
                && Some(algorithm.signature_alg_id().as_ref()) == content(&how)
        };
        algorithms.all.iter().filter(fits).any(|algorithm| algorithm.verify_signature(&key, signed, signature).is_ok())
    }

    /// Whether its owner has signed a handshake of TLS 1.3.
    pub(super) fn verify_tls13(
        &self,
        message: &[u8],
        signature: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let key = self.signed().subject_public_key_info().to_der();
        let Ok(key) = key else { return refuse(CertificateError::BadEncoding) };
        verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key), signature, algorithms)
            .map(drop)
    }

    /// Whether its owner has signed a handshake of TLS 1.2.
    pub(super) fn verify_tls12(
        &self,
        message: &[u8],
        signature: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let Some((kind, key)) = key_parts(self.signed().subject_public_key_info()) else {
            return refuse(CertificateError::BadEncoding);
        };
        let offered = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signature.scheme);
        let mut fitting = offered.flat_map(|(_, all)| all.iter()).filter(|a| a.public_key_alg_id().as_ref() == kind);
        match fitting.any(|algorithm| algorithm.verify_signature(&key, message, signature.signature()).is_ok()) {
            true => Ok(()),
            false => refuse(CertificateError::BadSignature),
        }
    }
}

/// What kind of key it is, and the key itself.
fn key_parts(key: &SubjectPublicKeyInfoOwned) -> Option<(Vec<u8>, Vec<u8>)> {
    let kind = key.algorithm.to_der().ok()?;
    Some((content(&kind)?.to_vec(), key.subject_public_key.as_bytes()?.to_vec()))
}

/// What lies inside of the first DER element.
fn content(der: &[u8]) -> Option<&[u8]> {
    let (header, length) = measure(der)?;
    der.get(header..header + length)
}

/// The first DER element, with its tag and length.
fn first(der: &[u8]) -> Option<&[u8]> {
    let (header, length) = measure(der)?;
    der.get(..header + length)
}

/// How long a DER element's tag and length are, and its content.
fn measure(der: &[u8]) -> Option<(usize, usize)> {
    match *der.get(1)? {
        short @ 0..0x80 => Some((2, short.into())),
        long => {
            let count = usize::from(long & 0x7f);
            let bytes = der.get(2..2 + count).filter(|_| (1..=4).contains(&count))?;
            Some((2 + count, bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))))
        }
    }
}
