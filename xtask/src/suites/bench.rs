//! Where a suite is run: its folder, its logs, and processes that end with us.

use super::list::Suite;
use crate::compat::Work;
use crate::compat::node::{Side, wait};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(super) struct Bench<'a> {
    pub(super) work: &'a Work,
    pub(super) suite: &'static Suite,
    pub(super) side: Side,
    /// What is installed for it.
    pub(super) dir: PathBuf,
    /// A name for the logs of this try.
    pub(super) attempt: String,
    /// Tests that a whole run passes over.
    pub(super) left_out: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(work: &'a Work, suite: &'static Suite, side: Side) -> Result<Self> {
        let dir = work.dir.join("suites").join(suite.name);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { work, suite, side, dir, attempt: String::new(), left_out: Vec::new() })
    }

    pub(super) fn source(&self) -> PathBuf {
        self.dir.join("source")
    }

    /// A file that this try writes.
    pub(super) fn log(&self, what: &str) -> PathBuf {
        self.work.log(&format!("suite-{}-{}{}-{what}", self.suite.name, self.side.name(), self.attempt))
    }

    /// Runs a command to its end, or to the end of the suite's time. Gives its log.
    pub(super) fn run(&self, command: &mut Command, what: &str) -> Result<PathBuf> {
        let mut running = self.start(command, what)?;
        let time_max = Duration::from_secs(self.suite.seconds_max + 30);
        if wait(&mut running.0, time_max, &mut || Ok(()))?.is_none() {
            println!("  {what} was ended after {} s", time_max.as_secs());
        }
        Ok(self.log(what))
    }

    /// Starts a command in a process group of its own, which ends when the result is dropped.
    pub(super) fn start(&self, command: &mut Command, what: &str) -> Result<Ended> {
        let log = File::create(self.log(what))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Ended(child))
    }
}

/// A process whose whole group is ended on drop.
pub(super) struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            // What has ended by itself is no error.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// Whether something listens there, which it may begin within ten seconds.
pub(super) fn wait_for_port(port: u16) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}
