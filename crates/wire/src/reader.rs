//! Reading Kafka's primitives from a frame that came from outside. Strings and bytes borrow the frame. No length is
//! believed: a string needs its bytes to be there, an array at least one byte an element, and Kafka 4.4's own bounds
//! hold (a million elements, ten thousand tagged fields). Room is reserved for a thousand elements at first.

use crate::uuid::Uuid;
use std::borrow::Cow;

/// The most elements an array may have (Kafka 4.4).
pub const ARRAY_ELEMENTS_MAX: usize = 1_000_000;
/// The most tagged fields a section may have (Kafka 4.4).
pub const TAGGED_FIELDS_MAX: usize = 10_000;
const INITIAL_CAPACITY_MAX: usize = 1_000;

/// Why bytes are not the message they should be. A connection that sent such bytes is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame ends before the value does, or a length points beyond it.
    #[error("{needed} bytes needed, {left} left")]
    Short { needed: usize, left: usize },
    /// A length below -1, or null where the version has no null.
    #[error("invalid length {0}")]
    Length(i64),
    /// A variable-length integer of more than its type's bits.
    #[error("invalid variable-length integer")]
    Varint,
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// Beyond [`ARRAY_ELEMENTS_MAX`] or [`TAGGED_FIELDS_MAX`].
    #[error("{0} elements are more than this protocol allows")]
    TooMany(usize),
    /// A tagged field's size differs from its content, or a tag stands twice or out of order.
    #[error("malformed tagged fields")]
    Tags,
    /// The message has no such version.
    #[error("unsupported version {0}")]
    Version(i16),
    /// A record's frame or type that is not known.
    #[error("unknown record type {0}")]
    RecordType(i64),
    /// Bytes are left after the message.
    #[error("{0} bytes left after the message")]
    Trailing(usize),
}

/// What a message and each of its structs can do: be read from a frame that it borrows.
pub trait Decode<'a>: Sized {
    /// Reads the fields that `version` has; the others take their defaults.
    fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>;
}

/// A place in a frame.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An error unless all has been read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.rest.len())) }
    }

    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(DecodeError::Short { needed: count, left: self.rest.len() }),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(DecodeError::Short { needed: N, left: self.rest.len() }),
        }
    }

    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.array().map(f64::from_be_bytes)
    }

    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.array().map(Uuid)
    }

    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in (0..).step_by(7) {
            let byte = self.array::<1>()?[0];
            // The fifth byte holds the last four bits.
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::Varint);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// The length before a string, bytes or records: None is null.
    #[inline]
    fn length(&mut self, format: Lengths) -> Result<Option<usize>, DecodeError> {
        let length = match format {
            Lengths::Compact => i64::from(self.uvarint()?) - 1,
            Lengths::Wide => i64::from(self.i32()?),
            Lengths::Short => i64::from(self.i16()?),
        };
        match usize::try_from(length) {
            Ok(length) if length <= self.rest.len() => Ok(Some(length)),
            Ok(needed) => Err(DecodeError::Short { needed, left: self.rest.len() }),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::Length(length)),
        }
    }

    pub fn nullable_str(&mut self, flexible: bool) -> Result<Option<Cow<'a, str>>, DecodeError> {
        let format = if flexible { Lengths::Compact } else { Lengths::Short };
        match self.length(format)? {
            Some(length) => {
                let bytes = self.take(length)?;
                Ok(Some(Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?)))
            }
            None => Ok(None),
        }
    }

    pub fn str(&mut self, flexible: bool) -> Result<Cow<'a, str>, DecodeError> {
        self.nullable_str(flexible)?.ok_or(DecodeError::Length(-1))
    }

    pub fn nullable_slice(&mut self, flexible: bool) -> Result<Option<&'a [u8]>, DecodeError> {
        let format = if flexible { Lengths::Compact } else { Lengths::Wide };
        match self.length(format)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
        Ok(self.nullable_slice(flexible)?.map(Cow::Borrowed))
    }

    pub fn bytes(&mut self, flexible: bool) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.nullable_bytes(flexible)?.ok_or(DecodeError::Length(-1))
    }

    /// An array of what `element` reads; None is null.
    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let format = if flexible { Lengths::Compact } else { Lengths::Wide };
        let Some(count) = self.length(format)? else { return Ok(None) };
        if count > ARRAY_ELEMENTS_MAX {
            return Err(DecodeError::TooMany(count));
        }
        let mut values = Vec::with_capacity(count.min(INITIAL_CAPACITY_MAX));
        for _ in 0..count {
            values.push(element(self)?);
        }
        Ok(Some(values))
    }

    pub fn array_of<T>(
        &mut self,
        flexible: bool,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(flexible, element)?.ok_or(DecodeError::Length(-1))
    }

    /// A struct behind the byte that says whether it is there.
    pub fn nullable_struct<T: Decode<'a>>(&mut self, version: i16) -> Result<Option<T>, DecodeError> {
        if self.i8()? < 0 { Ok(None) } else { T::decode(self, version).map(Some) }
    }

    /// A struct that is a tagged field: what says whether it is there is an unsigned variable-length integer here.
    pub fn nullable_tagged_struct<T: Decode<'a>>(&mut self, version: i16) -> Result<Option<T>, DecodeError> {
        if self.uvarint()? == 0 { Ok(None) } else { T::decode(self, version).map(Some) }
    }

    /// A section of tagged fields: `known` reads the value of a tag it knows and says whether it did.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<UnknownTags<'a>, DecodeError> {
        let mut unknown = UnknownTags::default();
        let count = self.uvarint()? as usize;
        if count > TAGGED_FIELDS_MAX {
            return Err(DecodeError::TooMany(count));
        }
        let mut previous = None;
        for _ in 0..count {
            let tag = self.uvarint()?;
            if previous >= Some(tag) {
                return Err(DecodeError::Tags);
            }
            previous = Some(tag);
            let size = self.uvarint()? as usize;
            let mut field = Reader::new(self.take(size)?);
            if known(tag, &mut field)? {
                field.finish().map_err(|_| DecodeError::Tags)?;
            } else {
                unknown.push(tag, Cow::Borrowed(field.rest));
            }
        }
        Ok(unknown)
    }
}

