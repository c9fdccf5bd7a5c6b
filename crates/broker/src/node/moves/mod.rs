//! Replicas that are moved to other log directories while they are in use (KIP-113): the log is copied to a `-future` folder
//! of the other directory, in the background and no faster than `replica.alter.log.dirs.io.max.bytes.per.second`, is kept up
//! with the log in use, and takes its place once the controller has written down the new directory (KIP-858).
//!
//! Nobody waits for a move: a chunk is copied by a job, and the next is given out by [`Node::handle_timeouts`]. What a
//! killed node leaves is judged at the next start (`open_logs.rs`). Locks: this one is taken before a partition's.

mod copy;
mod finish;

use super::directories::Directory;
use super::{Node, Published, lock};
use crate::request::Now;
use copy::Progress;
use ottla_log::directory::{Folder, FolderState, LogDirectory, TopicPartition};
use ottla_log::{Log, LogError};
use ottla_machine::{Disk, Instant, PartitionIndex};
use ottla_quota::{Rate, Window};
use ottla_replica::{Located, Partition};
use ottla_wire::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a log is looked at that has caught up and may not take its place yet.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
/// After a failure, as `replica.fetch.backoff.ms`.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest name of a file.
const NAME_BYTES_MAX: usize = 255;
/// What a future folder's name has behind the partition's: a point, 32 digits and `-future`.
const FUTURE_SUFFIX_BYTES: usize = 40;

/// How many logs are copied at once, and how the rate of that is measured.
#[derive(Debug, Clone, Copy)]
pub struct MoveSettings {
    /// `num.replica.alter.log.dirs.threads`; as many as there are log directories if it is not set.
    pub threads: usize,
    /// `alter.log.dirs.replication.quota.window.*`
    pub window: Window,
}

/// A partition by its topic's name. Those that come first are moved first.
type Key = (Arc<str>, i32);

pub(crate) struct Moves<D: Disk>(Mutex<State<D>>);

struct State<D: Disk> {
    moving: BTreeMap<Key, Move<D>>,
    /// Where replicas are to lie that are not here yet.
    preferred: BTreeMap<Key, Uuid>,
    copied: Rate,
    /// Bytes that were copied and not counted yet.
    uncounted: u64,
    throttled_until: Option<Instant>,
    begun: u64,
    is_stopped: bool,
}

struct Move<D: Disk> {
    partition: Arc<Partition<D>>,
    step: Step,
    /// A job is at it.
    is_running: bool,
    not_before: Option<Instant>,
    /// Tells this move from one before it of the same partition.
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Copying,
    /// Once the controller knows, it takes the place.
    CaughtUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Copy,
    Finish,
}

impl<D: Disk> Default for Moves<D> {
    fn default() -> Self {
        Self(Mutex::new(State {
            moving: BTreeMap::new(),
            preferred: BTreeMap::new(),
            copied: Rate::default(),
            uncounted: 0,
            throttled_until: None,
            begun: 0,
            is_stopped: false,
        }))
    }
}

impl<D: Disk> Moves<D> {
    /// Where a replica is to lie that is made now, if somebody said so.
    pub(super) fn take_preferred(&self, partition: &TopicPartition) -> Option<Uuid> {
        lock(&self.0).preferred.remove(&(Arc::clone(&partition.topic), partition.partition.0))
    }

    /// A partition that has a future log is moved from now on.
    pub(super) fn begin(&self, partition: &Arc<Partition<D>>) {
        lock(&self.0).begin(partition);
    }

    /// No log takes another's place any more: the node stops.
    pub(super) fn stop(&self) {
        lock(&self.0).is_stopped = true;
    }
}

impl<D: Disk> State<D> {
    fn begin(&mut self, partition: &Arc<Partition<D>>) {
        self.begun += 1;
        let begun = Move {
            partition: Arc::clone(partition),
            step: Step::Copying,
            is_running: false,
            not_before: None,
            number: self.begun,
        };
        self.moving.insert(key(partition), begun);
    }
}

fn key<D: Disk>(partition: &Partition<D>) -> Key {
    (Arc::clone(&partition.topic), partition.index)
}

fn name<D: Disk>(partition: &Partition<D>) -> TopicPartition {
    TopicPartition { topic: Arc::clone(&partition.topic), partition: PartitionIndex(partition.index) }
}

