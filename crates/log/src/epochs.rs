//! Which leader epoch began at which offset (KIP-101), and the file that remembers it, `leader-epoch-checkpoint`: text, `0`,
//! the number of entries, then lines `epoch startOffset`.
//!
//! Invariants: epochs and start offsets both grow strictly; the first entry may begin below the log's start and is then
//! moved up to it. The file is rewritten only when something changed, before the batch that begins an epoch is written.

use std::path::Path;

use ottla_machine::{Disk, LeaderEpoch, Offset};

use crate::error::{LogError, doing};
use crate::file_names::LEADER_EPOCHS;

/// From this offset on, batches are of this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: LeaderEpoch,
    pub start_offset: Offset,
}

/// The answer to "where does this epoch end?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch that is not above the one asked for.
    pub epoch: LeaderEpoch,
    pub end_offset: Offset,
}

/// The epochs of a log.
#[derive(Clone, Debug, Default)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
    changed: bool,
}

impl LeaderEpochs {
    pub(crate) fn load<D: Disk>(disk: &D, dir: &Path) -> Result<LeaderEpochs, LogError> {
        let path = dir.join(LEADER_EPOCHS);
        let content = match disk.read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(LeaderEpochs::default());
            }
            content => content.map_err(doing("reading", &path))?,
        };
        Self::parse(&content).ok_or_else(|| LogError::malformed(&path, "this is no leader epoch checkpoint"))
    }

    /// Writes the file if the entries changed since.
    pub(crate) fn store<D: Disk>(&mut self, disk: &D, dir: &Path) -> Result<(), LogError> {
        if self.changed {
            let path = dir.join(LEADER_EPOCHS);
            disk.write_atomically(&path, self.print().as_bytes()).map_err(doing("writing", &path))?;
            self.changed = false;
        }
        Ok(())
    }

    pub(crate) fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    pub(crate) fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// Notes that `epoch` begins at `start_offset`. Entries that contradict it, later ones of older truth, are dropped.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) {
        if epoch.0 < 0 || start_offset.0 < 0 || self.latest().is_some_and(|last| last.epoch == epoch) {
            return;
        }
        let contradicted =
            self.entries.iter().position(|entry| entry.epoch >= epoch || entry.start_offset >= start_offset);
        if let Some(from) = contradicted {
            self.entries.truncate(from);
        }
        if self.entries.is_empty() {
            // Most logs have one epoch, and many nothing else.
            self.entries.reserve_exact(1);
        }
        self.entries.push(EpochEntry { epoch, start_offset });
        self.changed = true;
    }

    /// Where the epoch ends, as a follower asks its leader; `None` if that is not known.
    pub(crate) fn end_offset_for(&self, epoch: LeaderEpoch, log_end_offset: Offset) -> Option<EpochEnd> {
        let latest = self.latest()?;
        if epoch.0 < 0 {
            return None;
        }
        if epoch == latest.epoch {
            return Some(EpochEnd { epoch, end_offset: log_end_offset });
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end_offset = self.entries.get(higher)?.start_offset;
        // Below all that is known, the epoch asked for ended where the first known begins.
        let epoch = higher.checked_sub(1).map_or(epoch, |floor| self.entries[floor].epoch);
        Some(EpochEnd { epoch, end_offset })
    }

    /// The epoch that the batch at this offset has.
    pub(crate) fn epoch_for(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map(|at| self.entries[at].epoch)
    }

    pub(crate) fn truncate_from_end(&mut self, end_offset: Offset) {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        self.changed |= kept < self.entries.len();
        self.entries.truncate(kept);
    }

    /// Forgets what lies below the log's start; the epoch at the start begins there now.
    pub(crate) fn truncate_from_start(&mut self, start_offset: Offset) {
        let below = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(at_start) = below.checked_sub(1) else {
            return;
        };
        if at_start > 0 || self.entries[0].start_offset < start_offset {
            self.entries.drain(..at_start);
            self.entries[0].start_offset = start_offset;
            self.changed = true;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.changed |= !self.entries.is_empty();
        self.entries.clear();
    }

    /// The content of a file; None if this is none.
    #[must_use]
    pub fn parse(content: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(content).ok()?.lines();
        if lines.next()?.trim() != "0" {
            return None;
        }
        let count: usize = lines.next()?.trim().parse().ok()?;
        let mut epochs = Self::default();
        for line in lines.by_ref().take(count) {
            let (epoch, start) = line.split_once(' ')?;
            epochs.assign(LeaderEpoch(epoch.trim().parse().ok()?), Offset(start.trim().parse().ok()?));
        }
        epochs.changed = false;
        (epochs.entries.len() == count && lines.next().is_none()).then_some(epochs)
    }

    /// The text of a file.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = format!("0\n{}\n", self.entries.len());
        for entry in &self.entries {
            text.push_str(&format!("{} {}\n", entry.epoch, entry.start_offset));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for (epoch, start) in entries {
            epochs.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        epochs
    }

    fn list(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries.iter().map(|entry| (entry.epoch.0, entry.start_offset.0)).collect()
    }

    fn end(epoch: i32, end_offset: i64) -> Option<EpochEnd> {
        Some(EpochEnd { epoch: LeaderEpoch(epoch), end_offset: Offset(end_offset) })
    }

    #[test]
    fn an_assignment_drops_what_it_contradicts() {
        assert_eq!(list(&epochs(&[(1, 0), (2, 10), (2, 15)])), [(1, 0), (2, 10)]);
        assert_eq!(list(&epochs(&[(1, 0), (2, 10), (4, 20), (3, 15)])), [(1, 0), (2, 10), (3, 15)]);
        assert_eq!(list(&epochs(&[(1, 10), (2, 10)])), [(2, 10)]);
        assert_eq!(list(&epochs(&[(-1, 0), (0, -1)])), []);
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let known = epochs(&[(2, 10), (4, 20)]);
        let leo = Offset(30);
        assert_eq!(known.end_offset_for(LeaderEpoch(4), leo), end(4, 30));
        assert_eq!(known.end_offset_for(LeaderEpoch(2), leo), end(2, 20));
        assert_eq!(known.end_offset_for(LeaderEpoch(3), leo), end(2, 20));
        assert_eq!(known.end_offset_for(LeaderEpoch(1), leo), end(1, 10));
        assert_eq!(known.end_offset_for(LeaderEpoch(5), leo), None);
        assert_eq!(known.end_offset_for(LeaderEpoch(-1), leo), None);
        assert_eq!(known.epoch_for(Offset(19)), Some(LeaderEpoch(2)));
        assert_eq!(known.epoch_for(Offset(9)), None);
    }

    #[test]
    fn truncation_cuts_on_either_side() {
        let mut known = epochs(&[(1, 0), (2, 10), (3, 20)]);
        known.truncate_from_end(Offset(20));
        assert_eq!(list(&known), [(1, 0), (2, 10)]);
        known.truncate_from_start(Offset(5));
        assert_eq!(list(&known), [(1, 5), (2, 10)]);
        known.truncate_from_start(Offset(12));
        assert_eq!(list(&known), [(2, 12)]);
        known.clear();
        assert_eq!(list(&known), []);
    }

    #[test]
    fn the_file_comes_back_and_damage_is_seen() {
        let known = epochs(&[(1, 0), (2, 10)]);
        assert_eq!(known.print(), "0\n2\n1 0\n2 10\n");
        assert_eq!(list(&LeaderEpochs::parse(known.print().as_bytes()).unwrap()), list(&known));
        for bad in ["", "1\n0\n", "0\n2\n1 0\n", "0\n1\n1 0\n2 10\n", "0\n1\n1\n", "0\n1\nx 0\n", "0\n2\n2 0\n1 10\n"] {
            assert!(LeaderEpochs::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
