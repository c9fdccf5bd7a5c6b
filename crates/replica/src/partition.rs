//! One partition that this node hosts: its log, who leads it, and who waits for it.
//!
//! The log can be replaced by another in another directory while the partition is in use (KIP-113): who changes a log does so
//! under [`Partition::with_log`], and then knows that it is the partition's; who reads takes [`Partition::log`], which goes
//! on to be readable.

use crate::{SyncTurn, Waiting, Wake};
use ottla_log::{AppendError, AppendOrigin, Appended, FetchedSlice, Log, MinOneBatch, ReadBound, ReadError, Scratch};
use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_wire::{ErrorCode, Uuid};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const NO_LEADER: i32 = -1;

/// What the metadata says of the partition, as far as this node acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// -1: nobody leads.
    pub leader: i32,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
    /// How many replicas are in sync.
    pub isr_size: i32,
    /// Whether this node leads.
    pub is_leader: bool,
    /// `min.insync.replicas`
    pub min_insync_replicas: i32,
}

/// How many replicas must have a batch before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredAcks {
    None,
    Leader,
    All,
}

impl RequiredAcks {
    /// From a request's number; None for one that means nothing.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Leader),
            -1 => Some(Self::All),
            _ => None,
        }
    }
}

/// What a record must have reached before it is acknowledged and shown to consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The page cache: it survives the process, not the machine. Kafka's.
    Written,
    /// The medium: somebody syncs the log and tells with [`Partition::synced`].
    Synced,
}

/// A request at the wrong node, or with the wrong idea of who leads.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PartitionError {
    /// The client's epoch is older: it must refresh its metadata.
    #[error("the leader epoch is newer")]
    FencedLeaderEpoch,
    /// The client's epoch is newer: this node has yet to hear of it.
    #[error("the leader epoch is not known yet")]
    UnknownLeaderEpoch,
    #[error("this node does not lead the partition")]
    NotLeader,
    #[error("{isr} in-sync replicas are fewer than min.insync.replicas = {min}")]
    NotEnoughReplicas { isr: i32, min: i32 },
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl PartitionError {
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
            Self::UnknownLeaderEpoch => ErrorCode::UnknownLeaderEpoch,
            Self::NotLeader => ErrorCode::NotLeaderOrFollower,
            Self::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
            Self::Append(error) => ErrorCode::from_code(error.error_code()),
        }
    }
}

/// A log and the directory that holds it.
pub struct Located<D: Disk> {
    pub log: Log<D>,
    pub directory_id: Uuid,
}

impl<D: Disk> Clone for Located<D> {
    fn clone(&self) -> Self {
        Self { log: self.log.clone(), directory_id: self.directory_id }
    }
}

struct Placed<D: Disk> {
    current: Located<D>,
    /// What the log is being moved to. Few are.
    future: Option<Box<Located<D>>>,
}

pub struct Partition<D: Disk> {
    pub topic: Arc<str>,
    pub topic_id: Uuid,
    pub index: i32,
    placed: RwLock<Placed<D>>,
    pub acknowledgement: Acknowledgement,
    /// For whoever syncs the log.
    pub sync_turn: SyncTurn,
    leadership: RwLock<Leadership>,
    waiting: Waiting,
}

impl<D: Disk> Partition<D> {
    #[must_use]
    pub fn new(
        topic: Arc<str>,
        topic_id: Uuid,
        index: i32,
        directory_id: Uuid,
        log: Log<D>,
        acknowledgement: Acknowledgement,
        leadership: Leadership,
    ) -> Self {
        let partition = Self {
            topic,
            topic_id,
            index,
            placed: RwLock::new(Placed { current: Located { log, directory_id }, future: None }),
            acknowledgement,
            sync_turn: SyncTurn::default(),
            leadership: RwLock::new(leadership),
            waiting: Waiting::default(),
        };
        partition.begin_leading(None);
        partition
    }

    fn placed(&self) -> RwLockReadGuard<'_, Placed<D>> {
        self.placed.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn placed_mut(&self) -> RwLockWriteGuard<'_, Placed<D>> {
        self.placed.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partition's log as it is now: for reading. It takes no changes once it was replaced.
    #[must_use]
    pub fn log(&self) -> Log<D> {
        self.placed().current.log.clone()
    }

    /// The log with the directory that holds it.
    #[must_use]
    pub fn located(&self) -> Located<D> {
        self.placed().current.clone()
    }

    /// The directory that holds the log.
    #[must_use]
    pub fn directory_id(&self) -> Uuid {
        self.placed().current.directory_id
    }

    /// What the log is being moved to.
    #[must_use]
    pub fn future(&self) -> Option<Located<D>> {
        self.placed().future.as_deref().cloned()
    }

    /// Does something to the log that must not be lost to a move: the log is not replaced meanwhile.
    pub fn with_log<T>(&self, change: impl FnOnce(&Log<D>) -> T) -> T {
        change(&self.placed().current.log)
    }

    /// Begins a move, or ends one; gives what the log was being moved to before.
    pub fn set_future(&self, future: Option<Located<D>>) -> Option<Located<D>> {
        std::mem::replace(&mut self.placed_mut().future, future.map(Box::new)).map(|before| *before)
    }

    /// Ends a move: nobody changes the log while `exchange` sees the current log and the future one. If that says so, the
    /// future one takes the place, and the log of before is given back.
    pub fn replace_log<E>(
        &self,
        exchange: impl FnOnce(&Located<D>, &Located<D>) -> Result<bool, E>,
    ) -> Result<Option<Located<D>>, E> {
        let mut placed = self.placed_mut();
        let Some(future) = placed.future.as_deref().cloned() else { return Ok(None) };
        if !exchange(&placed.current, &future)? {
            return Ok(None);
        }
        placed.future = None;
        Ok(Some(std::mem::replace(&mut placed.current, future)))
    }

