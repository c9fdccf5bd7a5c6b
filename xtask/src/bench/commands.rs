//! How long a command takes from its call to its end: each one's help, and two that ask the node.

use super::cases::{Session, less};
use super::results::Spread;
use super::system::System;
use crate::compat::{kafka_command, kafka_command_names, ottla_binary};
use anyhow::{Context, Result, ensure};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A call of a few milliseconds is made so often, and its median taken.
const TIMES: usize = 9;

pub(crate) fn run(session: &mut Session<'_>) -> Result<()> {
    session.load(&["topic", "-topic", "listed", "-partitions", "4"])?;
    for name in kafka_command_names() {
        let took = time(session, &[name, "--help"])?;
        session.add(less("a command's help", name, "ms", None), took);
    }
    let bootstrap = format!("localhost:{}", session.port());
    let list = ["topics", "--bootstrap-server", &bootstrap, "--list"];
    let describe = ["topics", "--bootstrap-server", &bootstrap, "--describe", "--topic", "listed"];
    for (what, words) in [("topics --list", &list[..]), ("topics --describe", &describe[..])] {
        let took = time(session, words)?;
        session.add(less("a command", what, "ms", None), took);
    }
    Ok(())
}

/// The median of some calls, in milliseconds. Kafka's tools take so long that one call a round tells enough.
fn time(session: &Session<'_>, words: &[&str]) -> Result<f64> {
    let times = match session.system() {
        System::Ottla => TIMES,
        System::Kafka => 1,
    };
    let mut took = Spread::default();
    let ottla = ottla_binary(session.compat())?;
    for _ in 0..times {
        let mut command = match session.system() {
            System::Ottla => Command::new(&ottla),
            System::Kafka => kafka_command(session.compat(), words[0])?,
        };
        command.args(if session.system() == System::Ottla { words } else { &words[1..] });
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = command.status().with_context(|| format!("cannot run {}", words[0]))?;
        took.add(began.elapsed().as_secs_f64() * 1e3);
        // Kafka's tools end their help with 0 or 1.
        ensure!(status.code().is_some_and(|code| code <= 1), "{} ends with {status}", words.join(" "));
    }
    Ok(took.median())
}
