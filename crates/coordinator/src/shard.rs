//! One shard: Unloaded → Loading → Active → Unloaded.
//!
//! Invariants: only replay changes the state; a batch is replayed only once it is in the log, so that a failed append leaves
//! nothing to revert; an effect leaves only when the high watermark has passed its batch, or with the reason why it never will.
//! Effects leave in the order of their batches. A lost leadership drops the state whole, since the next leader's log may differ
//! from here on. While batches wait for their commit, the committed state is kept beside the current one (persistent maps make
//! this cheap); when none waits, they are one.

use crate::batch::{self, BatchLimits};
use crate::load::{self, LoadError, LoadStep};
use crate::log::{Env, coordinator_error};
use crate::record::{CoordinatorRecord, ReplayError, ReplayWarnings, Replayed, TransactionResult};
use ottla_machine::{Instant, LeaderEpoch, Offset, ProducerId};
use ottla_wire::ErrorCode;
use ottla_wire::batch::{Batches, Codecs, Compression};
use std::collections::VecDeque;
use std::time::Duration;

/// What a machine's records mean. A clone must be cheap: it is taken for each batch that is not committed at once.
pub trait RecordMachine: Clone + Default {
    /// Takes a record into the state. An error leaves the state as it was; the record is passed over.
    fn replay(&mut self, record: Replayed<'_>) -> Result<(), ReplayError>;

    /// A producer's transaction ended.
    fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult);
}

/// Where a shard stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Another node leads, or none: NOT_COORDINATOR.
    Unloaded,
    /// The log is being read: COORDINATOR_LOAD_IN_PROGRESS.
    Loading(LeaderEpoch),
    Active(LeaderEpoch),
}

/// Whether records of one append may end up in several batches, of which a failure may keep the last ones out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    OneBatch,
    Split,
}

/// What became of an append.
#[derive(Debug, PartialEq, Eq)]
pub enum Appended<E> {
    /// It is committed already: the effect is due now.
    Committed(E),
    /// The effect comes from [`Shard::advance`] later.
    Waiting,
}

/// An effect that never happens, and the error to tell.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed<E> {
    pub code: ErrorCode,
    pub effect: E,
}

/// The state `S` of one partition of an internal topic, with effects `E` that wait for commits.
#[derive(Debug)]
pub struct Shard<S, E> {
    phase: Phase,
    current: S,
    /// The state at the high watermark, while `versions` is not empty.
    committed: S,
    /// The states after batches that are not committed, by the offset after the batch.
    versions: VecDeque<(Offset, S)>,
    waiting: VecDeque<Waiting<E>>,
    next_offset: Offset,
    warnings: ReplayWarnings,
}

#[derive(Debug)]
struct Waiting<E> {
    /// Committed once the high watermark is here.
    end: Offset,
    deadline: Instant,
    effect: E,
}

/// Batches that may wait for their commit at a time; more are refused with COORDINATOR_NOT_AVAILABLE.
pub const UNCOMMITTED_BATCHES_MAX: usize = 10_000;

impl<S: RecordMachine, E> Default for Shard<S, E> {
    fn default() -> Self {
        Shard {
            phase: Phase::Unloaded,
            current: S::default(),
            committed: S::default(),
            versions: VecDeque::new(),
            waiting: VecDeque::new(),
            next_offset: Offset::ZERO,
            warnings: ReplayWarnings::default(),
        }
    }
}

impl<S: RecordMachine, E> Shard<S, E> {
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The error for a request in this phase, if it cannot be served.
    pub fn check_active(&self) -> Result<LeaderEpoch, ErrorCode> {
        match self.phase {
            Phase::Active(epoch) => Ok(epoch),
            Phase::Loading(_) => Err(ErrorCode::CoordinatorLoadInProgress),
            Phase::Unloaded => Err(ErrorCode::NotCoordinator),
        }
    }

