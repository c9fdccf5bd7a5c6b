//! Control records: what brokers and controllers write into a log for each other. The key says the kind; the values of the
//! Raft kinds are messages of their own, the value of the end of a transaction is here.

/// The kind of a control record, as its key says: i16 version, i16 type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum ControlRecordType {
    Abort = 0,
    Commit = 1,
    LeaderChange = 2,
    SnapshotHeader = 3,
    SnapshotFooter = 4,
    KraftVersion = 5,
    KraftVoters = 6,
}

/// The value of an ABORT or COMMIT record: i16 version 0, i32 coordinator epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    pub coordinator_epoch: i32,
}

impl ControlRecordType {
    /// Reads a key. `None` for a kind that is not known, which a reader passes over, and for bytes that are no key.
    pub fn from_key(key: &[u8]) -> Option<ControlRecordType> {
        let (version, rest) = key.split_first_chunk::<2>()?;
        let kind = rest.first_chunk::<2>()?;
        if i16::from_be_bytes(*version) < 0 {
            return None;
        }
        match i16::from_be_bytes(*kind) {
            0 => Some(ControlRecordType::Abort),
            1 => Some(ControlRecordType::Commit),
            2 => Some(ControlRecordType::LeaderChange),
            3 => Some(ControlRecordType::SnapshotHeader),
            4 => Some(ControlRecordType::SnapshotFooter),
            5 => Some(ControlRecordType::KraftVersion),
            6 => Some(ControlRecordType::KraftVoters),
            _ => None,
        }
    }

    /// The key of such a record, version 0.
    pub const fn key(self) -> [u8; 4] {
        let kind = (self as i16).to_be_bytes();
        [0, 0, kind[0], kind[1]]
    }
}

impl EndTransactionMarker {
    pub fn from_value(value: &[u8]) -> Option<EndTransactionMarker> {
        let (version, rest) = value.split_first_chunk::<2>()?;
        let epoch = rest.first_chunk::<4>()?;
        (i16::from_be_bytes(*version) >= 0)
            .then_some(EndTransactionMarker { coordinator_epoch: i32::from_be_bytes(*epoch) })
    }

    pub const fn value(self) -> [u8; 6] {
        let epoch = self.coordinator_epoch.to_be_bytes();
        [0, 0, epoch[0], epoch[1], epoch[2], epoch[3]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_come_back() {
        for kind in 0..7 {
            let read = ControlRecordType::from_key(&[0, 0, 0, kind]).unwrap();
            assert_eq!(read.key(), [0, 0, 0, kind]);
        }
        assert_eq!(ControlRecordType::from_key(&[0, 0, 0, 7]), None);
        assert_eq!(ControlRecordType::from_key(&[0, 0, 0]), None);
        let marker = EndTransactionMarker { coordinator_epoch: 9 };
        assert_eq!(EndTransactionMarker::from_value(&marker.value()), Some(marker));
        assert_eq!(EndTransactionMarker::from_value(&[0; 5]), None);
    }
}
