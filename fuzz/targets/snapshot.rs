//! A `.checkpoint` file: a snapshot of the metadata, with control batches around it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_raft::Snapshot;

fuzz_target!(|file: &[u8]| {
    let _ = Snapshot::parse(file);
});
