//! A queue of jobs that may wait for the disk, and the threads that take from it.

use ottla_broker::Job;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct JobQueue {
    jobs: Mutex<Jobs>,
    ready: Condvar,
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    /// By the time when they are due.
    waiting: BTreeMap<Instant, Vec<Job>>,
    closed: bool,
}

impl JobQueue {
    pub(crate) fn push(&self, job: Job) {
        self.jobs().queue.push_back(job);
        self.ready.notify_one();
    }

    pub(crate) fn push_later(&self, delay: Duration, job: Job) {
        self.jobs().waiting.entry(Instant::now() + delay).or_default().push(job);
        self.ready.notify_one();
    }

    /// Runs jobs until the queue is closed and empty.
    pub(crate) fn work(&self) {
        loop {
            let job = {
                let mut jobs = self.jobs();
                loop {
                    if let Some(job) = jobs.queue.pop_front() {
                        break job;
                    }
                    if jobs.closed {
                        return;
                    }
                    let Some(due) = jobs.waiting.first_entry() else {
                        jobs = self.ready.wait(jobs).unwrap_or_else(PoisonError::into_inner);
                        continue;
                    };
                    let patience = due.key().saturating_duration_since(Instant::now());
                    if patience.is_zero() {
                        let due = due.remove();
                        jobs.queue.extend(due);
                        self.ready.notify_one();
                    } else {
                        let waited = self.ready.wait_timeout(jobs, patience);
                        jobs = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            };
            job();
        }
    }

    /// The threads end when they have done what is queued.
    pub(crate) fn close(&self) {
        self.jobs().closed = true;
        self.ready.notify_all();
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
