//! An answer as it came, read when it is wanted: what is read borrows it.

use crate::error::{ClientError, Result};
use bytes::Bytes;
use ottla_wire::other::ResponseHeader;
use ottla_wire::{ApiKey, Decode, Reader, decode_exact};

/// A response without its header.
#[derive(Debug, Clone)]
pub struct Reply {
    body: Bytes,
    version: i16,
    from: String,
}

impl Reply {
    /// Takes the header off a frame (which has lost its length).
    pub(crate) fn open(frame: Bytes, key: ApiKey, version: i16, from: &str) -> Result<Self> {
        let mut reader = Reader::new(&frame);
        ResponseHeader::decode(&mut reader, key.info().response_header_version(key, version))
            .map_err(|error| ClientError::Malformed(from.to_owned(), error))?;
        let body = frame.slice(frame.len() - reader.rest().len()..);
        Ok(Self { body, version, from: from.to_owned() })
    }

    pub const fn version(&self) -> i16 {
        self.version
    }

    /// Reads the answer.
    pub fn read<'a, T: Decode<'a>>(&'a self) -> Result<T> {
        decode_exact(&self.body, self.version).map_err(|error| ClientError::Malformed(self.from.clone(), error))
    }

    /// The bytes, of which slices can be kept without a copy.
    pub const fn bytes(&self) -> &Bytes {
        &self.body
    }
}
