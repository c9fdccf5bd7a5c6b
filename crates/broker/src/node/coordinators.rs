//! The group coordinators of this node: a shard for each partition of `__consumer_offsets` that it leads, joined to that
//! partition's log.
//!
//! A shard's lock is held through a call, the append within included; answers that come out are put into their slots and
//! the waiters marked. Loading runs as a job and lets go of the lock between chunks.

use super::{Committer, Directories, Node, Published, Settings, lock};
use ottla_coordinator::{AppendFailure, AppendedRange, Env, Now, ShardLog};
use ottla_group::{DeletedTopic, GroupAnswer, GroupSettings, GroupShard, TopicResolver, WaiterId, partition_for};
use ottla_log::{AppendError, AppendOrigin, MinOneBatch, ReadBound, ReadError, Scratch};
use ottla_machine::{Disk, Instant, LeaderEpoch, Offset, Seed, Timestamp};
use ottla_metadata::config_defs::BrokerLayers;
use ottla_metadata::image::{Delta, Image};
use ottla_replica::{Acknowledgement, Partition, PartitionError, RequiredAcks, Wake};
use ottla_wire::batch::{Codecs, Compression};
use ottla_wire::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::task::Poll;
use std::time::Duration;

pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// How much of a partition is read at once when it is loaded.
const LOAD_BYTES: usize = 5 << 20;
const NO_DEADLINE: u64 = u64::MAX;

/// Where the answer to a waiting request appears.
pub(crate) struct GroupSlot {
    pub answer: Mutex<Option<GroupAnswer>>,
    waker: Arc<dyn Wake>,
}

/// One shard, and the partition that it stands on.
pub(crate) struct HostedShard<D: Disk> {
    partition: Arc<Partition<D>>,
    shard: Mutex<GroupShard>,
    slots: Mutex<BTreeMap<WaiterId, Arc<GroupSlot>>>,
    scratch: Mutex<Scratch>,
    directories: Arc<Directories<D>>,
    /// Gone when the node is.
    committer: Weak<Committer<D>>,
    /// The shard's next deadline in nanoseconds, to be read without its lock.
    deadline: AtomicU64,
}

pub(crate) struct Coordinators<D: Disk> {
    shards: RwLock<BTreeMap<i32, Arc<HostedShard<D>>>>,
    settings: GroupSettings,
    next_waiter: AtomicU64,
}

/// Whether a shard has to be looked at earlier than was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextTimeout {
    AsBefore,
    Sooner,
}

/// What a call on a shard gives: its answer, or where it will appear.
pub(crate) enum Asked<D: Disk, T> {
    Answer(T),
    Waiting(GroupWait<D>),
}

/// A request that waits on a shard.
pub(crate) struct GroupWait<D: Disk> {
    pub slot: Arc<GroupSlot>,
    id: WaiterId,
    shard: Arc<HostedShard<D>>,
}

impl<D: Disk> GroupWait<D> {
    /// Its connection is gone.
    pub(crate) fn cancel(&self) {
        lock(&self.shard.shard).cancel(self.id);
        lock(&self.shard.slots).remove(&self.id);
    }
}

impl<D: Disk> Coordinators<D> {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            shards: RwLock::default(),
            settings: group_settings(&BrokerLayers::of_file(&settings.file)),
            next_waiter: AtomicU64::new(1),
        }
    }

    fn all(&self) -> Vec<Arc<HostedShard<D>>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn at(&self, index: i32) -> Option<Arc<HostedShard<D>>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).get(&index).cloned()
    }

    /// These partitions are served no more: whoever waits is told to look for another coordinator.
    pub(super) fn resign_from(&self, partitions: &[Arc<Partition<D>>]) {
        let resigned: Vec<Arc<HostedShard<D>>> = {
            let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
            let is_gone = |hosted: &HostedShard<D>| partitions.iter().any(|p| Arc::ptr_eq(p, &hosted.partition));
            shards.extract_if(.., |_, hosted| is_gone(hosted)).map(|(_, hosted)| hosted).collect()
        };
        for hosted in resigned {
            let mut shard = lock(&hosted.shard);
            shard.resigned();
            hosted.deliver(&mut shard);
        }
    }

    /// More of a partition counts: what waits for it in the shard that stands on it is done.
    pub(super) fn committed(&self, partition: &Arc<Partition<D>>, now: crate::request::Now) -> NextTimeout {
        if *partition.topic != *OFFSETS_TOPIC {
            return NextTimeout::AsBefore;
        }
        let Some(hosted) = self.at(partition.index).filter(|hosted| Arc::ptr_eq(&hosted.partition, partition)) else {
            return NextTimeout::AsBefore;
        };
        let mut codecs = Codecs::default();
        let mut shard = lock(&hosted.shard);
        let mut env = Env { now: shard_now(now), log: &*hosted, codecs: &mut codecs };
        shard.committed(&mut env);
        hosted.deliver(&mut shard)
    }

    /// The node stops: whoever waits is told to look for another coordinator.
    pub(crate) fn resign_all(&self) {
        for hosted in self.all() {
            let mut shard = lock(&hosted.shard);
            shard.resigned();
            hosted.deliver(&mut shard);
        }
    }
}

