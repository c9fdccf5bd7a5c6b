//! Snappy in the framing of Java's library, which Kafka's clients use: a header (magic, version, compatible version), then
//! blocks of i32 length and raw snappy. Bytes without that header are one raw block, as the same library takes them.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{BatchError, Compression, broken, failed};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_BYTES: usize = 16;
const BLOCK_BYTES: usize = 32 << 10;
/// The most that one compressed byte can stand for: a copy of three bytes gives at most 64.
const EXPANSION_MAX: usize = 22;

#[derive(Default)]
pub(super) struct Snappy {
    encoder: Option<Encoder>,
}

pub(super) struct Reader<'d> {
    rest: &'d [u8],
    framed: bool,
    done: bool,
}

impl Snappy {
    pub(super) fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        let encoder = self.encoder.get_or_insert_with(Encoder::new);
        for block in data.chunks(BLOCK_BYTES) {
            let start = out.len();
            out.resize(start + 4 + max_compress_len(block.len()), 0);
            let packed =
                encoder.compress(block, &mut out[start + 4..]).map_err(|error| failed(Compression::Snappy, error))?;
            out[start..start + 4].copy_from_slice(&(packed as u32).to_be_bytes());
            out.truncate(start + 4 + packed);
        }
        Ok(())
    }
}

impl<'d> Reader<'d> {
    pub(super) fn begin(data: &'d [u8]) -> Result<Reader<'d>, BatchError> {
        if !data.starts_with(&MAGIC) {
            return Ok(Reader { rest: data, framed: false, done: false });
        }
        let rest = data.get(HEADER_BYTES..).ok_or_else(|| broken(Compression::Snappy, "the header ends too early"))?;
        Ok(Reader { rest, framed: true, done: false })
    }

    /// Decompresses the next block; false at the end.
    pub(super) fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, BatchError> {
        if self.done || (self.framed && self.rest.is_empty()) {
            return Ok(false);
        }
        if !self.framed {
            self.done = true;
            decompress_block(self.rest, piece)?;
            return Ok(true);
        }
        if self.rest.starts_with(&MAGIC) {
            // Streams that were written one after the other.
            self.rest = self
                .rest
                .get(HEADER_BYTES..)
                .ok_or_else(|| broken(Compression::Snappy, "the header ends too early"))?;
            return Ok(true);
        }
        let block = self.rest.split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let (block, rest) = block.ok_or_else(|| broken(Compression::Snappy, "a block ends too early"))?;
        self.rest = rest;
        decompress_block(block, piece)?;
        Ok(true)
    }
}

fn decompress_block(block: &[u8], piece: &mut Vec<u8>) -> Result<(), BatchError> {
    let length = decompress_len(block).map_err(|error| broken(Compression::Snappy, error))?;
    if length > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(broken(Compression::Snappy, "a block says more than its bytes can hold"));
    }
    piece.resize(length, 0);
    Decoder::new().decompress(block, piece).map_err(|error| broken(Compression::Snappy, error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Codecs;
    use super::*;

    #[test]
    fn raw_blocks_and_joined_streams_are_taken() {
        let mut codecs = Codecs::default();
        let mut plain = Vec::new();
        let raw = Encoder::new().compress_vec(b"raw block").unwrap();
        codecs.decompress(Compression::Snappy, &raw, &mut plain, 100).unwrap();
        let mut joined = Vec::new();
        codecs.compress(Compression::Snappy, None, b" one", &mut joined).unwrap();
        codecs.compress(Compression::Snappy, None, b" two", &mut joined).unwrap();
        codecs.decompress(Compression::Snappy, &joined, &mut plain, 100).unwrap();
        assert_eq!(plain, b"raw block one two");
    }

    #[test]
    fn a_length_beyond_reason_is_refused() {
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
        let mut codecs = Codecs::default();
        assert!(codecs.decompress(Compression::Snappy, &bomb, &mut Vec::new(), usize::MAX).is_err());
        let framed = [&MAGIC[..], &[0, 0, 0, 1, 0, 0, 0, 1], &[0, 0, 0, 8], &bomb].concat();
        assert!(codecs.decompress(Compression::Snappy, &framed, &mut Vec::new(), usize::MAX).is_err());
    }
}
