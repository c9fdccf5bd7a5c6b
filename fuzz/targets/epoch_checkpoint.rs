//! `leader-epoch-checkpoint`: where each leader epoch of a log began. What is read and written again is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_log::LeaderEpochs;

fuzz_target!(|content: &[u8]| {
    if let Some(epochs) = LeaderEpochs::parse(content) {
        let printed = epochs.print();
        let again = LeaderEpochs::parse(printed.as_bytes()).expect("what was written can be read");
        assert_eq!(again.print(), printed);
    }
});
