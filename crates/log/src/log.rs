//! A partition's log: the handle that everybody shares, what readers see of it, and what an append changes.
//!
//! Invariants: `log start ≤ high watermark ≤ log end`; what readers see (the view) changes in one step, after the bytes are
//! written; one lock, the state's, orders appends, rolls and truncations, and readers never take it. Locks are taken in the
//! order syncing, state, epochs, view, segment. A log that has no record has no file open, and need not have a folder.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};

use crate::config::LogConfig;
use crate::corrupt::Corrupt;
use crate::epochs::{EpochEnd, EpochEntry, LeaderEpochs};
use crate::error::LogError;
use crate::producers::{ActiveProducer, Producers};
use crate::segment::{Place, Segment};

/// A handle on one partition's log; clones share it.
pub struct Log<D: Disk> {
    pub(crate) inner: Arc<Inner<D>>,
}

/// The id of a topic, as `partition.metadata` holds it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

/// The offsets of a log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOffsets {
    pub log_start_offset: Offset,
    pub high_watermark: Offset,
    /// The high watermark, or where the first transaction begins that is not decided below it.
    pub last_stable_offset: Offset,
    pub log_end_offset: Offset,
}

/// An offset and where its batch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetMetadata {
    pub offset: Offset,
    pub segment_base_offset: Offset,
    pub relative_position_in_segment: u64,
}

pub(crate) struct Inner<D: Disk> {
    pub(crate) disk: D,
    dir: Mutex<Arc<Path>>,
    pub(crate) topic_id: TopicId,
    config: Mutex<Arc<LogConfig>>,
    view: Mutex<View<D>>,
    pub(crate) epochs: Mutex<LeaderEpochs>,
    state: Mutex<State>,
    /// Held from the plan of a sync to its end: the promise of the next rests on what this one makes durable.
    syncing: Mutex<()>,
    /// How often segments were taken away or cut, or the log was closed: a cleaning that began before gives up. Raised under
    /// the state's lock.
    pub(crate) cuts: AtomicU64,
    /// How often cleaning has put other segments in place of those that readers may still look at.
    pub(crate) replacements: AtomicU64,
    pub(crate) corrupt: Mutex<Corrupt>,
    /// Whether there are any, for readers.
    pub(crate) has_corrupt: AtomicBool,
}

pub(crate) type Segments<D> = Arc<[Arc<Segment<D>>]>;

/// What readers see.
pub(crate) struct View<D: Disk> {
    pub(crate) segments: Segments<D>,
    pub(crate) log_start_offset: i64,
    pub(crate) high_watermark: i64,
    pub(crate) first_unstable_offset: Option<i64>,
    pub(crate) end: OffsetMetadata,
    known: Option<Box<KnownPlaces>>,
}

/// The ends of the last appends, and other places that were looked up: where reads are likely to begin or end. A log has
/// none before something is appended to it or read from it.
struct KnownPlaces {
    places: [OffsetMetadata; KNOWN_PLACES],
    next: u8,
}

const KNOWN_PLACES: usize = 8;

/// What appends change, under the log's lock.
pub(crate) struct State {
    pub(crate) producers: Producers,
    pub(crate) status: Status,
    /// Whether the folder and `partition.metadata` are there.
    pub(crate) on_disk: bool,
    /// Everything below is durable.
    pub(crate) recovery_point: i64,
    /// When [`Log::sync_if_old`] last found it time; 0 before.
    pub(crate) synced_at_ms: i64,
    /// Names in the folder changed since it was last synced.
    pub(crate) names_changed: bool,
    /// Producer snapshots that were written and not synced.
    pub(crate) unsynced_snapshots: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Online,
    /// A failure left the files in an unknown state, or the log was closed or deleted.
    Offline,
}

impl<D: Disk> Clone for Log<D> {
    fn clone(&self) -> Self {
        Log { inner: self.inner.clone() }
    }
}

impl<D: Disk> Log<D> {
    /// A new log. Nothing is written before the first append: a partition without records costs the disk nothing.
    pub fn create(disk: D, dir: &Path, topic_id: TopicId, config: Arc<LogConfig>) -> Log<D> {
        let state = State {
            producers: Producers::default(),
            status: Status::Online,
            on_disk: false,
            recovery_point: 0,
            synced_at_ms: 0,
            names_changed: false,
            unsynced_snapshots: Vec::new(),
        };
        Log::assemble(disk, dir, topic_id, config, View::empty_at(0), LeaderEpochs::default(), state)
    }

