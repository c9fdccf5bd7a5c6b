//! The numbers that several machines exchange, each with a type of its own, so that an offset is never passed for an epoch.
//!
//! They are plain copies of what stands on the wire: no range is enforced here, since the value −1 has a meaning of its own
//! for most of them (see the constants).

use std::fmt;

/// The place of a record in a partition's log; the first record has 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

/// The term of a partition's leader, as the controller counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

/// The identity under which an idempotent or transactional producer writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

/// The number of a partition within its topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionIndex(pub i32);

impl Offset {
    pub const ZERO: Offset = Offset(0);

    /// The offset after this one; the last offset there is stays where it is.
    pub const fn next(self) -> Offset {
        Offset(self.0.saturating_add(1))
    }
}

impl LeaderEpoch {
    /// No epoch: what a batch carries before a leader has stamped it.
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl ProducerId {
    /// No producer id: the producer is not idempotent.
    pub const NONE: ProducerId = ProducerId(-1);
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PartitionIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_has_no_successor() {
        assert_eq!(Offset(4).next(), Offset(5));
        assert_eq!(Offset(i64::MAX).next(), Offset(i64::MAX));
    }

    #[test]
    fn padding_reaches_the_number() {
        assert_eq!(format!("{:05}", Offset(42)), "00042");
    }
}
