//! Kafka's UUIDs: sixteen bytes on the wire, unpadded URL-safe base64 as text. Making random ones needs randomness,
//! which is not here: see [`Uuid::from_random`].

use std::fmt;
use std::str::FromStr;

/// A 128-bit id of a topic, a directory, a broker's incarnation and so on. All zeros means "none".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// The absent id.
    pub const ZERO: Self = Self([0; 16]);
    /// The id of the metadata topic `__cluster_metadata`.
    pub const METADATA_TOPIC: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    /// The directory of a replica from before directories had ids (KIP-858).
    pub const MIGRATING_DIR: Self = Self::ZERO;
    /// The directory that stands for "none is assigned yet" (KIP-858).
    pub const UNASSIGNED_DIR: Self = Self::METADATA_TOPIC;
    /// The directory that stands for "one that is offline" (KIP-858).
    pub const LOST_DIR: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);

    /// A version-4 UUID made of the given random bytes, or None where Kafka would not use it: its 100 lowest ids are
    /// reserved, and since 4.4 an id's text contains no hyphen, so that tools can take it as an argument. Call again
    /// with other bytes.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> Option<Self> {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Self(bytes);
        (!id.to_string().contains('-')).then_some(id)
    }

    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        for index in 0..22 {
            // 128 bits are 21 groups of six and two bits more, which stand at the top of the last group.
            let group = if index < 21 { value >> (122 - 6 * index) } else { value << 4 };
            write!(f, "{}", char::from(ALPHABET[(group & 63) as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not 22 characters of URL-safe base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a base64 UUID of 22 characters")]
pub struct InvalidUuid;

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let text = text.trim_end_matches('=');
        if text.len() != 22 {
            return Err(InvalidUuid);
        }
        let mut value: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let group = ALPHABET.iter().position(|&c| c == byte).ok_or(InvalidUuid)? as u128;
            value = if index < 21 { (value << 6) | group } else { (value << 2) | (group >> 4) };
        }
        Ok(Self(value.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree_with_java() {
        let id = Uuid([0x54, 0x1d, 0x3c, 0x1f, 0x4d, 0x5b, 0x4e, 0x2f, 0x9a, 0x10, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]);
        assert_eq!(id.to_string(), "VB08H01bTi-aECIzRFVmdw");
        assert_eq!("VB08H01bTi-aECIzRFVmdw".parse(), Ok(id));
        assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        // As Kafka 4.4 writes a new topic's directories where a broker has several.
        assert_eq!(Uuid::UNASSIGNED_DIR.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid::LOST_DIR.to_string(), "AAAAAAAAAAAAAAAAAAAAAg");
        assert_eq!("short".parse::<Uuid>(), Err(InvalidUuid));
    }

    #[test]
    fn random_ids_are_version_4_and_have_no_hyphen() {
        let mut made = 0;
        for seed in 0..64u8 {
            if let Some(id) = Uuid::from_random([seed.wrapping_mul(37); 16]) {
                assert_eq!(id.0[6] >> 4, 4);
                assert!(!id.to_string().contains('-'));
                assert_eq!(id.to_string().parse(), Ok(id));
                made += 1;
            }
        }
        assert!(made > 30);
    }
}
