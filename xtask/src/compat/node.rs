//! The node under test: Ottla, or Apache Kafka, from the same properties file, in a fresh directory, on free ports.
//!
//! Nothing sleeps for a fixed time: a node is up once it has said so and takes a connection, and down once its
//! process is gone.

use super::capture::{Captured, Proxy};
use super::clients::KAFKA_VERSION;
use super::{Work, install};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_TIME_MAX: Duration = Duration::from_secs(60);
const STOP_TIME_MAX: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Any id will do; a fixed one makes logs comparable.
const CLUSTER_ID: &str = "Y29tcGF0LWNvbXBhdC1jbw";
/// Tried where the newest release cannot be fetched whole.
pub(crate) const KAFKA_FALLBACK: &str = "4.3.1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ottla,
    Kafka,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ottla => "ottla",
            Self::Kafka => "kafka",
        }
    }
}

impl FromStr for Side {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "ottla" => Ok(Self::Ottla),
            "kafka" => Ok(Self::Kafka),
            _ => bail!("--against takes ottla or kafka, not '{word}'"),
        }
    }
}

/// The feature levels that a node is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    Newest,
    Named(&'static str),
}

/// How many log directories a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogDirs {
    One,
    Two,
}

/// How a node differs from one that is formatted with everything of the newest release, on free ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) dirs: LogDirs,
    /// Whether its traffic is recorded.
    pub(crate) record: bool,
    pub(crate) release: Release,
    /// The broker's and the controller's, where free ones will not do.
    pub(crate) ports: Option<[u16; 2]>,
    /// Lines of configuration that come last, and so outdo those before.
    pub(crate) properties: &'a [&'a str],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { dirs: LogDirs::One, record: false, release: Release::Newest, ports: None, properties: &[] }
    }
}

/// A running node, and the proxies before it where its traffic is recorded. Dropping it ends the process.
pub(crate) struct Node {
    process: Child,
    version: String,
    port: u16,
    controller_port: u16,
    proxies: Vec<Proxy>,
    log: PathBuf,
    /// Goes with the node.
    home: TempDir,
    /// Asked to end, and gone.
    has_ended: bool,
}

/// What starts and formats a node: a program with the arguments that come first.
pub(crate) struct Program {
    pub(crate) version: String,
    pub(crate) format: Vec<String>,
    pub(crate) start: Vec<String>,
    /// What its log says once it is up.
    pub(crate) started: &'static str,
}

impl Node {
    pub(crate) fn start(work: &Work, side: Side, setup: Setup) -> Result<Self> {
        let start = |program: &Program| Self::start_program(work, side, setup, program);
        match side {
            Side::Ottla => start(&ottla(work)?),
            Side::Kafka => {
                let newest = kafka(work, KAFKA_VERSION);
                match newest.and_then(|program| start(&program)) {
                    Ok(node) => Ok(node),
                    Err(error) => {
                        println!(
                            "Apache Kafka {KAFKA_VERSION} does not run here ({error:#}): {KAFKA_FALLBACK} instead"
                        );
                        start(&kafka(work, KAFKA_FALLBACK)?)
                    }
                }
            }
        }
    }

    fn start_program(work: &Work, side: Side, setup: Setup, program: &Program) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("ottla-compat-").tempdir().context("no temporary directory")?;
        let dir = home.path();
        let [port, controller_port] = setup.ports.map_or_else(free_ports, Ok)?;
        let proxies =
            if setup.record { vec![Proxy::before(port)?, Proxy::before(controller_port)?] } else { Vec::new() };
        let advertised = |index: usize, own| proxies.get(index).map_or(own, Proxy::port);
        let log_dirs = match setup.dirs {
            LogDirs::One => dir.join("data").display().to_string(),
            LogDirs::Two => format!("{},{}", dir.join("data").display(), dir.join("more").display()),
        };
        let properties = dir.join("server.properties");
        let text = std::fs::read_to_string(work.compat.join("node.properties"))?
            .replace("{port}", &port.to_string())
            .replace("{controller_port}", &controller_port.to_string())
            .replace("{advertised_port}", &advertised(0, port).to_string())
            .replace("{advertised_controller_port}", &advertised(1, controller_port).to_string())
            .replace("{log_dir}", &log_dirs);
        std::fs::write(&properties, format!("{text}\n{}\n", setup.properties.join("\n")))?;

