//! One file's bytes: as they are seen, as they are durable, and the changes between the two in order.
//!
//! A disk is free to write any dirty page at any time, and the file's length at another. What a power cut leaves is
//! therefore made of pieces from different moments: each page or sector as it was at some moment since the last sync, and
//! the length of some moment. A page that was never written is as it was, or zeros where the file grew.

use std::io::{self, ErrorKind};

use crate::Seed;

/// What a disk writes whole.
const SECTOR: usize = 512;
/// What the system writes at once.
const PAGE: usize = 4096;

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
    }

    /// A sync that failed: of what it should have made durable, some is and some is not, and all of it counts as clean from
    /// now on. It is still seen, and a later sync that succeeds does not cover it.
    pub(super) fn fail_sync(&mut self, seed: &mut Seed) {
        self.durable = self.written_by_chance(seed);
        self.pending.clear();
    }

    /// What is left when the power goes off.
    pub(super) fn crash(&mut self, seed: &mut Seed) {
        self.durable = self.written_by_chance(seed);
        self.pending.clear();
        self.data = self.durable.clone();
        self.handles = 0;
    }

    /// What the disk may hold at this moment.
    fn written_by_chance(&self, seed: &mut Seed) -> Vec<u8> {
        let moments = self.pending.len() as u64;
        if moments == 0 {
            return self.durable.clone();
        }
        let by_chance = |seed: &mut Seed| match seed.below(3) {
            0 => 0,
            1 => moments,
            _ => seed.below(moments + 1),
        };
        let unit = if seed.chance(1, 2) { SECTOR } else { PAGE };
        match seed.below(6) {
            0 => self.durable.clone(),
            1 => self.pieces(unit, moments, |_| moments),
            // In order, and torn in the last write.
            2 => {
                let (now, torn) = (seed.below(moments), seed.below(4));
                self.pieces(SECTOR, now + u64::from(torn > 0), |at| now + u64::from((at as u64 % 4) < torn))
            }
            // Almost all: one piece in eight is older than the rest.
            3 => {
                let mut seed = seed.clone();
                self.pieces(unit, moments, |_| if seed.chance(1, 8) { by_chance(&mut seed) } else { moments })
            }
            // The length ahead of the content, or behind it.
            4 => {
                let (length, content) = (by_chance(seed), by_chance(seed));
                self.pieces(unit, length, |_| content)
            }
            _ => {
                let length = by_chance(seed);
                let mut seed = seed.clone();
                self.pieces(unit, length, |_| by_chance(&mut seed))
            }
        }
    }

    /// The file made of pieces of this size, each as it was after so many of the changes, with the length of a moment.
    fn pieces(&self, unit: usize, length_of: u64, mut moment_of: impl FnMut(usize) -> u64) -> Vec<u8> {
        let mut image = self.durable.clone();
        let reach = self.pending.iter().map(|change| match change {
            Change::Write { position, content } => position + content.len(),
            Change::SetLen(len) => *len,
        });
        let longest = reach.max().unwrap_or(0).max(image.len());
        let mut order: Vec<(u64, usize)> = (0..longest.div_ceil(unit)).map(|at| (moment_of(at), at)).collect();
        order.sort_unstable();
        let mut order = order.into_iter().peekable();
        let mut made = vec![0; longest];
        let mut length = 0;
        for (moment, change) in (0..).zip(self.pending.iter().map(Some).chain([None])) {
            while let Some((_, at)) = order.next_if(|(of, _)| *of == moment) {
                let (from, to) = (at * unit, ((at + 1) * unit).min(image.len()));
                if from < to {
                    made[from..to].copy_from_slice(&image[from..to]);
                }
            }
            if moment == length_of {
                length = image.len();
            }
            if let Some(change) = change {
                change.apply(&mut image);
            }
        }
        made.resize(length, 0);
        made
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
