//! What the broker tells the controller about where its replicas lie (KIP-858): a new partition's directory is the broker's
//! to choose, and a partition whose folder was moved lies elsewhere than the metadata says.
//!
//! One request is under way at a time. What a failure leaves is sent again, after a back-off that grows; what is wrong
//! with a single partition, when the next request goes out.

use super::{Decided, Node, Published, lock};
use crate::request::Now;
use ottla_machine::{Disk, Instant};
use ottla_metadata::image::{Image, Topic};
use ottla_replica::Partition;
use ottla_wire::api::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use ottla_wire::api::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use ottla_wire::{ApiError, ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// As many as fit into 64 KB, as Kafka has it.
const ASSIGNMENTS_PER_REQUEST: usize = 2250;
/// After the first failure, doubled by each that follows.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// A partition, by its topic's id, and the directory that holds it.
pub(super) type ByPartition = BTreeMap<(Uuid, i32), Uuid>;

#[derive(Default)]
pub(crate) struct Assignments {
    /// Whether this incarnation is registered: before that, the controller knows the directories of the last one.
    open: bool,
    ready: ByPartition,
    under_way: ByPartition,
    failures: u32,
    /// When what is ready may be sent again after a failure.
    not_before: Option<Instant>,
}

/// What the controller said to a request.
type Answered = Result<AssignReplicasToDirsResponse<'static>, ApiError>;

impl<D: Disk> Node<D> {
    /// Notes the partitions of a topic that lie elsewhere than the metadata says.
    pub(super) fn note_assignments(&self, image: &Image, topic: &Topic, hosted: &BTreeMap<i32, Arc<Partition<D>>>) {
        if !image.record_versions().has_directories() {
            return;
        }
        let mut assignments = lock(&self.assignments);
        for (index, partition) in hosted {
            let told = topic.partitions.get(index).and_then(|known| known.directory_of(self.id));
            if told.is_some() && told == partition.future().map(|future| future.directory_id) {
                // It is on its way there.
                continue;
            }
            if told.is_some_and(|told| told != partition.directory_id()) {
                assignments.note((topic.id, *index), partition.directory_id());
            }
        }
    }

    /// Tells where a partition lies, or is about to.
    pub(super) fn tell_directory(&self, partition: &Partition<D>) {
        let published = self.published();
        if published.image.record_versions().has_directories() {
            let future = partition.future().map(|future| future.directory_id);
            let directory = future.unwrap_or_else(|| partition.directory_id());
            lock(&self.assignments).note((partition.topic_id, partition.index), directory);
            self.send_assignments(&published);
        }
    }

    /// Tells where partitions lie before anything else is decided.
    pub(super) fn assign_now(&self, published: &Published<D>, batch: ByPartition) {
        if batch.is_empty() {
            return;
        }
        let broker_epoch = published.image.brokers.get(&self.id).map_or(-1, |broker| broker.epoch);
        let request = request(self.id, broker_epoch, &batch);
        let assignments = Arc::clone(&self.assignments);
        self.submit(Box::new(move |desk| {
            let records = desk.controller.assign_replicas_to_dirs(&request).map(|outcome| outcome.records);
            let is_decided = records.is_ok();
            let finish = move |committed: Result<(), ErrorCode>| {
                if committed.is_err() || !is_decided {
                    let mut assignments = lock(&assignments);
                    batch.into_iter().for_each(|(partition, directory)| assignments.note(partition, directory));
                }
            };
            Decided { records: records.unwrap_or_default(), finish: Box::new(finish) }
        }));
    }

    /// The broker is registered: from now on the controller is told.
    pub(super) fn begin_assignments(&self) {
        lock(&self.assignments).open = true;
        self.send_assignments(&self.published());
    }

    /// Asks the controller to write down what is ready, unless a request is under way or has to wait.
    pub(super) fn send_assignments(&self, published: &Published<D>) {
        let still_hosted =
            |(topic, index): &(Uuid, i32)| published.hosted.get(topic).is_some_and(|hosted| hosted.contains_key(index));
        let Some(batch) = lock(&self.assignments).take(still_hosted) else { return };
        let broker_epoch = published.image.brokers.get(&self.id).map_or(-1, |broker| broker.epoch);
        let request = request(self.id, broker_epoch, &batch);
        let assignments: Arc<Mutex<Assignments>> = Arc::clone(&self.assignments);
        let host = Arc::clone(self.host());
        self.submit(Box::new(move |desk| {
            let now = desk.now.instant;
            let (records, answer): (_, Answered) = match desk.controller.assign_replicas_to_dirs(&request) {
                Ok(outcome) => (outcome.records, Ok(outcome.response)),
                Err(error) => (Vec::new(), Err(error)),
            };
            let finish = move |committed: Result<(), ErrorCode>| {
                lock(&assignments).answered(committed.map_err(ApiError::from).and(answer), now);
                // The rest, or what is to be tried again.
                host.wake_timers();
            };
            Decided { records, finish: Box::new(finish) }
        }));
    }

    pub(super) fn assignments_due(&self) -> Option<Instant> {
        lock(&self.assignments).due()
    }

    pub(super) fn handle_assignments(&self, now: Now) {
        if self.assignments_due().is_some_and(|at| at <= now.instant) {
            lock(&self.assignments).not_before = None;
            self.send_assignments(&self.published());
        }
    }
}

impl Assignments {
    fn note(&mut self, partition: (Uuid, i32), directory: Uuid) {
        match self.under_way.get(&partition) == Some(&directory) {
            true => self.ready.remove(&partition),
            false => self.ready.insert(partition, directory),
        };
    }

    /// What the next request is to say; what no longer concerns this broker is dropped.
    fn take(&mut self, concerned: impl Fn(&(Uuid, i32)) -> bool) -> Option<ByPartition> {
        if !self.open || !self.under_way.is_empty() || self.not_before.is_some() {
            return None;
        }
        self.ready.retain(|partition, _| concerned(partition));
        let rest = match self.ready.keys().nth(ASSIGNMENTS_PER_REQUEST).copied() {
            Some(first) => self.ready.split_off(&first),
            None => ByPartition::new(),
        };
        self.under_way = std::mem::replace(&mut self.ready, rest);
        (!self.under_way.is_empty()).then(|| self.under_way.clone())
    }

    fn answered(&mut self, answer: Answered, now: Instant) {
        let sent = std::mem::take(&mut self.under_way);
        let failed: ByPartition = match answer {
            Err(error) => {
                self.failures += 1;
                let doubled = BACKOFF_MIN.saturating_mul(1 << (self.failures - 1).min(10)).min(BACKOFF_MAX);
                self.not_before = Some(now + doubled);
                tracing::error!("the directories of {} partitions cannot be told, yet: {error}", sent.len());
                sent
            }
            Ok(response) => {
                self.failures = 0;
                let assigned = assigned(&response);
                sent.into_iter().filter(|(partition, _)| !assigned.contains(partition)).collect()
            }
        };
        if !failed.is_empty() {
            self.not_before.get_or_insert(now + BACKOFF_MIN);
        }
        // What was noted meanwhile is newer.
        for (partition, directory) in failed {
            self.ready.entry(partition).or_insert(directory);
        }
    }

    /// When there is something to send that nothing else will.
    fn due(&self) -> Option<Instant> {
        let waits = self.open && !self.ready.is_empty() && self.under_way.is_empty();
        waits.then(|| self.not_before.unwrap_or(Instant(0)))
    }
}

fn assigned(response: &AssignReplicasToDirsResponse<'_>) -> Vec<(Uuid, i32)> {
    let topics = response.directories.iter().flat_map(|directory| &directory.topics);
    let partitions = topics.flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, partition)));
    partitions.filter(|(_, p)| p.error_code == 0).map(|(topic_id, p)| (topic_id, p.partition_index)).collect()
}