    pub(crate) fn assemble(
        disk: D,
        dir: &Path,
        topic_id: TopicId,
        config: Arc<LogConfig>,
        view: View<D>,
        epochs: LeaderEpochs,
        state: State,
    ) -> Log<D> {
        let inner = Inner {
            disk,
            dir: Mutex::new(dir.into()),
            topic_id,
            config: Mutex::new(config),
            view: Mutex::new(view),
            epochs: Mutex::new(epochs),
            state: Mutex::new(state),
            syncing: Mutex::new(()),
            cuts: AtomicU64::new(0),
            replacements: AtomicU64::new(0),
            corrupt: Mutex::default(),
            has_corrupt: AtomicBool::new(false),
        };
        Log { inner: Arc::new(inner) }
    }

    /// The folder of the log.
    pub fn dir(&self) -> Arc<Path> {
        lock(&self.inner.dir).clone()
    }

    pub fn topic_id(&self) -> TopicId {
        self.inner.topic_id
    }

    /// Whether the log has a folder. One that never had a record has none.
    pub fn has_folder(&self) -> bool {
        self.state().on_disk
    }

    /// Whether two handles are of one log.
    pub fn is_same(&self, other: &Log<D>) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub fn config(&self) -> Arc<LogConfig> {
        lock(&self.inner.config).clone()
    }

    /// Replaces the settings; the next append acts on them.
    pub fn set_config(&self, config: Arc<LogConfig>) {
        *lock(&self.inner.config) = config;
    }

    /// All offsets, as they are at one moment.
    pub fn offsets(&self) -> LogOffsets {
        self.view().offsets()
    }

    pub fn log_start_offset(&self) -> Offset {
        Offset(self.view().log_start_offset)
    }

    pub fn log_end_offset(&self) -> Offset {
        self.view().end.offset
    }

    pub fn high_watermark(&self) -> Offset {
        Offset(self.view().high_watermark)
    }

    pub fn last_stable_offset(&self) -> Offset {
        self.offsets().last_stable_offset
    }

    /// Where the log ends, with the place of the next batch.
    pub fn log_end_offset_metadata(&self) -> OffsetMetadata {
        self.view().end
    }

    /// Up to where everything is durable: what `recovery-point-offset-checkpoint` holds.
    pub fn recovery_point(&self) -> Offset {
        Offset(self.state().recovery_point)
    }

    /// Moves the high watermark, within the log's bounds; gives where it is then. It can move back (a new leader's may).
    pub fn set_high_watermark(&self, offset: Offset) -> Offset {
        self.move_high_watermark(|_| offset)
    }

    /// Moves the high watermark up to the log's end, or to `limit` if that comes first; never down. For a leader that is its
    /// ISR's only member. Appends may do this side by side, since each takes the end as it is then.
    pub fn raise_high_watermark(&self, limit: Offset) -> Offset {
        self.move_high_watermark(|view| view.end.offset.min(limit).max(Offset(view.high_watermark)))
    }

    /// The same without a limit.
    pub fn raise_high_watermark_to_end(&self) -> Offset {
        self.raise_high_watermark(Offset(i64::MAX))
    }

    fn move_high_watermark(&self, target: impl FnOnce(&View<D>) -> Offset) -> Offset {
        let moved = {
            let mut view = self.view();
            let offset = target(&view);
            view.high_watermark = offset.0.clamp(view.log_start_offset, view.end.offset.0);
            if view.first_unstable_offset.is_none() {
                return Offset(view.high_watermark);
            }
            view.high_watermark
        };
        // A transaction's end may have become visible: that is decided with the producers.
        let mut state = self.state();
        state.producers.forget_completed_below(moved);
        self.publish_first_unstable(&state);
        Offset(moved)
    }

