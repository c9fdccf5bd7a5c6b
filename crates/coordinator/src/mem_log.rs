//! A log in memory for tests of this crate and of those that hold shards: it takes batches as a partition does, keeps its high
//! watermark back if asked, and fails on command.

use crate::{AppendFailure, AppendedRange, ShardLog};
use ottla_machine::{LeaderEpoch, Offset, Timestamp};
use ottla_wire::ErrorCode;
use ottla_wire::batch::Batches;
use std::cell::RefCell;

/// A log whose appends are committed at once, until told otherwise.
#[derive(Debug, Default)]
pub struct MemLog(RefCell<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: Vec<u8>,
    next: i64,
    high_watermark: i64,
    commits: Commits,
    failure: Option<ErrorCode>,
    batch_bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commits {
    AtOnce,
    Held,
}

impl Default for Inner {
    fn default() -> Self {
        Inner {
            bytes: Vec::new(),
            next: 0,
            high_watermark: 0,
            commits: Commits::AtOnce,
            failure: None,
            batch_bytes_max: 1 << 20,
        }
    }
}

impl MemLog {
    /// From now on the high watermark stays where it is.
    pub fn hold_commits(&self) {
        self.0.borrow_mut().commits = Commits::Held;
    }

    /// The high watermark reaches the end, and follows it from now on.
    pub fn commit_all(&self) -> Offset {
        let mut inner = self.0.borrow_mut();
        inner.commits = Commits::AtOnce;
        inner.high_watermark = inner.next;
        Offset(inner.next)
    }

    /// Appends fail with this code from now on, or succeed again.
    pub fn fail_appends(&self, failure: Option<ErrorCode>) {
        self.0.borrow_mut().failure = failure;
    }

    pub fn set_batch_bytes_max(&self, bytes: usize) {
        self.0.borrow_mut().batch_bytes_max = bytes;
    }

    /// All batches, as a reader would get them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }

    #[must_use]
    pub fn end(&self) -> Offset {
        Offset(self.0.borrow().next)
    }
}

impl ShardLog for MemLog {
    fn append(&self, batch: &[u8], leader_epoch: LeaderEpoch, _now: Timestamp) -> Result<AppendedRange, AppendFailure> {
        let mut inner = self.0.borrow_mut();
        if let Some(code) = inner.failure {
            return Err(AppendFailure(code));
        }
        let Some(Ok(parsed)) = Batches::new(batch).next() else {
            return Err(AppendFailure(ErrorCode::CorruptMessage));
        };
        let mut header = parsed.header;
        header.base_offset = inner.next;
        header.partition_leader_epoch = leader_epoch.0;
        inner.bytes.extend_from_slice(&header.encode());
        inner.bytes.extend_from_slice(parsed.record_bytes());
        let range = AppendedRange { first: Offset(header.base_offset), last: Offset(header.last_offset()) };
        inner.next = header.next_offset();
        if inner.commits == Commits::AtOnce {
            inner.high_watermark = inner.next;
        }
        Ok(range)
    }

    fn high_watermark(&self) -> Offset {
        Offset(self.0.borrow().high_watermark)
    }

    fn batch_bytes_max(&self) -> usize {
        self.0.borrow().batch_bytes_max
    }
}
