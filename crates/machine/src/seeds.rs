//! How tests that draw everything from a seed go through many of them: a fixed number each time, more if asked, and a
//! failing one is named with the command that repeats it.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Repeats one seed, and no other.
const ONE: &str = "OTTLA_SEED";
/// So many seeds, from 0 on.
const MANY: &str = "OTTLA_SEEDS";

/// Runs the seeds from 0 to below `count`, or those that the environment names. Panics with the first that fails; `test` is
/// what `cargo test` takes to run this one alone, such as `-p ottla-log power_loss`.
pub fn run(test: &str, count: u64, run: impl Fn(u64)) {
    let (first, after) = match (asked(ONE), asked(MANY)) {
        (Some(seed), _) => (seed, seed + 1),
        (None, Some(count)) => (0, count),
        (None, None) => (0, count),
    };
    for seed in first..after {
        if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
            panic!("seed {seed} failed; to repeat it: {ONE}={seed} cargo test {test}");
        }
    }
}

/// Whether one seed is repeated, so that telling what happens helps.
#[must_use]
pub fn repeats_one() -> bool {
    asked(ONE).is_some()
}

fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable}={text} is no number"),
    }
}
