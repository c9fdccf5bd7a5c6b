//! Any sequence of records, tombstones, transactions, cleanings with little memory, restarts and crashes, against a model:
//! what is kept was appended, at its offset; who reads the committed records from the start knows the same as if nothing had
//! ever been cleaned; of a key at most one record is left in what is clean; and a tombstone stays as long as it promised.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Put {
        key: u8,
        more: Vec<u8>,
        codec: usize,
    },
    Delete {
        key: u8,
    },
    ByProducer {
        producer: i64,
        key: u8,
    },
    InTransaction {
        producer: i64,
        key: u8,
        deletes: bool,
    },
    End {
        producer: i64,
        commits: bool,
    },
    Roll,
    Pass {
        ms: i64,
    },
    Clean {
        slots: u64,
        io_bytes: usize,
    },
    Restart,
    Kill,
    /// Crashes after so many of a cleaning's steps.
    Crash {
        steps: usize,
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..6u8;
    prop_oneof![
        8 => (key(), prop::collection::vec(key(), 0..3), 0..5usize).prop_map(|(key, more, codec)| Step::Put { key, more, codec }),
        3 => key().prop_map(|key| Step::Delete { key }),
        2 => (0..3i64, key()).prop_map(|(producer, key)| Step::ByProducer { producer, key }),
        4 => (10..12i64, key(), any::<bool>()).prop_map(|(producer, key, deletes)| Step::InTransaction { producer, key, deletes }),
        3 => (10..12i64, any::<bool>()).prop_map(|(producer, commits)| Step::End { producer, commits }),
        2 => Just(Step::Roll),
        2 => (1..800i64).prop_map(|ms| Step::Pass { ms }),
        5 => (3..20u64, 61..300usize).prop_map(|(slots, io_bytes)| Step::Clean { slots, io_bytes }),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        2 => (0..60usize, any::<u64>()).prop_map(|(steps, seed)| Step::Crash { steps, seed }),
    ]
}

struct Appended {
    offset: i64,
    key: String,
    value: Option<String>,
    /// In a transaction of this producer.
    producer: Option<i64>,
    /// The marker that ended it, and whether it committed.
    ended: Option<(i64, bool)>,
}

#[derive(Default)]
struct Model {
    appended: Vec<Appended>,
    counter: u64,
    now_ms: i64,
    checkpoint: i64,
    /// By offset: until when a tombstone stays that a cleaning has met as its key's last.
    promised: BTreeMap<i64, i64>,
}

impl Model {
    fn value(&mut self) -> String {
        self.counter += 1;
        format!("{}{}", self.counter, "x".repeat((self.counter % 40) as usize))
    }

    fn note(&mut self, offset: i64, key: &str, value: Option<String>, producer: Option<i64>) {
        self.appended.push(Appended { offset, key: key.to_owned(), value, producer, ended: None });
    }

    /// Tombstones that a cleaning has left stay for the time that was set for them, if it was not set before.
    fn promise(&mut self, left: &[(i64, String, Option<String>)]) {
        for (offset, ..) in left.iter().filter(|(_, _, value)| value.is_none()) {
            self.promised.entry(*offset).or_insert(self.now_ms + DELETE_RETENTION_MS);
        }
    }

    /// Everything from an offset on is gone, markers as well.
    fn cut(&mut self, end: i64) {
        self.appended.retain(|record| record.offset < end);
        for record in &mut self.appended {
            record.ended = record.ended.filter(|(marker, _)| *marker < end);
        }
        self.checkpoint = self.checkpoint.min(end);
        self.promised.retain(|offset, _| *offset < end);
    }

    /// What a reader knows of the records below the last stable offset.
    fn table(&self, end: i64) -> BTreeMap<String, String> {
        let mut table = BTreeMap::new();
        for record in self.appended.iter().filter(|record| record.offset < end && record.is_committed()) {
            match &record.value {
                Some(value) => table.insert(record.key.clone(), value.clone()),
                None => table.remove(&record.key),
            };
        }
        table
    }
}

