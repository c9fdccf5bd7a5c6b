//! What the node under test asks for: jobs wait until the test runs them, and time passes when the test says so.

use ottla_broker::{Host, Job, Now, Work};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct TestHost {
    jobs: Mutex<VecDeque<Job>>,
    /// None is run.
    pub held: AtomicBool,
    /// By what is left of their time.
    waiting: Mutex<Vec<(Duration, Job)>>,
    pub controller: AtomicBool,
    pub now: Mutex<Now>,
}

impl TestHost {
    pub fn new(now: Now) -> Arc<Self> {
        Arc::new(Self {
            jobs: Mutex::default(),
            held: false.into(),
            waiting: Mutex::default(),
            controller: false.into(),
            now: Mutex::new(now),
        })
    }

    pub fn next_job(&self) -> Option<Job> {
        if self.held.load(Ordering::SeqCst) { None } else { self.jobs.lock().unwrap().pop_front() }
    }
}

impl Host for TestHost {
    fn run(&self, job: Job) {
        self.jobs.lock().unwrap().push_back(job);
    }

    fn run_after(&self, delay: Duration, job: Job) {
        self.waiting.lock().unwrap().push((delay, job));
    }

    fn run_commit(&self, job: Job) {
        self.run(job);
    }

    fn run_all(&self, groups: Vec<Vec<Work<'_>>>) {
        groups.into_iter().flatten().for_each(|work| work());
    }

    fn now(&self) -> Now {
        *self.now.lock().unwrap()
    }

    fn space(&self, _path: &Path) -> Option<(u64, u64)> {
        None
    }

    /// One key that this program cannot do with.
    fn check_broker_configs(
        &self,
        configs: &ottla_metadata::image::Configs,
        _scope: ottla_metadata::config_defs::BrokerScope,
    ) -> Result<(), String> {
        match configs.get("plugin.key") {
            Some(value) if value == "bad" => Err("the program cannot do with bad".to_owned()),
            _ => Ok(()),
        }
    }

    fn wake_controller(&self) {
        self.controller.store(true, Ordering::SeqCst);
    }

    fn wake_timers(&self) {}
}

impl TestHost {
    pub fn pass(&self, time: Duration) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap());
        for (left, job) in waiting {
            match left.checked_sub(time).filter(|left| !left.is_zero()) {
                Some(left) => self.waiting.lock().unwrap().push((left, job)),
                None => self.run(job),
            }
        }
    }
}
