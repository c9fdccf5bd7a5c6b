//! One file's bytes: as they are seen, as they are durable, and the changes between the two in order.

use std::io::{self, ErrorKind};

use crate::Seed;

/// What a torn write is made of: a disk writes sectors whole.
const SECTOR: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeId(pub(super) u64);

#[derive(Default)]
pub(super) struct Inode {
    pub(super) data: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    pub(super) read_only: bool,
    pub(super) modified_ms: i64,
    /// Open handles are not counted down: a process keeps its files until it ends (the crash).
    pub(super) handles: u64,
}

enum Change {
    Write { position: usize, content: Vec<u8> },
    SetLen(usize),
}

impl Inode {
    pub(super) fn new(now_ms: i64) -> Inode {
        Inode { modified_ms: now_ms, ..Inode::default() }
    }

    pub(super) fn read(&self, position: u64, buf: &mut [u8]) -> usize {
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(self.data.len());
        let length = buf.len().min(self.data.len() - start);
        buf[..length].copy_from_slice(&self.data[start..start + length]);
        length
    }

    pub(super) fn write(&mut self, position: u64, content: &[u8], now_ms: i64) {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        put(&mut self.data, position, content);
        self.pending.push(Change::Write { position, content: content.to_vec() });
        self.modified_ms = now_ms;
    }

    pub(super) fn set_len(&mut self, len: u64, now_ms: i64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?;
        self.data.resize(len, 0);
        self.pending.push(Change::SetLen(len));
        self.modified_ms = now_ms;
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
        debug_assert!(self.durable == self.data, "the changes lead from the durable to the visible bytes");
    }

    /// What a crash leaves: the durable bytes, and of the changes since those that `seed` lets through, whole or torn.
    pub(super) fn crash(&mut self, seed: &mut Seed) {
        for change in std::mem::take(&mut self.pending) {
            match (seed.below(4), change) {
                (0, _) => {}
                (1, Change::Write { position, content }) => {
                    let sectors = content.len().div_ceil(SECTOR) as u64;
                    let kept = usize::try_from(seed.below(sectors + 1)).unwrap_or(0) * SECTOR;
                    put(&mut self.durable, position, &content[..kept.min(content.len())]);
                }
                (_, change) => change.apply(&mut self.durable),
            }
        }
        self.data = self.durable.clone();
        self.handles = 0;
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write { position, content } => put(bytes, *position, content),
            Change::SetLen(len) => bytes.resize(*len, 0),
        }
    }
}

fn put(bytes: &mut Vec<u8>, position: usize, content: &[u8]) {
    let end = position + content.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[position..end].copy_from_slice(content);
}
