//! The scrub: the files of all logs are read over and over, slowly, and held against themselves. What is damaged is told in
//! the log, and readers of it hear CORRUPT_MESSAGE.

use super::{Node, lock};
use ottla_log::{Finding, Log, Verifier, VerifyStep};
use ottla_machine::{Disk, Offset, Timestamp};
use ottla_metadata::config_defs::own_value;
use ottla_replica::{Located, Partition};
use std::sync::Arc;

/// Time between the beginnings of two rounds over all logs, unless one takes longer. Bits rot slowly.
const ROUND_INTERVAL_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Where the scrub is.
pub(super) struct Scrub<D: Disk> {
    began: Option<Timestamp>,
    /// The logs that this round has not come to.
    left: Vec<Arc<Partition<D>>>,
    current: Option<Current<D>>,
}

impl<D: Disk> Default for Scrub<D> {
    fn default() -> Self {
        Self { began: None, left: Vec::new(), current: None }
    }
}

struct Current<D: Disk> {
    partition: Arc<Partition<D>>,
    /// The partition's when it was come to: a move to another directory makes another.
    log: Log<D>,
    verifier: Verifier<D>,
    /// Of the log, when its files were looked for.
    generation: u64,
}

impl<D: Disk> Node<D> {
    /// Reads on, as much as `ottla.log.scrub.bytes.per.second` allows. For a thread that may wait, once a second.
    pub fn scrub(&self, now: Timestamp) {
        let allowed = own_value(&self.settings().file, "ottla.log.scrub.bytes.per.second").as_i64().unwrap_or(0);
        let mut allowed = u64::try_from(allowed).unwrap_or(0);
        let mut scrub = lock(&self.scrub);
        while allowed > 0 {
            let Some(current) = scrub.current.take().or_else(|| self.next_to_scrub(&mut scrub, now)) else { return };
            let step = usize::try_from(allowed).unwrap_or(usize::MAX).min(1 << 20);
            match self.scrub_on(current, step) {
                Some((current, read)) => {
                    allowed = allowed.saturating_sub(read.max(1));
                    scrub.current = Some(current);
                }
                // Small logs count as well.
                None => allowed = allowed.saturating_sub(4096),
            }
        }
    }

    fn next_to_scrub(&self, scrub: &mut Scrub<D>, now: Timestamp) -> Option<Current<D>> {
        loop {
            let Some(partition) = scrub.left.pop() else {
                if scrub.began.is_some_and(|began| now.0 - began.0 < ROUND_INTERVAL_MS) {
                    return None;
                }
                scrub.began = Some(now);
                let published = self.published();
                scrub.left = published.all_hosted().filter(|partition| partition.log().has_folder()).cloned().collect();
                if scrub.left.is_empty() {
                    return None;
                }
                continue;
            };
            let Located { log, directory_id } = partition.located();
            let (generation, dir) = (log.generation(), log.dir());
            let Some(directory) = self.directories.with_id(directory_id) else { continue };
            let disk = directory.files.disk().clone();
            if !disk.exists(&dir).unwrap_or(false) {
                continue;
            }
            match Verifier::new(disk, &dir) {
                Ok(verifier) => return Some(Current { partition, log, verifier, generation }),
                Err(error) => tracing::warn!("the scrub passes {} over: {error}", dir.display()),
            }
        }
    }

    /// Nothing: the log is done with.
    fn scrub_on(&self, mut current: Current<D>, bytes: usize) -> Option<(Current<D>, u64)> {
        let step = current.verifier.step(bytes);
        let findings = current.verifier.take_findings();
        let log = &current.log;
        if !findings.is_empty() && log.generation() != current.generation {
            // Its files were changed under the scrub's eyes; the next round looks again.
            return None;
        }
        findings.iter().for_each(|finding| tell(&current, finding));
        match step {
            Ok(VerifyStep::Read(read)) => Some((current, read)),
            Ok(VerifyStep::Done) => None,
            Err(error) => {
                tracing::warn!("the scrub passes {} over: {error}", log.dir().display());
                None
            }
        }
    }
}

fn tell<D: Disk>(current: &Current<D>, finding: &Finding) {
    let Current { partition, log, .. } = current;
    let at = finding.position.map(|position| format!(", byte {position}")).unwrap_or_default();
    let file = finding.file.display();
    tracing::error!("{file}{at}: {}", finding.what);
    if let Some((first, last)) = finding.corrupt {
        let last = last.min(log.log_end_offset().0 - 1);
        log.mark_corrupt(Offset(first), Offset(last));
        tracing::error!(
            "{}-{}: offsets {first} to {last} are damaged, and whoever reads them is told so; what is before and behind \
             can be read",
            partition.topic,
            partition.index
        );
    }
}
