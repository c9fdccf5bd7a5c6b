//! Records as a coordinator writes them and as they come back: keys and values are bytes here, what they mean is the
//! machine's. A record that cannot be read is noted and passed over: one poisonous record must not stop the shard.

use ottla_machine::{Offset, ProducerId};
use ottla_wire::batch::BatchError;
use ottla_wire::{DecodeError, EncodeError, Writer};

/// A record to be written. Without a value it is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// A record that is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed<'a> {
    pub offset: Offset,
    /// [`ProducerId::NONE`] unless the record belongs to a transaction.
    pub producer_id: ProducerId,
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionResult {
    Commit,
    Abort,
}

/// Why a record was passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The key or the value is not the message that it says it is, or of a version that is not known.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The record contradicts what was replayed before it.
    #[error("{0}")]
    Contradiction(&'static str),
    /// The batch around the record cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// One record, or one batch, that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset} was passed over: {error}")]
pub struct ReplayWarning {
    pub offset: Offset,
    pub error: ReplayError,
}

/// The first few warnings, and how many there were in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayWarnings {
    pub first: Vec<ReplayWarning>,
    pub count: u64,
}

impl ReplayWarnings {
    /// How many are kept whole.
    pub const KEPT_MAX: usize = 32;

    pub(crate) fn push(&mut self, offset: Offset, error: ReplayError) {
        self.count += 1;
        if self.first.len() < Self::KEPT_MAX {
            self.first.push(ReplayWarning { offset, error });
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl CoordinatorRecord {
    /// A record of the framing that all coordinators share: a key is its type and its message, a value its version and its
    /// message.
    pub fn new(
        key_type: i16,
        key: &dyn ottla_wire::Encode,
        value: Option<(&dyn ottla_wire::Encode, i16)>,
    ) -> Result<CoordinatorRecord, EncodeError> {
        let mut writer = Writer::new();
        writer.i16(key_type);
        key.encode(&mut writer, 0)?;
        let key = writer.into_bytes();
        let value = match value {
            None => None,
            Some((value, version)) => {
                let mut writer = Writer::new();
                writer.i16(version);
                value.encode(&mut writer, version)?;
                Some(writer.into_bytes())
            }
        };
        Ok(CoordinatorRecord { key, value })
    }

    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}
