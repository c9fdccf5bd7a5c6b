//! gzip (RFC 1952) around deflate: header and trailer are read here, so that the inflating state can be kept.
//! Several members one after the other are one stream, as for Java.

use flate2::{Compress, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::{BatchError, Compression, broken, failed};

const PIECE_BYTES: usize = 64 << 10;
const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

#[derive(Default)]
pub(super) struct Gzip {
    inflate: Option<Decompress>,
    deflate: Option<(i32, Compress)>,
}

pub(super) struct Reader<'d> {
    rest: &'d [u8],
    crc: Crc,
    in_member: bool,
}

impl Gzip {
    pub(super) fn begin<'d>(&mut self, data: &'d [u8]) -> Result<Reader<'d>, BatchError> {
        let mut reader = Reader { rest: data, crc: Crc::new(), in_member: false };
        reader.begin_member(self)?;
        Ok(reader)
    }

    pub(super) fn compress(&mut self, level: Option<i32>, data: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
        let level = level.filter(|level| (1..=9).contains(level)).unwrap_or(6);
        if self.deflate.as_ref().is_none_or(|(made_for, _)| *made_for != level) {
            let deflate = Compress::new(flate2::Compression::new(level.unsigned_abs()), false);
            self.deflate = Some((level, deflate));
        }
        let Some((_, deflate)) = &mut self.deflate else {
            return Err(failed(Compression::Gzip, "no state"));
        };
        deflate.reset();
        // No name, no time, unknown system.
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        loop {
            out.reserve(PIECE_BYTES.min(data.len() + 64));
            let taken = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX).min(data.len());
            let status = deflate
                .compress_vec(&data[taken..], out, FlushCompress::Finish)
                .map_err(|error| failed(Compression::Gzip, error))?;
            if status == Status::StreamEnd {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(data);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        Ok(())
    }
}

impl Reader<'_> {
    fn begin_member(&mut self, gzip: &mut Gzip) -> Result<(), BatchError> {
        skip_header(&mut self.rest).ok_or_else(|| broken(Compression::Gzip, "no gzip header"))?;
        match &mut gzip.inflate {
            Some(inflate) => inflate.reset(false),
            none => *none = Some(Decompress::new(false)),
        }
        self.crc = Crc::new();
        self.in_member = true;
        Ok(())
    }

    /// Decompresses the next piece; false at the end.
    pub(super) fn next(&mut self, gzip: &mut Gzip, piece: &mut Vec<u8>) -> Result<bool, BatchError> {
        if !self.in_member {
            // What follows a member is another one; else it is padding, which Java passes over as well.
            if !self.rest.starts_with(&[0x1f, 0x8b]) {
                return Ok(false);
            }
            self.begin_member(gzip)?;
        }
        let Some(inflate) = &mut gzip.inflate else {
            return Err(broken(Compression::Gzip, "no state"));
        };
        piece.reserve(PIECE_BYTES);
        let before = inflate.total_in();
        let status = inflate
            .decompress_vec(self.rest, piece, FlushDecompress::None)
            .map_err(|error| broken(Compression::Gzip, error))?;
        let taken = usize::try_from(inflate.total_in() - before).unwrap_or(usize::MAX);
        self.rest = self.rest.get(taken..).unwrap_or_default();
        self.crc.update(piece);
        if status == Status::StreamEnd {
            self.end_member()?;
        } else if taken == 0 && piece.is_empty() {
            return Err(broken(Compression::Gzip, "the stream ends too early"));
        }
        Ok(true)
    }

    fn end_member(&mut self) -> Result<(), BatchError> {
        let (trailer, rest) =
            self.rest.split_first_chunk::<8>().ok_or_else(|| broken(Compression::Gzip, "the trailer is missing"))?;
        let [a, b, c, d, e, f, g, h] = *trailer;
        if u32::from_le_bytes([a, b, c, d]) != self.crc.sum() || u32::from_le_bytes([e, f, g, h]) != self.crc.amount() {
            return Err(broken(Compression::Gzip, "the trailer does not match"));
        }
        self.rest = rest;
        self.in_member = false;
        Ok(())
    }
}

fn skip_header(rest: &mut &[u8]) -> Option<()> {
    let (&[magic1, magic2, method, flags, ..], after) = rest.split_first_chunk::<10>()?;
    if (magic1, magic2, method) != (0x1f, 0x8b, 8) {
        return None;
    }
    let mut at = after;
    if flags & FEXTRA != 0 {
        let (length, after) = at.split_first_chunk::<2>()?;
        at = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [FNAME, FCOMMENT] {
        if flags & flag != 0 {
            let end = at.iter().position(|byte| *byte == 0)?;
            at = &at[end + 1..];
        }
    }
    if flags & FHCRC != 0 {
        at = at.get(2..)?;
    }
    *rest = at;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::Codecs;
    use super::*;

    #[test]
    fn members_follow_each_other_and_names_are_skipped() {
        let mut codecs = Codecs::default();
        let mut packed = Vec::new();
        codecs.compress(Compression::Gzip, None, b"one", &mut packed).unwrap();
        let second = packed.len();
        codecs.compress(Compression::Gzip, Some(9), b"two", &mut packed).unwrap();
        packed[second + 3] = FNAME | FHCRC | FEXTRA;
        packed.splice(second + 10..second + 10, *b"\x03\0xyzname\0cc");
        let mut plain = Vec::new();
        codecs.decompress(Compression::Gzip, &packed, &mut plain, 100).unwrap();
        assert_eq!(plain, b"onetwo");
    }

    #[test]
    fn a_wrong_trailer_is_an_error() {
        let mut codecs = Codecs::default();
        let mut packed = Vec::new();
        codecs.compress(Compression::Gzip, None, b"one", &mut packed).unwrap();
        for back in 1..=8 {
            let mut bad = packed.clone();
            let at = bad.len() - back;
            bad[at] ^= 1;
            assert!(codecs.decompress(Compression::Gzip, &bad, &mut Vec::new(), 100).is_err());
        }
    }
}
