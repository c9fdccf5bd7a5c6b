//! All of CI, in the order in which a failure is cheapest to find.

use crate::{codegen, compat, examples, fuzz, root, seeds, suites, takeover, tidy, tour};
use anyhow::{Context, Result, ensure};
use std::time::Instant;

pub(crate) fn run() -> Result<()> {
    let root = root();
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("tidy", tidy::run)?;
    step("codegen", || codegen::run(&root, true))?;
    step("lint", || cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step("test", || cargo(&["test", "--workspace"]))?;
    step("fuzz", || fuzz::run(&root, &[]))?;
    step("build", || cargo(&["build", "--release"]))?;
    step("compat", || compat::run(&root, &[]))?;
    step("suites", || suites::run(&root, &["--only", suites::QUICK].map(str::to_owned)))?;
    step("compat-tools", || compat::run_tools(&root, &[]))?;
    step("examples", || examples::run(&root, &[]))?;
    step("seeds", || seeds::run(&root, &[]))?;
    step("takeover", || takeover::run(&root, &[]))?;
    step("tour", || tour::run(&root))
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let begun = Instant::now();
    run().with_context(|| format!("{name} failed"))?;
    println!("== {name}: {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn cargo(args: &[&str]) -> Result<()> {
    let status = crate::cargo().args(args).current_dir(root()).status().context("cannot run cargo")?;
    ensure!(status.success(), "cargo {}", args.join(" "));
    Ok(())
}