    /// Reads the log: [`Log::read`] of whichever is the partition's.
    pub fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        bound: ReadBound,
        min_one: MinOneBatch,
    ) -> Result<FetchedSlice<D::File>, ReadError> {
        self.look_up(|log| log.read(offset, max_bytes, bound, min_one))
    }

    /// Looks something up in the log, and once more if that failed since the log was replaced meanwhile: its files may be
    /// gone.
    pub fn look_up<T, E>(&self, mut look: impl FnMut(&Log<D>) -> Result<T, E>) -> Result<T, E> {
        let log = self.log();
        let found = look(&log);
        let now = self.log();
        if found.is_err() && !log.is_same(&now) { look(&now) } else { found }
    }

    #[must_use]
    pub fn leadership(&self) -> Leadership {
        *self.leadership.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what new metadata says. Whoever waits looks again: the leader may be another now.
    pub fn set_leadership(&self, leadership: Leadership) {
        let before = {
            let mut current = self.leadership.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, leadership)
        };
        self.begin_leading(Some(&before));
        self.waiting.wake_all();
    }

    /// Nobody leads from here on: the topic is deleted. Whoever waits is to be woken by [`Self::wake_waiting`] once
    /// requests cannot find the partition any more, so that they hear that it is unknown.
    pub fn retire(&self) {
        let mut current = self.leadership.write().unwrap_or_else(PoisonError::into_inner);
        *current = Leadership { leader: NO_LEADER, is_leader: false, ..*current };
    }

    /// A leader's epoch begins where its log ends.
    fn begin_leading(&self, before: Option<&Leadership>) {
        let now = self.leadership();
        if now.is_leader && before.is_none_or(|before| before.leader_epoch != now.leader_epoch || !before.is_leader) {
            self.with_log(|log| {
                log.assign_epoch_start_offset(LeaderEpoch(now.leader_epoch), log.log_end_offset());
                let limit = match self.acknowledgement {
                    Acknowledgement::Written => Offset(i64::MAX),
                    Acknowledgement::Synced => log.recovery_point(),
                };
                raise_high_watermark(log, &now, limit);
            });
        }
    }

    /// Whether this node leads, in the epoch that the client believes in (-1: it says none). Epochs come first, as a
    /// client with an old one must learn of it from whichever node it asks.
    pub fn check_leader(&self, current_leader_epoch: i32) -> Result<Leadership, PartitionError> {
        let leadership = self.leadership();
        self.check_epoch(&leadership, current_leader_epoch)?;
        if leadership.is_leader { Ok(leadership) } else { Err(PartitionError::NotLeader) }
    }

    fn check_epoch(&self, leadership: &Leadership, epoch: i32) -> Result<(), PartitionError> {
        match epoch {
            -1 => Ok(()),
            epoch if epoch < leadership.leader_epoch => Err(PartitionError::FencedLeaderEpoch),
            epoch if epoch > leadership.leader_epoch => Err(PartitionError::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Appends as the leader and wakes whoever waits for records. Where acknowledgements wait for a sync, nothing is to be
    /// seen yet: somebody has to see to the sync.
    pub fn append(
        &self,
        batches: &[u8],
        origin: AppendOrigin,
        acks: RequiredAcks,
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<Appended, PartitionError> {
        let leadership = self.check_leader(-1)?;
        let (isr, min) = (leadership.isr_size, leadership.min_insync_replicas);
        if acks == RequiredAcks::All && isr < min {
            return Err(PartitionError::NotEnoughReplicas { isr, min });
        }
        let epoch = LeaderEpoch(leadership.leader_epoch);
        let appended = self.with_log(|log| {
            let appended = log.append_as_leader(batches, origin, epoch, now, scratch)?;
            if self.acknowledgement == Acknowledgement::Written {
                let limit = log.sync_if_many()?;
                raise_high_watermark(log, &leadership, limit);
            }
            Ok::<_, AppendError>(appended)
        })?;
        if self.acknowledgement == Acknowledgement::Written {
            self.waiting.wake_all();
        }
        Ok(appended)
    }

    /// The log was synced: what is durable counts, and whoever waits for it looks again.
    pub fn synced(&self) {
        if self.acknowledgement == Acknowledgement::Synced {
            let leadership = self.leadership();
            self.with_log(|log| raise_high_watermark(log, &leadership, log.recovery_point()));
        }
        self.waiting.wake_all();
    }

    /// Whether all below `offset` is acknowledged to who asked for this much.
    #[must_use]
    pub fn is_acknowledged(&self, offset: Offset, acks: RequiredAcks) -> bool {
        match (acks, self.acknowledgement) {
            (RequiredAcks::None, _) | (RequiredAcks::Leader, Acknowledgement::Written) => true,
            (RequiredAcks::Leader, Acknowledgement::Synced) => self.log().recovery_point() >= offset,
            (RequiredAcks::All, _) => self.log().high_watermark() >= offset,
        }
    }

    /// Lists a request that waits for this partition to move on. It must look once more before it sleeps.
    pub fn wait(&self, waiter: &Arc<dyn Wake>) {
        self.waiting.add(waiter);
    }

    /// Wakes whoever waits: the log start moved, or the partition is leaving.
    pub fn wake_waiting(&self) {
        self.waiting.wake_all();
    }
}

/// What all in-sync replicas have is committed. A leader that is its ISR's only member commits as it appends, or as it
/// syncs.
fn raise_high_watermark<D: Disk>(log: &Log<D>, leadership: &Leadership, limit: Offset) {
    if leadership.isr_size <= 1 {
        log.raise_high_watermark(limit);
    }
}
