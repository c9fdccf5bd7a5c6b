//! The ways in which a node is started: a file on empty directories, a container's environment, a node for a test; and how
//! it is told to stop.

use crate::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_ottla");

/// A node that a test has started. Dropped, it is killed.
struct Started {
    process: Child,
    lines: Vec<String>,
    stdout: BufReader<ChildStdout>,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Started {
    /// Starts a command and reads its standard output up to a line that holds `last`.
    fn until(command: &mut Command, last: &str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = command.spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut started = Self { process, lines: Vec::new(), stdout };
        loop {
            let mut line = String::new();
            assert_ne!(started.stdout.read_line(&mut line).unwrap(), 0, "{:#?}", started.lines);
            started.lines.push(line.trim_end().to_owned());
            if line.contains(last) {
                return started;
            }
        }
    }

    fn says(&self, part: &str) -> bool {
        self.lines.iter().any(|line| line.contains(part))
    }

    fn terminate(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

/// Without what the tests' own surroundings may have set.
fn ottla(dir: &TempDir) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().current_dir(dir.path());
    command
}

fn write_properties(dir: &TempDir, node_id: i32, more: &str) {
    let data = dir.path().join("data").display().to_string();
    let text = format!(
        "process.roles=broker,controller\nnode.id={node_id}\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
         controller.listener.names=CONTROLLER\nlog.dirs={data}\n{more}\n"
    );
    std::fs::write(dir.path().join("server.properties"), text).unwrap();
}

fn meta(dir: &Path) -> Option<String> {
    std::fs::read_to_string(dir.join("meta.properties")).ok()
}

const READY: &str = "[KafkaServer id=";

#[test]
fn a_node_that_stands_alone_formats_its_empty_directory_once() {
    let dir = tempfile::tempdir().unwrap();
    write_properties(&dir, 4711, "controller.quorum.voters=4711@localhost:9093");
    let start = || Started::until(ottla(&dir).args(["server-start", "server.properties"]), READY);
    let node = start();
    for line in ["[KafkaServer id=4711] started", "Kafka Server started", "Transitioning from RECOVERY to RUNNING"] {
        assert!(node.says(line), "{:#?}", node.lines);
    }
    let formatted = meta(&dir.path().join("data")).unwrap();
    node.terminate();
    start().terminate();
    assert_eq!(meta(&dir.path().join("data")).unwrap(), formatted);
}

#[test]
fn a_formatting_that_was_cut_off_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    write_properties(&dir, 4715, "controller.quorum.voters=4715@localhost:9093");
    let start = || Started::until(ottla(&dir).args(["server-start", "server.properties"]), READY);
    let data = dir.path().join("data");
    start().terminate();
    // What there is before the last file is written: the snapshot of the beginning, and the lock.
    std::fs::remove_file(data.join("meta.properties")).unwrap();
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with(".lock") {
            std::fs::remove_file(path).unwrap();
        }
    }
    for entry in std::fs::read_dir(data.join("__cluster_metadata-0")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("00000000000000000000-0000000000.checkpoint") {
            std::fs::remove_file(path).unwrap();
        }
    }
    start().terminate();
}

#[test]
fn a_directory_that_is_a_quorums_or_not_empty_is_not_formatted() {
    let dir = tempfile::tempdir().unwrap();
    let refused = || {
        let output = ottla(&dir).args(["server-start", "server.properties"]).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("No `meta.properties` found"), "{said}");
        assert_eq!(meta(&dir.path().join("data")), None);
    };
    write_properties(&dir, 4712, "controller.quorum.voters=4712@localhost:9093,4713@other:9093");
    refused();
    write_properties(&dir, 4712, "controller.quorum.bootstrap.servers=other.example:9093");
    refused();
    write_properties(&dir, 4712, "controller.quorum.voters=4712@localhost:9093");
    std::fs::create_dir_all(dir.path().join("data/somebodys")).unwrap();
    refused();
}

#[test]
fn a_node_for_a_test_prints_its_address_and_takes_its_data_along() {
    let dir = tempfile::tempdir().unwrap();
    let node = Started::until(ottla(&dir).env("TMPDIR", dir.path()).args(["server-start", "--ephemeral"]), ":");
    let address = node.lines.last().unwrap().parse().unwrap();
    Client::connect(address).create_topic("events", 1);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    node.terminate();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_containers_environment_formats_and_starts() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let start = |cluster_id: &str| {
        let mut command = ottla(&dir);
        command.env("CLUSTER_ID", cluster_id).env("KAFKA_NODE_ID", "4714").env("KAFKA_LOG_DIRS", &data);
        for (name, value) in [
            ("KAFKA_PROCESS_ROLES", "broker,controller"),
            ("KAFKA_LISTENERS", "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", "4714@localhost:9093"),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ] {
            command.env(name, value);
        }
        command
    };
    for _ in 0..2 {
        Started::until(&mut start("MkU3OEVBNTcwNTJENDM2Qk"), READY).terminate();
        assert!(meta(&data).unwrap().contains("cluster.id=MkU3OEVBNTcwNTJENDM2Qk"));
    }
    let other = start("b3RoZXItb3RoZXItb3RoZQ").output().unwrap();
    assert!(!other.status.success());
    assert!(String::from_utf8(other.stderr).unwrap().contains("Invalid cluster.id in"));
}

#[test]
fn nodes_are_told_to_stop_by_their_id() {
    let dir = tempfile::tempdir().unwrap();
    // An id that no other node on the machine has: others are not to be stopped by a test.
    let id = 1_000_000_000 + i32::try_from(std::process::id()).unwrap();
    write_properties(&dir, id, &format!("controller.quorum.voters={id}@localhost:9093"));
    let mut node = Started::until(ottla(&dir).args(["server-start", "server.properties"]), READY);
    let stop = |id: i32| ottla(&dir).args(["server-stop", &format!("--node-id={id}")]).output().unwrap();
    assert!(stop(id + 1).status.success());
    assert!(node.process.try_wait().unwrap().is_none());
    assert!(stop(id).status.success());
    assert!(node.process.wait().unwrap().success());
}

#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 256; exec \"$0\" server-start --ephemeral", BINARY]).env("TMPDIR", dir.path());
    let node = Started::until(&mut command, "127.0.0.1:");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.process.id())).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let fields: Vec<&str> = open_files.split_whitespace().collect();
    assert_eq!(fields[3], fields[4], "{open_files}");
    assert_ne!(fields[3], "256");
    node.terminate();
}
