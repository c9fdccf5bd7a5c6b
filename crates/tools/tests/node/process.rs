//! Nodes as processes, in directories of their own that go with the test.

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_ottla");

/// A formatted node's directories and its properties file.
pub struct Home {
    dir: TempDir,
    pub log_dirs: Vec<PathBuf>,
}

/// A node that runs. Dropped, it is killed.
pub struct Node {
    process: Child,
    pub address: SocketAddr,
    /// Of the other listeners too, by name.
    pub addresses: BTreeMap<String, SocketAddr>,
    log: PathBuf,
    /// Kept open: what the node prints must go somewhere.
    _stdout: BufReader<ChildStdout>,
}

impl Home {
    /// Not formatted yet.
    pub fn bare(log_dirs: usize) -> Self {
        let dir = tempfile::Builder::new().prefix("ottla-node-").tempdir().unwrap();
        let log_dirs: Vec<PathBuf> = (0..log_dirs).map(|index| dir.path().join(format!("data-{index}"))).collect();
        let joined: Vec<String> = log_dirs.iter().map(|path| path.display().to_string()).collect();
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
             controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:9093\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             group.initial.rebalance.delay.ms=0\nlog.dirs={}\n",
            joined.join(",")
        );
        std::fs::write(dir.path().join("server.properties"), properties).unwrap();
        Self { dir, log_dirs }
    }

    pub fn formatted(log_dirs: usize) -> Self {
        let home = Self::bare(log_dirs);
        let mut format = Command::new(BINARY);
        format.args(["storage", "format", "--standalone", "-t", "ZmF1bHRzLWZhdWx0cy1mYQ", "-c"]);
        let output = format.arg(home.properties()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        home
    }

    fn properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }

    /// Adds a line to the properties file.
    pub fn set(&self, line: &str) {
        let mut text = std::fs::read_to_string(self.properties()).unwrap();
        text.push_str(line);
        text.push('\n');
        std::fs::write(self.properties(), text).unwrap();
    }

    fn spawn(&self) -> (Child, PathBuf) {
        let log = self.dir.path().join("node.log");
        let mut start = Command::new(BINARY);
        start.arg("server-start").arg(self.properties()).current_dir(self.dir.path());
        start.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        (start.spawn().unwrap(), log)
    }

    /// Starts a node and waits until it says that it serves.
    pub fn start(&self) -> Node {
        let (mut process, log) = self.spawn();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut addresses = BTreeMap::new();
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let status = process.wait().unwrap();
                panic!("the node did not start ({status}):\n{}", std::fs::read_to_string(log).unwrap());
            }
            if let Some((before, at)) = line.split_once("Awaiting socket connections on ") {
                let (_, name) = before.split_once("listenerType=").unwrap();
                let name = name.split(',').next().unwrap().to_owned();
                addresses.insert(name, at.trim().trim_end_matches('.').parse().unwrap());
            }
            if line.contains("Kafka Server started") {
                let address = addresses["PLAINTEXT"];
                return Node { process, address, addresses, log, _stdout: stdout };
            }
        }
    }

    /// Starts a node that is expected to end by itself; gives what it said.
    pub fn start_in_vain(&self) -> (ExitStatus, String) {
        let (mut process, log) = self.spawn();
        drop(process.stdout.take());
        let status = process.wait().unwrap();
        (status, std::fs::read_to_string(log).unwrap())
    }
}

impl Node {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// kill -9
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "the node had ended before:\n{}", self.log());
    }

    /// SIGTERM; how long it took the node to end well.
    pub fn terminate(&mut self) -> Duration {
        let begun = Instant::now();
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the node ended with {status}:\n{}", self.log());
        begun.elapsed()
    }

    /// Waits until the node ends by itself.
    pub fn end(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// The memory that the process holds, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that it ever held.
    pub fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Nothing went wrong inside.
    pub fn assert_sound(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "the node has ended:\n{}", self.log());
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many files this process and the nodes that it starts may have open, after asking for more.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| limit.maximum);
    limit.unwrap_or(u64::MAX)
}
