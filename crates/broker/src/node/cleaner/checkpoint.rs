//! `cleaner-offset-checkpoint` of one directory: where the dirty part of each log begins.

use crate::node::directories::Offsets;
use crate::node::lock;
use ottla_log::LogError;
use ottla_log::directory::{Checkpoint, CheckpointKind, LogDirectory, TopicPartition};
use ottla_machine::{Disk, Offset};
use std::sync::Mutex;

pub(in crate::node) struct CleanerCheckpoint {
    state: Mutex<State>,
}

struct State {
    offsets: Offsets,
    /// `None`: what is there cannot be read, and the first offset replaces it.
    file: Option<Checkpoint>,
}

impl CleanerCheckpoint {
    /// One that cannot be read is taken for empty: logs are then cleaned from their starts, which is work and no harm.
    pub fn read<D: Disk>(files: &LogDirectory<D>) -> Self {
        let file = files.checkpoint(CheckpointKind::Cleaner);
        let file = file.inspect_err(|error| tracing::warn!("logs are cleaned anew from their starts: {error}")).ok();
        let offsets = file.iter().flat_map(Checkpoint::iter).map(|(name, offset)| (name.clone(), offset)).collect();
        Self { state: Mutex::new(State { offsets, file }) }
    }

    pub fn get(&self, partition: &TopicPartition) -> Option<Offset> {
        lock(&self.state).offsets.get(partition).copied()
    }

    /// Notes an offset, and writes the file. Of other partitions those stay that `is_here`.
    pub fn set<D: Disk>(
        &self,
        files: &LogDirectory<D>,
        partition: TopicPartition,
        offset: Offset,
        is_here: impl Fn(&TopicPartition) -> bool,
    ) -> Result<(), LogError> {
        let mut state = lock(&self.state);
        state.offsets.retain(|name, _| is_here(name));
        state.offsets.insert(partition, offset);
        state.write(files)
    }

    /// The partition is no longer here. True if the file is to be written ([`CleanerCheckpoint::write`]).
    pub fn forget(&self, partition: &TopicPartition) -> bool {
        lock(&self.state).offsets.remove(partition).is_some()
    }

    pub fn write<D: Disk>(&self, files: &LogDirectory<D>) -> Result<(), LogError> {
        lock(&self.state).write(files)
    }
}

impl State {
    fn write<D: Disk>(&mut self, files: &LogDirectory<D>) -> Result<(), LogError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(Checkpoint::unread(files.path(), CheckpointKind::Cleaner)),
        };
        file.write(files.disk(), self.offsets.clone()).map(drop)
    }
}
