//! Walking over the batches in a buffer.

use super::header::{Announced, announced};
use super::{BatchError, BatchHeader, Compression, HEADER_LEN, Records};

/// One whole batch in somebody's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub header: BatchHeader,
    /// Header and records.
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The bytes after the header, compressed or not.
    pub fn record_bytes(&self) -> &'a [u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Compares the checksum.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let covered = self.bytes.get(super::header::CRC_FROM..).unwrap_or_default();
        let computed = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, covered) as u32;
        if computed == self.header.crc {
            return Ok(());
        }
        Err(BatchError::CrcMismatch { stored: self.header.crc, computed })
    }

    /// The records of an uncompressed batch; `None` if it is compressed (see [`super::Codecs::decompress`]).
    pub fn records(&self) -> Option<Records<'a>> {
        match self.header.attributes.compression() {
            Ok(Compression::None) => Some(Records::new(self.record_bytes(), self.header.record_count)),
            _ => None,
        }
    }
}

/// The batches of a buffer, in order. A batch that the buffer cuts off at its end is not given, as in a fetched buffer; bytes
/// that cannot be a batch are an error, after which the iteration ends.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Batches<'a> {
    pub fn new(bytes: &'a [u8]) -> Batches<'a> {
        Batches { rest: bytes, position: 0 }
    }

    /// Where the next batch begins: after an end or an error, how many bytes were good.
    pub fn position(&self) -> usize {
        self.position
    }

    fn step(&mut self) -> Result<Option<Batch<'a>>, BatchError> {
        let Some(Announced { size, magic }) = announced(self.rest)? else {
            return Ok(None);
        };
        if !(0..=2).contains(&magic) {
            return Err(BatchError::UnsupportedMagic(magic));
        }
        let Some((bytes, rest)) = self.rest.split_at_checked(size) else {
            return Ok(None);
        };
        let header = BatchHeader::parse(bytes)?;
        self.rest = rest;
        self.position += size;
        Ok(Some(Batch { header, bytes }))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.rest = &[];
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchBuilder;

    fn two() -> Vec<u8> {
        let mut out = Vec::new();
        for base in [0, 1] {
            let mut builder = BatchBuilder::new(base);
            builder.append(1, Some(b"k"), Some(b"v"), &[]).unwrap();
            builder.build_plain(&mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_cut_off_batch_ends_the_walk() {
        let bytes = two();
        let mut batches = Batches::new(&bytes[..bytes.len() - 1]);
        assert_eq!(batches.next().unwrap().unwrap().header.base_offset, 0);
        assert!(batches.next().is_none());
        assert_eq!(batches.position(), bytes.len() / 2);
        assert_eq!(Batches::new(&bytes).count(), 2);
    }

    #[test]
    fn every_flipped_bit_behind_the_checksum_is_found() {
        let bytes = two();
        let one = &bytes[..bytes.len() / 2];
        for bit in 17 * 8..one.len() * 8 {
            let mut bad = one.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            let batch = Batches::new(&bad).next().unwrap().unwrap();
            assert!(matches!(batch.verify_crc(), Err(BatchError::CrcMismatch { .. })), "bit {bit}");
        }
        Batches::new(one).next().unwrap().unwrap().verify_crc().unwrap();
    }

    #[test]
    fn an_old_format_is_refused_once() {
        let mut bytes = two();
        bytes[16] = 0;
        let mut batches = Batches::new(&bytes);
        assert_eq!(batches.next().unwrap().unwrap_err(), BatchError::UnsupportedMagic(0));
        assert!(batches.next().is_none());
    }
}
