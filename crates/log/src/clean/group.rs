//! Which segments become one: neighbours whose bytes, indexes and offsets fit into one segment, so that cleaning does not leave
//! ever smaller ones.

use std::ops::Range;

/// A segment as far as grouping is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) base_offset: i64,
    pub(super) bytes: u64,
    /// Of the offset index and the time index.
    pub(super) index_bytes: [u64; 2],
}

/// How large a group may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupLimits {
    /// `segment.bytes`
    pub(super) bytes: u64,
    /// `segment.index.bytes`
    pub(super) index_bytes: u64,
    /// Bounds the offsets of the last segment.
    pub(super) first_uncleanable_offset: i64,
}

/// Groups of neighbours, each with one segment at least.
pub(super) fn group(pieces: &[Piece], limits: GroupLimits) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut from = 0;
    while let Some(first) = pieces.get(from) {
        let mut sum = *first;
        let mut to = from + 1;
        while let Some(next) = pieces.get(to) {
            sum.bytes += next.bytes;
            sum.index_bytes = [sum.index_bytes[0] + next.index_bytes[0], sum.index_bytes[1] + next.index_bytes[1]];
            // The last offset would have to be read; the next base is above it for certain.
            let end = pieces.get(to + 1).map_or(limits.first_uncleanable_offset, |after| after.base_offset);
            let offsets_fit = next.bytes == 0 || end - 1 - first.base_offset <= i64::from(i32::MAX);
            let fits = sum.bytes <= limits.bytes && sum.index_bytes.iter().all(|bytes| *bytes <= limits.index_bytes);
            if !(fits && offsets_fit) {
                break;
            }
            to += 1;
        }
        groups.push(from..to);
        from = to;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(base_offset: i64, bytes: u64) -> Piece {
        Piece { base_offset, bytes, index_bytes: [8, 12] }
    }

    const LIMITS: GroupLimits = GroupLimits { bytes: 100, index_bytes: 1000, first_uncleanable_offset: 50 };

    #[test]
    fn neighbours_are_joined_while_they_fit() {
        let pieces = [piece(0, 60), piece(10, 40), piece(20, 1), piece(30, 100), piece(40, 200)];
        assert_eq!(group(&pieces, LIMITS), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(group(&[], LIMITS), []);
    }

    #[test]
    fn indexes_bound_a_group_as_well() {
        let pieces: Vec<Piece> = (0..5).map(|at| piece(at, 0)).collect();
        assert_eq!(group(&pieces, GroupLimits { index_bytes: 24, ..LIMITS }), [0..2, 2..4, 4..5]);
    }

    #[test]
    fn offsets_of_a_group_fit_into_31_bits() {
        let far = i64::from(i32::MAX);
        let limits = GroupLimits { first_uncleanable_offset: far + 2, ..LIMITS };
        assert_eq!(group(&[piece(0, 1), piece(10, 1)], limits), [0..1, 1..2]);
        let limits = GroupLimits { first_uncleanable_offset: far + 1, ..LIMITS };
        assert_eq!(group(&[piece(0, 1), piece(10, 1)], limits).len(), 1);
        // An empty one has no offsets.
        let limits = GroupLimits { first_uncleanable_offset: far * 5, ..LIMITS };
        assert_eq!(group(&[piece(0, 1), piece(far * 3, 0), piece(far * 4, 1)], limits), [0..2, 2..3]);
    }
}