        let mut format = command(&program.format);
        format.args(["-t", CLUSTER_ID, "-c"]).arg(&properties).arg("--standalone");
        if let Release::Named(release) = setup.release {
            format.args(["--release-version", release]);
        }
        install::quietly(work, "format", &mut format)?;

        let log_path = work.log(side.name());
        let log = File::create(&log_path)?;
        let mut start = command(&program.start);
        start.arg(&properties).current_dir(dir);
        start.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let process = start.spawn().with_context(|| format!("cannot start {}", side.name()))?;
        let mut node = Self {
            process,
            version: program.version.clone(),
            port: advertised(0, port),
            controller_port: advertised(1, controller_port),
            proxies,
            log: log_path,
            home,
            has_ended: false,
        };
        node.wait_until_up(port, program.started)?;
        println!("{} {} is up on port {port} after {:?}", side.name(), node.version, began.elapsed());
        Ok(node)
    }

    fn wait_until_up(&mut self, port: u16, started: &str) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            self.check()?;
            let said = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).contains(started);
            if said && TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the node is not up after {} s:\n{}",
                START_TIME_MAX.as_secs(),
                install::tail(&self.log, 30)
            );
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Fails if the node's process is gone.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the node ended ({status}):\n{}", install::tail(&self.log, 30)),
        }
    }

    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn controller(&self) -> String {
        format!("127.0.0.1:{}", self.controller_port)
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Where its log directory is.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Where its second log directory is, if it has one.
    pub(crate) fn more(&self) -> PathBuf {
        self.home.path().join("more")
    }

    /// Asks the node to end, and hands out what was recorded.
    pub(crate) fn stop(mut self) -> Result<Option<Captured>> {
        self.end()?;
        Ok(self.proxies.drain(..).map(Proxy::captured).reduce(Captured::merge))
    }

    /// Asks the node to end, unless it has been asked before; its files stay.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.has_ended {
            return Ok(());
        }
        self.has_ended = true;
        let asked = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status()?;
        ensure!(asked.success(), "the node is gone before it was asked to stop");
        let ended = wait(&mut self.process, STOP_TIME_MAX, &mut || Ok(()))?;
        if ended.is_none() {
            println!("the node did not stop within {} s and was killed", STOP_TIME_MAX.as_secs());
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for a process, at most so long, and only while `go_on` has no objection.
pub(crate) fn wait(
    process: &mut Child,
    time_max: Duration,
    go_on: &mut impl FnMut() -> Result<()>,
) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + time_max;
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        go_on()?;
        std::thread::sleep(POLL_INTERVAL);
    }
}

pub(crate) fn ottla(work: &Work) -> Result<Program> {
    let mut build = crate::cargo();
    build.current_dir(&work.root).args(["build", "--release", "--quiet", "--package", "ottla-tools", "--bin", "ottla"]);
    let status = build.status().context("cannot run cargo")?;
    ensure!(status.success(), "cannot build ottla");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(work.root.join("target"), PathBuf::from);
    let binary = target.join("release/ottla").display().to_string();
    Ok(Program {
        version: env!("CARGO_PKG_VERSION").to_string(),
        format: [&binary, "storage", "format"].map(str::to_owned).to_vec(),
        start: [&binary, "server-start"].map(str::to_owned).to_vec(),
        started: "started",
    })
}

/// Apache Kafka's own broker, with the heap that a small test needs.
pub(crate) fn kafka(work: &Work, version: &str) -> Result<Program> {
    let libs = work.dir.join(format!("kafka-{version}"));
    install::jars(work, &work.compat.join("kafka/broker/pom.xml"), version, &libs)?;
    let java = |heap: &str, class: &str| {
        ["java", heap, "-cp", &format!("{}/*", libs.display()), class].map(str::to_owned).to_vec()
    };
    let mut format = java("-Xmx256m", "kafka.tools.StorageTool");
    format.push("format".to_string());
    let start = java("-Xmx768m", "kafka.Kafka");
    Ok(Program { version: version.to_string(), format, start, started: "Kafka Server started" })
}

pub(crate) fn command(words: &[String]) -> Command {
    let mut command = Command::new(words.first().map_or("", String::as_str));
    command.args(words.iter().skip(1));
    command
}

/// Two ports that were free a moment ago.
pub(crate) fn free_ports() -> Result<[u16; 2]> {
    let one = TcpListener::bind("127.0.0.1:0")?;
    let two = TcpListener::bind("127.0.0.1:0")?;
    Ok([one.local_addr()?.port(), two.local_addr()?.port()])
}