    /// The state that decisions see: everything appended.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.current
    }

    /// The state that readers see: everything committed.
    #[must_use]
    pub fn committed_state(&self) -> &S {
        if self.versions.is_empty() { &self.current } else { &self.committed }
    }

    /// The offset after the last record that was replayed.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// What was passed over since the last call.
    pub fn take_warnings(&mut self) -> ReplayWarnings {
        std::mem::take(&mut self.warnings)
    }

    /// This node leads the partition in `epoch`: begins to load from the log's start. What waited before is given back to be
    /// failed. An epoch that is not newer than the present one changes nothing.
    pub fn elected(&mut self, epoch: LeaderEpoch) -> Vec<Failed<E>> {
        if let Phase::Loading(present) | Phase::Active(present) = self.phase
            && present >= epoch
        {
            return Vec::new();
        }
        let failed = self.resigned();
        self.phase = Phase::Loading(epoch);
        failed
    }

    /// Replays the whole batches at the front of `chunk`. Call until the log's end is reached, then [`Shard::loaded`].
    pub fn load(&mut self, chunk: &[u8], high_watermark: Offset, codecs: &mut Codecs) -> Result<LoadStep, LoadError> {
        if !matches!(self.phase, Phase::Loading(_)) {
            return Err(LoadError::NotLoading);
        }
        let mut batches = Batches::new(chunk);
        let mut records = 0;
        loop {
            let position = batches.position();
            let batch = match batches.next() {
                None => return Ok(LoadStep { next_offset: self.next_offset, bytes: position, records }),
                Some(Err(error)) => return Err(LoadError::NoBatch { position, error }),
                Some(Ok(batch)) => batch,
            };
            let end = Offset(batch.header.next_offset());
            // A reader that begins inside a batch hands over what is before its position too.
            if end <= self.next_offset {
                continue;
            }
            self.begin_version(end, high_watermark);
            records += load::replay_batch(&mut self.current, &batch, codecs, &mut self.warnings);
            self.end_version(end, high_watermark);
        }
    }

    /// The log is read to its end: requests are served from now on.
    pub fn loaded(&mut self) {
        if let Phase::Loading(epoch) = self.phase {
            self.phase = Phase::Active(epoch);
        }
    }

    /// This node no longer leads: drops the state and gives back what waited, to be failed with NOT_COORDINATOR.
    pub fn resigned(&mut self) -> Vec<Failed<E>> {
        let dropped = std::mem::take(self);
        let code = ErrorCode::NotCoordinator;
        dropped.waiting.into_iter().map(|waiting| Failed { code, effect: waiting.effect }).collect()
    }

    /// Appends and replays `records`. Without records the effect only waits for what was appended before it, so that an answer
    /// never tells of what may be lost again.
    pub fn append(
        &mut self,
        env: &mut Env<'_>,
        options: &AppendOptions,
        records: &[CoordinatorRecord],
        effect: E,
    ) -> Result<Appended<E>, Failed<E>> {
        match self.try_append(env, options, records) {
            Err(code) => Err(Failed { code: coordinator_error(code), effect }),
            Ok(()) if self.versions.is_empty() && self.waiting.is_empty() => Ok(Appended::Committed(effect)),
            Ok(()) => {
                let deadline = env.now.instant + options.commit_timeout;
                // Time may stand still or the timeout shrink: deadlines stay in order all the same.
                let deadline = self.waiting.back().map_or(deadline, |last| deadline.max(last.deadline));
                self.waiting.push_back(Waiting { end: self.next_offset, deadline, effect });
                Ok(Appended::Waiting)
            }
        }
    }

    fn try_append(
        &mut self,
        env: &mut Env<'_>,
        options: &AppendOptions,
        records: &[CoordinatorRecord],
    ) -> Result<(), ErrorCode> {
        let epoch = self.check_active()?;
        if records.is_empty() {
            return Ok(());
        }
        if self.versions.len() >= UNCOMMITTED_BATCHES_MAX {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let limits = BatchLimits { compression: options.compression, bytes_max: env.log.batch_bytes_max() };
        for part in batch::parts(records, options.atomicity, limits.bytes_max) {
            let bytes = batch::build(part, env.now.timestamp, &limits, env.codecs).map_err(|failure| failure.0)?;
            let range = env.log.append(&bytes, epoch, env.now.timestamp).map_err(|failure| failure.0)?;
            let (end, high_watermark) = (range.last.next(), env.log.high_watermark());
            self.begin_version(end, high_watermark);
            for (record, offset) in part.iter().zip(range.first.0..) {
                let replayed = Replayed {
                    offset: Offset(offset),
                    producer_id: ProducerId::NONE,
                    key: &record.key,
                    value: record.value.as_deref(),
                };
                if let Err(error) = self.current.replay(replayed) {
                    self.warnings.push(Offset(offset), error);
                }
            }
            self.end_version(end, high_watermark);
        }
        Ok(())
    }

    fn begin_version(&mut self, end: Offset, high_watermark: Offset) {
        if end > high_watermark && self.versions.is_empty() {
            self.committed = self.current.clone();
        }
    }

    fn end_version(&mut self, end: Offset, high_watermark: Offset) {
        self.next_offset = end;
        if end > high_watermark || !self.versions.is_empty() {
            self.versions.push_back((end, self.current.clone()));
        }
        self.commit_versions(high_watermark);
    }

    fn commit_versions(&mut self, high_watermark: Offset) {
        if self.versions.is_empty() {
            return;
        }
        while self.versions.front().is_some_and(|(end, _)| *end <= high_watermark) {
            if let Some((_, state)) = self.versions.pop_front() {
                self.committed = state;
            }
        }
        if self.versions.is_empty() {
            // One state again: what it shares with another copy would be copied at the next change.
            self.committed = S::default();
        }
    }

    /// The high watermark moved: gives the effects that are due, oldest first.
    pub fn advance(&mut self, high_watermark: Offset) -> Vec<E> {
        self.commit_versions(high_watermark);
        let due = self.waiting.iter().take_while(|waiting| waiting.end <= high_watermark).count();
        self.waiting.drain(..due).map(|waiting| waiting.effect).collect()
    }

    /// When the oldest wait for a commit has been long enough.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.deadline)
    }

    /// Gives up on what waited for too long (`offsets.commit.timeout.ms`). The records stay where they are, and may well be
    /// committed later: only the answer is an error.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Failed<E>> {
        let code = coordinator_error(ErrorCode::RequestTimedOut);
        let due = self.waiting.iter().take_while(|waiting| waiting.deadline <= now).count();
        self.waiting.drain(..due).map(|waiting| Failed { code, effect: waiting.effect }).collect()
    }
}

