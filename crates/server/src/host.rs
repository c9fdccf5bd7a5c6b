//! The threads behind a node: jobs that may wait for the disk, and the controller's step.

use crate::config::{check_dynamic, without_effect};
use crate::tls::Tls;
use ottla_broker::{Host, Job};
use ottla_metadata::config_defs::Configs;
use std::collections::{BTreeSet, VecDeque};
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the threads share.
#[derive(Default)]
pub(crate) struct Threads {
    jobs: Mutex<JobQueue>,
    job_ready: Condvar,
    controller: Bell,
    timers: Bell,
    cleaners: Bell,
    /// How many threads a start or a stop may use at once.
    parallel: usize,
    /// The listeners that speak TLS.
    tls: Vec<Arc<Tls>>,
    /// Keys that were set while the node ran and have no effect: each is told once.
    told: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct JobQueue {
    queue: VecDeque<Job>,
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
    pub(crate) fn new(parallel: usize, tls: Vec<Arc<Tls>>) -> Arc<Self> {
        Arc::new(Self { parallel: parallel.max(1), tls, ..Self::default() })
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
                    jobs = self.job_ready.wait(jobs).unwrap_or_else(PoisonError::into_inner);
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

    fn run_all<'a>(&self, jobs: Vec<Box<dyn FnOnce() + Send + 'a>>) {
        if jobs.len() < 2 {
            jobs.into_iter().for_each(|job| job());
            return;
        }
        let threads = self.parallel.min(jobs.len());
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

    fn check_broker_configs(&self, configs: &Configs) -> Result<(), String> {
        check_dynamic(configs)?;
        self.tls.iter().try_for_each(|tls| tls.check(configs))?;
        for key in configs.keys() {
            let Some(why) = without_effect(key) else { continue };
            if lock(&self.told).insert(key.clone()) {
                tracing::info!("{key} is set for the running node, and has no effect here: {why}");
            }
        }
        Ok(())
    }

    fn wake_controller(&self) {
        self.controller.ring(Signal::Work);
    }

    fn wake_timers(&self) {
        self.timers.ring(Signal::Work);
    }
}
