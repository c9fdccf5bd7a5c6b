//! What a start tells of the logs that it opens: for each directory how many there are, how many are left now and then, and
//! how long it took; and what was cut off.

use super::directories::Directory;
use super::{Host, lock};
use ottla_log::Recovery;
use ottla_log::directory::TopicPartition;
use ottla_machine::{Disk, Instant};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// How often a directory tells how far it is.
const TELL_INTERVAL: Duration = Duration::from_secs(5);
/// A log that took longer than this is named.
const SLOW: Duration = Duration::from_secs(1);

/// The opening of one directory's logs.
pub(super) struct Progress<'a> {
    host: &'a dyn Host,
    path: PathBuf,
    logs: usize,
    began: Instant,
    done: Mutex<Done>,
}

struct Done {
    opened: usize,
    failed: usize,
    checked_segments: usize,
    cuts: usize,
    last_told: Instant,
}

impl<'a> Progress<'a> {
    pub(super) fn begin<D: Disk>(host: &'a dyn Host, directory: &Directory<D>, logs: usize) -> Self {
        let (path, began) = (directory.files.path().to_owned(), host.now().instant);
        let how = match directory.clean {
            Some(_) => "the last stop was clean, and nothing is to be checked",
            None => "the last stop was not clean, and what may not have been on disk is checked",
        };
        tracing::info!("{}: opening {logs} logs: {how}", path.display());
        let done = Done { opened: 0, failed: 0, checked_segments: 0, cuts: 0, last_told: began };
        Self { host, path, logs, began, done: Mutex::new(done) }
    }

    /// One log is open.
    pub(super) fn opened(&self, name: &TopicPartition, began: Instant, recovery: &Recovery) {
        let now = self.host.now().instant;
        for cut in &recovery.truncations {
            tracing::warn!("{cut}");
        }
        let took = now.saturating_since(began);
        if took >= SLOW {
            let (seconds, segments) = (took.as_secs_f64(), recovery.segments);
            tracing::info!("{}: {name} took {seconds:.1} s; {segments} segments were checked", self.path.display());
        }
        let mut done = lock(&self.done);
        done.opened += 1;
        done.checked_segments += recovery.segments;
        done.cuts += recovery.truncations.len();
        self.tell(&mut done, now);
    }

    /// One log stays offline.
    pub(super) fn failed(&self) {
        let mut done = lock(&self.done);
        done.failed += 1;
        self.tell(&mut done, self.host.now().instant);
    }

    fn tell(&self, done: &mut Done, now: Instant) {
        let (path, logs) = (self.path.display(), self.logs);
        let seconds = now.saturating_since(self.began).as_secs_f64();
        let left = logs.saturating_sub(done.opened + done.failed);
        if left == 0 {
            let Done { opened, failed, checked_segments, cuts, .. } = done;
            tracing::info!(
                "{path}: {opened} of {logs} logs are open after {seconds:.1} s; {checked_segments} segments were checked, \
                 {cuts} cut, {failed} logs stay offline"
            );
        } else if now.saturating_since(done.last_told) >= TELL_INTERVAL {
            done.last_told = now;
            tracing::info!("{path}: {} of {logs} logs are open after {seconds:.1} s, {left} are left", done.opened);
        }
    }
}
