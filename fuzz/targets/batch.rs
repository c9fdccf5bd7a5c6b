//! Record batches as a producer sends them or a file holds them. Checksums are not asked, or nothing would be reached
//! behind them. The scan that keeps nothing and the records decompressed at once must agree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_wire::batch::{Batches, Codecs, Records, ScanLimits, scan};

const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut codecs = Codecs::default();
    let mut batches = Batches::new(bytes);
    for batch in batches.by_ref().flatten() {
        let _ = batch.verify_crc();
        assert_eq!(batch.header.size_in_bytes(), batch.bytes.len());
        let mut shapes = Vec::new();
        let scanned = scan(&batch, &mut codecs, ScanLimits::default(), |shape| {
            if shapes.len() < DECOMPRESSED_BYTES_MAX {
                shapes.push(shape);
            }
        });
        let Ok(codec) = batch.header.attributes.compression() else { continue };
        let mut plain = Vec::new();
        if codecs.decompress(codec, batch.record_bytes(), &mut plain, DECOMPRESSED_BYTES_MAX).is_err() {
            continue;
        }
        let records: Result<Vec<_>, _> = Records::new(&plain, batch.header.record_count).collect();
        assert_eq!(scanned.is_ok(), records.is_ok(), "{scanned:?} {records:?}");
        let Ok(records) = records else { continue };
        assert_eq!(records.len(), shapes.len());
        for (record, shape) in records.iter().zip(&shapes) {
            assert_eq!((record.offset_delta, record.timestamp_delta), (shape.offset_delta, shape.timestamp_delta));
            assert_eq!(record.key.is_some(), shape.has_key);
            record.headers.for_each(drop);
        }
    }
    assert!(batches.position() <= bytes.len());
});
