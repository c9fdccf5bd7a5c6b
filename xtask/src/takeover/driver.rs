//! The client of a takeover: `compat/takeover`, which checks what a node holds against a ledger, and writes more to it.

use super::side::Side;
use crate::compat::{Work, takeover_python};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Of the topics that nothing is removed from: as in `ledger.py`.
pub(super) const KEPT: [&str; 5] =
    ["takeover-none", "takeover-gzip", "takeover-snappy", "takeover-lz4", "takeover-zstd"];
/// Of each of them: more than there are log directories.
pub(super) const PARTITIONS: usize = 3;

/// What a node's turn is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) side: Side,
    pub(super) port: u16,
    /// Since the last check.
    pub(super) kafka_was_killed: bool,
    pub(super) seed: u64,
}

pub(super) struct Driver {
    python: PathBuf,
    script: PathBuf,
    ledger: PathBuf,
}

/// The client of one turn, which is writing.
pub(super) struct Writing {
    process: Child,
    output: BufReader<ChildStdout>,
    /// Records that it has found.
    pub(super) checked: usize,
}

/// What a writer is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// To write out what it has begun.
    Stop,
    /// That the node is not there anymore.
    Gone,
}

impl Driver {
    pub(super) fn new(work: &Work, home: &Path) -> Result<Self> {
        let python = takeover_python(work)?.join("bin/python");
        Ok(Self { python, script: work.compat.join("takeover/main.py"), ledger: home.join("ledger.json") })
    }

    /// Checks everything, and begins to write.
    pub(super) fn begin(&self, task: Task) -> Result<Writing> {
        let mut python = Command::new(&self.python);
        python.arg(&self.script).arg(format!("127.0.0.1:{}", task.port)).arg(&self.ledger);
        python.arg(if task.side == Side::Ottla { "ottla" } else { "kafka" });
        python.arg(task.kafka_was_killed.to_string()).arg(task.seed.to_string());
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = python.spawn().context("cannot run python")?;
        let output = BufReader::new(process.stdout.take().context("python has no output")?);
        let mut writing = Writing { process, output, checked: 0 };
        let checked = writing.line("checked ")?;
        writing.checked = checked.parse().with_context(|| format!("the client has checked '{checked}'"))?;
        writing.line("writing")?;
        Ok(writing)
    }
}

impl Writing {
    /// The rest of the next line, which begins so.
    fn line(&mut self, start: &str) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        match line.trim_end().strip_prefix(start) {
            Some(rest) => Ok(rest.to_owned()),
            None => anyhow::bail!("{}{}", line, self.errors()),
        }
    }

    fn errors(&mut self) -> String {
        let mut errors = String::new();
        if let Some(stderr) = &mut self.process.stderr {
            // What could not be read is not told.
            let _ = stderr.read_to_string(&mut errors);
        }
        errors
    }

    pub(super) fn finish(mut self, told: Told) -> Result<()> {
        let word = match told {
            Told::Stop => "stop\n",
            Told::Gone => "gone\n",
        };
        let sent = self.process.stdin.take().context("python has no input")?.write_all(word.as_bytes());
        let errors = self.errors();
        let status = self.process.wait()?;
        ensure!(status.success() && sent.is_ok(), "the client ended ({status}):\n{errors}");
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