fn group_settings(layers: &BrokerLayers<'_>) -> GroupSettings {
    let int = |key: &str| layers.value(key).as_i32().unwrap_or_default();
    let size = |key: &str| usize::try_from(int(key)).unwrap_or(0);
    let positive = |value: i64| u64::try_from(value).unwrap_or(0);
    let millis = |key: &str| Duration::from_millis(positive(layers.value(key).as_i64().unwrap_or_default()));
    GroupSettings {
        session_timeout_ms_min: int("group.min.session.timeout.ms"),
        session_timeout_ms_max: int("group.max.session.timeout.ms"),
        initial_rebalance_delay: Duration::from_millis(positive(int("group.initial.rebalance.delay.ms").into())),
        size_max: size("group.max.size"),
        offset_metadata_max: size("offset.metadata.max.bytes"),
        offsets_retention: Duration::from_secs(60 * positive(int("offsets.retention.minutes").into())),
        offsets_retention_check_interval: millis("offsets.retention.check.interval.ms"),
        offsets_commit_timeout: Duration::from_millis(positive(int("offsets.commit.timeout.ms").into())),
        offsets_topic_compression: u8::try_from(int("offsets.topic.compression.codec"))
            .ok()
            .and_then(|id| Compression::from_id(id).ok())
            .unwrap_or(Compression::None),
    }
}

impl<D: Disk> HostedShard<D> {
    /// Hands out the answers that have come, and notes the next deadline.
    fn deliver(&self, shard: &mut GroupShard) -> NextTimeout {
        while let Some((id, answer)) = shard.poll_output() {
            if let Some(slot) = lock(&self.slots).remove(&id) {
                *lock(&slot.answer) = Some(answer);
                slot.waker.wake();
            }
        }
        let deadline = shard.poll_timeout().map_or(NO_DEADLINE, |at| at.0);
        let before = self.deadline.swap(deadline, Ordering::AcqRel);
        let warnings = shard.take_warnings();
        if !warnings.is_empty() {
            let (topic, index) = (&self.partition.topic, self.partition.index);
            tracing::warn!("{topic}-{index}: {} records are passed over", warnings.count);
            for warning in warnings.first {
                tracing::warn!("{topic}-{index}: at offset {}: {}", warning.offset.0, warning.error);
            }
        }
        if deadline < before { NextTimeout::Sooner } else { NextTimeout::AsBefore }
    }
}

/// A shard's log is the partition that this node leads.
impl<D: Disk> ShardLog for HostedShard<D> {
    fn append(&self, batch: &[u8], epoch: LeaderEpoch, now: Timestamp) -> Result<AppendedRange, AppendFailure> {
        if self.partition.leadership().leader_epoch != epoch.0 {
            return Err(AppendFailure(ErrorCode::NotLeaderOrFollower));
        }
        let mut scratch = lock(&self.scratch);
        self.partition
            .append(batch, AppendOrigin::Coordinator, RequiredAcks::All, now, &mut scratch)
            .map(|appended| {
                if let Some(committer) = self.committer.upgrade() {
                    committer.appended(&self.partition, &appended);
                }
                AppendedRange { first: appended.first_offset, last: appended.last_offset }
            })
            .map_err(|error| {
                if let PartitionError::Append(AppendError::Log(error)) = &error {
                    self.directories.note(error);
                }
                tracing::warn!("{}-{}: {error}", self.partition.topic, self.partition.index);
                AppendFailure(error.code())
            })
    }

    fn high_watermark(&self) -> Offset {
        self.partition.log().high_watermark()
    }

    fn batch_bytes_max(&self) -> usize {
        self.partition.log().config().max_message_bytes as usize
    }
}

/// Topics as the metadata has them.
pub(crate) struct ImageTopics<'a>(pub &'a Image);

impl TopicResolver for ImageTopics<'_> {
    fn topic_name(&self, id: Uuid) -> Option<&str> {
        self.0.topics.with_id(id).map(|topic| &*topic.name)
    }

    fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.0.topics.named(name).map(|topic| topic.id)
    }

    fn has_partition(&self, name: &str, partition: i32) -> bool {
        self.0.topics.partition(name, partition).is_some()
    }
}

