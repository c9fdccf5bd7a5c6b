//! Any sequence of appends, syncs, rolls, truncations, full disks and crashes: what was synced is there, what remains is a
//! prefix of what was appended, and everything derived (indexes, producers, epochs) is as if made anew.

use ottla_machine::{LeaderEpoch, Offset, Seed};
use ottla_wire::batch::{ControlRecordType, EndTransactionMarker};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Produce {
        values: usize,
        size: usize,
        producer: Option<i64>,
    },
    /// A record of a transaction; the producer's are 10 and 11.
    Transaction {
        producer: i64,
    },
    /// Ends the producer's transaction, if one is open.
    End {
        producer: i64,
        commit: bool,
    },
    NextEpoch,
    Sync,
    Roll,
    Truncate {
        back: i64,
    },
    Full {
        room: u64,
    },
    Kill,
    Crash {
        seed: u64,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1..4usize, 0..300usize, prop::option::of(0..3i64))
            .prop_map(|(values, size, producer)| Step::Produce { values, size, producer }),
        3 => (10..12i64).prop_map(|producer| Step::Transaction { producer }),
        2 => (10..12i64, any::<bool>()).prop_map(|(producer, commit)| Step::End { producer, commit }),
        1 => Just(Step::NextEpoch),
        2 => Just(Step::Sync),
        1 => Just(Step::Roll),
        1 => (0..20i64).prop_map(|back| Step::Truncate { back }),
        1 => (0..500u64).prop_map(|room| Step::Full { room }),
        1 => Just(Step::Kill),
        2 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
        1 => Just(Step::Restart),
    ]
}

/// What the log must hold.
#[derive(Default)]
struct Model {
    /// First offset and values of each batch.
    batches: Vec<(i64, Vec<Vec<u8>>)>,
    sequences: [i32; 3],
    epoch: i32,
    counter: u64,
}

impl Model {
    fn records(&self) -> Vec<(i64, Vec<u8>)> {
        let numbered = |(base, values): &(i64, Vec<Vec<u8>>)| (*base..).zip(values.clone()).collect::<Vec<_>>();
        self.batches.iter().flat_map(numbered).collect()
    }

    fn end(&self) -> i64 {
        self.batches.last().map_or(0, |(base, values)| base + values.len() as i64)
    }

    fn cut(&mut self, end: i64) {
        self.batches.retain(|(base, values)| base + values.len() as i64 <= end);
    }
}

fn run(steps: Vec<Step>) {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 2000, ..small_segments() });
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Produce { values, size, producer } => produce(&mut fixture, &mut model, values, size, producer),
            Step::Transaction { producer } => transaction(&mut fixture, &mut model, producer),
            Step::End { producer, commit } => end(&mut fixture, &mut model, producer, commit),
            Step::NextEpoch => model.epoch += 1,
            Step::Sync => {
                fixture.log.sync().unwrap();
            }
            Step::Roll => {
                fixture.log.roll(NOW).unwrap();
            }
            Step::Truncate { back } => {
                let target = (model.end() - back).max(0);
                fixture.log.truncate_to(Offset(target), NOW).unwrap();
                model.cut(target);
                assert_eq!(fixture.log.log_end_offset().0, model.end());
            }
            Step::Full { room } => {
                fixture.disk.set_capacity(Some(fixture.disk.used() + room));
                for _ in 0..3 {
                    produce(&mut fixture, &mut model, 2, 100, None);
                }
                fixture.disk.set_capacity(None);
            }
            Step::Kill => {
                let (point, live) = (fixture.log.recovery_point().0, Derived::of(&fixture));
                fixture.disk.kill_process();
                restart_unclean(&mut fixture, point);
                assert_eq!(fixture.log.log_end_offset().0, model.end(), "the page cache lives: nothing is lost");
                assert_eq!(Derived::of(&fixture), live, "replayed as it was live");
            }
            Step::Crash { seed } => {
                let point = fixture.log.recovery_point().0;
                fixture.disk.crash(&mut Seed(seed));
                restart_unclean(&mut fixture, point);
                let end = fixture.log.log_end_offset().0;
                assert!(end >= point, "what was synced is there: {end} < {point}");
                model.cut(end);
            }
            Step::Restart => {
                let recovery =
                    if fixture.disk.files().is_empty() { Recovery::default() } else { fixture.close_and_reopen() };
                assert_eq!(recovery, Recovery::default());
            }
        }
        assert_same(&fixture.records(), &model.records());
        learn_sequences(&fixture, &mut model);
    }
    check_derived(&mut fixture);
}

/// What a log knows beside its batches.
#[derive(Debug, PartialEq)]
pub(super) struct Derived {
    producers: Vec<crate::ActiveProducer>,
    last_stable_offset: Offset,
    aborted: Vec<crate::AbortedTransaction>,
    epoch: Option<LeaderEpoch>,
}

impl Derived {
    /// With everything replicated.
    pub(super) fn of(fixture: &Fixture) -> Derived {
        let log = &fixture.log;
        log.set_high_watermark(log.log_end_offset());
        let mut aborted = Vec::new();
        let mut offset = log.log_start_offset();
        while offset < log.last_stable_offset() {
            let slice = log.read(offset, 1, ReadBound::LastStableOffset, MinOneBatch::Yes).unwrap();
            let mut bytes = Vec::new();
            slice.read_into(&mut bytes).unwrap();
            offset = Offset(Batches::new(&bytes).next().unwrap().unwrap().header.next_offset());
            // A sparse index lets a read list more than it needs: what counts is which there are.
            aborted.extend(slice.aborted_transactions.unwrap());
        }
        aborted.sort_by_key(|aborted: &crate::AbortedTransaction| aborted.first_offset);
        aborted.dedup();
        aborted.retain(|aborted| aborted.first_offset < log.last_stable_offset());
        // An epoch that has no batch yet may be forgotten.
        let epoch = log.epoch_for_offset(Offset(log.log_end_offset().0 - 1));
        Derived { producers: log.active_producers(), last_stable_offset: log.last_stable_offset(), aborted, epoch }
    }
}

