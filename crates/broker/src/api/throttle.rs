//! Where quotas will slow clients down; until they are there, nobody is.

/// The time that an answer tells a client to wait.
pub(super) const NOT_THROTTLED_MS: i32 = 0;
