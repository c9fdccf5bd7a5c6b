//! The threads behind a node: jobs that may wait for the disk, and the controller's step.

use crate::config::{check_thread_counts, without_effect};
use crate::doors::{Doors, Set};
use ottla_broker::{Host, Job};
use ottla_metadata::config_defs::{BrokerLayers, BrokerScope, Configs};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What the threads share.
pub(crate) struct Threads {
    jobs: Mutex<JobQueue>,
    job_ready: Condvar,
    controller: Bell,
    timers: Bell,
    cleaners: Bell,
    /// How many log directories there are.
    directories: usize,
    /// What the program was started with.
    file: Configs,
    doors: Arc<Doors>,
    /// What is set for the broker in the metadata has changed.
    pub(crate) changed: Notify,
    /// Keys that were set while the node ran and have no effect: each is told once.
    told: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct JobQueue {
    queue: VecDeque<Job>,
    /// By the time when they are due.
    waiting: BTreeMap<Instant, Vec<Job>>,
    closed: bool,
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
    pub(crate) fn new(directories: usize, file: Configs, doors: Arc<Doors>) -> Arc<Self> {
        Arc::new(Self {
            jobs: Mutex::default(),
            job_ready: Condvar::default(),
            controller: Bell::default(),
            timers: Bell::default(),
            cleaners: Bell::default(),
            directories,
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

    /// Runs jobs until the queue is closed and empty.
    pub(crate) fn work(&self) {
        loop {
            let job = {
                let mut jobs = lock(&self.jobs);
                loop {
                    if let Some(job) = jobs.queue.pop_front() {
                        break job;
                    }
                    if jobs.closed {
                        return;
                    }
                    let Some(due) = jobs.waiting.first_entry() else {
                        jobs = self.job_ready.wait(jobs).unwrap_or_else(PoisonError::into_inner);
                        continue;
                    };
                    let patience = due.key().saturating_duration_since(Instant::now());
                    if patience.is_zero() {
                        let due = due.remove();
                        jobs.queue.extend(due);
                        self.job_ready.notify_one();
                    } else {
                        let waited = self.job_ready.wait_timeout(jobs, patience);
                        jobs = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            };
            job();
        }
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
        lock(&self.jobs).closed = true;
        self.job_ready.notify_all();
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
        lock(&self.jobs).queue.push_back(job);
        self.job_ready.notify_one();
    }

    fn run_after(&self, delay: Duration, job: Job) {
        let mut jobs = lock(&self.jobs);
        jobs.waiting.entry(Instant::now() + delay).or_default().push(job);
        self.job_ready.notify_one();
    }

    fn run_all<'a>(&self, jobs: Vec<Box<dyn FnOnce() + Send + 'a>>) {
        if jobs.len() < 2 {
            jobs.into_iter().for_each(|job| job());
            return;
        }
        let threads = (self.count("num.recovery.threads.per.data.dir") * self.directories.max(1)).min(jobs.len());
        let queue = Mutex::new(jobs);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let job = lock(&queue).pop();
                        let Some(job) = job else { break };
                        job();
                    }
                });
            }
        });
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
