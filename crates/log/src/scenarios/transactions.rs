//! Transactions as far as the log keeps them: the last stable offset, aborted transactions, markers.

use ottla_machine::{LeaderEpoch, Offset, ProducerId};
use ottla_wire::batch::{ControlRecordType, EndTransactionMarker};

use super::*;
use crate::AbortedTransaction;

fn transactional(producer_id: i64, sequence: i32, value: &[u8]) -> Vec<u8> {
    build(idempotent(producer_id, 0, sequence, &[value]).transactional())
}

fn marker(producer_id: i64, kind: ControlRecordType) -> Vec<u8> {
    let stamp = ProducerStamp { producer_id, producer_epoch: 0, base_sequence: -1 };
    let mut builder = BatchBuilder::new(0).producer(stamp).transactional().control();
    builder.append_control(NOW.0, kind, &EndTransactionMarker { coordinator_epoch: 0 }.value()).unwrap();
    build(builder)
}

impl Fixture {
    fn end(&mut self, producer_id: i64, kind: ControlRecordType) {
        let origin = AppendOrigin::TransactionMarker { transaction_version: 1 };
        let bytes = marker(producer_id, kind);
        self.log.append_as_leader(&bytes, origin, LeaderEpoch(0), NOW, &mut self.scratch).unwrap();
        self.replicate();
    }

    fn replicate(&mut self) {
        self.log.set_high_watermark(self.log.log_end_offset());
    }

    fn aborted(&self, offset: i64) -> Vec<AbortedTransaction> {
        let slice = self.log.read(Offset(offset), 1 << 20, ReadBound::LastStableOffset, MinOneBatch::Yes).unwrap();
        slice.aborted_transactions.unwrap()
    }
}

#[test]
fn open_transactions_hold_back_what_committed_readers_see() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.fill(2);
    fixture.produce(&transactional(5, 0, b"a")).unwrap();
    fixture.produce(&transactional(6, 0, b"b")).unwrap();
    fixture.replicate();
    assert_eq!((fixture.log.high_watermark(), fixture.log.last_stable_offset()), (Offset(4), Offset(2)));
    fixture.end(5, ControlRecordType::Commit);
    assert_eq!(fixture.log.last_stable_offset(), Offset(3));
    fixture.end(6, ControlRecordType::Abort);
    assert_eq!(fixture.log.last_stable_offset(), Offset(6));
    let aborted = AbortedTransaction { producer_id: ProducerId(6), first_offset: Offset(3) };
    assert_eq!(fixture.aborted(0), [aborted]);
    assert_eq!(fixture.aborted(4), [aborted], "its marker is still to come");
    for shutdown in [ShutdownKind::Clean, ShutdownKind::Unclean] {
        fixture.log.close().unwrap();
        fixture.disk.kill_process();
        fixture.reopen(shutdown, 0);
        fixture.replicate();
        assert_eq!(fixture.aborted(0), [aborted]);
        assert_eq!(fixture.log.last_stable_offset(), Offset(6));
    }
}

#[test]
fn a_transaction_stays_open_across_every_kind_of_stop() {
    for clean in [true, false] {
        let mut fixture = Fixture::new(small_segments());
        fixture.fill(20);
        fixture.produce(&transactional(5, 0, b"a")).unwrap();
        fixture.fill(20);
        if clean {
            fixture.close_and_reopen();
        } else {
            fixture.disk.kill_process();
            fixture.reopen(ShutdownKind::Unclean, 0);
        }
        fixture.replicate();
        assert_eq!(fixture.log.last_stable_offset(), Offset(20));
        fixture.end(5, ControlRecordType::Abort);
        assert_eq!(fixture.log.last_stable_offset(), Offset(42));
        assert_eq!(fixture.aborted(20).len(), 1);
    }
}

#[test]
fn an_ended_transaction_is_stable_only_below_the_high_watermark() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.produce(&transactional(5, 0, b"a")).unwrap();
    let origin = AppendOrigin::TransactionMarker { transaction_version: 1 };
    let bytes = marker(5, ControlRecordType::Commit);
    fixture.log.append_as_leader(&bytes, origin, LeaderEpoch(0), NOW, &mut fixture.scratch).unwrap();
    fixture.log.set_high_watermark(Offset(1));
    assert_eq!(fixture.log.last_stable_offset(), Offset(0));
    fixture.log.set_high_watermark(Offset(2));
    assert_eq!(fixture.log.last_stable_offset(), Offset(2));
}

#[test]
fn a_follower_learns_transactions_from_the_leaders_batches() {
    let mut leader = Fixture::new(LogConfig::default());
    leader.produce(&transactional(5, 0, b"a")).unwrap();
    leader.produce(&transactional(5, 1, b"b")).unwrap();
    leader.end(5, ControlRecordType::Abort);
    leader.produce(&transactional(5, 2, b"c")).unwrap();
    let mut bytes = Vec::new();
    leader.log.read(Offset(0), 1 << 20, ReadBound::LogEnd, MinOneBatch::Yes).unwrap().read_into(&mut bytes).unwrap();
    let mut follower = Fixture::new(LogConfig::default());
    follower.log.append_as_follower(&bytes, LeaderEpoch(0), NOW, &mut follower.scratch).unwrap();
    follower.replicate();
    assert_eq!(follower.log.last_stable_offset(), Offset(3));
    assert_eq!(follower.aborted(0), [AbortedTransaction { producer_id: ProducerId(5), first_offset: Offset(0) }]);
    assert_eq!(follower.log.active_producers(), leader.log.active_producers());
}