fn request(broker_id: i32, broker_epoch: i64, batch: &ByPartition) -> AssignReplicasToDirsRequest<'static> {
    let mut directories: BTreeMap<Uuid, BTreeMap<Uuid, Vec<PartitionData<'static>>>> = BTreeMap::new();
    for ((topic_id, partition_index), directory) in batch {
        let partition = PartitionData { partition_index: *partition_index, ..Default::default() };
        directories.entry(*directory).or_default().entry(*topic_id).or_default().push(partition);
    }
    let topic = |(topic_id, partitions)| TopicData { topic_id, partitions, ..Default::default() };
    let directory = |(id, topics): (Uuid, BTreeMap<_, _>)| DirectoryData {
        id,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    AssignReplicasToDirsRequest {
        broker_id,
        broker_epoch,
        directories: directories.into_iter().map(directory).collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Uuid = Uuid([1; 16]);
    const ROOM: Uuid = Uuid([2; 16]);

    fn open() -> Assignments {
        Assignments { open: true, ..Default::default() }
    }

    fn yes(count: i32) -> Answered {
        let partition = |partition_index| PartitionData { partition_index, ..Default::default() };
        let partitions = (0..count).map(partition).map(|p| {
            let partition_index = p.partition_index;
            ottla_wire::api::assign_replicas_to_dirs_response::PartitionData { partition_index, ..Default::default() }
        });
        use ottla_wire::api::assign_replicas_to_dirs_response as response;
        let topic = response::TopicData { topic_id: TOPIC, partitions: partitions.collect(), ..Default::default() };
        let directory = response::DirectoryData { id: ROOM, topics: vec![topic], ..Default::default() };
        Ok(AssignReplicasToDirsResponse { directories: vec![directory], ..Default::default() })
    }

    #[test]
    fn nothing_is_told_before_the_broker_is_registered() {
        let mut assignments = Assignments::default();
        assignments.note((TOPIC, 0), ROOM);
        assert_eq!((assignments.take(|_| true), assignments.due()), (None, None));
        assignments.open = true;
        assert_eq!(assignments.due(), Some(Instant(0)));
        assert_eq!(assignments.take(|_| true).unwrap().len(), 1);
        assert_eq!(assignments.due(), None);
    }

    #[test]
    fn more_than_fits_one_request_goes_in_several() {
        let mut assignments = open();
        let count = ASSIGNMENTS_PER_REQUEST as i32 + 1;
        (0..count).for_each(|index| assignments.note((TOPIC, index), ROOM));
        assert_eq!(assignments.take(|_| true).unwrap().len(), ASSIGNMENTS_PER_REQUEST);
        assert_eq!(assignments.take(|_| true), None);
        assignments.answered(yes(count), Instant(0));
        assert_eq!(assignments.take(|_| true).unwrap().into_keys().collect::<Vec<_>>(), [(TOPIC, count - 1)]);
    }

    #[test]
    fn a_failure_is_tried_again_after_a_growing_while() {
        let mut assignments = open();
        assignments.note((TOPIC, 0), ROOM);
        let mut now = Instant(0);
        let mut waited = Vec::new();
        for _ in 0..9 {
            assignments.not_before = None;
            assert!(assignments.take(|_| true).is_some());
            assignments.answered(Err(ErrorCode::KafkaStorageError.into()), now);
            assert_eq!(assignments.take(|_| true), None);
            let due = assignments.due().unwrap();
            waited.push(due.saturating_since(now).as_millis());
            now = due;
        }
        assert_eq!(waited, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assignments.not_before = None;
        assert!(assignments.take(|_| true).is_some());
        assignments.answered(yes(1), now);
        assert_eq!(assignments.due(), None);
    }

    #[test]
    fn a_partition_that_is_gone_is_not_told() {
        let mut assignments = open();
        assignments.note((TOPIC, 0), ROOM);
        assignments.note((TOPIC, 1), ROOM);
        assert_eq!(assignments.take(|(_, index)| *index == 1).unwrap().into_keys().collect::<Vec<_>>(), [(TOPIC, 1)]);
        // What the answer does not mention is told again.
        assignments.answered(Ok(AssignReplicasToDirsResponse::default()), Instant(0));
        assert_eq!(assignments.due(), Some(Instant(0) + BACKOFF_MIN));
    }
}
