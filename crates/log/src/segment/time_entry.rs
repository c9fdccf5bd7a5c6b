//! An entry of the `.timeindex`: i64 largest timestamp so far, i32 relative last offset of the batch that has it.

use super::index::Entry;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(self, base_offset: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&((self.offset - base_offset) as i32).to_be_bytes());
    }

    fn decode(base_offset: i64, bytes: &[u8]) -> Self {
        let (timestamp, offset) = bytes.split_at(8);
        let relative = i32::from_be_bytes(offset.try_into().unwrap_or_default());
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp.try_into().unwrap_or_default()),
            offset: base_offset.saturating_add(i64::from(relative)),
        }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.timestamp > previous.timestamp && self.offset >= previous.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_kafkas() {
        let entry = TimeEntry { timestamp: 0x0102_0304_0506_0708, offset: 1005 };
        let mut bytes = Vec::new();
        entry.encode(1000, &mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 5]);
        assert_eq!(TimeEntry::decode(1000, &bytes), entry);
    }
}