impl Appended {
    fn is_committed(&self) -> bool {
        self.producer.is_none() || self.ended.is_some_and(|(_, commits)| commits)
    }

    fn is_aborted(&self) -> bool {
        self.ended.is_some_and(|(_, commits)| !commits)
    }
}

fn name(key: u8) -> String {
    format!("k{key}")
}

fn run(steps: Vec<Step>) {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 400, ..compacted() });
    let mut model = Model::default();
    for step in steps {
        let end = fixture.log.log_end_offset().0;
        match step {
            Step::Put { key, more, codec } => {
                let mut builder = BatchBuilder::new(0).compression(Compression::ALL[codec]);
                for (at, key) in std::iter::once(key).chain(more).enumerate() {
                    let value = model.value();
                    pairs(&mut builder, &[(&name(key), Some(&value))]);
                    model.note(end + at as i64, &name(key), Some(value), None);
                }
                fixture.put_batch(builder);
            }
            Step::Delete { key } => {
                fixture.delete(&name(key));
                model.note(end, &name(key), None, None);
            }
            Step::ByProducer { producer, key } => {
                let value = model.value();
                fixture.put_by(producer, false, &[(&name(key), Some(&value))]);
                model.note(end, &name(key), Some(value), None);
            }
            Step::InTransaction { producer, key, deletes } => {
                let value = (!deletes).then(|| model.value());
                fixture.put_by(producer, true, &[(&name(key), value.as_deref())]);
                model.note(end, &name(key), value, Some(producer));
            }
            Step::End { producer, commits } => end_transaction(&mut fixture, &mut model, producer, commits),
            Step::Roll => fixture.roll(),
            Step::Pass { ms } => model.now_ms += ms,
            Step::Clean { slots, io_bytes } => {
                let limits = CleanerLimits { dedupe_bytes: slots * 24, io_bytes, ..LIMITS };
                clean(&mut fixture, &mut model, limits);
            }
            Step::Restart => restart(&mut fixture),
            Step::Kill => {
                let point = fixture.log.recovery_point().0;
                fixture.disk.kill_process();
                reopen(&mut fixture, point);
            }
            Step::Crash { steps, seed } => crash(&mut fixture, &mut model, steps, seed),
        }
        check(&fixture, &model);
    }
    // To the end, and read once more.
    for producer in [10, 11] {
        end_transaction(&mut fixture, &mut model, producer, false);
    }
    fixture.roll();
    for _ in 0..3 {
        clean(&mut fixture, &mut model, LIMITS);
        check(&fixture, &model);
        model.now_ms += DELETE_RETENTION_MS;
        model.checkpoint = 0;
    }
    restart(&mut fixture);
    check(&fixture, &model);
    fixture.disk.kill_process();
    reopen(&mut fixture, 0);
    check(&fixture, &model);
}

fn end_transaction(fixture: &mut Fixture, model: &mut Model, producer: i64, commits: bool) {
    let open = |record: &&mut Appended| record.producer == Some(producer) && record.ended.is_none();
    let marker = fixture.log.log_end_offset().0;
    let mut ended: Vec<&mut Appended> = model.appended.iter_mut().filter(open).collect();
    if !ended.is_empty() {
        ended.iter_mut().for_each(|record| record.ended = Some((marker, commits)));
        fixture.end_of(producer, if commits { ControlRecordType::Commit } else { ControlRecordType::Abort });
    }
}

