//! Every message of this crate, by name: read whole, and written again.

use ottla_wire::{Decode, DecodeError, Message, VersionRange, decode_exact, encode_to_vec};
use std::collections::BTreeMap;

/// What can be done with a message whose type is known by its name alone.
#[derive(Clone, Copy)]
pub struct Ours {
    pub versions: VersionRange,
    /// Reads bytes that must be one message and nothing more, and writes it again.
    pub again: fn(&[u8], i16) -> Result<Vec<u8>, DecodeError>,
    /// Only reads.
    pub read: fn(&[u8], i16) -> Result<(), DecodeError>,
}

fn again<'a, T: Message + Decode<'a>>(bytes: &'a [u8], version: i16) -> Result<Vec<u8>, DecodeError> {
    let message: T = decode_exact(bytes, version)?;
    Ok(encode_to_vec(&message, version).expect("what was read can be written"))
}

fn read<'a, T: Message + Decode<'a>>(bytes: &'a [u8], version: i16) -> Result<(), DecodeError> {
    decode_exact::<T>(bytes, version).map(drop)
}

macro_rules! table {
    ($($folder:ident $name:ident)*) => {
        [$((stringify!($name), Ours {
            versions: <ottla_wire::$folder::$name as Message>::VERSIONS,
            again: |bytes, version| again::<ottla_wire::$folder::$name>(bytes, version),
            read: |bytes, version| read::<ottla_wire::$folder::$name>(bytes, version),
        })),*]
    };
}

pub fn all() -> BTreeMap<&'static str, Ours> {
    ottla_wire::for_each_message!(table).into_iter().collect()
}