/// How records are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendOptions {
    pub compression: Compression,
    pub commit_timeout: Duration,
    pub atomicity: Atomicity,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Now;
    use crate::mem_log::MemLog;
    use crate::{AppendFailure, AppendedRange, ShardLog};
    use ottla_machine::Timestamp;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    /// Keys and values; a value "bad" is not understood.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Words(BTreeMap<Vec<u8>, Vec<u8>>);

    impl RecordMachine for Words {
        fn replay(&mut self, record: Replayed<'_>) -> Result<(), ReplayError> {
            match record.value {
                Some(b"bad") => return Err(ReplayError::Contradiction("bad")),
                Some(value) => self.0.insert(record.key.to_vec(), value.to_vec()),
                None => self.0.remove(record.key),
            };
            Ok(())
        }

        fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
            self.0.insert(producer_id.0.to_string().into_bytes(), format!("{result:?}").into_bytes());
        }
    }

    impl Words {
        fn get(&self, key: &str) -> &str {
            self.0.get(key.as_bytes()).map_or("-", |value| std::str::from_utf8(value).unwrap())
        }
    }

    const OPTIONS: AppendOptions = AppendOptions {
        compression: Compression::None,
        commit_timeout: Duration::from_secs(5),
        atomicity: Atomicity::OneBatch,
    };

    fn record(key: &str, value: &str) -> CoordinatorRecord {
        CoordinatorRecord { key: key.into(), value: Some(value.into()) }
    }

    fn at<R>(millis: u64, log: &dyn ShardLog, call: impl FnOnce(&mut Env<'_>) -> R) -> R {
        let now = Now { instant: Instant::from_millis(millis), timestamp: Timestamp(1_000) };
        call(&mut Env { now, log, codecs: &mut Codecs::default() })
    }

    fn active() -> Shard<Words, &'static str> {
        let mut shard = Shard::default();
        shard.elected(LeaderEpoch(1));
        shard.loaded();
        shard
    }

    fn append(
        shard: &mut Shard<Words, &'static str>,
        log: &dyn ShardLog,
        records: &[CoordinatorRecord],
        effect: &'static str,
    ) -> Result<Appended<&'static str>, Failed<&'static str>> {
        at(0, log, |env| shard.append(env, &OPTIONS, records, effect))
    }

    #[test]
    fn each_phase_has_its_error() {
        let log = MemLog::default();
        let mut shard: Shard<Words, &str> = Shard::default();
        let refused = |code| Err(Failed { code, effect: "x" });
        assert_eq!(append(&mut shard, &log, &[record("k", "1")], "x"), refused(ErrorCode::NotCoordinator));
        shard.elected(LeaderEpoch(4));
        assert_eq!(append(&mut shard, &log, &[record("k", "1")], "x"), refused(ErrorCode::CoordinatorLoadInProgress));
        shard.loaded();
        // An older election that arrives late.
        shard.elected(LeaderEpoch(3));
        assert_eq!(shard.phase(), Phase::Active(LeaderEpoch(4)));
        assert_eq!(append(&mut shard, &log, &[record("k", "1")], "x"), Ok(Appended::Committed("x")));
        shard.elected(LeaderEpoch(5));
        assert_eq!((shard.phase(), shard.state().get("k")), (Phase::Loading(LeaderEpoch(5)), "-"));
    }

    #[test]
    fn readers_see_what_is_committed_and_effects_leave_in_order() {
        let (log, mut shard) = (MemLog::default(), active());
        append(&mut shard, &log, &[record("k", "1")], "a").unwrap();
        log.hold_commits();
        assert_eq!(append(&mut shard, &log, &[record("k", "2")], "b"), Ok(Appended::Waiting));
        assert_eq!(append(&mut shard, &log, &[record("k", "3")], "c"), Ok(Appended::Waiting));
        // Without records of its own it waits for what it has seen.
        assert_eq!(append(&mut shard, &log, &[], "d"), Ok(Appended::Waiting));
        assert_eq!((shard.state().get("k"), shard.committed_state().get("k")), ("3", "1"));
        assert_eq!(shard.advance(Offset(2)), ["b"]);
        assert_eq!(shard.committed_state().get("k"), "2");
        assert_eq!(shard.advance(log.commit_all()), ["c", "d"]);
        assert_eq!((shard.committed_state().get("k"), shard.poll_timeout()), ("3", None));
    }

    #[test]
    fn a_wait_that_is_too_long_fails_but_the_records_stay() {
        let (log, mut shard) = (MemLog::default(), active());
        log.hold_commits();
        append(&mut shard, &log, &[record("k", "1")], "a").unwrap();
        at(2_000, &log, |env| shard.append(env, &OPTIONS, &[record("k", "2")], "b")).unwrap();
        assert_eq!(shard.poll_timeout(), Some(Instant::from_millis(5_000)));
        let failed = shard.handle_timeout(Instant::from_millis(5_000));
        assert_eq!(failed, [Failed { code: ErrorCode::CoordinatorNotAvailable, effect: "a" }]);
        assert_eq!(shard.advance(log.commit_all()), ["b"]);
        assert_eq!(shard.committed_state().get("k"), "2");
    }

    #[test]
    fn a_failed_append_leaves_nothing_behind() {
        let (log, mut shard) = (MemLog::default(), active());
        log.fail_appends(Some(ErrorCode::KafkaStorageError));
        let failed = append(&mut shard, &log, &[record("k", "1")], "a");
        assert_eq!(failed, Err(Failed { code: ErrorCode::NotCoordinator, effect: "a" }));
        assert_eq!((shard.state().get("k"), shard.next_offset()), ("-", Offset(0)));
    }

    #[test]
    fn a_lost_leadership_drops_everything_and_fails_what_waits() {
        let (log, mut shard) = (MemLog::default(), active());
        log.hold_commits();
        append(&mut shard, &log, &[record("k", "1")], "a").unwrap();
        assert_eq!(shard.resigned(), [Failed { code: ErrorCode::NotCoordinator, effect: "a" }]);
        assert_eq!((shard.phase(), shard.state().get("k")), (Phase::Unloaded, "-"));
    }

    #[test]
    fn a_log_is_loaded_in_chunks_and_read_up_to_its_high_watermark() {
        let (log, mut writer) = (MemLog::default(), active());
        for (key, value) in [("a", "1"), ("b", "bad"), ("a", "2"), ("c", "3")] {
            append(&mut writer, &log, &[record(key, value)], "x").unwrap();
        }
        assert_eq!(writer.take_warnings().count, 1);
        let bytes = log.bytes();
        let mut shard: Shard<Words, &str> = Shard::default();
        let mut codecs = Codecs::default();
        assert_eq!(shard.load(&bytes, Offset(4), &mut codecs), Err(LoadError::NotLoading));
        shard.elected(LeaderEpoch(1));
        let (mut position, mut steps) = (0, 0);
        while position < bytes.len() {
            let end = bytes.len().min(position + 100);
            let step = shard.load(&bytes[position..end], Offset(2), &mut codecs).unwrap();
            assert!(step.bytes > 0);
            position += step.bytes;
            steps += 1;
        }
        shard.loaded();
        assert_eq!((steps, shard.next_offset()), (4, Offset(4)));
        assert_eq!(shard.state(), writer.state());
        assert_eq!((shard.committed_state().get("a"), shard.committed_state().get("c")), ("1", "-"));
        assert_eq!(shard.take_warnings().first[0].offset, Offset(1));
        // What was loaded beyond the high watermark is committed when that comes.
        shard.advance(Offset(4));
        assert_eq!(shard.committed_state().get("c"), "3");
        // The same batches again change nothing.
        shard.elected(LeaderEpoch(2));
        shard.load(&bytes, Offset(4), &mut codecs).unwrap();
        assert_eq!(shard.load(&bytes, Offset(4), &mut codecs).unwrap().records, 0);
        assert!(matches!(shard.load(&[7; 80], Offset(4), &mut codecs), Err(LoadError::NoBatch { position: 0, .. })));
    }

    /// A log that fails after some appends.
    struct Failing(MemLog, Cell<u32>);

    impl ShardLog for Failing {
        fn append(&self, batch: &[u8], epoch: LeaderEpoch, now: Timestamp) -> Result<AppendedRange, AppendFailure> {
            let left = self.1.get().checked_sub(1).ok_or(AppendFailure(ErrorCode::NotEnoughReplicas))?;
            self.1.set(left);
            self.0.append(batch, epoch, now)
        }

        fn high_watermark(&self) -> Offset {
            self.0.high_watermark()
        }

        fn batch_bytes_max(&self) -> usize {
            self.0.batch_bytes_max()
        }
    }

    #[test]
    fn what_may_be_split_keeps_the_parts_that_went_in() {
        let (log, mut shard) = (Failing(MemLog::default(), Cell::new(1)), active());
        log.0.set_batch_bytes_max(200);
        let value = "v".repeat(80);
        let records = [record("a", &value), record("b", &value)];
        let whole = append(&mut shard, &log, &records, "x");
        assert_eq!(whole, Err(Failed { code: ErrorCode::UnknownServerError, effect: "x" }));
        let options = AppendOptions { atomicity: Atomicity::Split, ..OPTIONS };
        let split = at(0, &log, |env| shard.append(env, &options, &records, "x"));
        assert_eq!(split, Err(Failed { code: ErrorCode::CoordinatorNotAvailable, effect: "x" }));
        assert_eq!((shard.state().get("a"), shard.state().get("b")), (&*value, "-"));
    }

    #[test]
    fn the_number_of_batches_that_wait_is_bounded() {
        let (log, mut shard) = (MemLog::default(), active());
        log.hold_commits();
        for _ in 0..UNCOMMITTED_BATCHES_MAX {
            append(&mut shard, &log, &[record("k", "1")], "x").unwrap();
        }
        let failed = append(&mut shard, &log, &[record("k", "2")], "y");
        assert_eq!(failed, Err(Failed { code: ErrorCode::CoordinatorNotAvailable, effect: "y" }));
        shard.advance(log.commit_all());
        assert!(append(&mut shard, &log, &[record("k", "2")], "y").is_ok());
    }
}