#[derive(Clone, Copy)]
enum Lengths {
    Compact,
    Wide,
    Short,
}

/// Tagged fields that this version of Ottla does not know. They are kept and written again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::box_collection, reason = "eight bytes in every struct of every message, nearly always empty")]
pub struct UnknownTags<'a>(Option<Box<Vec<UnknownTag<'a>>>>);

type UnknownTag<'a> = (u32, Cow<'a, [u8]>);

impl<'a> UnknownTags<'a> {
    /// Adds a field behind the others.
    pub fn push(&mut self, tag: u32, value: Cow<'a, [u8]>) {
        self.0.get_or_insert_default().push((tag, value));
    }

    /// Tags and values in the order of the tags.
    #[must_use]
    pub fn as_slice(&self) -> &[UnknownTag<'a>] {
        self.0.as_ref().map_or(&[], |tags| tags.as_slice())
    }
}

/// Reads a whole message that must fill `bytes`.
pub fn decode_exact<'a, T: Decode<'a>>(bytes: &'a [u8], version: i16) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_by_what_is_there() {
        assert_eq!(Reader::new(&[0x7f, 0xff, b'a']).str(false), Err(DecodeError::Short { needed: 0x7fff, left: 1 }));
        assert_eq!(Reader::new(&[0xff, 0xfe]).str(false), Err(DecodeError::Length(-2)));
        assert_eq!(Reader::new(&[0xff, 0xff]).nullable_str(false), Ok(None));
        assert_eq!(Reader::new(&[0]).nullable_str(true), Ok(None));
        let huge = Reader::new(&[0x7f, 0xff, 0xff, 0xff]).array_of(false, Reader::i8);
        assert_eq!(huge, Err(DecodeError::Short { needed: 0x7fff_ffff, left: 0 }));
    }

    #[test]
    fn a_million_elements_are_read_and_one_more_is_refused() {
        let mut frame = 1_000_001u32.to_be_bytes().to_vec();
        frame.resize(4 + 1_000_001, 0);
        assert_eq!(Reader::new(&frame).array_of(false, Reader::i8), Err(DecodeError::TooMany(1_000_001)));
        frame[..4].copy_from_slice(&1_000_000u32.to_be_bytes());
        assert_eq!(Reader::new(&frame).array_of(false, Reader::i8).map(|v| v.len()), Ok(1_000_000));
    }

    #[test]
    fn varints_have_five_bytes_at_most() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).uvarint(), Ok(u32::MAX));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).uvarint(), Err(DecodeError::Varint));
        assert_eq!(Reader::new(&[0x80]).uvarint(), Err(DecodeError::Short { needed: 1, left: 0 }));
    }

    #[test]
    fn tags_ascend_and_fill_their_size() {
        let read = |bytes: &[u8]| {
            let mut got = None;
            let unknown = Reader::new(bytes).tagged_fields(|tag, field| {
                if tag == 1 {
                    got = Some(field.i8()?);
                }
                Ok(tag == 1)
            });
            unknown.map(|tags| (got, tags.as_slice().len()))
        };
        assert_eq!(read(&[2, 1, 1, 7, 3, 2, 9, 9]), Ok((Some(7), 1)));
        assert_eq!(read(&[2, 3, 0, 1, 1, 7]), Err(DecodeError::Tags));
        assert_eq!(read(&[1, 1, 2, 7, 7]), Err(DecodeError::Tags));
    }
}
