//! The systems: how each is installed and started with its defaults, and what the kernel says of its process.
//!
//! A process is ended by the handle it was started with, and never by name: others may run on the machine.

use super::Bench;
use crate::compat::{KAFKA_VERSION, install, node};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const STOP_TIME_MAX: Duration = Duration::from_secs(180);
const CLUSTER_ID: &str = "Y29tcGF0LWNvbXBhdC1jbw";
/// Of `/proc/PID/stat`: USER_HZ, which is the same on every Linux machine.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    Ottla,
    Kafka,
}

impl System {
    pub(crate) const ALL: [Self; 2] = [Self::Ottla, Self::Kafka];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ottla => "ottla",
            Self::Kafka => "kafka",
        }
    }

    pub(crate) fn program(self, bench: &Bench) -> Result<Program> {
        match self {
            Self::Ottla => {
                let built = node::ottla(&bench.compat)?;
                Ok(Program { system: self, version: built.version, format: built.format, start: built.start })
            }
            Self::Kafka => {
                let installed = node::kafka(&bench.compat, KAFKA_VERSION)?;
                // The heap and the collector of Kafka's own start script.
                let libs = bench.compat.dir.join(format!("kafka-{KAFKA_VERSION}"));
                let start = [
                    "java -Xmx1G -Xms1G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20".to_owned(),
                    "-XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent".to_owned(),
                    format!("-Djava.awt.headless=true -cp {}/* kafka.Kafka", libs.display()),
                ];
                let start = start.iter().flat_map(|part| part.split(' ')).map(str::to_owned).collect();
                Ok(Program { system: self, version: installed.version, format: installed.format, start })
            }
        }
    }
}

impl FromStr for System {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|system| system.name() == word) {
            Some(system) => Ok(system),
            None => bail!("--systems takes ottla and kafka, not '{word}'"),
        }
    }
}

pub(crate) struct Program {
    pub(crate) system: System,
    pub(crate) version: String,
    format: Vec<String>,
    start: Vec<String>,
}

/// A node's directory and port, which outlive its process.
pub(crate) struct Home {
    dir: PathBuf,
    pub(crate) port: u16,
}

impl Home {
    /// Formats a fresh directory.
    pub(crate) fn new(bench: &Bench, program: &Program) -> Result<Self> {
        let dir = bench.work.join(program.system.name());
        let data = dir.join("data");
        Self::with_data(bench, program, dir, &data)
    }

    /// A second one beside it, with lines of its own in the configuration.
    pub(crate) fn with_settings(bench: &Bench, program: &Program, name: &str, settings: &str) -> Result<Self> {
        let dir = bench.work.join(format!("{}-{name}", program.system.name()));
        let data = dir.join("data");
        let home = Self::with_data(bench, program, dir, &data)?;
        let properties = home.dir.join("server.properties");
        let text = std::fs::read_to_string(&properties)?;
        std::fs::write(&properties, format!("{text}\n{settings}\n"))?;
        Ok(home)
    }

    /// The same, with the data elsewhere.
    pub(crate) fn with_data(bench: &Bench, program: &Program, dir: PathBuf, data: &Path) -> Result<Self> {
        remove(&dir)?;
        std::fs::create_dir_all(&dir)?;
        let free = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let (port, controller_port) = (free[0].local_addr()?.port(), free[1].local_addr()?.port());
        let text = std::fs::read_to_string(bench.dir.join("node.properties"))?
            .replace("{port}", &port.to_string())
            .replace("{controller_port}", &controller_port.to_string())
            .replace("{log_dir}", &data.display().to_string());
        let properties = dir.join("server.properties");
        std::fs::write(&properties, text)?;
        let mut format = command(&program.format);
        format.args(["-t", CLUSTER_ID, "-c"]).arg(&properties).arg("--standalone");
        install::quietly(&bench.compat, "bench-format", &mut format)?;
        Ok(Self { dir, port })
    }

    /// Starts the node and tells when, in seconds of the wall clock.
    pub(crate) fn start(&self, program: &Program) -> Result<(Process, f64)> {
        let log = File::create(self.dir.join("node.log"))?;
        let mut start = command(&program.start);
        start.arg(self.dir.join("server.properties")).current_dir(&self.dir);
        start.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let child = start.spawn().with_context(|| format!("cannot start {}", program.system.name()))?;
        Ok((Process(child), began))
    }

    pub(crate) fn remove(&self) -> Result<()> {
        remove(&self.dir)
    }
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    Ok(())
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(words.first().map_or("", String::as_str));
    command.args(words.iter().skip(1));
    command
}

/// A node's process. Dropping it ends it.
pub(crate) struct Process(Child);

impl Process {
    /// Seconds of CPU so far, the kernel's on its behalf included.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).context("the node is gone")?;
        cpu_of(&stat).context("an unreadable stat")
    }

    /// Resident megabytes: `VmRSS` now, `VmHWM` at the most.
    pub(crate) fn memory_mb(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).context("the node is gone")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no such field")?;
        Ok(kib.parse::<f64>()? * 1024.0 / 1e6)
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.0.id())).context("the node is gone")?.count())
    }

    /// Ends the process without asking it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let asked = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status()?;
        ensure!(asked.success(), "the node is gone before it was asked to stop");
        let ended = node::wait(&mut self.0, STOP_TIME_MAX, &mut || Ok(()))?;
        ensure!(ended.is_some(), "the node did not stop");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// utime + stime of a stat line; the name before them may hold anything, parentheses too.
pub(crate) fn cpu_of(stat: &str) -> Option<f64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some((user.parse::<f64>().ok()? + system.parse::<f64>().ok()?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1";
        assert_eq!(cpu_of(stat), Some(2.0));
        assert_eq!(cpu_of("42 (a"), None);
    }
}
