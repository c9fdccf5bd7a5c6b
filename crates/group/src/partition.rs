//! Which partition of `__consumer_offsets` holds a group: Java's `String.hashCode`, so that all nodes and all versions agree.

use ottla_machine::PartitionIndex;

/// The partition of a group when the topic has `partitions` of them. The count must be the topic's own, not the setting for
/// new topics. None if there are no partitions.
#[must_use]
pub fn partition_for(group_id: &str, partitions: i32) -> Option<PartitionIndex> {
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // The absolute value, not the lower 31 bits: they differ for the half of all names whose hash is negative.
    hash.checked_abs().unwrap_or(0).checked_rem(partitions).filter(|_| partitions > 0).map(PartitionIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        // "".hashCode() == 0; "group".hashCode() == 98629247; "polygenelubricants".hashCode() == Integer.MIN_VALUE.
        assert_eq!(partition_for("", 50), Some(PartitionIndex(0)));
        assert_eq!(partition_for("group", 50), Some(PartitionIndex(98_629_247 % 50)));
        assert_eq!(partition_for("polygenelubricants", 50), Some(PartitionIndex(0)));
        // "takeover".hashCode() == -643901989
        assert_eq!(partition_for("takeover", 8), Some(PartitionIndex(643_901_989 % 8)));
        // One character outside the basic plane is two units: "😀".hashCode() == 0xd83d * 31 + 0xde00.
        assert_eq!(partition_for("😀", 1000), Some(PartitionIndex((0xd83d * 31 + 0xde00) % 1000)));
        assert_eq!(partition_for("group", 0), None);
    }
}
