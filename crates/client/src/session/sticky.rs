//! Records without a key stay with one partition until it has got a batch's worth, then go to another (KIP-794).

use ottla_machine::Seed;

#[derive(Debug)]
pub struct Sticky {
    seed: Seed,
    current: Option<i32>,
    bytes: usize,
}

impl Sticky {
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { seed, current: None, bytes: 0 }
    }

    /// The partition for a record of `size`, among those that are there; after `batch_bytes` it is another one.
    pub fn partition(&mut self, partitions: &[i32], size: usize, batch_bytes: usize) -> i32 {
        let stays = self.current.filter(|current| self.bytes < batch_bytes && partitions.contains(current));
        let chosen = stays.unwrap_or_else(|| {
            self.bytes = 0;
            let others: Vec<_> = partitions.iter().filter(|other| Some(**other) != self.current).collect();
            match others.len() {
                0 => partitions.first().copied().unwrap_or(0),
                count => {
                    let place = usize::try_from(self.seed.below(count as u64)).unwrap_or(0);
                    others.get(place).map_or(0, |partition| **partition)
                }
            }
        });
        self.current = Some(chosen);
        self.bytes += size;
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_kept_for_a_batch_and_then_left() {
        let mut sticky = Sticky::new(Seed(1));
        let drawn: Vec<_> = (0..30).map(|_| sticky.partition(&[0, 1, 2], 10, 100)).collect();
        for ten in drawn.chunks(10) {
            assert!(ten.iter().all(|partition| *partition == ten[0]));
        }
        assert!(drawn[0] != drawn[10] && drawn[10] != drawn[20]);
    }
}
