//! Transcripts: lines beginning with `>` are commands, the lines below each are what comes back. A test is the whole text, and
//! shows what it got in the same form, so that it can be read, edited, and pasted.
//!
//! Commands (arguments are `key=value`, in any order; `g` names the group):
//! `join NAME g=G [v=9] [member=M] [instance=I] [protocols=range,rr] [topics=t] [type=consumer] [session=MS] [rebalance=MS]`,
//! `sync NAME g=G member=M gen=N [instance=I] [assign=M:text,M:text] [type=T] [protocol=P]`,
//! `heartbeat g=G member=M gen=N [instance=I]`, `leave NAME g=G [v=5] members=M,M/INSTANCE,/INSTANCE`,
//! `commit NAME g=G [v=9] [member=M] [gen=N] [retention=MS] t-0=5 t-1=7:metadata`, `fetch NAME g=G [v=9] [stable] [t-0 …]`,
//! `offset-delete NAME g=G t-0 …`, `describe G [v=6]`, `list [states=A,B] [types=A]`, `delete NAME G …`, `topic-deleted NAME`,
//! `wait MS`, `hold`, `release`, `fail CODE`, `heal`, `resign`, `elect` (and not load), `reload`, `limit SIZE`, `records`, `cancel NAME`.
//! Member ids are random: they are shown, and given, as the client's name and a running number, `a#1`.

use crate::render;
use ottla_coordinator::mem_log::MemLog;
use ottla_coordinator::{Env, Now};
use ottla_group::{ClientContext, DeletedTopic, GroupAnswer, GroupSettings, GroupShard, TopicResolver, WaiterId};
use ottla_machine::{Instant, LeaderEpoch, Seed, Timestamp};
use ottla_wire::batch::Codecs;
use ottla_wire::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::task::Poll;

/// Where the calendar stands when a transcript begins.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A shard with a log, a clock and names.
pub(crate) struct Bed {
    pub(crate) shard: GroupShard,
    pub(crate) log: MemLog,
    codecs: Codecs,
    pub(crate) elapsed_ms: u64,
    epoch: i32,
    waiters: BTreeMap<u64, Waiter>,
    next_waiter: u64,
    pub(crate) names: Names,
    settings: GroupSettings,
}

/// Who waits, and in which version.
struct Waiter {
    name: String,
    version: i16,
}

/// Member ids by the names they are shown under.
#[derive(Default)]
pub(crate) struct Names {
    shown: BTreeMap<String, String>,
    counts: BTreeMap<String, u32>,
}

/// Topics `t` and `u` with partitions 0 to 9 each.
pub(crate) struct Topics;

pub(crate) fn topic_id(name: &str) -> Uuid {
    let mut id = [0; 16];
    id[15] = name.as_bytes()[0];
    Uuid(id)
}

impl TopicResolver for Topics {
    fn topic_name(&self, id: Uuid) -> Option<&str> {
        ["t", "u"].into_iter().find(|name| topic_id(name) == id)
    }

    fn topic_id(&self, name: &str) -> Option<Uuid> {
        ["t", "u"].contains(&name).then(|| topic_id(name))
    }

    fn has_partition(&self, name: &str, partition: i32) -> bool {
        ["t", "u"].contains(&name) && (0..10).contains(&partition)
    }
}

/// The words of a command.
pub(crate) struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str, default: T) -> T {
        self.get(key).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{key}={text}")))
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    /// The words after the command that are not `key=value`.
    pub(crate) fn plain(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().skip(1).copied().filter(|word| !word.contains('='))
    }

    /// Words like `t-0` and `t-0=5`: topic, partition, and what follows.
    pub(crate) fn partitions(&self) -> Vec<(&'a str, i32, &'a str)> {
        let parse = |word: &&'a str| {
            let (place, value) = word.split_once('=').unwrap_or((word, ""));
            let (topic, partition) = place.rsplit_once('-')?;
            Some((topic, partition.parse().ok()?, value))
        };
        self.0.iter().skip(1).filter_map(parse).collect()
    }
}

impl Names {
    pub(crate) fn show(&mut self, id: &str) -> String {
        if let Some((shown, _)) = self.shown.iter().find(|(_, known)| *known == id) {
            return shown.clone();
        }
        // Behind the prefix: a hyphen and a UUID of 36 characters.
        let Some(prefix) = id.len().checked_sub(37).and_then(|at| id.get(..at)) else { return id.to_owned() };
        let count = self.counts.entry(prefix.to_owned()).or_default();
        *count += 1;
        let shown = format!("{prefix}#{count}");
        self.shown.insert(shown.clone(), id.to_owned());
        shown
    }

    pub(crate) fn id(&self, shown: &str) -> String {
        self.shown.get(shown).cloned().unwrap_or_else(|| shown.to_owned())
    }
}

impl Bed {
    pub(crate) fn new(settings: GroupSettings) -> Bed {
        let mut bed = Bed {
            shard: GroupShard::new(settings.clone(), Seed(1)),
            log: MemLog::default(),
            codecs: Codecs::default(),
            elapsed_ms: 0,
            epoch: 0,
            waiters: BTreeMap::new(),
            next_waiter: 0,
            names: Names::default(),
            settings,
        };
        bed.lead();
        bed
    }

    /// A shard over a log that somebody else wrote.
    pub(crate) fn over(log: MemLog) -> Bed {
        let mut bed = Bed::new(GroupSettings::default());
        bed.log = log;
        bed.lead();
        bed
    }

