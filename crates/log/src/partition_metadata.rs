//! `partition.metadata`: which topic the folder belongs to. Two lines, `version: 0` and `topic_id: <base64>`, without a
//! newline at the end.

use std::fmt;
use std::path::Path;

use ottla_machine::Disk;

use crate::error::{LogError, doing};
use crate::file_names::PARTITION_METADATA;
use crate::log::TopicId;

/// Reads the topic id of a partition's folder; `None` if there is no such file.
pub(crate) fn read<D: Disk>(disk: &D, dir: &Path) -> Result<Option<TopicId>, LogError> {
    let path = dir.join(PARTITION_METADATA);
    let content = match disk.read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        content => content.map_err(doing("reading", &path))?,
    };
    let text = str::from_utf8(&content).map_err(|error| LogError::malformed(&path, error))?;
    parse(text).map(Some).map_err(|reason| LogError::malformed(&path, reason))
}

pub(crate) fn write<D: Disk>(disk: &D, dir: &Path, topic_id: TopicId) -> Result<(), LogError> {
    let path = dir.join(PARTITION_METADATA);
    disk.write_atomically(&path, format!("version: 0\ntopic_id: {topic_id}").as_bytes())
        .map_err(doing("writing", &path))
}

fn parse(text: &str) -> Result<TopicId, &'static str> {
    let mut lines = text.lines().map(|line| line.split_once(':').map(|(name, value)| (name.trim(), value.trim())));
    match lines.next().flatten() {
        Some(("version", "0")) => {}
        _ => return Err("the first line is not `version: 0`"),
    }
    match lines.next().flatten() {
        Some(("topic_id", id)) => TopicId::parse(id).ok_or("the topic id is not one"),
        _ => Err("the second line is not the topic id"),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        for group in 0..22 {
            // The last group has two bits of the id and four of nothing.
            let bits = if group < 21 { value >> (122 - 6 * group) } else { value << 4 };
            write!(f, "{}", char::from(ALPHABET[(bits & 63) as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TopicId {
    /// Reads the text form: 22 characters of URL-safe base64, unpadded.
    pub fn parse(text: &str) -> Option<TopicId> {
        let bytes = text.as_bytes();
        if bytes.len() != 22 {
            return None;
        }
        let mut value = 0u128;
        for (group, byte) in bytes.iter().enumerate() {
            let bits = ALPHABET.iter().position(|known| known == byte)? as u128;
            value = if group < 21 { value << 6 | bits } else { value << 2 | bits >> 4 };
        }
        Some(TopicId(value.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_machine::MemDisk;
    use proptest::prelude::*;

    #[test]
    fn the_file_is_as_kafka_writes_it() {
        let disk = MemDisk::new();
        let dir = Path::new("/t-0");
        disk.create_dir_all(dir).unwrap();
        assert_eq!(read(&disk, dir).unwrap(), None);
        let id = TopicId::parse("G1x3GqGkQyOwh8YiZGlxEw").unwrap();
        write(&disk, dir, id).unwrap();
        let content = disk.read(&dir.join("partition.metadata")).unwrap();
        assert_eq!(content, b"version: 0\ntopic_id: G1x3GqGkQyOwh8YiZGlxEw");
        assert_eq!(read(&disk, dir).unwrap(), Some(id));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in ["", "version: 1\ntopic_id: G1x3GqGkQyOwh8YiZGlxEw", "version: 0", "version: 0\ntopic_id: short"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ids_come_back_from_text(bytes: [u8; 16]) {
            prop_assert_eq!(TopicId::parse(&TopicId(bytes).to_string()), Some(TopicId(bytes)));
        }
    }
}
