//! The last offset of each key, by a hash of the key: what a cleaning remembers of the dirty part of a log.
//!
//! As in Kafka's `SkimpyOffsetMap` an entry is 24 bytes, a hash of sixteen and an offset, so that the same memory holds as many
//! keys; two keys of one hash would be taken for one, so the hash is one for which nobody can make such keys (half of a
//! SHA-256; Kafka's is MD5). Deliberately absent: growing, removing, and the keys themselves.

use sha2::{Digest, Sha256};

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: u64 = 24;

pub(super) struct OffsetMap {
    /// Two halves of the hash, and the offset + 1: an empty one is 0, so that memory that is never touched is never had.
    slots: Vec<[u64; 3]>,
    entries: usize,
    latest_offset: i64,
}

impl OffsetMap {
    /// A map for at least one key.
    pub(super) fn with_slots(slots: usize) -> OffsetMap {
        OffsetMap { slots: vec![[0; 3]; slots.max(1)], entries: 0, latest_offset: -1 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// Up to where the log is in the map; −1 for nothing.
    pub(super) fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    pub(super) fn set_latest_offset(&mut self, offset: i64) {
        self.latest_offset = offset;
    }

    /// Notes the last offset of a key. False if there is no room for another key.
    pub(super) fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = hash(key);
        let at = self.slot_of(hash);
        match at {
            Some(at) if self.slots[at][2] != 0 => {}
            // One stays free, where a search ends.
            Some(_) if self.entries + 1 < self.slots.len().max(2) => self.entries += 1,
            _ => return false,
        }
        if let Some(at) = at {
            self.slots[at] = [hash[0], hash[1], offset.cast_unsigned().wrapping_add(1)];
        }
        self.latest_offset = offset;
        true
    }

    /// The last offset of a key; `None` if the key is not in the map.
    pub(super) fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots[self.slot_of(hash(key))?];
        (slot[2] != 0).then(|| slot[2].wrapping_sub(1).cast_signed())
    }

    /// Where the hash stands, or the free slot where it would.
    fn slot_of(&self, hash: [u64; 2]) -> Option<usize> {
        let count = self.slots.len();
        let first = (hash[0] % count as u64) as usize;
        let probe = |at: &usize| {
            let slot = &self.slots[*at];
            slot[2] == 0 || (slot[0], slot[1]) == (hash[0], hash[1])
        };
        (first..count).chain(0..first).find(probe)
    }
}

fn hash(key: &[u8]) -> [u64; 2] {
    let digest = Sha256::digest(key);
    let half = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    [half(0), half(8)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_full_map_takes_known_keys_and_no_others() {
        let mut map = OffsetMap::with_slots(4);
        for (at, key) in ["a", "b", "c"].iter().enumerate() {
            assert!(map.put(key.as_bytes(), at as i64));
        }
        assert!(!map.put(b"d", 3));
        assert!(map.put(b"a", 4));
        assert_eq!((map.get(b"a"), map.get(b"d"), map.len(), map.latest_offset()), (Some(4), None, 3, 4));
    }

    proptest! {
        #[test]
        fn it_holds_the_last_offset_of_each_key(keys in prop::collection::vec(0..40u8, 0..200)) {
            let mut map = OffsetMap::with_slots(42);
            let mut model = BTreeMap::new();
            for (offset, key) in keys.iter().enumerate() {
                prop_assert!(map.put(&[*key], offset as i64));
                model.insert(*key, offset as i64);
            }
            for key in 0..41u8 {
                prop_assert_eq!(map.get(&[key]), model.get(&key).copied());
            }
            prop_assert_eq!(map.len(), model.len());
        }
    }
}
