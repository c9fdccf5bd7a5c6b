//! The power goes off at any moment: in the middle of an append, a roll, a truncation, a deletion, a sync, a clean stop, and
//! of the recovery afterwards. What was synced is there; what remains is a prefix of what was appended; producers,
//! transactions and epochs are as the remaining batches make them; and after a sync that failed there is no other.
//!
//! Everything is drawn from a seed: the calls, how many changes of the disk the power still allows, and what the disk has
//! kept of those that were not synced. Checkpoints and the mark of a clean stop are read from the disk, as a node does.

use std::collections::BTreeMap;

use ottla_machine::{Disk, Fault, LeaderEpoch, Offset, PartitionIndex, Seed, seeds};
use ottla_wire::batch::{ControlRecordType, EndTransactionMarker};

use super::crashes::Derived;
use super::*;
use crate::UnsyncedBytes;
use crate::directory::{CheckpointKind, CleanShutdown, LogDirectory, TopicPartition};

/// How many seeds an ordinary run of the tests takes; OTTLA_SEEDS asks for more.
const SEEDS: u64 = 300;
const STEPS: u64 = 40;

#[test]
fn what_was_synced_survives_a_power_loss_at_any_moment() {
    seeds::run("-p ottla-log power_loss_at_any_moment", SEEDS, |seed| World::new(seed).run());
}

fn partition() -> TopicPartition {
    TopicPartition { topic: "t".into(), partition: PartitionIndex(0) }
}

struct World {
    seed: Seed,
    fixture: Fixture,
    directory: Option<LogDirectory<MemDisk>>,
    model: Model,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    Stayed,
    WentOff,
}

/// What the log must hold.
#[derive(Default)]
struct Model {
    /// First offset, epoch and values of each batch, also of those that were deleted: they may come back.
    batches: Vec<(i64, i32, Vec<Vec<u8>>)>,
    end: i64,
    /// All below is durable.
    synced: i64,
    start: i64,
    epoch: i32,
    counter: u64,
}

impl Model {
    fn cut(&mut self, end: i64) {
        self.batches.retain(|(base, _, values)| base + values.len() as i64 <= end);
        self.end = end;
        self.synced = self.synced.min(end);
    }

    fn records_from(&self, start: i64) -> Vec<(i64, Vec<u8>)> {
        let numbered = |(base, _, values): &(i64, i32, Vec<Vec<u8>>)| (*base..).zip(values.clone()).collect::<Vec<_>>();
        self.batches.iter().flat_map(numbered).filter(|(offset, _)| *offset >= start).collect()
    }

    /// Where the batch that holds an offset begins; the offset itself at the log's end.
    fn batch_at(&self, offset: i64) -> i64 {
        let holds =
            |(base, _, values): &&(i64, i32, Vec<Vec<u8>>)| (*base..base + values.len() as i64).contains(&offset);
        self.batches.iter().find(holds).map_or(offset, |(base, _, _)| *base)
    }
}