fn shard_now(now: crate::request::Now) -> Now {
    Now { instant: now.instant, timestamp: now.wall }
}

impl<D: Disk> Node<D> {
    /// The shard that keeps a group. An error is for the client: the topic is not there yet, or another node leads.
    fn shard_of(&self, group: &str) -> Result<Arc<HostedShard<D>>, ErrorCode> {
        let published = self.published();
        let topic = published.image.topics.named(OFFSETS_TOPIC).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let index = partition_for(group, count).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        self.coordinators.at(index.0).ok_or(ErrorCode::NotCoordinator)
    }

    /// Calls a group's shard.
    pub(crate) fn on_group<T>(
        &self,
        group: &str,
        waker: &Arc<dyn Wake>,
        now: crate::request::Now,
        call: impl FnOnce(&mut GroupShard, &mut Env<'_>, WaiterId) -> Poll<T>,
    ) -> Result<Asked<D, T>, ErrorCode> {
        let hosted = self.shard_of(group)?;
        Ok(self.on_shard(&hosted, waker, now, call))
    }

    fn on_shard<T>(
        &self,
        hosted: &Arc<HostedShard<D>>,
        waker: &Arc<dyn Wake>,
        now: crate::request::Now,
        call: impl FnOnce(&mut GroupShard, &mut Env<'_>, WaiterId) -> Poll<T>,
    ) -> Asked<D, T> {
        let id = WaiterId(self.coordinators.next_waiter.fetch_add(1, Ordering::Relaxed));
        let slot = Arc::new(GroupSlot { answer: Mutex::new(None), waker: Arc::clone(waker) });
        let mut codecs = Codecs::default();
        let mut shard = lock(&hosted.shard);
        lock(&hosted.slots).insert(id, Arc::clone(&slot));
        let mut env = Env { now: shard_now(now), log: &**hosted, codecs: &mut codecs };
        let answer = call(&mut shard, &mut env, id);
        let next = hosted.deliver(&mut shard);
        drop(shard);
        if next == NextTimeout::Sooner {
            self.host().wake_timers();
        }
        match answer {
            Poll::Ready(answer) => {
                lock(&hosted.slots).remove(&id);
                Asked::Answer(answer)
            }
            Poll::Pending => Asked::Waiting(GroupWait { slot, id, shard: Arc::clone(hosted) }),
        }
    }

    /// Looks at every shard in turn.
    pub(crate) fn each_shard<T>(&self, mut look: impl FnMut(&GroupShard) -> T) -> Vec<T> {
        self.coordinators.all().iter().map(|hosted| look(&lock(&hosted.shard))).collect()
    }

    /// Looks at the shard of one group.
    pub(crate) fn look_at_group<T>(&self, group: &str, look: impl FnOnce(&GroupShard) -> T) -> Result<T, ErrorCode> {
        Ok(look(&lock(&self.shard_of(group)?.shard)))
    }

    /// When [`Node::handle_timeouts`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let deadlines = self.coordinators.all();
        let next = deadlines.iter().map(|hosted| hosted.deadline.load(Ordering::Acquire)).min();
        let next = next.filter(|next| *next != NO_DEADLINE).map(Instant);
        next.into_iter().chain(self.assignments_due()).chain(self.moves_due()).min()
    }

    /// Does what is due: sessions that ran out, rebalances that waited long enough, offsets that expired, directories that
    /// are still to be told, and what is to be moved.
    pub fn handle_timeouts(&self, now: crate::request::Now) {
        for hosted in self.coordinators.all() {
            if hosted.deadline.load(Ordering::Acquire) > now.instant.0 {
                continue;
            }
            let mut codecs = Codecs::default();
            let mut shard = lock(&hosted.shard);
            let mut env = Env { now: shard_now(now), log: &*hosted, codecs: &mut codecs };
            shard.handle_timeout(&mut env);
            hosted.deliver(&mut shard);
        }
        self.handle_assignments(now);
        self.handle_moves(now);
    }

    /// Elections and resignations of shards, and offsets of topics that are gone.
    pub(super) fn after_publication(&self, next: &Arc<Published<D>>, delta: &Delta, now: crate::request::Now) {
        if let Some(topic) = next.image.topics.named(OFFSETS_TOPIC)
            && delta.topics.contains(&topic.id)
            && let Some(hosted) = next.hosted.get(&topic.id)
        {
            for (index, partition) in hosted.iter() {
                self.follow_leadership(*index, partition, now);
            }
        }
        let deleted: Vec<DeletedTopic> = delta
            .removed_topics
            .iter()
            .map(|(id, topic)| DeletedTopic { name: topic.name.to_string(), id: *id })
            .collect();
        if deleted.iter().any(|topic| topic.name == OFFSETS_TOPIC) {
            self.coordinators.resign_all();
            self.coordinators.shards.write().unwrap_or_else(PoisonError::into_inner).clear();
        } else if !deleted.is_empty() {
            for hosted in self.coordinators.all() {
                let mut codecs = Codecs::default();
                let mut shard = lock(&hosted.shard);
                let mut env = Env { now: shard_now(now), log: &*hosted, codecs: &mut codecs };
                shard.topics_deleted(&mut env, &deleted);
                hosted.deliver(&mut shard);
            }
        }
    }

    fn follow_leadership(&self, index: i32, partition: &Arc<Partition<D>>, now: crate::request::Now) {
        let leadership = partition.leadership();
        let known = self.coordinators.at(index);
        if !leadership.is_leader {
            if let Some(hosted) = known {
                let mut shard = lock(&hosted.shard);
                shard.resigned();
                hosted.deliver(&mut shard);
            }
            return;
        }
        let hosted = match known {
            Some(hosted) if Arc::ptr_eq(&hosted.partition, partition) => hosted,
            _ => {
                let hosted = Arc::new(HostedShard {
                    partition: Arc::clone(partition),
                    shard: Mutex::new(GroupShard::new(self.coordinators.settings.clone(), Seed(self.draw()))),
                    slots: Mutex::default(),
                    scratch: Mutex::default(),
                    directories: Arc::clone(&self.directories),
                    committer: Arc::downgrade(&self.committer),
                    deadline: AtomicU64::new(NO_DEADLINE),
                });
                let mut shards = self.coordinators.shards.write().unwrap_or_else(PoisonError::into_inner);
                shards.insert(index, Arc::clone(&hosted));
                hosted
            }
        };
        let epoch = LeaderEpoch(leadership.leader_epoch);
        let loads = {
            let mut shard = lock(&hosted.shard);
            let before = shard.active_epoch();
            shard.elected(epoch);
            hosted.deliver(&mut shard);
            before != shard.active_epoch() || before.is_none()
        };
        if !loads {
            return;
        }
        let host = Arc::clone(self.host());
        let wake = Arc::clone(&host);
        if partition.log().size() == 0 {
            load(&hosted, epoch, now);
            wake.wake_timers();
        } else {
            host.run(Box::new(move || {
                load(&hosted, epoch, now);
                wake.wake_timers();
            }));
        }
    }
}

/// Reads a partition from its start to what is committed. A newer election ends it.
fn load<D: Disk>(hosted: &Arc<HostedShard<D>>, epoch: LeaderEpoch, now: crate::request::Now) {
    if hosted.partition.acknowledgement == Acknowledgement::Synced
        && let Some(committer) = hosted.committer.upgrade()
    {
        // What a killed process left in the page cache counts from the first answer on.
        committer.sync(&hosted.partition);
    }
    let log = hosted.partition.log();
    let mut codecs = Codecs::default();
    let mut offset = log.log_start_offset();
    let mut bytes = Vec::new();
    let end = log.log_end_offset();
    while offset < end {
        bytes.clear();
        let read = hosted.partition.read(offset, LOAD_BYTES, ReadBound::LogEnd, MinOneBatch::Yes);
        let read = read.map_err(|error| {
            if let ReadError::Log(error) = &error {
                hosted.directories.note(error);
            }
            error.to_string()
        });
        let step = read.and_then(|slice| slice.read_into(&mut bytes).map_err(|error| error.to_string()));
        let step = step.and_then(|_| {
            let mut shard = lock(&hosted.shard);
            shard.load(&bytes, hosted.partition.log().high_watermark(), &mut codecs).map_err(|error| error.to_string())
        });
        match step {
            Ok(step) if step.next_offset > offset => offset = step.next_offset,
            Ok(_) => break,
            Err(error) => {
                let partition = &hosted.partition;
                tracing::error!("{}-{} cannot be loaded: {error}", partition.topic, partition.index);
                return;
            }
        }
    }
    let mut shard = lock(&hosted.shard);
    if shard.phase() == ottla_coordinator::Phase::Loading(epoch) {
        let mut env = Env { now: shard_now(now), log: &**hosted, codecs: &mut codecs };
        shard.loaded(&mut env);
        hosted.deliver(&mut shard);
    }
}
