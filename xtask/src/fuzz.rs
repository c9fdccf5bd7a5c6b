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

/// Frames of Apache Kafka, each in a file.
const CAPTURED: &str = "crates/wire/tests/captured";
/// Each target, and the folder of its seeds.
const TARGETS: &[(&str, &str)] = &[
    ("frame", CAPTURED),
    ("message", CAPTURED),
    ("batch", "crates/wire/tests/captured/logs"),
    ("compressed", "crates/wire/tests/captured/logs/mixed-0"),
    ("metadata_record", "crates/wire/tests/captured/logs/__cluster_metadata-0"),
    ("snapshot", "crates/wire/tests/captured/logs/__cluster_metadata-0"),
    ("coordinator", "crates/wire/tests/captured/logs"),
    ("text", "crates/wire/tests/captured/logs/__cluster_metadata-0"),
    ("offset_checkpoint", "fuzz/seeds/offset_checkpoint"),
    ("epoch_checkpoint", "fuzz/seeds/epoch_checkpoint"),
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

/// Of the targets that take a frame without knowing what it is: the seeds are told so.
const FRAMES_ARE_TOLD: [&str; 2] = ["frame", "message"];
/// Before a captured frame stand four bytes: these bits and the API's key, then the version.
const FRAME: u16 = 0x8000;
const ANSWER: u16 = 0x4000;

/// Writes the captured frames as seeds that say what they are: without that, no answer would be read as one.
fn tell_frames(captured: &Path, corpus: &Path) -> Result<usize> {
    let mut told = 0;
    for entry in std::fs::read_dir(captured)? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let Some(prefix) = frame_prefix(name) else { continue };
        let seed = [&prefix[..], &std::fs::read(&path)?].concat();
        std::fs::write(corpus.join(format!("captured-{name}")), seed)?;
        told += 1;
    }
    Ok(told)
}

/// `KEY-VERSION-request-N` or `KEY-VERSION-response-N`.
fn frame_prefix(name: &str) -> Option<[u8; 4]> {
    let mut words = name.split('-');
    let (key, version): (u16, u16) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let bits = match words.next()? {
        "request" => FRAME,
        "response" => FRAME | ANSWER,
        _ => return None,
    };
    let ([a, b], [c, d]) = ((key | bits).to_be_bytes(), version.to_be_bytes());
    Some([a, b, c, d])
}

fn one(root: &Path, target: &str, seeds: &str, seconds: u32) -> Result<()> {
    let corpus = root.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    let seeds = root.join(seeds);
    if FRAMES_ARE_TOLD.contains(&target) {
        let told = tell_frames(&seeds, &corpus)?;
        ensure!(told > 0, "no captured frames in {}", seeds.display());
    }
    let log = root.join("fuzz/artifacts").join(format!("{target}.log"));
    std::fs::create_dir_all(root.join("fuzz/artifacts"))?;
    let status = fuzz(root)
        .arg("run")
        .arg(target)
        .args([corpus, seeds])
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
    let mut cargo = crate::cargo();
    cargo.current_dir(root).args(["+nightly", "fuzz"]);
    // What was chosen for the stable toolchain is not for this one.
    for name in ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_TARGET_DIR"] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_what_frame_it_is() {
        assert_eq!(frame_prefix("18-4-request-0"), Some([0x80, 18, 0, 4]));
        assert_eq!(frame_prefix("1-16-response-1"), Some([0xc0, 1, 0, 16]));
        assert_eq!(frame_prefix("records"), None);
    }

    #[test]
    fn every_captured_frame_becomes_a_seed() {
        let corpus = tempfile::tempdir().unwrap();
        let captured = crate::root().join(CAPTURED);
        let told = tell_frames(&captured, corpus.path()).unwrap();
        assert!(told > 300, "{told}");
        let response = std::fs::read(corpus.path().join("captured-1-16-response-0")).unwrap();
        assert_eq!(response[..4], [0xc0, 1, 0, 16]);
        assert_eq!(response[4..], std::fs::read(captured.join("1-16-response-0.bin")).unwrap());
    }
}
