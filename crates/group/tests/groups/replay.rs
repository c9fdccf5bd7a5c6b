//! Whatever runs: replaying the log gives the state that the run ended with; and whatever the log holds: nothing panics.

use crate::transcript::Bed;
use ottla_group::{GroupSettings, GroupShard};
use ottla_machine::{LeaderEpoch, Offset, Seed};
use ottla_wire::batch::Codecs;
use proptest::prelude::*;
use std::time::Duration;

/// One of the commands of the transcripts, over few names so that they meet.
fn command() -> impl Strategy<Value = String> {
    let group = prop::sample::select(vec!["g", "h"]);
    let client = prop::sample::select(vec!["a", "b"]);
    let generation = 0..4i32;
    let number = 1..4u32;
    prop_oneof![
        4 => (client.clone(), group.clone()).prop_map(|(c, g)| format!("join {c} g={g} v=3 rebalance=8000")),
        2 => (client.clone(), group.clone()).prop_map(|(c, g)| format!("join {c} g={g} v=9 instance={c} rebalance=8000")),
        2 => (client.clone(), group.clone()).prop_map(|(c, g)| format!("join {c} g={g} v=9")),
        3 => (client.clone(), group.clone(), number.clone())
            .prop_map(|(c, g, n)| format!("join {c} g={g} member={c}#{n} topics=u rebalance=8000")),
        6 => (client.clone(), group.clone(), number.clone(), generation.clone())
            .prop_map(|(c, g, n, e)| format!("sync {c} g={g} member={c}#{n} gen={e} assign={c}#{n}:x")),
        2 => (client.clone(), group.clone(), number.clone(), generation.clone())
            .prop_map(|(c, g, n, e)| format!("heartbeat g={g} member={c}#{n} gen={e}")),
        1 => (client.clone(), group.clone(), number.clone()).prop_map(|(c, g, n)| format!("leave {c} g={g} members={c}#{n}")),
        1 => (client.clone(), group.clone()).prop_map(|(c, g)| format!("leave {c} g={g} members=/{c}")),
        3 => (client.clone(), group.clone(), number.clone(), generation, 0..3i32)
            .prop_map(|(c, g, n, e, p)| format!("commit {c} g={g} member={c}#{n} gen={e} t-{p}={n}")),
        2 => (group.clone(), 0..3i32).prop_map(|(g, p)| format!("commit x g={g} t-{p}=7 u-1=8:note")),
        1 => (group.clone(), 0..3i32).prop_map(|(g, p)| format!("offset-delete x g={g} t-{p}")),
        1 => (group.clone()).prop_map(|g| format!("delete x {g}")),
        1 => group.prop_map(|g| format!("fetch x g={g} stable")),
        6 => Just("cycle g".to_owned()),
        3 => Just("cycle h".to_owned()),
        3 => (1..7000u32).prop_map(|ms| format!("wait {ms}")),
        1 => Just("wait 700000".to_owned()),
        1 => Just("topic-deleted u".to_owned()),
        1 => Just("hold".to_owned()),
        2 => Just("release".to_owned()),
        1 => Just("fail NOT_ENOUGH_REPLICAS".to_owned()),
        3 => Just("heal".to_owned()),
        1 => Just("reload".to_owned()),
    ]
}

/// Runs a command; `cycle G` lets a join phase end and everybody who may be there ask for the assignment. Says how many
/// assignments were handed out.
fn run(bed: &mut Bed, command: &str) -> usize {
    let Some(group) = command.strip_prefix("cycle ") else {
        bed.run(command);
        return 0;
    };
    bed.run("wait 8000");
    let mut synced = 0;
    for (client, number) in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)] {
        for generation in 1..7 {
            let member = format!("{client}#{number}");
            let lines = bed.run(&format!("sync x g={group} member={member} gen={generation} assign={member}:x"));
            synced += lines.iter().filter(|line| line.contains("synced")).count();
        }
    }
    synced
}

fn settings() -> GroupSettings {
    GroupSettings { offsets_retention: Duration::from_secs(1200), size_max: 3, ..GroupSettings::default() }
}

fn loaded(bytes: &[u8]) -> GroupShard {
    let mut shard = GroupShard::new(settings(), Seed(2));
    shard.elected(LeaderEpoch(1));
    let _ = shard.load(bytes, Offset(i64::MAX), &mut Codecs::default());
    shard
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn replaying_the_log_rebuilds_the_state(commands in prop::collection::vec(command(), 1..60)) {
        let mut bed = Bed::new(settings());
        for command in &commands {
            run(&mut bed, command);
        }
        prop_assert!(bed.shard.take_warnings().is_empty());
        let replayed = loaded(&bed.log.bytes());
        prop_assert_eq!(replayed.state(), bed.shard.state());
        // Whoever still waits is told when the shard goes.
        bed.shard.resigned();
        bed.outputs();
        prop_assert_eq!(bed.shard.waiting(), 0);
    }

    #[test]
    fn a_damaged_log_never_panics(
        commands in prop::collection::vec(command(), 1..30),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bed = Bed::new(settings());
        for command in &commands {
            run(&mut bed, command);
        }
        let mut bytes = bed.log.bytes();
        if !bytes.is_empty() {
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        loaded(&bytes);
    }

    #[test]
    fn any_record_is_taken_or_passed_over(
        records in prop::collection::vec((0..24i16, prop::collection::vec(any::<u8>(), 0..40),
            prop::option::of(prop::collection::vec(0..5u8, 0..60))), 1..10),
    ) {
        let mut builder = ottla_wire::batch::BatchBuilder::new(0);
        for (id, key, value) in &records {
            let key = [&id.to_be_bytes()[..], key].concat();
            builder.append(0, Some(&key), value.as_deref(), &[]).unwrap();
        }
        let mut bytes = Vec::new();
        builder.build_plain(&mut bytes).unwrap();
        loaded(&bytes);
    }
}

#[test]
fn the_runs_reach_assignments() {
    let mut bed = Bed::new(settings());
    let commands = ["join a g=g v=3 rebalance=8000", "join b g=g v=9 instance=b rebalance=8000", "cycle g"];
    assert_eq!(commands.into_iter().map(|command| run(&mut bed, command)).sum::<usize>(), 2);
}
