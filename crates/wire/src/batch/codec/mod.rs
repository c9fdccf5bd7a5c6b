//! The compression codecs of a batch, with their state kept between batches.
//!
//! A [`Codecs`] belongs to one worker: its buffers and contexts are made once, since making them anew for each batch costs more
//! than the work itself. Decompression hands out pieces ([`Decompressor::peek`]), each bounded by what the compressed
//! bytes can honestly hold, so that a bomb costs time in proportion to its pieces but never memory. Deliberately absent:
//! dictionaries, which Kafka does not use.

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use super::BatchError;

/// How the records of a batch are compressed; the number is the attribute's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    pub const fn from_id(id: u8) -> Result<Compression, BatchError> {
        match id {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            other => Err(BatchError::UnknownCompression(other)),
        }
    }

    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The name in Kafka's configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

/// The codecs' contexts and buffers, reused from batch to batch. Start with `Codecs::default()`: nothing is made before it
/// is needed.
#[derive(Default)]
pub struct Codecs {
    /// The decompressed piece that is being read.
    piece: Vec<u8>,
    gzip: gzip::Gzip,
    lz4: lz4::Lz4,
    snappy: snappy::Snappy,
    zstd: zstd::Zstd,
}

/// A buffer that grew beyond this for an unusual batch is given back before the next.
const KEPT_BYTES_MAX: usize = 4 << 20;

impl Codecs {
    /// Begins to decompress `data`. For [`Compression::None`], `data` is the one piece.
    pub fn decompressor<'c, 'd>(
        &'c mut self,
        compression: Compression,
        data: &'d [u8],
    ) -> Result<Decompressor<'c, 'd>, BatchError> {
        self.begin(compression, data, lz4::Header::Checked)
    }

    fn begin<'c, 'd>(
        &'c mut self,
        compression: Compression,
        data: &'d [u8],
        header: lz4::Header,
    ) -> Result<Decompressor<'c, 'd>, BatchError> {
        if self.piece.capacity() > KEPT_BYTES_MAX {
            self.piece = Vec::new();
        }
        self.piece.clear();
        let state = match compression {
            Compression::None => State::Plain(data),
            Compression::Gzip => State::Gzip(self.gzip.begin(data)?),
            Compression::Snappy => State::Snappy(snappy::Reader::begin(data)?),
            Compression::Lz4 => State::Lz4(lz4::Reader::begin(data, header)?),
            Compression::Zstd => State::Zstd(self.zstd.begin(data)?),
        };
        Ok(Decompressor { codecs: self, state, position: 0 })
    }

    /// Decompresses all of `data` behind what `out` holds; `DecompressedTooLarge` once more than `limit` bytes come out.
    pub fn decompress(
        &mut self,
        compression: Compression,
        data: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), BatchError> {
        self.decompressor(compression, data)?.all(out, limit)
    }

    /// As [`Codecs::decompress`], for a message of format 0: the checksum of an LZ4 frame's header is passed over, since it
    /// was written wrong.
    pub fn decompress_of_format_0(
        &mut self,
        compression: Compression,
        data: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), BatchError> {
        self.begin(compression, data, lz4::Header::Unchecked)?.all(out, limit)
    }

