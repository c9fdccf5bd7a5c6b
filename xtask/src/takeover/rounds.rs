//! `cargo xtask takeover rounds`: there and back, many times, each turn ending at a random moment and in a random way. A run is
//! told by its seed: the same turns come again, though not the same interleaving.

use super::side::{End, Side, Sides};
use super::turns::{Relay, Turn};
use crate::compat::Work;
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant, SystemTime};

const ROUNDS: u64 = 20;
const WRITTEN_FOR_MAX_MS: u64 = 2500;

struct Options {
    rounds: u64,
    seed: u64,
    kafka: Side,
}

pub(super) fn run(work: &Work, args: &[&str]) -> Result<()> {
    let options = parse(args)?;
    let sides = Sides::new(work)?;
    let began = Instant::now();
    println!("{} rounds of {} and Ottla, --seed {}", options.rounds, options.kafka.name(), options.seed);
    let mut random = Random(options.seed);
    let formatter = if random.below(2) == 0 { options.kafka } else { Side::Ottla };
    // What the older Kafka opens, the older levels must be in.
    let release = (formatter == Side::Ottla && options.kafka == Side::Kafka43).then_some("4.3");
    let mut relay = Relay::new(work, &sides, formatter, release)?;
    for round in 0..options.rounds {
        for side in [options.kafka, Side::Ottla] {
            let end = match random.below(4) {
                0 => End::Stopped,
                1 => End::Interrupted,
                _ => End::Killed,
            };
            let written_for = Duration::from_millis(random.below(WRITTEN_FOR_MAX_MS));
            let turn = Turn { side, end, written_for, seed: options.seed.wrapping_mul(1000) + random.0 % 1000 };
            relay.take(turn).with_context(|| format!("round {}, --seed {}", round + 1, options.seed))?;
        }
    }
    relay.dump()?;
    println!("{} rounds there and back in {} s: nothing lost", options.rounds, began.elapsed().as_secs());
    Ok(())
}

fn parse(args: &[&str]) -> Result<Options> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut options = Options { rounds: ROUNDS, seed: now.as_secs() % 100_000, kafka: Side::Kafka };
    for pair in args.chunks(2) {
        match *pair {
            ["--rounds", count] => options.rounds = count.parse().context("--rounds takes a number")?,
            ["--seed", seed] => options.seed = seed.parse().context("--seed takes a number")?,
            ["--kafka", "4.3.1"] => options.kafka = Side::Kafka43,
            ["--kafka", "4.4.0"] => options.kafka = Side::Kafka,
            _ => bail!("usage: cargo xtask takeover rounds [--rounds N] [--seed N] [--kafka 4.3.1|4.4.0]"),
        }
    }
    Ok(options)
}

/// Numbers that a seed tells (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}
