//! `cargo xtask fuzz`: runs the fuzz targets for a bounded time each, and gets what they need: a nightly compiler and
//! cargo-fuzz at a fixed version. A machine without them, and without the means to get them, skips; CI does not.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const CARGO_FUZZ_VERSION: &str = "0.13.2";
const SECONDS: u32 = 10;
/// A limit for input, so that time goes into shapes and not into sizes; captured frames are up to 16 KiB.
const INPUT_BYTES_MAX: u32 = 20_000;

/// Each target, and the folder of its seeds below `crates/wire/tests/captured`.
const TARGETS: &[(&str, &str)] = &[
    ("frame", ""),
    ("message", ""),
    ("batch", "logs"),
    ("compressed", "logs/mixed-0"),
    ("metadata_record", "logs/__cluster_metadata-0"),
    ("snapshot", "logs/__cluster_metadata-0"),
    ("coordinator", "logs"),
    ("text", "logs/__cluster_metadata-0"),
];

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let (seconds, chosen) = parse(args)?;
    if let Some(lacking) = install()? {
        ensure!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "fuzzing needs {lacking}");
        println!("skipped: fuzzing needs {lacking}");
        return Ok(());
    }
    let begun = Instant::now();
    let built = fuzz(root).arg("build").status().context("cannot run cargo")?;
    ensure!(built.success(), "the fuzz targets do not build");
    println!("built in {:.0} s", begun.elapsed().as_secs_f64());
    for (target, seeds) in TARGETS.iter().filter(|(target, _)| chosen.is_none_or(|chosen| chosen == *target)) {
        one(root, target, seeds, seconds)?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<(u32, Option<&str>)> {
    let (mut seconds, mut chosen) = (SECONDS, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => seconds = args.next().and_then(|n| n.parse().ok()).context("--seconds takes a number")?,
            name if TARGETS.iter().any(|(target, _)| *target == name) => chosen = Some(name),
            other => {
                let names: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
                bail!("unknown target '{other}'; there are: {}", names.join(", "));
            }
        }
    }
    Ok((seconds, chosen))
}

fn one(root: &Path, target: &str, seeds: &str, seconds: u32) -> Result<()> {
    let corpus = root.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    let log = root.join("fuzz/artifacts").join(format!("{target}.log"));
    std::fs::create_dir_all(root.join("fuzz/artifacts"))?;
    let status = fuzz(root)
        .arg("run")
        .arg(target)
        .args([corpus, root.join("crates/wire/tests/captured").join(seeds)])
        .arg("--")
        .args([format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES_MAX}")])
        .args(["-timeout=5", "-print_final_stats=1"])
        .stderr(std::fs::File::create(&log)?)
        .status()
        .context("cannot run cargo")?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map_or("?", str::trim).to_owned();
    if !status.success() {
        let tail: Vec<&str> = said.lines().rev().take(40).collect();
        tail.iter().rev().for_each(|line| println!("{line}"));
        bail!("{target} broke: the input lies in fuzz/artifacts/{target}, all that was said in {}", log.display());
    }
    println!("{target}: {} inputs in {seconds} s", value("stat::number_of_executed_units:"));
    Ok(())
}

fn fuzz(root: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["+nightly", "fuzz"]);
    // This program was itself started by a cargo, whose choice of a toolchain and flags must not be handed down.
    for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTFLAGS", "CARGO_TARGET_DIR"] {
        cargo.env_remove(name);
    }
    cargo
}

/// Installs what is missing; what could not be had, if anything.
fn install() -> Result<Option<String>> {
    if !quiet("rustup", &["run", "nightly", "rustc", "--version"])
        && !quiet("rustup", &["toolchain", "install", "nightly", "--profile", "minimal"])
    {
        return Ok(Some("a nightly compiler: rustup toolchain install nightly --profile minimal".into()));
    }
    let version = Command::new("cargo").args(["fuzz", "--version"]).output().context("cannot run cargo")?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if version.ends_with(CARGO_FUZZ_VERSION) {
        return Ok(None);
    }
    println!("installing cargo-fuzz {CARGO_FUZZ_VERSION}");
    let args = ["install", "cargo-fuzz", "--locked", "--quiet", "--force", "--version", CARGO_FUZZ_VERSION];
    Ok((!quiet("cargo", &args)).then(|| format!("cargo-fuzz: cargo {}", args.join(" "))))
}

/// Whether a command ran and succeeded.
fn quiet(program: &str, args: &[&str]) -> bool {
    let ran = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}