    fn lead(&mut self) {
        self.epoch += 1;
        self.shard.elected(LeaderEpoch(self.epoch));
        let high_watermark = ottla_coordinator::ShardLog::high_watermark(&self.log);
        self.shard.load(&self.log.bytes(), high_watermark, &mut self.codecs).unwrap();
        self.with(|shard, env| shard.loaded(env));
    }

    pub(crate) fn with<R>(&mut self, call: impl FnOnce(&mut GroupShard, &mut Env<'_>) -> R) -> R {
        let now = Now {
            instant: Instant::from_millis(self.elapsed_ms),
            timestamp: Timestamp(START_MS + i64::try_from(self.elapsed_ms).unwrap()),
        };
        call(&mut self.shard, &mut Env { now, log: &self.log, codecs: &mut self.codecs })
    }

    /// A call that may wait: shows the answer, or that it is still to come.
    pub(crate) fn call<T>(
        &mut self,
        (name, version): (&str, i16),
        wrap: impl FnOnce(T) -> GroupAnswer,
        call: impl FnOnce(&mut GroupShard, &mut Env<'_>, WaiterId) -> Poll<T>,
    ) -> Vec<String> {
        self.next_waiter += 1;
        let waiter = self.next_waiter;
        match self.with(|shard, env| call(shard, env, WaiterId(waiter))) {
            Poll::Ready(answer) => {
                let shown = render::answer(&mut self.names, version, &wrap(answer));
                let mut lines = vec![shown];
                lines.extend(self.outputs());
                lines
            }
            Poll::Pending => {
                assert!(self.shard.is_waiting(WaiterId(waiter)), "nobody will answer {name}");
                self.waiters.insert(waiter, Waiter { name: name.to_owned(), version });
                let mut lines = vec!["waits".to_owned()];
                lines.extend(self.outputs());
                lines
            }
        }
    }

    /// What has come out since, under the names of those who wait.
    pub(crate) fn outputs(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some((waiter, answer)) = self.shard.poll_output() {
            let waiter = self.waiters.remove(&waiter.0).expect("an answer for somebody who does not wait");
            lines.push(format!("{} <- {}", waiter.name, render::answer(&mut self.names, waiter.version, &answer)));
        }
        lines
    }

    /// Lets time pass, stopping wherever the shard asks for it.
    pub(crate) fn wait(&mut self, ms: u64) -> Vec<String> {
        let end = self.elapsed_ms + ms;
        let mut lines = Vec::new();
        while let Some(at) = self.shard.poll_timeout().filter(|at| *at <= Instant::from_millis(end)) {
            self.elapsed_ms = self.elapsed_ms.max(at.0.div_ceil(1_000_000));
            self.with(|shard, env| shard.handle_timeout(env));
            lines.extend(self.outputs());
        }
        self.elapsed_ms = end;
        lines
    }

    pub(crate) fn run(&mut self, command: &str) -> Vec<String> {
        let words = Words(command.split_whitespace().collect());
        let first = words.plain().next().unwrap_or_default().to_owned();
        match words.0[0] {
            "wait" => self.wait(first.parse().unwrap()),
            "hold" => {
                self.log.hold_commits();
                Vec::new()
            }
            "release" => {
                self.log.commit_all();
                self.with(|shard, env| shard.committed(env));
                self.outputs()
            }
            "fail" => {
                let code = (-1..137).map(ErrorCode::from_code).find(|code| code.name() == first);
                self.log.fail_appends(Some(code.unwrap()));
                Vec::new()
            }
            "heal" => {
                self.log.fail_appends(None);
                Vec::new()
            }
            "cancel" => {
                let found = self.waiters.iter().find(|(_, waiter)| waiter.name == first).map(|(id, _)| *id).unwrap();
                self.shard.cancel(WaiterId(found));
                self.waiters.remove(&found);
                Vec::new()
            }
            "resign" => {
                self.shard.resigned();
                self.outputs()
            }
            "elect" => {
                self.epoch += 1;
                self.shard.elected(LeaderEpoch(self.epoch));
                self.outputs()
            }
            "reload" => {
                self.lead();
                self.outputs()
            }
            "limit" => {
                self.settings.size_max = first.parse().unwrap();
                self.shard.set_settings(self.settings.clone());
                Vec::new()
            }
            "topic-deleted" => {
                let deleted = [DeletedTopic { name: first.clone(), id: topic_id(&first) }];
                self.with(|shard, env| shard.topics_deleted(env, &deleted));
                self.outputs()
            }
            "records" => render::records(&mut self.names, &self.log.bytes()),
            _ => crate::requests::run(self, &words, command),
        }
    }
}

/// The client behind a name.
pub(crate) fn client(name: &str) -> ClientContext<'_> {
    ClientContext { client_id: name, client_host: "/127.0.0.1" }
}

/// Runs a transcript with Kafka's default settings.
pub(crate) fn transcript(text: &str) {
    transcript_with(GroupSettings::default(), text);
}

/// Runs a transcript and compares what comes back.
pub(crate) fn transcript_with(settings: GroupSettings, text: &str) {
    transcript_on(Bed::new(settings), text);
}

/// Runs a transcript on a log that has something in it already.
pub(crate) fn transcript_on(mut bed: Bed, text: &str) {
    let expected: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut actual = Vec::new();
    for command in expected.iter().filter_map(|line| line.strip_prefix("> ")) {
        actual.push(format!("> {command}"));
        actual.extend(bed.run(command));
    }
    assert!(expected == actual, "the transcript was\n{}\n", actual.join("\n"));
}