    /// Compresses `data` behind what `out` holds, framed as Kafka's clients frame it. Without a level, Kafka's default.
    pub fn compress(
        &mut self,
        compression: Compression,
        level: Option<i32>,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BatchError> {
        match compression {
            Compression::None => out.extend_from_slice(data),
            Compression::Gzip => self.gzip.compress(level, data, out)?,
            Compression::Snappy => self.snappy.compress(data, out)?,
            Compression::Lz4 => self.lz4.compress(data, out)?,
            Compression::Zstd => self.zstd.compress(level, data, out)?,
        }
        Ok(())
    }
}

/// Decompressed bytes, piece by piece.
pub struct Decompressor<'c, 'd> {
    codecs: &'c mut Codecs,
    state: State<'d>,
    position: usize,
}

enum State<'d> {
    Plain(&'d [u8]),
    Gzip(gzip::Reader<'d>),
    Snappy(snappy::Reader<'d>),
    Lz4(lz4::Reader<'d>),
    Zstd(zstd::Reader<'d>),
}

impl Decompressor<'_, '_> {
    /// The bytes at hand, decompressing the next piece if there are none; empty only at the end.
    pub fn peek(&mut self) -> Result<&[u8], BatchError> {
        if let State::Plain(data) = &self.state {
            return Ok(&data[self.position..]);
        }
        while self.position >= self.codecs.piece.len() {
            self.position = 0;
            let Codecs { piece, gzip, zstd, .. } = &mut *self.codecs;
            piece.clear();
            let more = match &mut self.state {
                State::Plain(_) => false,
                State::Gzip(reader) => reader.next(gzip, piece)?,
                State::Snappy(reader) => reader.next(piece)?,
                State::Lz4(reader) => reader.next(piece)?,
                State::Zstd(reader) => reader.next(zstd, piece)?,
            };
            if !more {
                return Ok(&[]);
            }
        }
        Ok(&self.codecs.piece[self.position..])
    }

    /// Takes off bytes that [`Decompressor::peek`] showed.
    pub fn consume(&mut self, bytes: usize) {
        self.position += bytes;
    }

    /// Everything, behind what `out` holds.
    fn all(mut self, out: &mut Vec<u8>, limit: usize) -> Result<(), BatchError> {
        let mut left = limit;
        loop {
            let piece = self.peek()?;
            if piece.is_empty() {
                return Ok(());
            }
            left = left.checked_sub(piece.len()).ok_or(BatchError::DecompressedTooLarge(limit))?;
            out.extend_from_slice(piece);
            let length = piece.len();
            self.consume(length);
        }
    }
}

fn broken(codec: Compression, reason: impl ToString) -> BatchError {
    BatchError::Decompression { codec: codec.name(), reason: reason.to_string() }
}

fn failed(codec: Compression, reason: impl ToString) -> BatchError {
    BatchError::Compression { codec: codec.name(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(codecs: &mut Codecs, compression: Compression, data: &[u8]) -> usize {
        let mut packed = b"xx".to_vec();
        codecs.compress(compression, None, data, &mut packed).unwrap();
        let mut plain = b"y".to_vec();
        codecs.decompress(compression, &packed[2..], &mut plain, data.len()).unwrap();
        assert_eq!(&plain[1..], data, "{compression:?}");
        packed.len() - 2
    }

    #[test]
    fn one_state_serves_batches_of_all_codecs_in_any_order() {
        let mut codecs = Codecs::default();
        let large: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(i) >> 13) as u8).collect();
        for data in [&b""[..], b"a", &[0; 100_000], &large, b"abc"] {
            for compression in Compression::ALL {
                round_trip(&mut codecs, compression, data);
            }
        }
    }

    #[test]
    fn what_exceeds_the_limit_is_refused_without_being_made() {
        let mut codecs = Codecs::default();
        let zeros = vec![0; 20_000_000];
        for compression in Compression::ALL {
            let mut packed = Vec::new();
            codecs.compress(compression, None, &zeros, &mut packed).unwrap();
            let mut plain = Vec::new();
            let refused = codecs.decompress(compression, &packed, &mut plain, 1_000_000);
            assert_eq!(refused, Err(BatchError::DecompressedTooLarge(1_000_000)));
            assert!(plain.capacity() < 10_000_000 && codecs.piece.capacity() < 10_000_000, "{compression:?}");
        }
    }

    #[test]
    fn a_cut_off_stream_is_an_error_and_the_next_works() {
        let mut codecs = Codecs::default();
        let data: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(i) >> 11) as u8).collect();
        for compression in &Compression::ALL[1..] {
            let mut packed = Vec::new();
            codecs.compress(*compression, None, &data, &mut packed).unwrap();
            for end in [0, 1, 5, 11, 17, packed.len() / 2, packed.len() - 1] {
                let mut plain = Vec::new();
                let read = codecs.decompress(*compression, &packed[..end], &mut plain, usize::MAX);
                assert!(read.is_err() || plain != data, "{compression:?} cut at {end}");
            }
            round_trip(&mut codecs, *compression, b"next");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decompressed_or_refused(data in prop::collection::vec(any::<u8>(), 0..400), codec in 1..5usize) {
            let mut codecs = Codecs::default();
            let _ = codecs.decompress(Compression::ALL[codec], &data, &mut Vec::new(), 1 << 20);
        }

        #[test]
        fn any_bytes_come_back(data in prop::collection::vec(any::<u8>(), 0..5000), codec in 0..5usize) {
            round_trip(&mut Codecs::default(), Compression::ALL[codec], &data);
        }
    }

    #[test]
    fn names_and_numbers_are_kafkas() {
        for codec in Compression::ALL {
            assert_eq!(Compression::from_id(codec.id()), Ok(codec));
            assert_eq!(Compression::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Compression::from_name("producer"), None);
    }
}