impl<D: Disk> Node<D> {
    /// What AlterReplicaLogDirs asks for one replica. Whoever asks again for what is under way, or done, is told yes.
    pub(crate) fn move_replica(&self, published: &Published<D>, topic: &str, index: i32, path: &str) -> ErrorCode {
        let to = match self.destination(published, topic, index, path) {
            Ok(to) => to,
            Err(error) => return error,
        };
        let is_known = published.image.topics.partition(topic, index).is_some();
        let partition = published.partition_named(topic, index);
        let mut moves = lock(&self.moves.0);
        let Some(partition) = partition else {
            let topic_id = published.image.topics.named(topic).map_or(Uuid::ZERO, |topic| topic.id);
            if self.directories.has_lost(topic_id, index) {
                return ErrorCode::KafkaStorageError;
            }
            moves.preferred.insert((topic.into(), index), to.id);
            return if is_known { ErrorCode::ReplicaNotAvailable } else { ErrorCode::UnknownTopicOrPartition };
        };
        // The directory can have failed meanwhile, and the topic be deleted.
        if partition.log().is_offline() || !to.is_online() || moves.is_stopped {
            return ErrorCode::KafkaStorageError;
        }
        if partition.future().is_some_and(|future| future.directory_id != to.id) {
            self.cancel(&mut moves, partition);
        }
        if partition.directory_id() == to.id || partition.future().is_some() {
            return ErrorCode::None;
        }
        // Where it lies in a directory that is offline, it would lie in two others then.
        if !self.directories.all_online() {
            return ErrorCode::KafkaStorageError;
        }
        match self.directories.noting(self.make_future(to, partition)) {
            Ok(log) => {
                partition.set_future(Some(Located { log, directory_id: to.id }));
                moves.begin(partition);
                tracing::info!("{topic}-{index} is being moved to {path}");
                self.host().wake_timers();
                ErrorCode::None
            }
            Err(error) => {
                tracing::error!("{topic}-{index} cannot be moved to {path}: {error}");
                ErrorCode::KafkaStorageError
            }
        }
    }

    fn destination(
        &self,
        published: &Published<D>,
        topic: &str,
        index: i32,
        path: &str,
    ) -> Result<&Arc<Directory<D>>, ErrorCode> {
        if format!("{topic}-{index}").len() + FUTURE_SUFFIX_BYTES > NAME_BYTES_MAX {
            return Err(ErrorCode::InvalidTopicException);
        }
        // As it is written, but for slashes at its end.
        let is_named = |configured: &PathBuf| configured.components().collect::<PathBuf>().as_os_str() == path;
        let place = self.directories.places.iter().find(|place| is_named(&place.path));
        let to = place.ok_or(ErrorCode::LogDirNotFound)?.online().ok_or(ErrorCode::KafkaStorageError)?;
        match self.cordoned(&published.image).iter().any(|cordoned| cordoned.id == to.id) {
            true => Err(ErrorCode::InvalidReplicaAssignment),
            false => Ok(to),
        }
    }

    fn make_future(&self, to: &Directory<D>, partition: &Partition<D>) -> Result<Log<D>, LogError> {
        let folder = LogDirectory::<D>::aside(&name(partition), &self.unique(), FolderState::Future);
        let (disk, path) = (to.files.disk().clone(), to.path().join(&folder.name));
        let current = partition.log();
        let log = Log::create(disk, &path, current.topic_id(), current.config());
        // A start is to find it.
        log.make_folder()?;
        to.files.sync()?;
        Ok(log)
    }

    /// Ends a move: the log stays where it is, and what was copied is removed.
    fn cancel(&self, moves: &mut State<D>, partition: &Arc<Partition<D>>) {
        moves.moving.remove(&key(partition));
        let Some(future) = partition.set_future(None) else { return };
        future.log.take_offline();
        if let Some(directory) = self.directories.with_id(future.directory_id)
            && let Some(folder) = future.log.dir().file_name().and_then(|name| Folder::parse(name.to_str()?))
        {
            self.discard(&self.published().image, directory, &folder);
        }
        // The controller may have been told already.
        self.tell_directory(partition);
    }

    /// A partition that is deleted is not moved any more.
    pub(super) fn cancel_move(&self, partition: &Arc<Partition<D>>) {
        if partition.future().is_some() {
            self.cancel(&mut lock(&self.moves.0), partition);
        }
    }

    /// Ends the moves from and to directories that failed, and tells the controller where the logs lie: it may know the new
    /// directory only. What was copied stays for the next start.
    pub(super) fn abandon_moves(&self, failed: &BTreeSet<Uuid>) {
        let mut moves = lock(&self.moves.0);
        moves.preferred.retain(|_, directory| !failed.contains(directory));
        let concerned = |partition: &Partition<D>| {
            failed.contains(&partition.directory_id())
                || partition.future().is_some_and(|future| failed.contains(&future.directory_id))
        };
        let published = self.published();
        let mut told = BTreeMap::new();
        for (_, gone) in moves.moving.extract_if(.., |_, one| concerned(&one.partition)) {
            let partition = &gone.partition;
            let Some(future) = partition.set_future(None) else { continue };
            future.log.take_offline();
            if self.told_directory(&published, partition) == Some(future.directory_id) {
                told.insert((partition.topic_id, partition.index), partition.directory_id());
            }
        }
        drop(moves);
        self.assign_now(&published, told);
    }

    fn told_directory(&self, published: &Published<D>, partition: &Partition<D>) -> Option<Uuid> {
        let topic = published.image.topics.with_id(partition.topic_id)?;
        topic.partitions.get(&partition.index)?.directory_of(self.id)
    }

    /// Whether the controller has written down where the partition is being moved to.
    fn is_accepted(&self, published: &Published<D>, partition: &Partition<D>) -> bool {
        let Some(future) = partition.future() else { return false };
        !published.image.record_versions().has_directories()
            || self.told_directory(published, partition) == Some(future.directory_id)
    }

