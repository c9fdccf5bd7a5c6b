//! Phases of load: runs of `bench/go`, each a process of its own.

use super::Bench;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What a phase told at its end.
pub(crate) type Figures = BTreeMap<String, f64>;

pub(crate) fn figure(found: &Figures, name: &str) -> Result<f64> {
    found.get(name).copied().with_context(|| format!("the load told no {name}"))
}

/// A running phase. Dropping it ends it.
pub(crate) struct Load {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Load {
    pub(crate) fn spawn(bench: &Bench, port: u16, log: &File, words: &[&str]) -> Result<Self> {
        let mut command = Command::new(&bench.load);
        command.args(words.first()).args(["-broker", &format!("127.0.0.1:{port}")]).args(words.iter().skip(1));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log.try_clone()?);
        let mut child = command.spawn().context("cannot start the load")?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, input, output })
    }

    pub(crate) fn line(&mut self, wanted: &str) -> Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line.trim() == wanted, "the load said '{}', not '{wanted}'", line.trim());
        Ok(())
    }

    pub(crate) fn go_on(&mut self) -> Result<()> {
        Ok(self.input.write_all(b"\n")?)
    }

    pub(crate) fn figures(mut self) -> Result<Figures> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(self.child.wait()?.success(), "the load failed");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
