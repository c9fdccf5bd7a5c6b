//! How a metadata record lies in the value of a log record: frame version 1, type, version (all unsigned varints), then
//! the message. Bytes left over are an error.

use ottla_wire::metadata::MetadataRecord;
use ottla_wire::{DecodeError, Encode, EncodeError, Reader, Writer};

const FRAME_VERSION: u32 = 1;

/// The value of the log record that carries `record` in `version`.
pub fn encode(record: &MetadataRecord<'_>, version: i16) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::new();
    writer.uvarint(FRAME_VERSION);
    writer.uvarint(record.id().unsigned_abs().into());
    writer.uvarint(version.unsigned_abs().into());
    record.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

/// The record in a log record's value.
pub fn decode(value: &[u8]) -> Result<MetadataRecord<'_>, DecodeError> {
    let mut reader = Reader::new(value);
    let frame = reader.uvarint()?;
    if frame != FRAME_VERSION {
        return Err(DecodeError::Version(i16::try_from(frame).unwrap_or(i16::MAX)));
    }
    let kind = reader.uvarint()?;
    let id = i16::try_from(kind).map_err(|_| DecodeError::RecordType(i64::from(kind)))?;
    let version = reader.uvarint()?;
    let version = i16::try_from(version).map_err(|_| DecodeError::Version(i16::MAX))?;
    let record = MetadataRecord::decode(id, &mut reader, version)?;
    reader.finish()?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::Uuid;
    use ottla_wire::metadata::TopicRecord;

    #[test]
    fn a_record_comes_back_and_anything_else_is_refused() {
        let record =
            MetadataRecord::Topic(TopicRecord { name: "t".into(), topic_id: Uuid([7; 16]), ..Default::default() });
        let mut value = encode(&record, 0).unwrap();
        assert_eq!(&value[..5], &[1, 2, 0, 2, b't']);
        assert_eq!(decode(&value), Ok(record));
        value.push(0);
        assert_eq!(decode(&value), Err(DecodeError::Trailing(1)));
        value[0] = 0;
        assert_eq!(decode(&value), Err(DecodeError::Version(0)));
        assert_eq!(decode(&[1, 6, 0]), Err(DecodeError::RecordType(6)));
        assert_eq!(decode(&[1, 2, 1]), Err(DecodeError::Version(1)));
    }
}
