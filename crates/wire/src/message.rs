//! What is known of a message without reading it: its name, its versions, and for an API the shape of its headers.

use crate::messages::api_keys::ApiKey;
use crate::reader::{Decode, DecodeError};
use crate::writer::{Encode, EncodeError};

/// Versions from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    pub low: i16,
    pub high: i16,
}

impl VersionRange {
    #[must_use]
    pub const fn new(low: i16, high: i16) -> Self {
        Self { low, high }
    }

    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.low <= version && version <= self.high
    }
}

/// A whole message, with versions of its own.
pub trait Message: Encode {
    const NAME: &'static str;
    const VERSIONS: VersionRange;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_FROM: Option<i16>;

    /// An error for a version that the message does not have.
    fn check_decode(version: i16) -> Result<(), DecodeError> {
        if Self::VERSIONS.contains(version) { Ok(()) } else { Err(DecodeError::Version(version)) }
    }

    /// An error for a version that the message does not have.
    fn check_encode(version: i16) -> Result<(), EncodeError> {
        if Self::VERSIONS.contains(version) {
            Ok(())
        } else {
            Err(EncodeError::Version { message: Self::NAME, version })
        }
    }
}

/// A request, its API, and the response that answers it.
pub trait Request<'a>: Message + Decode<'a> {
    const KEY: ApiKey;
    type Response: Message + Decode<'a>;
}

/// What Kafka 4.4 says of an API.
#[derive(Debug)]
pub struct ApiInfo {
    pub name: &'static str,
    /// The versions that are understood.
    pub versions: VersionRange,
    pub request_flexible_from: Option<i16>,
    pub response_flexible_from: Option<i16>,
    pub on_broker: bool,
    pub on_controller: bool,
    /// What ApiVersions tells on a broker's listener: Produce from 0 on although 0 to 2 are refused (older librdkafka
    /// decides its features by it), and no version that Kafka calls unstable.
    pub told_by_broker: Option<VersionRange>,
    pub told_by_controller: Option<VersionRange>,
}

impl ApiInfo {
    /// The version of a request's header.
    #[must_use]
    pub fn request_header_version(&self, version: i16) -> i16 {
        if self.request_flexible_from.is_some_and(|from| version >= from) { 2 } else { 1 }
    }

    /// The version of a response's header. ApiVersions answers in header 0 always, since a client reads the answer
    /// before it knows what the broker speaks (KIP-511).
    #[must_use]
    pub fn response_header_version(&self, key: ApiKey, version: i16) -> i16 {
        match key {
            ApiKey::ApiVersions => 0,
            _ => i16::from(self.response_flexible_from.is_some_and(|from| version >= from)),
        }
    }
}
