//! The threads behind a node: jobs that may wait for the disk, and the controller's step.

use crate::config::{check_thread_counts, without_effect};
use crate::doors::{Doors, Set};
use crate::jobs::JobQueue;
use ottla_broker::{Host, Job, Now, Work};
use ottla_io::clock;
use ottla_metadata::config_defs::{BrokerLayers, BrokerScope, Configs};
use std::collections::{BTreeSet, VecDeque};
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What the threads share.
pub(crate) struct Threads {
    jobs: JobQueue,
    commits: JobQueue,
    controller: Bell,
    timers: Bell,
    cleaners: Bell,
    /// What the program was started with.
    file: Configs,
    doors: Arc<Doors>,
    /// What is set for the broker in the metadata has changed.
    pub(crate) changed: Notify,
    /// Keys that were set while the node ran and have no effect: each is told once.
    told: Mutex<BTreeSet<String>>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Signal {
    #[default]
    Quiet,
    Work,
    Closed,
}

/// What a thread that waited is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    Work,
    TimeOut,
    Closed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Threads {
    pub(crate) fn new(file: Configs, doors: Arc<Doors>) -> Arc<Self> {
        Arc::new(Self {
            jobs: JobQueue::default(),
            commits: JobQueue::default(),
            controller: Bell::default(),
            timers: Bell::default(),
            cleaners: Bell::default(),
            file,
            doors,
            changed: Notify::new(),
            told: Mutex::default(),
        })
    }

    /// A number of threads, as it is set now.
    pub(crate) fn count(&self, key: &str) -> usize {
        let set = self.doors.set();
        let layers = BrokerLayers { dynamic: &set.own, dynamic_default: &set.all, file: &self.file };
        layers.value(key).as_i32().and_then(|count| usize::try_from(count).ok()).unwrap_or(1).max(1)
    }

    /// What may wait.
    pub(crate) fn jobs(&self) -> &JobQueue {
        &self.jobs
    }

    /// What requests wait for.
    pub(crate) fn commits(&self) -> &JobQueue {
        &self.commits
    }

    /// The controller's thread, the timers' and the cleaners' end; the job threads end when they have done what is queued.
    pub(crate) fn close_bells(&self) {
        self.controller.ring(Signal::Closed);
        self.timers.ring(Signal::Closed);
        self.cleaners.ring(Signal::Closed);
    }

    /// Where the controller's thread waits for something to do.
    pub(crate) fn controller(&self) -> &Bell {
        &self.controller
    }

    /// Where the timers' thread waits for a sooner deadline.
    pub(crate) fn timers(&self) -> &Bell {
        &self.timers
    }

    /// Where the threads rest that clean logs.
    pub(crate) fn cleaners(&self) -> &Bell {
        &self.cleaners
    }

    pub(crate) fn close_jobs(&self) {
        self.jobs.close();
        self.commits.close();
    }
}

/// What a thread waits at. Rung while nobody waits, it is heard by the next who does.
#[derive(Default)]
pub(crate) struct Bell {
    signal: Mutex<Signal>,
    rung: Condvar,
}

impl Bell {
    fn ring(&self, with: Signal) {
        let mut signal = lock(&self.signal);
        if *signal != Signal::Closed {
            *signal = with;
            self.rung.notify_all();
        }
    }

    /// Waits until it is rung, for no longer than `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> Woken {
        let signal = lock(&self.signal);
        let waited = self.rung.wait_timeout_while(signal, patience, |signal| *signal == Signal::Quiet);
        let (mut signal, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match *signal {
            Signal::Quiet => Woken::TimeOut,
            Signal::Closed => Woken::Closed,
            Signal::Work => {
                *signal = Signal::Quiet;
                Woken::Work
            }
        }
    }
}

impl Host for Threads {
    fn run(&self, job: Job) {
        self.jobs.push(job);
    }

    fn run_after(&self, delay: Duration, job: Job) {
        self.jobs.push_later(delay, job);
    }

    fn run_commit(&self, job: Job) {
        self.commits.push(job);
    }

    fn run_all(&self, groups: Vec<Vec<Work<'_>>>) {
        if groups.iter().map(Vec::len).sum::<usize>() < 2 {
            groups.into_iter().flatten().for_each(|work| work());
            return;
        }
        let queues: Vec<Mutex<VecDeque<Work<'_>>>> = groups.into_iter().map(|group| Mutex::new(group.into())).collect();
        let parallel = self.count("num.recovery.threads.per.data.dir");
        std::thread::scope(|scope| {
            for queue in &queues {
                let threads = parallel.min(lock(queue).len());
                for _ in 0..threads {
                    scope.spawn(move || {
                        loop {
                            let work = lock(queue).pop_front();
                            let Some(work) = work else { break };
                            work();
                        }
                    });
                }
            }
        });
    }

    fn now(&self) -> Now {
        Now { instant: clock::instant(), wall: clock::wall() }
    }

    fn space(&self, path: &Path) -> Option<(u64, u64)> {
        let stat = rustix::fs::statvfs(path).ok()?;
        Some((stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    fn has_address(&self, host: &str) -> bool {
        (host, 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some())
    }

    fn check_broker_configs(&self, configs: &Configs, scope: BrokerScope) -> Result<(), String> {
        let set = self.doors.set();
        let now = BrokerLayers { dynamic: &set.own, dynamic_default: &set.all, file: &self.file };
        let then = match scope {
            BrokerScope::OneBroker => BrokerLayers { dynamic: configs, ..now },
            BrokerScope::ClusterDefault => BrokerLayers { dynamic_default: configs, ..now },
        };
        check_thread_counts(now, then)?;
        if scope == BrokerScope::OneBroker {
            self.doors.check(configs)?;
        }
        for key in configs.keys() {
            let Some(why) = without_effect(key) else { continue };
            if lock(&self.told).insert(key.clone()) {
                tracing::info!("{key} is set for the running node, and has no effect here: {why}");
            }
        }
        Ok(())
    }

    fn broker_configs_changed(&self, own: &Arc<Configs>, all: &Arc<Configs>) {
        self.doors.note(Set { own: Arc::clone(own), all: Arc::clone(all) });
        self.changed.notify_one();
    }

    fn wake_controller(&self) {
        self.controller.ring(Signal::Work);
    }

    fn wake_timers(&self) {
        self.timers.ring(Signal::Work);
    }
}