    /// New metadata: moves that waited for it go on.
    pub(super) fn moves_published(&self, published: &Published<D>) {
        let mut moves = lock(&self.moves.0);
        // The limit may be another.
        moves.throttled_until = None;
        let mut woken = false;
        for one in moves.moving.values_mut().filter(|one| one.step == Step::CaughtUp && one.not_before.is_some()) {
            if self.is_accepted(published, &one.partition) {
                one.not_before = None;
                woken = true;
            }
        }
        if woken {
            self.host().wake_timers();
        }
    }

    /// When [`Self::handle_moves`] has something to do.
    pub(super) fn moves_due(&self) -> Option<Instant> {
        let moves = lock(&self.moves.0);
        let running = moves.moving.values().filter(|one| one.is_running).count();
        if moves.is_stopped || running >= self.settings().moves.threads {
            return None;
        }
        let idle = moves.moving.values().filter(|one| !one.is_running);
        let due = idle.map(|one| match one.step {
            Step::Copying => one.not_before.max(moves.throttled_until),
            Step::CaughtUp => one.not_before,
        });
        due.min().map(|due| due.unwrap_or(Instant(0)))
    }

    /// Gives out what is to be done next for those that are moved.
    pub(super) fn handle_moves(&self, now: Now) {
        let published = self.published.load_full();
        let mut told = Vec::new();
        {
            let mut moves = lock(&self.moves.0);
            if moves.is_stopped || moves.moving.is_empty() {
                return;
            }
            self.throttle(&mut moves, &published, now);
            let throttled = moves.throttled_until.is_some_and(|until| until > now.instant);
            let mut running = moves.moving.values().filter(|one| one.is_running).count();
            for one in moves.moving.values_mut() {
                if running >= self.settings().moves.threads {
                    break;
                }
                let was_told = one.not_before.is_some();
                if one.is_running || one.not_before.is_some_and(|at| at > now.instant) {
                    continue;
                }
                let task = match one.step {
                    Step::Copying if throttled => continue,
                    Step::Copying => Task::Copy,
                    Step::CaughtUp if self.is_accepted(&published, &one.partition) => Task::Finish,
                    Step::CaughtUp if was_told => {
                        one.not_before = Some(now.instant + FOLLOW_INTERVAL);
                        Task::Copy
                    }
                    Step::CaughtUp => {
                        one.not_before = Some(now.instant + FOLLOW_INTERVAL);
                        told.push(Arc::clone(&one.partition));
                        continue;
                    }
                };
                one.is_running = true;
                running += 1;
                self.give_out(one, task, now);
            }
        }
        told.iter().for_each(|partition| self.tell_directory(partition));
    }

    fn throttle(&self, moves: &mut State<D>, published: &Published<D>, now: Now) {
        let layers = published.image.broker_layers(self.id, &self.settings().file);
        let limit = layers.value("replica.alter.log.dirs.io.max.bytes.per.second").as_i64().unwrap_or(i64::MAX);
        let window = self.settings().moves.window;
        let bytes = std::mem::take(&mut moves.uncounted);
        if bytes > 0 {
            moves.copied.record(bytes as f64, window, now.instant);
        }
        let wait = match limit {
            i64::MAX => Duration::ZERO,
            limit => moves.copied.excess(limit as f64, window, now.instant),
        };
        moves.throttled_until = (!wait.is_zero()).then(|| now.instant + wait);
    }

    fn give_out(&self, one: &Move<D>, task: Task, now: Now) {
        let (me, partition, number) = (self.me.clone(), Arc::clone(&one.partition), one.number);
        self.host().run(Box::new(move || {
            if let Some(node) = me.upgrade() {
                node.run_move(&partition, number, task, now);
            }
        }));
    }

    fn run_move(&self, partition: &Arc<Partition<D>>, number: u64, task: Task, now: Now) {
        let done = match task {
            Task::Copy => match partition.future() {
                Some(future) => {
                    let epoch = partition.leadership().leader_epoch;
                    partition.look_up(|current| copy::copy_durably(current, &future.log, epoch, now.wall))
                }
                None => Ok(Progress::default()),
            },
            Task::Finish => self.finish_move(partition, number, now),
        };
        let mut moves = lock(&self.moves.0);
        let key = key(partition);
        if let Some(one) = moves.moving.get_mut(&key).filter(|one| one.number == number) {
            one.is_running = false;
            match done {
                Ok(progress) => {
                    if progress.caught_up != (one.step == Step::CaughtUp) {
                        one.not_before = None;
                    }
                    one.step = if progress.caught_up { Step::CaughtUp } else { Step::Copying };
                    moves.uncounted += progress.bytes;
                }
                Err(error) => {
                    one.not_before = Some(now.instant + BACKOFF);
                    one.step = Step::Copying;
                    if let Some(error) = error.of_log() {
                        self.directories.note(error);
                    }
                    tracing::warn!("{} cannot be moved on; it is tried again: {error}", name(partition));
                }
            }
        }
        drop(moves);
        self.host().wake_timers();
    }
}
