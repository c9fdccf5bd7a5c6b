//! Groups: membership, offsets, and assignment, as record machines.
