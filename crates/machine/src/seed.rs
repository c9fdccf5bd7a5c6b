//! A small generator of pseudo-random numbers (SplitMix64), the only randomness that a machine gets: given as a seed, it
//! repeats exactly. Not for secrets.

/// The state of the generator; two with the same number draw the same sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias of the modulo is of no matter to a simulation.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw() % bound }
    }

    /// True `part` times in `whole`.
    pub fn chance(&mut self, part: u64, whole: u64) -> bool {
        self.below(whole) < part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_sequence() {
        let (mut a, mut b) = (Seed(7), Seed(7));
        let drawn: Vec<u64> = (0..100).map(|_| a.draw()).collect();
        assert!(drawn.iter().all(|x| *x == b.draw()));
        assert_ne!(Seed(8).draw(), drawn[0]);
        assert_eq!(Seed(1).below(0), 0);
    }
}
