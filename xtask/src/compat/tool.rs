//! `cargo xtask kafka-tool NAME ARGUMENTS…`: Apache Kafka's own command line tools, to judge what Ottla wrote.

use super::{Work, install};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest release whose tools are published whole; they work with 4.4's directories and brokers.
const TOOLS_VERSION: &str = "4.3.1";

/// Kafka's command names, without `kafka-`, and the class behind each.
const TOOLS: &[(&str, &str)] = &[
    ("acls", "org.apache.kafka.tools.AclCommand"),
    ("broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
    ("cluster", "org.apache.kafka.tools.ClusterTool"),
    ("configs", "kafka.admin.ConfigCommand"),
    ("console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    ("console-producer", "org.apache.kafka.tools.ConsoleProducer"),
    ("consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
    ("consumer-perf-test", "org.apache.kafka.tools.ConsumerPerformance"),
    ("delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
    ("dump-log", "org.apache.kafka.tools.DumpLogSegments"),
    ("e2e-latency", "org.apache.kafka.tools.EndToEndLatency"),
    ("features", "org.apache.kafka.tools.FeatureCommand"),
    ("groups", "org.apache.kafka.tools.GroupsCommand"),
    ("get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
    ("leader-election", "org.apache.kafka.tools.LeaderElectionCommand"),
    ("log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
    ("metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand"),
    ("metadata-shell", "org.apache.kafka.shell.MetadataShell"),
    ("producer-perf-test", "org.apache.kafka.tools.ProducerPerformance"),
    ("reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
    ("replica-verification", "org.apache.kafka.tools.ReplicaVerificationTool"),
    ("storage", "kafka.tools.StorageTool"),
    ("topics", "org.apache.kafka.tools.TopicCommand"),
    ("transactions", "org.apache.kafka.tools.TransactionsCommand"),
    ("verifiable-consumer", "org.apache.kafka.tools.VerifiableConsumer"),
    ("verifiable-producer", "org.apache.kafka.tools.VerifiableProducer"),
];

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let status = tool(&Work::new(root)?, args)?.status().context("cannot run java")?;
    ensure!(status.success(), "{} failed ({status})", args[0]);
    Ok(())
}

/// What a tool prints.
pub(crate) fn output(work: &Work, args: &[&str]) -> Result<String> {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let output = tool(work, &args)?.output().context("cannot run java")?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed ({}):\n{told}{errors}", args[0], output.status);
    Ok(told)
}

fn names() -> String {
    TOOLS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The class behind a command's name, with or without `kafka-` and `.sh`.
pub(super) fn class(name: &str) -> Result<&'static str> {
    let wanted = name.trim_start_matches("kafka-").trim_end_matches(".sh");
    let class = TOOLS.iter().find(|(known, _)| *known == wanted).map(|(_, class)| *class);
    class.with_context(|| format!("unknown tool '{name}'; there are: {}", names()))
}

/// The folder of jars, fetched once.
pub(super) fn libs(work: &Work) -> Result<PathBuf> {
    let libs = work.dir.join(format!("kafka-tools-{TOOLS_VERSION}"));
    install::jars(work, &work.compat.join("kafka/tools/pom.xml"), TOOLS_VERSION, &libs)?;
    Ok(libs)
}

fn tool(work: &Work, args: &[String]) -> Result<Command> {
    let (name, rest) =
        args.split_first().with_context(|| format!("usage: cargo xtask kafka-tool NAME …; names: {}", names()))?;
    let mut java = command(work, name)?;
    java.args(rest);
    Ok(java)
}

/// A tool, without arguments, with the heap that Kafka's script gives it.
pub(crate) fn command(work: &Work, name: &str) -> Result<Command> {
    let class = class(name)?;
    ensure!(
        install::on_path("java") && install::on_path("mvn"),
        "java and mvn are needed to fetch and run Kafka's tools"
    );
    let libs = libs(work)?;
    let mut java = Command::new("java");
    java.arg("-Xmx256m").arg("-cp").arg(format!("{}/*", libs.display())).arg(class);
    Ok(java)
}

/// Without `kafka-`.
pub(crate) fn command_names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|(name, _)| *name)
}
