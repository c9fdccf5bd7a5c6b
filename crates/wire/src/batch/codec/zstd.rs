//! Zstandard. The contexts are kept; a frame after a frame is read on as one stream. The window is bounded by the library's
//! default of 128 MiB, which is what Kafka takes as well; memory is touched only as far as bytes really come out.

use zstd::stream::raw::{CParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::{BatchError, Compression, broken, failed};

const PIECE_BYTES: usize = 128 << 10;
const LEVEL_DEFAULT: i32 = 3;

#[derive(Default)]
pub(super) struct Zstd {
    decoder: Option<Decoder<'static>>,
    encoder: Option<(i32, Encoder<'static>)>,
}

pub(super) struct Reader<'d> {
    rest: &'d [u8],
    /// Whether the last frame has ended: what the library's hint of 0 says.
    frame_ended: bool,
}

impl Zstd {
    pub(super) fn begin<'d>(&mut self, data: &'d [u8]) -> Result<Reader<'d>, BatchError> {
        let usable = self.decoder.as_mut().is_some_and(|decoder| decoder.reinit().is_ok());
        if !usable {
            self.decoder = Some(Decoder::new().map_err(|error| broken(Compression::Zstd, error))?);
        }
        Ok(Reader { rest: data, frame_ended: false })
    }

    pub(super) fn compress(&mut self, level: Option<i32>, data: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
        let level = level.unwrap_or(LEVEL_DEFAULT);
        let usable =
            self.encoder.as_mut().is_some_and(|(made_for, encoder)| *made_for == level && encoder.reinit().is_ok());
        if !usable {
            let mut encoder = Encoder::new(level).map_err(|error| failed(Compression::Zstd, error))?;
            encoder
                .set_parameter(CParameter::ContentSizeFlag(true))
                .map_err(|error| failed(Compression::Zstd, error))?;
            self.encoder = Some((level, encoder));
        }
        let Some((_, encoder)) = &mut self.encoder else {
            return Err(failed(Compression::Zstd, "no state"));
        };
        let fail = |error| failed(Compression::Zstd, error);
        encoder.set_pledged_src_size(Some(data.len() as u64)).map_err(fail)?;
        let mut input = InBuffer::around(data);
        loop {
            let start = out.len();
            out.resize(start + PIECE_BYTES, 0);
            let mut output = OutBuffer::around(&mut out[start..]);
            let left = if input.pos() < data.len() {
                encoder.run(&mut input, &mut output).map_err(fail)?;
                1
            } else {
                encoder.finish(&mut output, true).map_err(fail)?
            };
            let made = output.pos();
            out.truncate(start + made);
            if left == 0 {
                return Ok(());
            }
        }
    }
}

impl Reader<'_> {
    /// Decompresses the next piece; false at the end.
    pub(super) fn next(&mut self, zstd: &mut Zstd, piece: &mut Vec<u8>) -> Result<bool, BatchError> {
        let refuse = |error: std::io::Error| broken(Compression::Zstd, error);
        let Some(decoder) = &mut zstd.decoder else {
            return Err(broken(Compression::Zstd, "no state"));
        };
        if self.frame_ended {
            if self.rest.is_empty() {
                return Ok(false);
            }
            decoder.reinit().map_err(refuse)?;
            self.frame_ended = false;
        }
        piece.resize(PIECE_BYTES, 0);
        let mut input = InBuffer::around(self.rest);
        let mut output = OutBuffer::around(&mut piece[..]);
        let hint = decoder.run(&mut input, &mut output).map_err(refuse)?;
        let (taken, made) = (input.pos(), output.pos());
        piece.truncate(made);
        self.rest = self.rest.get(taken..).unwrap_or_default();
        self.frame_ended = hint == 0;
        if taken == 0 && made == 0 && !self.frame_ended {
            return Err(broken(Compression::Zstd, "the stream ends too early"));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Codecs;
    use super::*;

    #[test]
    fn frames_follow_each_other_and_levels_change() {
        let mut codecs = Codecs::default();
        let mut packed = Vec::new();
        codecs.compress(Compression::Zstd, Some(1), b"one", &mut packed).unwrap();
        codecs.compress(Compression::Zstd, Some(19), b"two", &mut packed).unwrap();
        codecs.compress(Compression::Zstd, None, &[b'x'; 300_000], &mut packed).unwrap();
        let mut plain = Vec::new();
        codecs.decompress(Compression::Zstd, &packed, &mut plain, 400_000).unwrap();
        assert_eq!(&plain[..7], b"onetwox");
        assert_eq!(plain.len(), 300_006);
    }
}
