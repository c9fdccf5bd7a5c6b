//! The text files and folder names of a data directory: what is read and written again is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_log::directory::{Folder, MetaProperties};
use ottla_raft::{QuorumState, SnapshotId};

fuzz_target!(|text: &str| {
    if let Ok(state) = QuorumState::parse(text) {
        let version = i16::from(state.current_voters.is_empty());
        assert_eq!(QuorumState::parse(&state.print(version)).map(|s| s.leader_epoch), Ok(state.leader_epoch));
    }
    let _ = MetaProperties::parse(text);
    let _ = Folder::parse(text);
    let _ = SnapshotId::from_file_name(text);
});
