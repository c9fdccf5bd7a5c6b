//! Releases of Apache Kafka and Ottla on the same directories, one at a time.

use crate::compat::node::{Program, command, free_ports, kafka, ottla, wait};
use crate::compat::{KAFKA_VERSION, OLDER_KAFKA_VERSION, Work, install};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TIME_MAX: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const CLUSTER_ID: &str = "dGFrZW92ZXItdGFrZW92ZQ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ottla,
    Kafka,
    /// The release before, whose directories have levels of their own.
    Kafka43,
}

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ottla => "Ottla",
            Self::Kafka => "Kafka",
            Self::Kafka43 => "Kafka 4.3",
        }
    }
}

/// How a node's turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Asked to, when nothing is written anymore.
    Stopped,
    /// Asked to, in the middle of writes.
    Interrupted,
    /// With SIGKILL, in the middle of writes.
    Killed,
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
        }
    }

    pub(super) fn of(self, side: Side) -> String {
        format!("{} was {}", side.name(), self.name())
    }
}

/// The programs.
pub(super) struct Sides {
    kafka: Program,
    kafka_43: Program,
    ottla: Program,
}

/// The log directories that both use, with their properties file.
pub(super) struct Home {
    dir: TempDir,
    log_dirs: [PathBuf; 2],
    port: u16,
}

impl Home {
    /// The metadata lies in the first.
    pub(super) fn log_dirs(&self) -> &[PathBuf] {
        &self.log_dirs
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The files stay, to be looked at.
    pub(super) fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// A copy of all files, with other settings. The node must be stopped, and only one of both may run.
    pub(super) fn copied(&self, dir: TempDir, settings: impl FnOnce(&str) -> String) -> Result<Home> {
        let copied = Command::new("cp").arg("-a").arg(self.dir.path().join(".")).arg(dir.path()).status()?;
        ensure!(copied.success(), "{} cannot be copied", self.dir.path().display());
        let log_dirs = ["data-1", "data-2"].map(|name| dir.path().join(name));
        let home = Home { dir, log_dirs, port: self.port };
        let (old, new) = (self.dir.path().display().to_string(), home.dir.path().display().to_string());
        let text = std::fs::read_to_string(self.properties())?.replace(&old, &new);
        std::fs::write(home.properties(), settings(&text))?;
        Ok(home)
    }

    fn properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }
}

pub(super) struct Running {
    process: Child,
    log: PathBuf,
    port: u16,
}

impl Sides {
    pub(super) fn new(work: &Work) -> Result<Self> {
        Ok(Self {
            kafka: kafka(work, KAFKA_VERSION)?,
            kafka_43: kafka(work, OLDER_KAFKA_VERSION)?,
            ottla: ottla(work)?,
        })
    }

    fn program(&self, side: Side) -> &Program {
        match side {
            Side::Ottla => &self.ottla,
            Side::Kafka => &self.kafka,
            Side::Kafka43 => &self.kafka_43,
        }
    }

    /// Ottla's scrub of what either has left: nothing may be wrong.
    pub(super) fn verify(&self, home: &Home) -> Result<()> {
        let binary = self.ottla.format.first().context("no program")?;
        let output = Command::new(binary).args(["log", "verify", "--log-dirs"]).args(home.log_dirs()).output()?;
        let told = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "ottla log verify:\n{}", String::from_utf8_lossy(&told));
        Ok(())
    }

    /// Ottla's command that raises the feature levels to the newest.
    pub(super) fn raise_levels(&self, port: u16) -> Result<()> {
        let binary = self.ottla.format.first().context("no program")?;
        let server = format!("127.0.0.1:{port}");
        let output = Command::new(binary)
            .args(["features", "--bootstrap-server", &server, "upgrade", "--release-version", "4.4"])
            .output()?;
        let told = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "ottla features upgrade:\n{}", String::from_utf8_lossy(&told));
        Ok(())
    }

    /// With more lines for the properties file, and the levels of a release where one is named.
    pub(super) fn format_with(
        &self,
        work: &Work,
        side: Side,
        dir: TempDir,
        more: &str,
        release: Option<&str>,
    ) -> Result<Home> {
        let [port, controller_port] = free_ports()?;
        let log_dirs = ["data-1", "data-2"].map(|name| dir.path().join(name));
        let [first, second] = log_dirs.each_ref().map(|path| path.display());
        let text = std::fs::read_to_string(work.compat.join("node.properties"))?
            .replace("{port}", &port.to_string())
            .replace("{controller_port}", &controller_port.to_string())
            .replace("{advertised_port}", &port.to_string())
            .replace("{advertised_controller_port}", &controller_port.to_string())
            .replace("{log_dir}", &format!("{first},{second}"));
        let home = Home { dir, log_dirs, port };
        std::fs::write(home.properties(), text + more)?;
        let mut format = command(&self.program(side).format);
        format.args(["-t", CLUSTER_ID, "-c"]).arg(home.properties()).arg("--standalone");
        if let Some(release) = release {
            format.args(["--release-version", release]);
        }
        install::quietly(work, "takeover-format", &mut format)?;
        Ok(home)
    }

    /// Starts a node, and waits until it serves.
    pub(super) fn start(&self, work: &Work, side: Side, home: &Home) -> Result<Running> {
        let program = self.program(side);
        let log = work.log(&format!("takeover-{}", side.name().to_lowercase().replace(' ', "-")));
        let file = File::create(&log)?;
        let mut start = command(&program.start);
        start.arg(home.properties()).current_dir(home.dir.path());
        start.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let process = start.spawn().with_context(|| format!("cannot start {}", side.name()))?;
        let mut running = Running { process, log, port: home.port };
        running.wait_until_up(side, program.started)?;
        Ok(running)
    }
}

impl Running {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_up(&mut self, side: Side, started: &str) -> Result<()> {
        let deadline = Instant::now() + TIME_MAX;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} does not start ({status}):\n{}", side.name(), install::tail(&self.log, 40));
            }
            let said = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).contains(started);
            if said && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{} is not up:\n{}", side.name(), install::tail(&self.log, 40));
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Ends the node, one way or the other, and gives its log.
    pub(super) fn end(mut self, end: End) -> Result<String> {
        match end {
            End::Killed => self.process.kill()?,
            End::Stopped | End::Interrupted => {
                let asked = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status()?;
                ensure!(asked.success(), "the node is gone before it was asked to stop");
            }
        }
        let ended = wait(&mut self.process, TIME_MAX, &mut || Ok(()))?;
        ensure!(ended.is_some(), "the node does not stop:\n{}", install::tail(&self.log, 40));
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
