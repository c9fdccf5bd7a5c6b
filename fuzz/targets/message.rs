//! Any message in any version, chosen by the first four bytes: what can be read can be written, and what was written is
//! canonical, so that reading and writing it again changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_wire::{Decode, Message, decode_exact, encode_to_vec};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first_chunk::<4>() else { return };
    let message = usize::from(u16::from_be_bytes([choice[0], choice[1]]));
    let (read, low, high) = MESSAGES[message % MESSAGES.len()];
    let version = i16::from_be_bytes([choice[2], choice[3]]).rem_euclid(high - low + 1) + low;
    if let Some(once) = read(bytes, version) {
        assert_eq!(read(&once, version).as_ref(), Some(&once));
    }
});

fn again<'a, T: Message + Decode<'a>>(bytes: &'a [u8], version: i16) -> Option<Vec<u8>> {
    let message = decode_exact::<T>(bytes, version).ok()?;
    Some(encode_to_vec(&message, version).expect("what was read can be written"))
}

/// Reads a message and writes it again; the versions it has.
type Entry = (fn(&[u8], i16) -> Option<Vec<u8>>, i16, i16);

macro_rules! table {
    ($($folder:ident $name:ident)*) => {
        const MESSAGES: &[Entry] = &[$((
            |bytes, version| again::<ottla_wire::$folder::$name>(bytes, version),
            <ottla_wire::$folder::$name as Message>::VERSIONS.low,
            <ottla_wire::$folder::$name as Message>::VERSIONS.high,
        )),*];
    };
}

ottla_wire::for_each_message!(table);
