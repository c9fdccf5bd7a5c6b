//! A request as it comes off a connection: the header in the version that API and version ask for, then the body. What can
//! be read can be written, and is then the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_wire::other::RequestHeader;
use ottla_wire::{ApiKey, Decode, Message, Reader, decode_exact, encode_to_vec};

fuzz_target!(|frame: &[u8]| {
    let mut reader = Reader::new(frame);
    let (Ok(key), Ok(version)) = (reader.i16(), reader.i16()) else { return };
    let Some(api) = ApiKey::from_code(key) else { return };
    let header_version = api.info().request_header_version(version);
    let mut reader = Reader::new(frame);
    let Ok(header) = RequestHeader::decode(&mut reader, header_version) else { return };
    assert_eq!((header.request_api_key, header.request_api_version), (key, version));
    let written = encode_to_vec(&header, header_version).expect("what was read can be written");
    assert_eq!(decode_exact::<RequestHeader>(&written, header_version).as_ref(), Ok(&header));
    body(api, reader.rest(), version);
});

fn again<'a, T: Message + Decode<'a>>(bytes: &'a [u8], version: i16) {
    if let Ok(message) = decode_exact::<T>(bytes, version) {
        let once = encode_to_vec(&message, version).expect("what was read can be written");
        assert!(once.len() <= bytes.len() + 64 * 1024, "what is written is no longer than what was read, or hardly");
    }
}

macro_rules! bodies {
    ($($folder:ident $name:ident)*) => {
        /// Reads the body of a request, whose name follows from its API.
        fn body(api: ApiKey, bytes: &[u8], version: i16) {
            let name = format!("{}Request", api.info().name);
            $(if name == stringify!($name) {
                return again::<ottla_wire::$folder::$name>(bytes, version);
            })*
            unreachable!("{name} is a message");
        }
    };
}

ottla_wire::for_each_message!(bodies);
