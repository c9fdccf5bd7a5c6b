//! What a certificate says about its owner: the distinguished name as Java prints it (RFC 2253), other names, and until when
//! it holds.

use std::fmt::Write;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::BasicConstraints;

/// The attributes that have a short name in RFC 2253; the others are shown by number, with their bytes.
const SHORT_NAMES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const SUBJECT_ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// What is looked at of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The owner, the most special part first: `CN=alice,OU=people,O=Example`.
    pub(super) subject: String,
    /// As they lie in the certificate; empty where there are none.
    pub(super) alternative: Vec<u8>,
    /// From when to when it holds, in seconds since 1970.
    pub(super) valid: (u64, u64),
}

impl Names {
    pub(super) fn of(certificate: &[u8]) -> Result<Self, String> {
        let certificate = Certificate::from_der(certificate).map_err(|error| format!("no certificate: {error}"))?;
        let certificate = certificate.tbs_certificate();
        let parts = certificate.subject().iter_rdn().map(|part| {
            let values: Vec<String> = part.iter().map(attribute).collect();
            values.join("+")
        });
        let mut parts: Vec<String> = parts.collect();
        parts.reverse();
        let mut extensions = certificate.extensions().into_iter().flatten();
        let alternative = extensions.find(|extension| extension.extn_id == SUBJECT_ALTERNATIVE_NAMES);
        let validity = certificate.validity();
        Ok(Self {
            subject: parts.join(","),
            alternative: alternative.map(|extension| extension.extn_value.as_bytes().to_vec()).unwrap_or_default(),
            valid: (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs()),
        })
    }
}

/// Whether a trusted certificate may vouch for others: it says so, or is older than the place where that is said.
pub(super) fn may_issue(certificate: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let certificate = certificate.tbs_certificate();
    if certificate.version() != Version::V3 {
        return true;
    }
    let mut extensions = certificate.extensions().into_iter().flatten();
    let found = extensions.find(|extension| extension.extn_id == BASIC_CONSTRAINTS);
    found.is_some_and(|found| BasicConstraints::from_der(found.extn_value.as_bytes()).is_ok_and(|said| said.ca))
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    let oid = attribute.oid.to_string();
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name);
    match short.zip(text(attribute)) {
        Some((name, text)) => format!("{name}={}", escaped(&text)),
        None => {
            let mut shown = format!("{oid}=#");
            for byte in attribute.value.to_der().unwrap_or_default() {
                let _ = write!(shown, "{byte:02x}");
            }
            shown
        }
    }
}

fn text(attribute: &AttributeTypeAndValue) -> Option<String> {
    let bytes = attribute.value.value();
    Some(match attribute.value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => String::from_utf8_lossy(bytes).into_owned(),
        Tag::TeletexString => bytes.iter().map(|byte| char::from(*byte)).collect(),
        Tag::BmpString => {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => return None,
    })
}

/// Characters with a meaning get a backslash, and so do blanks at either end.
fn escaped(text: &str) -> String {
    let first = text.len() - text.trim_start_matches(' ').len();
    let last = text.trim_end_matches(' ').len();
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if ",=+<>#;\"\\".contains(c) || c == ' ' && (at < first || at >= last) {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    #[test]
    fn a_name_is_printed_as_java_does() {
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, "DE");
        name.push(DnType::OrganizationName, "Example, Inc.");
        name.push(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "a@b");
        name.push(DnType::CommonName, " alice=#1 ");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = name;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let names = Names::of(certificate.der()).unwrap();
        assert_eq!(names.subject, r"CN=\ alice\=\#1\ ,1.2.840.113549.1.9.1=#0c03614062,O=Example\, Inc.,C=DE");
        assert!(!names.alternative.is_empty());
        assert!(names.valid.0 < names.valid.1);
        assert!(Names::of(b"no certificate").is_err());
    }
}
