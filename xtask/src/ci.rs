//! All of CI, in the order in which a failure is cheapest to find.

use anyhow::{Context, Result, ensure};
use std::process::Command;

pub(crate) fn run() -> Result<()> {
    step("format", "cargo", &["fmt", "--all", "--check"])?;
    step("lint", "cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    println!("== tidy");
    crate::tidy::run()?;
    println!("== codegen");
    crate::codegen::run(&crate::root(), true)?;
    step("test", "cargo", &["test", "--workspace", "--quiet"])
}

fn step(name: &str, program: &str, args: &[&str]) -> Result<()> {
    println!("== {name}");
    let status =
        Command::new(program).args(args).status().with_context(|| format!("cannot run {program}: is it installed?"))?;
    ensure!(status.success(), "{name} failed: {program} {}", args.join(" "));
    Ok(())
}
