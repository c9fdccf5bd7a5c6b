//! The value of a record in the metadata log: frame version, type, version, message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_metadata::framing;
use ottla_wire::ToJson;
use ottla_wire::batch::Batches;

fuzz_target!(|log: &[u8]| {
    // A value alone, or a log whose records have such values.
    again(log);
    for batch in Batches::new(log).flatten() {
        for record in batch.records().into_iter().flatten().flatten() {
            record.value.into_iter().for_each(again);
        }
    }
});

fn again(value: &[u8]) {
    let Ok(record) = framing::decode(value) else { return };
    let versions = record.versions();
    for version in versions.low..=versions.high {
        assert!(record.to_json(version).to_string().starts_with('{'));
        // An older version may lack a field that is told.
        if let Ok(written) = framing::encode(&record, version) {
            let read = framing::decode(&written).expect("what was written can be read");
            assert_eq!(framing::encode(&read, version).as_ref(), Ok(&written));
        }
    }
}