fn transaction(fixture: &mut Fixture, model: &mut Model, producer: i64) {
    let known = fixture.log.active_producers().into_iter().find(|known| known.producer_id.0 == producer);
    let sequence = known.map_or(0, |known| known.last_sequence + 1);
    model.counter += 1;
    let value = model.counter.to_be_bytes().to_vec();
    let bytes = build(idempotent(producer, 0, sequence, &[&value]).transactional());
    let epoch = LeaderEpoch(model.epoch);
    fixture.log.append_as_leader(&bytes, AppendOrigin::Client, epoch, NOW, &mut fixture.scratch).unwrap();
    model.batches.push((model.end(), vec![value]));
}

fn end(fixture: &mut Fixture, model: &mut Model, producer: i64, commit: bool) {
    let producers = fixture.log.active_producers();
    let open =
        producers.iter().any(|known| known.producer_id.0 == producer && known.current_txn_start_offset.is_some());
    if !open {
        return;
    }
    let stamp = ProducerStamp { producer_id: producer, producer_epoch: 0, base_sequence: -1 };
    let mut marker = BatchBuilder::new(0).producer(stamp).transactional().control();
    let kind = if commit { ControlRecordType::Commit } else { ControlRecordType::Abort };
    let value = EndTransactionMarker { coordinator_epoch: 3 }.value();
    marker.append_control(NOW.0, kind, &value).unwrap();
    let origin = AppendOrigin::TransactionMarker { transaction_version: 1 };
    let epoch = LeaderEpoch(model.epoch);
    fixture.log.append_as_leader(&build(marker), origin, epoch, NOW, &mut fixture.scratch).unwrap();
    model.batches.push((model.end(), vec![value.to_vec()]));
}

fn restart_unclean(fixture: &mut Fixture, point: i64) {
    if ottla_machine::Disk::exists(&fixture.disk, dir()).unwrap() {
        fixture.reopen(ShutdownKind::Unclean, point);
    } else {
        assert_eq!(point, 0);
        fixture.log = Log::create(fixture.disk.clone(), dir(), TOPIC_ID, fixture.log.config());
    }
}

fn produce(fixture: &mut Fixture, model: &mut Model, values: usize, size: usize, producer: Option<i64>) {
    let mut made = Vec::new();
    for _ in 0..values {
        model.counter += 1;
        let mut value = model.counter.to_be_bytes().to_vec();
        value.resize(8 + size, model.counter as u8);
        made.push(value);
    }
    let refs: Vec<&[u8]> = made.iter().map(Vec::as_slice).collect();
    let builder = match producer {
        Some(id) => idempotent(id, 0, model.sequences[id as usize], &refs),
        None => builder(&refs),
    };
    let bytes = build(builder);
    let epoch = LeaderEpoch(model.epoch);
    let appended = fixture.log.append_as_leader(&bytes, AppendOrigin::Client, epoch, NOW, &mut fixture.scratch);
    match appended {
        Ok(appended) => {
            assert_eq!(appended.first_offset.0, model.end());
            model.batches.push((model.end(), made));
        }
        Err(error) => assert!(matches!(error, AppendError::Log(crate::LogError::StorageFull { .. })), "{error}"),
    }
}

/// A producer goes on where the log says it stands.
fn learn_sequences(fixture: &Fixture, model: &mut Model) {
    model.sequences = [0; 3];
    for producer in fixture.log.active_producers().iter().filter(|producer| producer.producer_id.0 < 3) {
        model.sequences[producer.producer_id.0 as usize] = producer.last_sequence + 1;
    }
}

/// Opening the same bytes in every way gives the same indexes, producers and epochs.
fn check_derived(fixture: &mut Fixture) {
    if fixture.disk.files().is_empty() {
        return;
    }
    let live = Derived::of(fixture);
    fixture.close_and_reopen();
    assert_eq!(Derived::of(fixture), live);
    let records = fixture.records();
    fixture.disk.kill_process();
    let recovery = fixture.reopen(ShutdownKind::Unclean, 0);
    assert_eq!(recovery.truncations, []);
    assert_eq!(Derived::of(fixture), live);
    let recovered = fixture.index_entries();
    let derived = ["snapshot", "index", "timeindex", "txnindex"];
    for file in fixture.disk.files() {
        if file.extension().is_some_and(|kind| derived.iter().any(|derived| kind == *derived)) {
            ottla_machine::Disk::remove_file(&fixture.disk, &file).unwrap();
        }
    }
    fixture.disk.kill_process();
    fixture.reopen(ShutdownKind::Unclean, 0);
    assert_eq!(Derived::of(fixture), live);
    assert_eq!(fixture.index_entries(), recovered);
    assert_same(&fixture.records(), &records);
}

/// Compares records, and names the first offsets that differ instead of all bytes.
pub(super) fn assert_same(found: &[(i64, Vec<u8>)], expected: &[(i64, Vec<u8>)]) {
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let offsets = |records: &[(i64, Vec<u8>)]| records.iter().map(|record| record.0).collect::<Vec<_>>();
    assert!(
        differs.is_none() && found.len() == expected.len(),
        "{differs:?}: {:?} instead of {:?}",
        offsets(found),
        offsets(expected)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_log_is_a_prefix_that_holds_what_was_synced(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }
}
