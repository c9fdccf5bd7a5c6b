//! The commands of the README, run as printed: every block of shell that is marked `tour`, in their order. What they made
//! is removed when the node has stopped, so that the tour can be taken again.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the node of the tour keeps its data: `log.dirs` of config/server.properties.
const DATA: &str = "/tmp/kraft-combined-logs";
const STOP_TIME_MAX: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) fn run(root: &Path) -> Result<()> {
    let readme = std::fs::read_to_string(root.join("README.md"))?;
    let blocks = blocks(&readme);
    ensure!(!blocks.is_empty(), "the README has no block that is marked `sh tour`");
    if Path::new(DATA).exists() {
        if std::env::var("CI").is_err() {
            bail!("{DATA} is there: the tour would format and use it. Move it away first");
        }
        std::fs::remove_dir_all(DATA)?;
    }
    let output = play(root, &blocks);
    // Whatever happened, neither the node is left behind nor its data.
    clear(Path::new(DATA))?;
    let output = output?;
    for expected in [
        "Hello Kafka",
        "PartitionCount: 3",
        "Offset:0\tsource:tour\tann\t1",
        "Offset:1\tsource:tour\tbob\t2",
        "CURRENT-OFFSET  LOG-END-OFFSET  LAG",
    ] {
        ensure!(output.contains(expected), "the tour did not show '{expected}':\n{output}");
    }
    println!("{} blocks of the README run as printed", blocks.len());
    Ok(())
}

fn play(root: &Path, blocks: &[String]) -> Result<String> {
    let mut shown = String::new();
    for block in blocks {
        let output = crate::by_itself("bash").args(["-euo", "pipefail", "-c", block]).current_dir(root).output();
        let output = output.context("cannot run bash")?;
        shown.push_str(&String::from_utf8_lossy(&output.stdout));
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "a block of the README failed:\n{block}\n{errors}\n{shown}");
    }
    Ok(shown)
}

/// Ends the node that uses a directory, if there is one, and removes the directory once its process is gone.
pub(crate) fn clear(data: &Path) -> Result<()> {
    let deadline = Instant::now() + STOP_TIME_MAX;
    let mut told = None;
    while let Some(node) = holder(data)? {
        ensure!(Instant::now() < deadline, "process {node} still uses {}", data.display());
        // The README's own words have stopped it already, unless something went wrong before them.
        if told != Some(node) {
            let _ = Command::new("kill").args(["-TERM", &node.to_string()]).status();
            told = Some(node);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    match std::fs::remove_dir_all(data) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", data.display()))
        }
        _ => Ok(()),
    }
}

/// The process that has a log directory locked. It lets go of it when it ends, and not before.
fn holder(data: &Path) -> Result<Option<i32>> {
    let file = match OpenOptions::new().read(true).write(true).open(data.join(".lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?;
    Ok(held.and_then(|lock| lock.pid).map(|pid| pid.as_raw_nonzero().get()))
}

fn blocks(readme: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in readme.lines() {
        match (&mut open, line) {
            (None, "```sh tour") => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;

    /// The directory that a process of [`holds_a_directory_until_it_is_told`] is to lock.
    const HELD: &str = "OTTLA_TOUR_TEST_HELD";

    /// Run by the other test, as a process of its own: a process never stands in the way of its own locks.
    #[test]
    fn holds_a_directory_until_it_is_told() {
        let Some(path) = std::env::var_os(HELD) else { return };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        println!("\nheld");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }

    #[test]
    fn data_is_removed_once_its_node_has_stopped_and_not_before() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let mut node = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tour::tests::holds_a_directory_until_it_is_told", "--nocapture"])
            .env(HELD, data.join(".lock"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(node.stdout.take().unwrap());
        assert!(said.lines().map_while(Result::ok).any(|line| line == "held"));
        assert_eq!(holder(&data).unwrap(), Some(node.id() as i32));
        // It is asked to end, and its data is there until it has.
        clear(&data).unwrap();
        assert!(!data.exists());
        assert!(!node.wait().unwrap().success());
        // Nothing there is nothing to do.
        clear(&data).unwrap();
    }

    #[test]
    fn only_marked_blocks_are_played() {
        let readme = "a\n```sh\nno\n```\n```sh tour\nyes\nand this\n```\n";
        assert_eq!(blocks(readme), ["yes\nand this\n"]);
    }
}