fn clean(fixture: &mut Fixture, model: &mut Model, limits: CleanerLimits) {
    let mut job = fixture.plan(model.checkpoint, limits, at(model.now_ms));
    if job.range().cleanable_bytes == 0 {
        return;
    }
    let start = job.range().first_dirty_offset.0;
    let end = finish(&fixture.log, &mut job).unwrap().unwrap();
    assert!(end > start, "a cleaning makes progress: {start} to {end}");
    model.checkpoint = end;
    let aborted = |offset| model.appended.iter().any(|record| record.offset == offset && record.is_aborted());
    let clean: Vec<_> = fixture.kept().into_iter().filter(|(offset, ..)| *offset < end).collect();
    assert!(clean.iter().all(|(offset, ..)| !aborted(*offset)), "what was aborted is gone");
    let mut keys: Vec<&String> = clean.iter().map(|(_, key, _)| key).collect();
    keys.sort();
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count, "one record of each key is left: {clean:?}");
    model.promise(&clean);
}

fn crash(fixture: &mut Fixture, model: &mut Model, steps: usize, seed: u64) {
    let point = fixture.log.recovery_point().0;
    if fixture.disk.files().is_empty() {
        return;
    }
    let mut job = fixture.plan(model.checkpoint, LIMITS, at(model.now_ms));
    let point = point.max(fixture.log.recovery_point().0);
    let mut buffers = CleanerBuffers::default();
    for _ in 0..if job.range().cleanable_bytes == 0 { 0 } else { steps } {
        match job.step(&mut buffers).unwrap() {
            CleanStep::Worked { .. } => {}
            CleanStep::Replace(replacement) => {
                let leftovers = fixture.log.replace_segments(replacement).unwrap();
                // Sometimes within the swap, of whose names a crash keeps a part.
                if !seed.is_multiple_of(3) {
                    leftovers.run().unwrap();
                }
            }
            CleanStep::Done { .. } | CleanStep::GivenUp => break,
        }
    }
    fixture.disk.crash(&mut ottla_machine::Seed(seed));
    reopen(fixture, point);
    let end = fixture.log.log_end_offset().0;
    assert!(end >= point, "what was synced is there: {end} < {point}");
    model.cut(end);
    // As far as it came, it may have set horizons.
    let committed = |offset| model.appended.iter().any(|record| record.offset == offset && record.is_committed());
    let left: Vec<_> = fixture.kept().into_iter().filter(|(offset, ..)| committed(*offset)).collect();
    model.promise(&left);
}

fn restart(fixture: &mut Fixture) {
    if !fixture.disk.files().is_empty() {
        assert_eq!(fixture.close_and_reopen(), Recovery::default());
        fixture.log.raise_high_watermark_to_end();
    }
}

fn reopen(fixture: &mut Fixture, point: i64) {
    if ottla_machine::Disk::exists(&fixture.disk, dir()).unwrap() {
        fixture.reopen(ShutdownKind::Unclean, point);
        fixture.log.raise_high_watermark_to_end();
    } else {
        fixture.log = Log::create(fixture.disk.clone(), dir(), TOPIC_ID, fixture.log.config());
    }
    assert_eq!(fixture.unfinished(), Vec::<String>::new(), "a start leaves nothing unfinished");
}

fn check(fixture: &Fixture, model: &Model) {
    for (offset, key, value) in fixture.kept() {
        let original = model.appended.iter().find(|record| record.offset == offset);
        let original = original.unwrap_or_else(|| panic!("nothing was ever appended at {offset}"));
        assert_eq!((&original.key, &original.value), (&key, &value), "at {offset}");
    }
    assert_eq!(fixture.table(0), model.table(fixture.log.last_stable_offset().0));
    let offsets: Vec<i64> = fixture.kept().into_iter().map(|record| record.0).collect();
    assert!(offsets.is_sorted(), "{offsets:?}");
    for (offset, until) in &model.promised {
        let key = &model.appended.iter().find(|record| record.offset == *offset).unwrap().key;
        let overtaken = model.appended.iter().any(|later| later.key == *key && later.offset > *offset);
        assert!(overtaken || *until <= model.now_ms || offsets.contains(offset), "the tombstone at {offset} is gone");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn who_reads_a_cleaned_log_knows_what_was_written(steps in prop::collection::vec(step(), 1..70)) {
        run(steps);
    }
}