    /// The bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|segment| segment.size()).sum()
    }

    pub fn segment_count(&self) -> usize {
        self.segments().len()
    }

    /// Whether an earlier disk failure took the log offline, or it was closed.
    pub fn is_offline(&self) -> bool {
        self.state().status == Status::Offline
    }

    pub fn latest_epoch(&self) -> Option<EpochEntry> {
        lock(&self.inner.epochs).latest()
    }

    /// Notes that this leader epoch begins here. On disk before the epoch's first batch.
    pub fn assign_epoch_start_offset(&self, epoch: LeaderEpoch, start_offset: Offset) {
        lock(&self.inner.epochs).assign(epoch, start_offset);
    }

    /// Where an epoch ends: what OffsetForLeaderEpoch answers; `None` if it is not known.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        let log_end_offset = self.log_end_offset();
        lock(&self.inner.epochs).end_offset_for(epoch, log_end_offset)
    }

    /// The epoch of the batch at an offset.
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        lock(&self.inner.epochs).epoch_for(offset)
    }

    /// The producers that are known here, by id.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        self.state().producers.active()
    }

    /// Forgets the producers that have not written for `producer.id.expiration.ms` and have no transaction open.
    pub fn remove_expired_producers(&self, now: Timestamp) {
        let expiration_ms = self.config().producer_id_expiration_ms;
        self.state().producers.remove_expired(now.0, expiration_ms);
    }

    /// Closes the files that have nothing to sync; the next use opens them again.
    pub fn release_files(&self) {
        for segment in self.segments().iter() {
            segment.release();
        }
    }

    pub(crate) fn segments(&self) -> Segments<D> {
        self.view().segments.clone()
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View<D>> {
        lock(&self.inner.view)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }

    pub(crate) fn syncing(&self) -> MutexGuard<'_, ()> {
        lock(&self.inner.syncing)
    }

    pub(crate) fn epochs(&self) -> MutexGuard<'_, LeaderEpochs> {
        lock(&self.inner.epochs)
    }

    pub(crate) fn set_dir(&self, dir: &Path) {
        *lock(&self.inner.dir) = dir.into();
    }

    pub(crate) fn place<'a>(&'a self, dir: &'a Path) -> Place<'a, D> {
        Place { disk: &self.inner.disk, dir }
    }

    /// `Offline` unless the log takes changes.
    pub(crate) fn check_online(&self, state: &State) -> Result<(), LogError> {
        match state.status {
            Status::Online => Ok(()),
            Status::Offline => Err(LogError::Offline { path: self.dir().to_path_buf() }),
        }
    }

    /// After a failed sync nobody knows what the medium holds: the log takes nothing any more, and syncs nothing.
    pub(crate) fn offline_if_unsynced(&self, state: &mut State, error: &LogError) {
        if error.is_failed_sync() && state.status == Status::Online {
            tracing::error!(%error, dir = %self.dir().display(), "a sync failed: the log goes offline");
            state.status = Status::Offline;
        }
    }

    /// Segments are about to be taken away or cut.
    pub(crate) fn note_cut(&self) {
        self.inner.cuts.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn publish_first_unstable(&self, state: &State) {
        self.view().first_unstable_offset = state.producers.first_unstable_offset();
    }
}

impl<D: Disk> View<D> {
    pub(crate) fn empty_at(offset: i64) -> View<D> {
        let end =
            OffsetMetadata { offset: Offset(offset), segment_base_offset: Offset(offset), ..OffsetMetadata::default() };
        View {
            segments: Segments::default(),
            log_start_offset: offset,
            high_watermark: offset,
            first_unstable_offset: None,
            end,
            known: None,
        }
    }

    pub(crate) fn offsets(&self) -> LogOffsets {
        let unstable = self.first_unstable_offset.map(|offset| offset.max(self.log_start_offset));
        LogOffsets {
            log_start_offset: Offset(self.log_start_offset),
            high_watermark: Offset(self.high_watermark),
            last_stable_offset: Offset(unstable.map_or(self.high_watermark, |first| first.min(self.high_watermark))),
            log_end_offset: self.end.offset,
        }
    }

    /// Moves the end, and remembers the place.
    pub(crate) fn set_end(&mut self, end: OffsetMetadata) {
        self.end = end;
        self.remember(end);
    }

    pub(crate) fn remember(&mut self, place: OffsetMetadata) {
        let none = KnownPlaces { places: [place; KNOWN_PLACES], next: 0 };
        let known = self.known.get_or_insert_with(|| Box::new(none));
        known.places[usize::from(known.next)] = place;
        known.next = (known.next + 1) % KNOWN_PLACES as u8;
    }

    /// Forgets all places: after a truncation they may be others'.
    pub(crate) fn forget_known(&mut self) {
        self.known = None;
    }

    pub(crate) fn known_place(&self, offset: i64) -> Option<OffsetMetadata> {
        let known = self.known.iter().flat_map(|known| &known.places).chain([&self.end]);
        known.copied().find(|known| known.offset.0 == offset)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere is that thread's; what the lock guards is changed in whole steps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
