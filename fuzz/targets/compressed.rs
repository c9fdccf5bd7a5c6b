//! What a codec is given to decompress; the first byte says which. A codec that failed must serve the next batch.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_wire::batch::{Codecs, Compression};

const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let codec = Compression::ALL[usize::from(*choice) % Compression::ALL.len()];
    let mut codecs = Codecs::default();
    let mut plain = Vec::new();
    let first = codecs.decompress(codec, bytes, &mut plain, DECOMPRESSED_BYTES_MAX);
    assert!(plain.len() <= DECOMPRESSED_BYTES_MAX);
    let mut again = Vec::new();
    assert_eq!(codecs.decompress(codec, bytes, &mut again, DECOMPRESSED_BYTES_MAX), first);
    assert_eq!(plain, again);
    if first.is_ok() && plain.len() < 1 << 16 {
        let (mut packed, mut back) = (Vec::new(), Vec::new());
        codecs.compress(codec, None, &plain, &mut packed).expect("what was decompressed can be compressed");
        codecs.decompress(codec, &packed, &mut back, plain.len()).expect("what was compressed can be decompressed");
        assert_eq!(plain, back);
    }
});
