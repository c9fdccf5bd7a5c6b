//! The checkpoints of a log directory: an offset for each partition. What is read and written again is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_log::directory::Checkpoint;

fuzz_target!(|text: &str| {
    if let Some(offsets) = Checkpoint::parse(text) {
        assert_eq!(Checkpoint::parse(&Checkpoint::print(&offsets)).as_ref(), Some(&offsets));
    }
});
