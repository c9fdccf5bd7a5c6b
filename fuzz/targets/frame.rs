//! A request as it comes off a connection, or an answer to one: the header in the version that API and version ask for, then
//! the body. What can be read can be written, and is then the same.
//!
//! An answer does not say what it answers: before it stand the API's key with [`ANSWER`], and the version.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_wire::other::{RequestHeader, ResponseHeader};
use ottla_wire::{ApiKey, Decode, Message, Reader, decode_exact, encode_to_vec};

/// In the two bytes of a key, as `cargo xtask fuzz` writes its seeds.
const ANSWER: u16 = 0xc000;

fuzz_target!(|frame: &[u8]| {
    let mut reader = Reader::new(frame);
    let (Ok(key), Ok(version)) = (reader.i16(), reader.i16()) else { return };
    if key as u16 & ANSWER == ANSWER {
        return answer((key as u16 & !ANSWER) as i16, version, reader);
    }
    let Some(api) = ApiKey::from_code(key) else { return };
    let header_version = api.info().request_header_version(version);
    let mut reader = Reader::new(frame);
    let Ok(header) = RequestHeader::decode(&mut reader, header_version) else { return };
    assert_eq!((header.request_api_key, header.request_api_version), (key, version));
    let written = encode_to_vec(&header, header_version).expect("what was read can be written");
    assert_eq!(decode_exact::<RequestHeader>(&written, header_version).as_ref(), Ok(&header));
    body(&format!("{}Request", api.info().name), reader.rest(), version);
});

fn answer(key: i16, version: i16, mut reader: Reader<'_>) {
    let Some(api) = ApiKey::from_code(key) else { return };
    let header_version = api.info().response_header_version(api, version);
    let Ok(header) = ResponseHeader::decode(&mut reader, header_version) else { return };
    let written = encode_to_vec(&header, header_version).expect("what was read can be written");
    assert_eq!(decode_exact::<ResponseHeader>(&written, header_version).as_ref(), Ok(&header));
    body(&format!("{}Response", api.info().name), reader.rest(), version);
}

fn again<'a, T: Message + Decode<'a>>(bytes: &'a [u8], version: i16) {
    if let Ok(message) = decode_exact::<T>(bytes, version) {
        let once = encode_to_vec(&message, version).expect("what was read can be written");
        assert!(once.len() <= bytes.len() + 64 * 1024, "what is written is no longer than what was read, or hardly");
    }
}

macro_rules! bodies {
    ($($folder:ident $name:ident)*) => {
        /// Reads the body of the message with this name, which follows from its API.
        fn body(name: &str, bytes: &[u8], version: i16) {
            $(if name == stringify!($name) {
                return again::<ottla_wire::$folder::$name>(bytes, version);
            })*
            unreachable!("{name} is a message");
        }
    };
}

ottla_wire::for_each_message!(bodies);