impl World {
    fn new(seed: u64) -> World {
        // Small segments roll often; larger ones have indexes of several sectors.
        let config = match seed % 3 {
            0 => {
                LogConfig { segment_bytes: 8000, index_interval_bytes: 1, retention_bytes: 12_000, ..small_segments() }
            }
            _ => LogConfig { segment_bytes: 2000, retention_bytes: 3000, ..small_segments() },
        };
        let config = LogConfig { unsynced_bytes: UnsyncedBytes::WrittenAnew, ..config };
        let fixture = Fixture::new(config);
        let mut world = World { seed: Seed(seed), fixture, directory: None, model: Model::default() };
        world.start();
        world
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            if self.seed.chance(1, 6) {
                // In this step, or some steps on.
                self.fixture.disk.power_off_after(self.seed.below(25));
            }
            self.step();
            if self.fixture.disk.is_off() || self.fixture.log.is_offline() || self.seed.chance(1, 20) {
                self.lose_power();
            } else {
                assert_eq!(self.fixture.log.log_end_offset().0, self.model.end);
            }
        }
        self.lose_power();
        self.check_against_a_full_recovery();
    }

    fn step(&mut self) {
        let step = self.seed.below(20);
        if seeds::repeats_one() {
            let (log, model) = (&self.fixture.log, &self.model);
            let (offsets, point) = (log.offsets(), log.recovery_point());
            eprintln!("step {step}: synced {}, recovery point {point}, {offsets:?}", model.synced);
        }
        match step {
            0..=5 => self.produce(),
            6 => (0..self.seed.below(40)).for_each(|_| self.produce_small()),
            7 => self.transaction(),
            8 => self.end_transaction(),
            9 => self.model.epoch += 1,
            10..=12 => self.sync(),
            13 => drop(self.fixture.log.roll(NOW)),
            14 => self.truncate(),
            15 => self.retain(),
            16 => self.delete_records(),
            17 => drop(self.checkpoint()),
            18 => self.stop_cleanly(),
            _ if self.seed.chance(1, 3) => self.fail_a_sync(),
            _ => self.kill(),
        }
    }

    fn append(&mut self, builder: BatchBuilder, origin: AppendOrigin, values: Vec<Vec<u8>>) {
        let epoch = LeaderEpoch(self.model.epoch);
        let before = self.model.end;
        self.model.batches.push((before, self.model.epoch, values.clone()));
        let scratch = &mut self.fixture.scratch;
        match self.fixture.log.append_as_leader(&build(builder), origin, epoch, NOW, scratch) {
            Ok(appended) => {
                assert_eq!(appended.first_offset.0, before);
                self.model.end = before + values.len() as i64;
            }
            // Refused, and yet it may be there after the crash.
            Err(error) => assert!(self.fixture.disk.is_off(), "{error}"),
        }
    }

    fn produce(&mut self) {
        let count = 1 + self.seed.below(3);
        let values: Vec<Vec<u8>> = (0..count).map(|_| self.value()).collect();
        let refs: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let producer = self.seed.below(6) as i64;
        let builder = match producer {
            0..3 => idempotent(producer, 0, self.next_sequence(producer), &refs),
            _ => builder(&refs),
        };
        self.append(builder, AppendOrigin::Client, values);
    }

    fn produce_small(&mut self) {
        if !self.fixture.disk.is_off() {
            self.model.counter += 1;
            let value = self.model.counter.to_be_bytes().to_vec();
            self.append(builder(&[&value]), AppendOrigin::Client, vec![value]);
        }
    }

    fn value(&mut self) -> Vec<u8> {
        self.model.counter += 1;
        let mut value = self.model.counter.to_be_bytes().to_vec();
        let size = if self.seed.chance(1, 8) { 500 } else { 150 };
        value.resize(8 + self.seed.below(size) as usize, self.model.counter as u8);
        value
    }

    fn next_sequence(&self, producer: i64) -> i32 {
        let known = self.fixture.log.active_producers().into_iter().find(|known| known.producer_id.0 == producer);
        known.map_or(0, |known| known.last_sequence + 1)
    }

    fn transaction(&mut self) {
        let (producer, value) = (10 + self.seed.below(2) as i64, self.value());
        let builder = idempotent(producer, 0, self.next_sequence(producer), &[&value]).transactional();
        self.append(builder, AppendOrigin::Client, vec![value]);
    }

    fn end_transaction(&mut self) {
        let open = self.fixture.log.active_producers().into_iter().find(|p| p.current_txn_start_offset.is_some());
        let Some(open) = open else { return };
        let stamp = ProducerStamp { producer_id: open.producer_id.0, producer_epoch: 0, base_sequence: -1 };
        let mut marker = BatchBuilder::new(0).producer(stamp).transactional().control();
        let kind = if self.seed.chance(1, 2) { ControlRecordType::Commit } else { ControlRecordType::Abort };
        let value = EndTransactionMarker { coordinator_epoch: 3 }.value();
        marker.append_control(NOW.0, kind, &value).unwrap();
        self.append(marker, AppendOrigin::TransactionMarker { transaction_version: 1 }, vec![value.to_vec()]);
    }

    fn sync(&mut self) {
        if let Ok(point) = self.fixture.log.sync() {
            assert_eq!(point.0, self.model.end);
            self.model.synced = point.0;
        }
    }

    fn truncate(&mut self) {
        let target = (self.model.end - self.seed.below(15) as i64).max(self.model.start);
        let cut = self.model.batch_at(target);
        let done = self.fixture.log.truncate_to(Offset(target), NOW);
        // Until it is done, the log may end anywhere between.
        self.model.synced = self.model.synced.min(cut);
        if done.is_ok() {
            self.model.cut(cut);
            self.model.start = self.model.start.min(cut);
            drop(self.checkpoint());
        }
    }

    fn retain(&mut self) {
        self.fixture.log.set_high_watermark(Offset(self.model.end));
        if let Ok(Some(job)) = self.fixture.log.delete_old_segments(NOW)
            && let Ok(remove) = job.run()
            && self.seed.chance(1, 2)
        {
            drop(remove.run());
        }
        self.model.start = self.fixture.log.log_start_offset().0;
    }

    fn delete_records(&mut self) {
        self.fixture.log.set_high_watermark(Offset(self.model.end));
        let span = (self.model.end - self.model.start) as u64;
        let target = self.model.start + self.seed.below(span + 1) as i64;
        self.fixture.log.increment_log_start_offset(Offset(target)).unwrap();
        self.model.start = target;
        drop(self.checkpoint());
    }

    /// Writes down where the log is durable and where it begins, as a node does every few seconds.
    fn checkpoint(&self) -> Result<(), crate::LogError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let log = &self.fixture.log;
        for (kind, offset) in [
            (CheckpointKind::RecoveryPoint, log.recovery_point()),
            (CheckpointKind::LogStartOffset, log.log_start_offset()),
        ] {
            directory.checkpoint(kind)?.write(&self.fixture.disk, BTreeMap::from([(partition(), offset)]))?;
        }
        Ok(())
    }

    fn stop_cleanly(&mut self) {
        let Ok(point) = self.fixture.log.close() else { return };
        assert_eq!(point.0, self.model.end);
        self.model.synced = point.0;
        let Some(directory) = &self.directory else { return };
        let written =
            self.checkpoint().and_then(|()| directory.write_clean_shutdown(CleanShutdown { broker_epoch: 1 }));
        if written.is_ok() && !self.fixture.disk.is_off() {
            // Whether or not the power goes off then.
            match self.seed.chance(1, 2) {
                true => self.fixture.disk.crash(&mut self.seed),
                false => self.fixture.disk.kill_process(),
            }
            self.directory = None;
            self.start();
            assert!(self.fixture.log.log_end_offset().0 == self.model.end, "nothing is lost in a clean stop");
        }
    }

    /// A sync fails: the log acknowledges nothing any more, and nothing of it is synced again.
    fn fail_a_sync(&mut self) {
        if self.fixture.log.log_end_offset() == Offset(0) {
            return;
        }
        let fault = if self.seed.chance(3, 4) { Fault::Sync } else { Fault::SyncDir };
        self.fixture.disk.fail_after(fault, self.seed.below(3));
        self.produce_without_model();
        if let Ok(point) = self.fixture.log.sync() {
            self.model.synced = point.0;
            // It was not its turn yet.
            self.fixture.disk.fail_after(fault, u64::MAX);
            return;
        }
        if self.fixture.disk.is_off() {
            return;
        }
        assert!(self.fixture.log.is_offline());
        assert!(self.fixture.produce(&batch(&[b"more"])).is_err());
        assert!(self.fixture.log.sync().is_err() && self.fixture.log.close().is_err());
        assert!(self.fixture.log.truncate_to(Offset(0), NOW).is_err() && self.fixture.log.roll(NOW).is_err());
        assert_eq!(self.fixture.disk.synced_after_failure(), Vec::<std::path::PathBuf>::new());
        if fault == Fault::Sync && self.seed.chance(1, 2) {
            // Another process on the same page cache, which shows what the failed sync did not write. Names that a failed
            // sync of a folder has lost stay lost: a file system whose journal fails takes nothing more at all.
            self.kill();
            self.sync();
        }
    }

    /// Appends what may be there afterwards or not.
    fn produce_without_model(&mut self) {
        let value = self.value();
        let bytes = batch(&[&value]);
        let epoch = LeaderEpoch(self.model.epoch);
        let scratch = &mut self.fixture.scratch;
        self.model.batches.push((self.model.end, self.model.epoch, vec![value]));
        if self.fixture.log.append_as_leader(&bytes, AppendOrigin::Client, epoch, NOW, scratch).is_ok() {
            self.model.end += 1;
        }
    }

    fn kill(&mut self) {
        if self.fixture.disk.is_off() {
            return;
        }
        self.fixture.disk.kill_process();
        self.directory = None;
        let before = self.model.end;
        if self.start() == Power::Stayed {
            assert_eq!(self.fixture.log.log_end_offset().0, before, "the page cache lives: nothing is lost");
        }
    }

    fn lose_power(&mut self) {
        self.directory = None;
        if seeds::repeats_one() {
            eprintln!("the power goes off");
        }
        self.fixture.disk.crash(&mut self.seed);
        self.start();
        if self.seed.chance(1, 4) {
            self.check_against_a_full_recovery();
        }
    }

    /// Starts on what the disk holds; the power may go off again meanwhile.
    fn start(&mut self) -> Power {
        let mut power = Power::Stayed;
        if self.seed.chance(1, 5) {
            self.fixture.disk.power_off_after(self.seed.below(20));
        }
        while let Err(error) = self.try_start() {
            assert!(self.fixture.disk.is_off(), "{error}");
            self.fixture.disk.crash(&mut self.seed);
            power = Power::WentOff;
        }
        self.check();
        power
    }

    fn try_start(&mut self) -> Result<(), crate::LogError> {
        let disk = self.fixture.disk.clone();
        let directory = LogDirectory::open(disk.clone(), dir().parent().unwrap())?;
        let clean = directory.take_clean_shutdown()?.is_some();
        let checkpointed = |kind| Ok(directory.checkpoint(kind)?.get(&partition()).unwrap_or(Offset(0)));
        let (recovery_point, log_start_offset) =
            (checkpointed(CheckpointKind::RecoveryPoint)?, checkpointed(CheckpointKind::LogStartOffset)?);
        let config = self.fixture.log.config();
        self.fixture.log = if disk.exists(dir()).unwrap() {
            let shutdown = if clean { ShutdownKind::Clean } else { ShutdownKind::Unclean };
            let topic_id = Some(TOPIC_ID);
            let options = OpenOptions { shutdown, recovery_point, log_start_offset, topic_id, config, now: NOW };
            let (log, recovery) = Log::open(disk, dir(), options)?;
            if seeds::repeats_one() {
                eprintln!("opened after {shutdown:?} from {recovery_point}: {recovery:?}");
            }
            log
        } else {
            assert_eq!(self.model.synced, 0, "the folder is gone");
            Log::create(disk, dir(), TOPIC_ID, config)
        };
        self.directory = Some(directory);
        // A log that ends below its recovery point, after a truncation whose checkpoint was not written any more.
        self.checkpoint()
    }

    /// What remains is a prefix of what was appended, and holds what was synced.
    fn check(&mut self) {
        let offsets = self.fixture.log.offsets();
        let (start, end) = (offsets.log_start_offset.0, offsets.log_end_offset.0);
        let (model, log) = (&mut self.model, &self.fixture.log);
        assert!(end >= model.synced, "what was synced is there: {end} < {}", model.synced);
        let appended = model.batches.iter().any(|(base, _, values)| base + values.len() as i64 == end);
        assert!(appended || start == end || end == 0, "{end} is no batch's end");
        assert!(start <= model.start.max(end), "the log begins at {start}, and began at {}", model.start);
        model.cut(end);
        model.start = start;
        let expected = model.records_from(start);
        let found: Vec<_> = self.fixture.records().into_iter().filter(|(offset, _)| *offset >= start).collect();
        super::crashes::assert_same(&found, &expected);
        for _ in 0..4 {
            let offset = Offset(start + self.seed.below((end - start) as u64) as i64);
            let slice = log.read(offset, 1, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
            let mut bytes = Vec::new();
            slice.read_into(&mut bytes).unwrap();
            let at = Batches::new(&bytes).next().map(|batch| batch.unwrap().header);
            let at = at.map(|header| header.base_offset <= offset.0 && offset.0 < header.next_offset());
            assert!(start == end || at == Some(true), "the index leads to {offset}");
        }
        for (base, epoch, _) in model.batches.iter().filter(|(base, _, _)| *base >= start) {
            assert_eq!(log.epoch_for_offset(Offset(*base)), Some(LeaderEpoch(*epoch)), "at {base}");
        }
        let latest = log.latest_epoch().map_or(0, |latest| latest.epoch.0);
        assert!(latest <= model.epoch);
    }

    /// A recovery that trusts nothing derives the same of the batches.
    fn check_against_a_full_recovery(&mut self) {
        if !self.fixture.disk.exists(dir()).unwrap() {
            return;
        }
        let derived = Derived::of(&self.fixture);
        self.directory = None;
        self.fixture.disk.kill_process();
        let options = OpenOptions {
            shutdown: ShutdownKind::Unclean,
            recovery_point: Offset(0),
            log_start_offset: self.fixture.log.log_start_offset(),
            topic_id: Some(TOPIC_ID),
            config: self.fixture.log.config(),
            now: NOW,
        };
        let (log, recovery) = Log::open(self.fixture.disk.clone(), dir(), options).unwrap();
        assert_eq!(recovery.truncations, [], "a recovery that is bounded has found the same end");
        self.fixture.log = log;
        if self.fixture.log.log_start_offset() == Offset(0) {
            // Otherwise one of them may know producers from batches that are deleted, and the other not.
            assert_eq!(Derived::of(&self.fixture), derived);
        }
        self.directory = LogDirectory::open(self.fixture.disk.clone(), dir().parent().unwrap()).ok();
        self.check();
    }
}
