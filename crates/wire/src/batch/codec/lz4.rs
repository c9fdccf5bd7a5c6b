//! The LZ4 frame format as Kafka speaks it: independent blocks, header checksum, block checksums where flagged; the content
//! checksum is passed over, as Kafka passes it. The framing is done here, around the block codec, since a frame decoder of the
//! library allocates its buffers for every frame.

use std::hash::Hasher;

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use twox_hash::XxHash32;

use super::{BatchError, Compression, broken, failed};

const MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();
const VERSION_1: u8 = 0b0100_0000;
const VERSION_BITS: u8 = 0b1100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const RESERVED: u8 = 0b0000_0011;
/// Set in a block's length where the block is stored as it is.
const STORED: u32 = 1 << 31;
/// What we write: blocks of 64 KiB (code 4), as Kafka's clients do by default.
const WRITTEN_BLOCK_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Lz4 {}

pub(super) struct Reader<'d> {
    rest: &'d [u8],
    block_bytes_max: usize,
    block_checksums: bool,
    done: bool,
}

impl Lz4 {
    pub(super) fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
        let descriptor = [VERSION_1 | INDEPENDENT, 4 << 4];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&descriptor);
        out.push((xxh32(&descriptor) >> 8) as u8);
        for block in data.chunks(WRITTEN_BLOCK_BYTES) {
            let start = out.len();
            out.resize(start + 4 + get_maximum_output_size(block.len()), 0);
            let packed =
                compress_into(block, &mut out[start + 4..]).map_err(|error| failed(Compression::Lz4, error))?;
            if packed < block.len() {
                out[start..start + 4].copy_from_slice(&(packed as u32).to_le_bytes());
                out.truncate(start + 4 + packed);
            } else {
                out[start..start + 4].copy_from_slice(&(block.len() as u32 | STORED).to_le_bytes());
                out.truncate(start + 4);
                out.extend_from_slice(block);
            }
        }
        out.extend_from_slice(&[0; 4]);
        Ok(())
    }
}

/// Whether a frame header's checksum must be right. Those who wrote message format 0 reckoned it over more than the
/// descriptor, and nobody could tell theirs from a damaged one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    Checked,
    Unchecked,
}

impl<'d> Reader<'d> {
    pub(super) fn begin(data: &'d [u8], header: Header) -> Result<Reader<'d>, BatchError> {
        let refuse = |reason| broken(Compression::Lz4, reason);
        let (magic, rest) = data.split_first_chunk::<4>().ok_or_else(|| refuse("the frame header is missing"))?;
        if *magic != MAGIC {
            return Err(refuse("this is no LZ4 frame"));
        }
        let flags = *rest.first().ok_or_else(|| refuse("the frame header ends too early"))?;
        if flags & VERSION_BITS != VERSION_1 || flags & RESERVED != 0 {
            return Err(refuse("unsupported frame flags"));
        }
        if flags & INDEPENDENT == 0 {
            return Err(refuse("blocks that depend on each other are not supported"));
        }
        let described = if flags & CONTENT_SIZE == 0 { 2 } else { 10 };
        let (descriptor, rest) =
            rest.split_at_checked(described).ok_or_else(|| refuse("the frame header ends too early"))?;
        let (checksum, rest) = rest.split_first().ok_or_else(|| refuse("the frame header ends too early"))?;
        if header == Header::Checked && *checksum != (xxh32(descriptor) >> 8) as u8 {
            return Err(refuse("the frame header's checksum does not match"));
        }
        let block_bytes_max = match descriptor[1] {
            0x40 => 64 << 10,
            0x50 => 256 << 10,
            0x60 => 1 << 20,
            0x70 => 4 << 20,
            _ => return Err(refuse("unsupported block size")),
        };
        Ok(Reader { rest, block_bytes_max, block_checksums: flags & BLOCK_CHECKSUM != 0, done: false })
    }

    /// Decompresses the next block; false at the end mark. What comes after that is not looked at.
    pub(super) fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, BatchError> {
        if self.done {
            return Ok(false);
        }
        let refuse = |reason| broken(Compression::Lz4, reason);
        let length = u32::from_le_bytes(*self.take().ok_or_else(|| refuse("the end mark is missing"))?);
        if length == 0 {
            self.done = true;
            return Ok(false);
        }
        let size = (length & !STORED) as usize;
        if size > self.block_bytes_max {
            return Err(refuse("a block is larger than the frame allows"));
        }
        let (block, rest) = self.rest.split_at_checked(size).ok_or_else(|| refuse("a block ends too early"))?;
        self.rest = rest;
        if self.block_checksums {
            let checksum = u32::from_le_bytes(*self.take().ok_or_else(|| refuse("a block ends too early"))?);
            if checksum != xxh32(block) {
                return Err(refuse("a block's checksum does not match"));
            }
        }
        if length & STORED != 0 {
            piece.extend_from_slice(block);
        } else {
            piece.resize(self.block_bytes_max.min(block.len().saturating_mul(255) + 64), 0);
            let made = decompress_into(block, piece).map_err(|error| broken(Compression::Lz4, error))?;
            piece.truncate(made);
        }
        Ok(true)
    }

    fn take(&mut self) -> Option<&'d [u8; 4]> {
        let (taken, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(taken)
    }
}

fn xxh32(bytes: &[u8]) -> u32 {
    let mut hasher = XxHash32::with_seed(0);
    hasher.write(bytes);
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use super::super::Codecs;
    use super::*;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
    use std::io::{Read, Write};

    fn by_library(info: FrameInfo, data: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn frames_of_another_implementation_are_read_and_ours_by_it() {
        let data: Vec<u8> = (0..1_000_000u32).map(|i| (i.wrapping_mul(i) >> 14) as u8).collect();
        let mut codecs = Codecs::default();
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
            let info = FrameInfo::new()
                .block_mode(BlockMode::Independent)
                .block_size(size)
                .block_checksums(true)
                .content_checksum(true)
                .content_size(Some(data.len() as u64));
            let mut plain = Vec::new();
            let packed = by_library(info, &data);
            codecs.decompress(Compression::Lz4, &packed, &mut plain, data.len()).unwrap();
            assert!(plain == data);
        }
        let mut packed = Vec::new();
        codecs.compress(Compression::Lz4, None, &data, &mut packed).unwrap();
        let mut plain = Vec::new();
        FrameDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
        assert!(plain == data);
    }

    #[test]
    fn linked_blocks_are_refused_as_kafka_refuses_them() {
        let info = FrameInfo::new().block_mode(BlockMode::Linked);
        let packed = by_library(info, &[1; 200_000]);
        let refused = Codecs::default().decompress(Compression::Lz4, &packed, &mut Vec::new(), usize::MAX);
        assert!(refused.unwrap_err().to_string().contains("depend on each other"));
    }

    #[test]
    fn every_flipped_bit_of_the_header_is_found() {
        let packed = by_library(FrameInfo::new().block_mode(BlockMode::Independent), b"abc");
        for bit in 0..7 * 8 {
            let mut bad = packed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Reader::begin(&bad, Header::Checked).is_err(), "bit {bit}");
        }
    }
}
