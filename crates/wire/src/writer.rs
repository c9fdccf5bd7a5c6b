//! Writing Kafka's primitives, once and in order. Record data that lies in a file is not copied in: its place is noted
//! as a [`Splice`], and whoever sends the bytes puts the file's range there.

use crate::reader::UnknownTags;
use crate::uuid::Uuid;
use std::borrow::Cow;
use std::ops::RangeBounds;

/// The value does not fit the version that it is written in: a mistake of ours, or a peer that lacks a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    Version { message: &'static str, version: i16 },
    /// A field that this version lacks holds something other than its default.
    #[error("{field} cannot be told in version {version}")]
    Unrepresentable { field: &'static str, version: i16 },
    /// A field that must not be null in this version is.
    #[error("{field} is null, which version {version} cannot tell")]
    Null { field: &'static str, version: i16 },
    /// A tagged field that was kept as unknown is one that this version knows.
    #[error("tag {0} was kept as unknown, but this version knows it")]
    KnownTag(u32),
    /// A string or an array longer than its length field can say.
    #[error("a length of {0} cannot be told")]
    TooLong(usize),
}

/// What a message and each of its structs can do: be written in a version.
pub trait Encode {
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;
}

/// Record data within a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records<'a> {
    /// Bytes that are at hand.
    Bytes(Cow<'a, [u8]>),
    /// `len` bytes that lie elsewhere; `token` tells the sender where.
    Elsewhere { len: u32, token: u32 },
}

impl<'a> Records<'a> {
    /// The bytes at hand; empty where they lie elsewhere.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Elsewhere { .. } => &[],
        }
    }

    /// How many bytes these are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Elsewhere { len, .. } => *len as usize,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Records<'_> {
    fn default() -> Self {
        Self::Bytes(Cow::Borrowed(&[]))
    }
}

impl<'a> From<&'a [u8]> for Records<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

/// Where `len` bytes from elsewhere belong: before the written byte `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice {
    pub at: usize,
    pub len: u32,
    pub token: u32,
}

/// Bytes being written.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    splices: Vec<Splice>,
}

impl Writer {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes behind what `bytes` holds, in its room.
    #[must_use]
    pub fn over(bytes: Vec<u8>) -> Self {
        Self { bytes, splices: Vec::new() }
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        debug_assert!(self.splices.is_empty(), "what lies elsewhere would be lost");
        self.bytes
    }

    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<Splice>) {
        (self.bytes, self.splices)
    }

    /// The size of all that is written, spliced data included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.splices.iter().map(|s| s.len as usize).sum::<usize>()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Puts the size of what follows into the four bytes at `at`, which were written before.
    pub fn patch_frame_length(&mut self, at: usize) -> Result<(), EncodeError> {
        let len = self.len() - at - 4;
        let size = i32::try_from(len).map_err(|_| EncodeError::TooLong(len))?;
        self.bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
        Ok(())
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_be_bytes());
    }

    pub fn uuid(&mut self, value: Uuid) {
        self.raw(&value.0);
    }

    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// The length of bytes, records or an array; None is null.
    fn length(&mut self, length: Option<usize>, flexible: bool) -> Result<(), EncodeError> {
        let told = match length {
            Some(length) => i32::try_from(length).map_err(|_| EncodeError::TooLong(length))?,
            None => -1,
        };
        if flexible {
            self.uvarint((told + 1) as u32)
        } else {
            self.i32(told)
        }
        Ok(())
    }

    pub fn nullable_str(&mut self, value: Option<&str>, flexible: bool) -> Result<(), EncodeError> {
        match (value, flexible) {
            (_, true) => self.length(value.map(str::len), true)?,
            (Some(text), false) => self.i16(i16::try_from(text.len()).map_err(|_| EncodeError::TooLong(text.len()))?),
            (None, false) => self.i16(-1),
        }
        self.raw(value.unwrap_or_default().as_bytes());
        Ok(())
    }

    pub fn str(&mut self, value: &str, flexible: bool) -> Result<(), EncodeError> {
        self.nullable_str(Some(value), flexible)
    }

    pub fn nullable_bytes(&mut self, value: Option<&[u8]>, flexible: bool) -> Result<(), EncodeError> {
        self.length(value.map(<[u8]>::len), flexible)?;
        self.raw(value.unwrap_or_default());
        Ok(())
    }

    pub fn records(&mut self, value: Option<&Records<'_>>, flexible: bool) -> Result<(), EncodeError> {
        self.length(value.map(Records::len), flexible)?;
        match value {
            Some(Records::Bytes(bytes)) => self.raw(bytes),
            Some(Records::Elsewhere { len, token }) => {
                self.splices.push(Splice { at: self.bytes.len(), len: *len, token: *token });
            }
            None => {}
        }
        Ok(())
    }

    /// An array, each element written by `element`; None is null.
    pub fn array<T>(
        &mut self,
        values: Option<&[T]>,
        flexible: bool,
        mut element: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.length(values.map(<[T]>::len), flexible)?;
        values.unwrap_or_default().iter().try_for_each(|value| element(self, value))
    }

    /// A struct behind the byte that says whether it is there.
    pub fn nullable_struct<T: Encode>(&mut self, value: Option<&T>, version: i16) -> Result<(), EncodeError> {
        self.i8(if value.is_some() { 1 } else { -1 });
        value.map_or(Ok(()), |value| value.encode(self, version))
    }

    /// A struct that is a tagged field: what says whether it is there is an unsigned variable-length integer here.
    pub fn nullable_tagged_struct<T: Encode>(&mut self, value: Option<&T>, version: i16) -> Result<(), EncodeError> {
        self.uvarint(u32::from(value.is_some()));
        value.map_or(Ok(()), |value| value.encode(self, version))
    }

    /// One tagged field: its number, its size, and what `content` writes.
    pub fn tagged_field(
        &mut self,
        tag: u32,
        content: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.uvarint(tag);
        let start = self.bytes.len();
        let splices = self.splices.len();
        content(self)?;
        assert_eq!(splices, self.splices.len(), "no tagged field carries records");
        // The size is known now; what was written makes room for it.
        let size = self.bytes.len() - start;
        self.uvarint(u32::try_from(size).map_err(|_| EncodeError::TooLong(size))?);
        let prefix = self.bytes.len() - start - size;
        self.bytes[start..].rotate_right(prefix);
        Ok(())
    }

    /// The fields of a tagged section that were kept unread, as far as their tags lie in `range`: a section's tags
    /// ascend.
    pub fn unknown_tags(&mut self, tags: &UnknownTags<'_>, range: impl RangeBounds<u32>) -> Result<(), EncodeError> {
        for (tag, value) in tags.as_slice().iter().filter(|(tag, _)| range.contains(tag)) {
            self.tagged_field(*tag, |writer| {
                writer.raw(value);
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl UnknownTags<'_> {
    /// An error if one of these is known in the version that is written: it would stand twice, or without its form. That
    /// comes about when a message is written in a later version than it was read in.
    pub(crate) fn check(&self, known: impl Fn(u32) -> bool) -> Result<(), EncodeError> {
        match self.as_slice().iter().find(|(tag, _)| known(*tag)) {
            Some((tag, _)) => Err(EncodeError::KnownTag(*tag)),
            None => Ok(()),
        }
    }
}

/// Writes a whole message into bytes of its own.
pub fn encode_to_vec(message: &dyn Encode, version: i16) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}
