//! Groups of several members: one joins late, one is killed, one returns under its static id.

use crate::harness::{Harness, eventually};
use crate::kit::{Kit, Outgoing, Watch, poll, send_with};
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const PARTITIONS: usize = 6;

type Seen = Arc<Mutex<BTreeSet<String>>>;

pub fn register(harness: &mut Harness, kit: &Arc<Kit>) {
    harness.check("group-rebalance", kit, |kit| rebalance(kit, "range"));
    harness.check("cooperative", kit, cooperative);
    harness.check("static-member", kit, static_member);
}

/// The mode of the process that is to die: prints each value that it consumed.
pub fn member(kit: &Kit, topic: &str, group: &str, assignor: &str) {
    let consumer = join(kit, group, assignor, &[]);
    consumer.subscribe(&[topic]).unwrap();
    loop {
        for record in poll(&consumer) {
            println!("{}", String::from_utf8_lossy(&record.value.unwrap_or_default()));
        }
    }
}

fn join(kit: &Kit, group: &str, assignor: &str, more: &[(&str, &str)]) -> BaseConsumer<Watch> {
    let mut settings = vec![
        ("group.id", group),
        ("enable.auto.commit", "true"),
        ("auto.commit.interval.ms", "100"),
        ("session.timeout.ms", "3000"),
        ("heartbeat.interval.ms", "300"),
        ("partition.assignment.strategy", assignor),
    ];
    settings.extend(more);
    kit.consumer(&settings)
}

struct Member {
    seen: Seen,
    consumer: Arc<BaseConsumer<Watch>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    fn enter(kit: &Kit, topic: &str, group: &str, assignor: &str, more: &[(&str, &str)]) -> Self {
        let consumer = Arc::new(join(kit, group, assignor, more));
        consumer.subscribe(&[topic]).unwrap();
        let (seen, stop) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (seen, stop, consumer) = (seen.clone(), stop.clone(), consumer.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    for record in poll(&consumer) {
                        let value = String::from_utf8(record.value.unwrap()).unwrap();
                        seen.lock().unwrap().insert(value);
                    }
                }
            }
        });
        Self { seen, consumer, stop, thread: Some(thread) }
    }

    fn assigned(&self) -> Vec<i32> {
        self.consumer.assignment().unwrap().elements().iter().map(|one| one.partition()).collect()
    }

    fn revoked(&self) -> Vec<usize> {
        self.consumer.context().revoked.lock().unwrap().clone()
    }

    fn saw(&self, value: &str) -> bool {
        self.seen.lock().unwrap().contains(value)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(!matches!(ended, Some(Err(_))), "a member failed");
        }
    }
}

struct Dying(Child);

impl Dying {
    fn spawn(kit: &Kit, topic: &str, group: &str, assignor: &str, seen: &Seen) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["member", &kit.bootstrap, topic, group, assignor])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (seen, lines) = (seen.clone(), BufReader::new(child.stdout.take().unwrap()).lines());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                seen.lock().unwrap().insert(line);
            }
        });
        Self(child)
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        self.kill();
    }
}

fn rebalance(kit: &Kit, assignor: &str) {
    let topic = kit.topic("group", PARTITIONS as i32, &[]);
    let group = kit.unique("group");
    let producer = kit.producer(&[]);
    let mut all: Vec<String> = Vec::new();
    let produce = |all: &mut Vec<String>| {
        let values = (all.len()..all.len() + PARTITIONS).map(|n| format!("v{n}")).collect::<Vec<_>>();
        let message = |(partition, value): (usize, &String)| Outgoing {
            value: Some(value.clone().into_bytes()),
            partition: Some(partition as i32),
            ..Outgoing::default()
        };
        let messages: Vec<_> = values.iter().enumerate().map(message).collect();
        send_with(&producer, &topic, &messages).unwrap();
        all.extend(values);
    };
    let one = Member::enter(kit, &topic, &group, assignor, &[]);
    let two = Member::enter(kit, &topic, &group, assignor, &[]);
    let of_the_dead = Seen::default();
    eventually("two members share", || one.assigned().len() == 3 && two.assigned().len() == 3);
    produce(&mut all);
    eventually("two members saw all", || all.iter().all(|value| one.saw(value) || two.saw(value)));
    let mut late = Dying::spawn(kit, &topic, &group, assignor, &of_the_dead);
    eventually("the late member has a share", || {
        produce(&mut all);
        !of_the_dead.lock().unwrap().is_empty()
    });
    late.kill();
    produce(&mut all);
    eventually("the others took over", || {
        all.iter().all(|value| one.saw(value) || two.saw(value) || of_the_dead.lock().unwrap().contains(value))
    });
}

fn cooperative(kit: &Kit) {
    let topic = kit.topic("cooperative", 4, &[]);
    let group = kit.unique("cooperative");
    let one = Member::enter(kit, &topic, &group, "cooperative-sticky", &[]);
    eventually("the first member has all", || one.assigned().len() == 4);
    let two = Member::enter(kit, &topic, &group, "cooperative-sticky", &[]);
    eventually("half moved", || one.assigned().len() == 2 && two.assigned().len() == 2);
    assert!(!one.revoked().contains(&4), "only what moved is revoked: {:?}", one.revoked());
    drop(two);
    eventually("the first member has all again", || one.assigned().len() == 4);
    rebalance(kit, "cooperative-sticky");
}

fn static_member(kit: &Kit) {
    let topic = kit.topic("static", 4, &[]);
    let group = kit.unique("static");
    let enter = |instance: &str| {
        let settings = [("group.instance.id", instance), ("session.timeout.ms", "30000")];
        Member::enter(kit, &topic, &group, "range", &settings)
    };
    let one = enter("one");
    let two = enter("two");
    eventually("both have a share", || one.assigned().len() == 2 && two.assigned().len() == 2);
    let share = two.assigned();
    drop(two);
    let before = one.revoked().len();
    let two = enter("two");
    eventually("the second returns", || two.assigned() == share);
    assert_eq!(one.revoked().len(), before, "rebalances that the first saw meanwhile");
}
