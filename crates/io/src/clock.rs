//! The real clocks, and randomness from the system.

use ottla_machine::{Instant, Seed, Timestamp};
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// The monotonic time, counted from the first call.
#[must_use]
pub fn instant() -> Instant {
    Instant(u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The wall clock, in milliseconds since 1970.
#[must_use]
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A seed from the system's randomness, mixed with the time and the process.
#[must_use]
pub fn seed() -> Seed {
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_i64(wall().0);
    hasher.write_u32(std::process::id());
    Seed(hasher.finish())
}
