//! `cargo xtask seeds`: the commands and programs of tutorials, as printed (`compat/seeds/`), against Ottla on its usual
//! ports. Each script has a folder of its own with `bin/` and `config/`; what nodes left behind is removed after it.

use crate::compat::{SeedTools, seed_tools};
use crate::tour;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The scripts, each with its argument.
const SCRIPTS: &[(&str, &str)] = &[
    ("first-steps", ""),
    ("really-simple", ""),
    ("container", "whole"),
    ("container", "short"),
    ("pageviews", ""),
    ("orders", ""),
];

/// Where the tutorials' nodes keep their data.
const DATA: [&str; 2] = ["/tmp/kafka-logs", "/tmp/kraft-combined-logs"];

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let only = match args {
        [] => None,
        [option, name] if option == "--only" => Some(name.as_str()),
        _ => bail!("usage: cargo xtask seeds [--only NAME]"),
    };
    let Some(tools) = seed_tools(root)? else { return Ok(()) };
    for dir in DATA {
        if Path::new(dir).exists() && std::env::var_os("CI").is_none() {
            bail!("{dir} is there: a tutorial would format and use it. Move it away first");
        }
        tour::clear(Path::new(dir))?;
    }
    for (name, argument) in SCRIPTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let began = Instant::now();
        let played = play(root, &tools, name, argument);
        for dir in DATA {
            tour::clear(Path::new(dir))?;
        }
        played?;
        println!("{name} {argument} runs as printed ({:.1} s)", began.elapsed().as_secs_f64());
    }
    Ok(())
}

fn play(root: &Path, tools: &SeedTools, name: &str, argument: &str) -> Result<()> {
    let home = tempfile::Builder::new().prefix("ottla-seeds-").tempdir().context("no temporary directory")?;
    std::os::unix::fs::symlink(root.join("bin"), home.path().join("bin"))?;
    let copied = Command::new("cp").arg("-r").arg(root.join("config")).arg(home.path()).status()?;
    ensure!(copied.success(), "cannot copy config/");
    let scripts = root.join("compat/seeds");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        [root.join("bin"), tools.python.join("bin")].into_iter().chain(std::env::split_paths(&path)),
    )?;
    let output = Command::new("bash")
        .arg(scripts.join(format!("{name}.sh")))
        .arg(argument)
        .current_dir(home.path())
        .env("PATH", path)
        .env("SEEDS", &scripts)
        .env("OTTLA_BINARY", &tools.ottla)
        .env("NODE_PATH", &tools.node_modules)
        .env("KAFKA_JARS", &tools.jars)
        .output()
        .context("cannot run bash")?;
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{name} {argument} does not run as printed:\n{shown}\n{errors}");
    Ok(())
}
