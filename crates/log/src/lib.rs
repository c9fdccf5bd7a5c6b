//! One partition's log over a disk: segments, indexes, producer state, epochs, recovery.
