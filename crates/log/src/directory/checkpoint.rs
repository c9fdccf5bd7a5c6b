//! The checkpoint files of a directory: an offset for each partition, as text: `0`, the number of entries, then lines
//! `topic partition offset`.
//!
//! Written beside, synced and renamed; and only when something changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_machine::{Disk, Offset, PartitionIndex};

use super::{PartitionOffsets, TopicPartition};
use crate::error::{LogError, doing};

/// Which of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// `recovery-point-offset-checkpoint`: what lies below is durable.
    RecoveryPoint,
    /// `log-start-offset-checkpoint`: for logs that start above their first segment.
    LogStartOffset,
    /// `replication-offset-checkpoint`: the high watermarks.
    HighWatermark,
    /// `cleaner-offset-checkpoint`: what lies below was compacted.
    Cleaner,
}

/// One checkpoint file: its content, and what of it is on disk.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    written: Option<PartitionOffsets>,
}

impl CheckpointKind {
    pub const fn file_name(self) -> &'static str {
        match self {
            CheckpointKind::RecoveryPoint => "recovery-point-offset-checkpoint",
            CheckpointKind::LogStartOffset => "log-start-offset-checkpoint",
            CheckpointKind::HighWatermark => "replication-offset-checkpoint",
            CheckpointKind::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

impl Checkpoint {
    pub(super) fn read<D: Disk>(disk: &D, dir: &Path, kind: CheckpointKind) -> Result<Checkpoint, LogError> {
        let path = dir.join(kind.file_name());
        let content = match disk.read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Checkpoint { path, written: None });
            }
            content => content.map_err(doing("reading", &path))?,
        };
        if content.is_empty() {
            // As Kafka makes it, before there is anything to write.
            return Ok(Checkpoint { path, written: None });
        }
        let offsets = str::from_utf8(&content).ok().and_then(Self::parse);
        let offsets = offsets.ok_or_else(|| LogError::malformed(&path, "this is no checkpoint of offsets"))?;
        Ok(Checkpoint { path, written: Some(offsets) })
    }

    /// A file that is to be replaced, whatever it holds.
    #[must_use]
    pub fn unread(dir: &Path, kind: CheckpointKind) -> Checkpoint {
        Checkpoint { path: dir.join(kind.file_name()), written: None }
    }

    /// The text of a file.
    #[must_use]
    pub fn print(offsets: &PartitionOffsets) -> String {
        let mut text = format!("0\n{}\n", offsets.len());
        for (TopicPartition { topic, partition }, offset) in offsets {
            text.push_str(&format!("{topic} {partition} {offset}\n"));
        }
        text
    }

    /// The content of a file; None if this is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<PartitionOffsets> {
        let mut lines = text.lines();
        if lines.next()?.trim() != "0" {
            return None;
        }
        let count: usize = lines.next()?.trim().parse().ok()?;
        let mut offsets = PartitionOffsets::new();
        // The partitions of a topic share its name.
        let mut topic: Arc<str> = Arc::default();
        for line in lines {
            let mut fields = line.split_whitespace();
            let name = fields.next()?;
            if name != &*topic {
                topic = name.into();
            }
            let partition = PartitionIndex(fields.next()?.parse().ok()?);
            let offset = Offset(fields.next()?.parse().ok()?);
            if fields.next().is_some()
                || offsets.insert(TopicPartition { topic: Arc::clone(&topic), partition }, offset).is_some()
            {
                return None;
            }
        }
        (offsets.len() == count).then_some(offsets)
    }

    /// What the file holds.
    pub fn get(&self, partition: &TopicPartition) -> Option<Offset> {
        self.written.as_ref()?.get(partition).copied()
    }

    /// All that the file holds.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, Offset)> {
        self.written.iter().flatten().map(|(partition, offset)| (partition, *offset))
    }

    /// Replaces the content; the disk is touched only if it differs. True if the file was written.
    pub fn write<D: Disk>(&mut self, disk: &D, offsets: PartitionOffsets) -> Result<bool, LogError> {
        if self.written.as_ref().map_or(offsets.is_empty(), |written| *written == offsets) {
            return Ok(false);
        }
        disk.write_atomically(&self.path, Self::print(&offsets).as_bytes()).map_err(doing("writing", &self.path))?;
        self.written = Some(offsets);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_machine::MemDisk;

    fn offsets(entries: &[(&str, i32, i64)]) -> PartitionOffsets {
        let entry = |(topic, partition, offset): &(&str, i32, i64)| {
            (TopicPartition { topic: (*topic).into(), partition: PartitionIndex(*partition) }, Offset(*offset))
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn a_checkpoint_is_written_only_when_it_changed() {
        let disk = MemDisk::new();
        let mut file = Checkpoint::read(&disk, Path::new("/"), CheckpointKind::HighWatermark).unwrap();
        assert!(!file.write(&disk, offsets(&[])).unwrap());
        assert!(file.write(&disk, offsets(&[("b", 1, 7), ("a", 0, 3)])).unwrap());
        assert!(!file.write(&disk, offsets(&[("a", 0, 3), ("b", 1, 7)])).unwrap());
        let path = Path::new("/replication-offset-checkpoint");
        assert_eq!(disk.read(path).unwrap(), b"0\n2\na 0 3\nb 1 7\n");
        let read = Checkpoint::read(&disk, Path::new("/"), CheckpointKind::HighWatermark).unwrap();
        let b1 = TopicPartition { topic: "b".into(), partition: PartitionIndex(1) };
        assert_eq!(read.get(&b1), Some(Offset(7)));
        assert_eq!(read.iter().map(|(_, offset)| offset.0).collect::<Vec<_>>(), [3, 7]);
        assert!(file.write(&disk, offsets(&[])).unwrap());
        assert_eq!(disk.read(path).unwrap(), b"0\n0\n");
    }

    #[test]
    fn kafka_leaves_files_without_a_byte() {
        let disk = MemDisk::new();
        disk.write_atomically(Path::new("/cleaner-offset-checkpoint"), b"").unwrap();
        let file = Checkpoint::read(&disk, Path::new("/"), CheckpointKind::Cleaner).unwrap();
        assert_eq!(file.iter().count(), 0);
    }

    #[test]
    fn damage_is_told() {
        for bad in
            ["", "1\n0\n", "0\n", "0\n1\n", "0\n1\na 0\n", "0\n1\na 0 1 2\n", "0\n1\na x 1\n", "0\n2\na 0 1\na 0 2\n"]
        {
            assert_eq!(Checkpoint::parse(bad), None, "{bad:?}");
        }
    }
}
