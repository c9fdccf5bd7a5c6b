//! The commands of the README, run as printed: every block of shell that is marked `tour`, in their order.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;

/// Where the node of the tour keeps its data: `log.dirs` of config/server.properties.
const DATA: &str = "/tmp/kraft-combined-logs";

pub(crate) fn run(root: &Path) -> Result<()> {
    let kcat = Command::new("kcat").arg("-V").output().is_ok();
    if !kcat {
        ensure!(std::env::var("CI").is_err(), "kcat is not installed");
        println!("kcat is not installed: the README's tour is skipped");
        return Ok(());
    }
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
    // Whatever happened, the node is not left behind.
    let _ = Command::new("pkill").args(["-TERM", "-f", "ottla server-start config/server.properties"]).status();
    let output = output?;
    for expected in
        ["Hello Kafka", "ann scored 1 at offset 0 with source=tour", "bob scored 2", "broker 1 at localhost"]
    {
        ensure!(output.contains(expected), "the tour did not show '{expected}':\n{output}");
    }
    println!("{} blocks of the README run as printed", blocks.len());
    Ok(())
}

fn play(root: &Path, blocks: &[String]) -> Result<String> {
    let mut shown = String::new();
    for block in blocks {
        let output = Command::new("bash").args(["-euo", "pipefail", "-c", block]).current_dir(root).output();
        let output = output.context("cannot run bash")?;
        shown.push_str(&String::from_utf8_lossy(&output.stdout));
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "a block of the README failed:\n{block}\n{errors}\n{shown}");
    }
    Ok(shown)
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

    #[test]
    fn only_marked_blocks_are_played() {
        let readme = "a\n```sh\nno\n```\n```sh tour\nyes\nand this\n```\n";
        assert_eq!(blocks(readme), ["yes\nand this\n"]);
    }
}
