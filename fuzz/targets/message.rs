//! Any message in any version, chosen by the first four bytes: what can be read can be written, and what was written is
//! canonical, so that reading and writing it again changes nothing.
//!
//! The first two bytes are a place in the list of messages, or, with the bits of `cargo xtask fuzz`'s seeds, an API's key
//! behind which a whole frame stands.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_wire::other::{RequestHeader, ResponseHeader};
use ottla_wire::{ApiKey, Decode, Message, Reader, decode_exact, encode_to_vec};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first_chunk::<4>() else { return };
    let message = u16::from_be_bytes([choice[0], choice[1]]);
    let version = i16::from_be_bytes([choice[2], choice[3]]);
    if message & FRAME != 0 {
        return frame(message, version, bytes);
    }
    let (_, read, low, high) = MESSAGES[usize::from(message) % MESSAGES.len()];
    canonical(read, bytes, version.rem_euclid(high - low + 1) + low);
});

/// A frame follows, a request's or, with [`ANSWER`] too, an answer's.
const FRAME: u16 = 0x8000;
const ANSWER: u16 = 0x4000;

fn frame(message: u16, version: i16, bytes: &[u8]) {
    let Some(api) = ApiKey::from_code((message & !(FRAME | ANSWER)) as i16) else { return };
    let mut reader = Reader::new(bytes);
    let (kind, header) = match message & ANSWER {
        0 => ("Request", RequestHeader::decode(&mut reader, api.info().request_header_version(version)).is_ok()),
        _ => {
            ("Response", ResponseHeader::decode(&mut reader, api.info().response_header_version(api, version)).is_ok())
        }
    };
    let name = format!("{}{kind}", api.info().name);
    let Some((_, read, low, high)) = MESSAGES.iter().find(|(known, ..)| *known == name).copied() else { return };
    if header && (low..=high).contains(&version) {
        canonical(read, reader.rest(), version);
    }
}

fn canonical(read: Read, bytes: &[u8], version: i16) {
    if let Some(once) = read(bytes, version) {
        assert_eq!(read(&once, version).as_ref(), Some(&once));
    }
}

fn again<'a, T: Message + Decode<'a>>(bytes: &'a [u8], version: i16) -> Option<Vec<u8>> {
    let message = decode_exact::<T>(bytes, version).ok()?;
    Some(encode_to_vec(&message, version).expect("what was read can be written"))
}

/// Reads a message and writes it again.
type Read = fn(&[u8], i16) -> Option<Vec<u8>>;
/// A message: its name, how to read it, the versions it has.
type Entry = (&'static str, Read, i16, i16);

macro_rules! table {
    ($($folder:ident $name:ident)*) => {
        const MESSAGES: &[Entry] = &[$((
            stringify!($name),
            |bytes, version| again::<ottla_wire::$folder::$name>(bytes, version),
            <ottla_wire::$folder::$name as Message>::VERSIONS.low,
            <ottla_wire::$folder::$name as Message>::VERSIONS.high,
        )),*];
    };
}

ottla_wire::for_each_message!(table);
