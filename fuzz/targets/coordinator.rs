//! Keys and values of the coordinators' topics, in batches as those topics hold them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_wire::batch::Batches;
use ottla_wire::group::{GroupKey, GroupValue};
use ottla_wire::share::{ShareKey, ShareValue};
use ottla_wire::transaction::{TransactionKey, TransactionValue};
use ottla_wire::{DecodeError, Encode, Reader, ToJson, encode_to_vec};

fuzz_target!(|log: &[u8]| {
    for batch in Batches::new(log).flatten() {
        for record in batch.records().into_iter().flatten().flatten() {
            let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
            pair(key, value, |id, r| GroupKey::decode(id, r, 0), GroupValue::decode);
            pair(key, value, |id, r| TransactionKey::decode(id, r, 0), TransactionValue::decode);
            pair(key, value, |id, r| ShareKey::decode(id, r, 0), ShareValue::decode);
        }
    }
});

fn pair<'a, K: Encode + ToJson, V: Encode + ToJson>(
    key: &'a [u8],
    value: &'a [u8],
    decode_key: impl Fn(i16, &mut Reader<'a>) -> Result<K, DecodeError>,
    decode_value: impl Fn(i16, &mut Reader<'a>, i16) -> Result<V, DecodeError>,
) {
    let mut reader = Reader::new(key);
    let Ok(id) = reader.i16() else { return };
    let Ok(message) = decode_key(id, &mut reader) else { return };
    encode_to_vec(&message, 0).expect("a key that was read can be written");
    assert!(message.to_json(0).to_string().starts_with('{'));
    let mut reader = Reader::new(value);
    let Ok(version) = reader.i16() else { return };
    if let Ok(message) = decode_value(id, &mut reader, version) {
        encode_to_vec(&message, version).expect("a value that was read can be written");
        assert!(message.to_json(version).to_string().starts_with('{'));
    }
}
