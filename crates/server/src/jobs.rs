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
        let mut jobs = self.jobs();
        if jobs.closed {
            jobs.queue.push_back(job);
        } else {
            jobs.waiting.entry(Instant::now() + delay).or_default().push(job);
        }
        drop(jobs);
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

    /// The threads end when they have done what is queued. What waits for its time does not wait any longer.
    pub(crate) fn close(&self) {
        let mut jobs = self.jobs();
        let waiting = std::mem::take(&mut jobs.waiting);
        jobs.queue.extend(waiting.into_values().flatten());
        jobs.closed = true;
        drop(jobs);
        self.ready.notify_all();
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn what_waits_for_its_time_is_done_when_the_queue_is_closed() {
        let (queue, done) = (JobQueue::default(), Arc::new(AtomicUsize::new(0)));
        let job = || -> Job {
            let done = Arc::clone(&done);
            Box::new(move || {
                done.fetch_add(1, Ordering::SeqCst);
            })
        };
        queue.push_later(Duration::from_secs(3600), job());
        queue.push(job());
        queue.close();
        queue.push_later(Duration::from_secs(3600), job());
        queue.work();
        assert_eq!(done.load(Ordering::SeqCst), 3);
    }
}
