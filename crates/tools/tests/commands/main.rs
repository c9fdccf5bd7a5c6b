//! The commands as processes, against a node in this one: what Kafka's tools have no counterpart for, and what goes wrong
//! around them. What they print is held against Kafka's tools by `cargo xtask compat-tools`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod faults;
mod json;
mod listeners;
mod log;
mod ours;
mod tls;

use ottla::Node;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// A node, and commands that are told its address.
pub struct Place {
    pub node: Node,
}

impl Place {
    pub fn start() -> Self {
        Self { node: Node::builder().property("num.partitions", "1").start().unwrap() }
    }

    /// One that keeps ACLs, and lets everybody in all the same.
    pub fn with_acls() -> Self {
        let node = Node::builder()
            .property("num.partitions", "1")
            .property("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
            .property("super.users", "User:ANONYMOUS");
        Self { node: node.start().unwrap() }
    }

    pub fn command(&self, line: &str) -> Command {
        command(&format!("{line} --bootstrap-server {}", self.node.bootstrap()))
    }

    /// Runs a command to its end, which must be a good one; its standard output.
    pub fn run(&self, line: &str) -> String {
        text(self.command(line).output().unwrap())
    }

    pub fn produce(&self, topic: &str, lines: &[&str]) {
        let mut producer = Running::new(self.command(&format!("console-producer --topic {topic}")));
        for line in lines {
            producer.say(line);
        }
        assert!(producer.end().status.success());
    }
}

pub fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(line.split_whitespace()).stdin(Stdio::null());
    command
}

pub fn text(output: Output) -> String {
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    out
}

/// A command that goes on meanwhile. It is killed if the test ends before it.
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Running {
    pub fn new(mut command: Command) -> Self {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Self { child, input, output }
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Nobody reads what it writes any more.
    pub fn close_output(&mut self) {
        self.output = None;
    }

    /// No more input; waits for its end.
    /// Asks it to end by a signal; what it prints then.
    pub fn asked(mut self, signal: Signal) -> Output {
        // Its input stays open, as a terminal's would.
        let _input = self.input.take();
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.end()
    }

    pub fn end(mut self) -> Output {
        self.input = None;
        let mut stdout = Vec::new();
        if let Some(output) = &mut self.output {
            output.read_to_end(&mut stdout).unwrap();
        }
        let mut stderr = Vec::new();
        self.child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Output { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
