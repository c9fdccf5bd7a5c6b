//! Getting clients from their registries with their own tools, once: what was installed for the same versions and
//! sources is used again. Which registry a machine uses is that machine's configuration.

use super::Work;
use super::clients::{CLIENTS, Client, Suite};
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

pub(crate) enum Ready {
    Yes,
    /// Something that only the machine's owner can add.
    Lacking(String),
}

/// Installs what a client's driver needs.
pub(crate) fn client(work: &Work, client: &Client) -> Result<Ready> {
    if let Some(missing) = debian_packages(work, client.packages)? {
        return Ok(Ready::Lacking(missing));
    }
    if let Some(missing) = client.tools.iter().find(|tool| !on_path(tool)) {
        return Ok(Ready::Lacking((*missing).to_string()));
    }
    match client.suite {
        Suite::Java => java(work)?,
        Suite::Python => python(work)?,
        Suite::KafkaJs => kafkajs(work, client)?,
        Suite::ConfluentJs => confluent_js(work, client)?,
        Suite::Go => go(work)?,
        Suite::Rust => rust(work)?,
    }
    Ok(Ready::Yes)
}

/// Resolves the dependencies of a pom into a folder of jars.
pub(crate) fn jars(work: &Work, pom: &Path, version: &str, into: &Path) -> Result<()> {
    let mark = fingerprint(&[pom.to_path_buf()], version)?;
    once(into, &mark, &format!("jars of {} {version}", shown(work, pom)), || {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B"]).arg("-f").arg(pom);
        maven.arg(format!("-Dmaven.repo.local={}", work.dir.join("m2").display()));
        maven.arg(format!("-Dkafka.version={version}"));
        maven.arg("dependency:copy-dependencies").arg("-DincludeScope=runtime");
        maven.arg(format!("-DoutputDirectory={}", into.display()));
        quietly(work, "maven", &mut maven)
    })
}

fn java(work: &Work) -> Result<()> {
    let libs = work.dir.join("java/libs");
    jars(work, &work.compat.join("java/pom.xml"), super::clients::KAFKA_VERSION, &libs)?;
    let classes = work.dir.join("java/classes");
    let sources = files_below(&work.compat.join("java/src"), "java")?;
    let mark = fingerprint(&sources, super::clients::KAFKA_VERSION)?;
    once(&classes, &mark, "the Java driver", || {
        let mut javac = Command::new("javac");
        javac.arg("-d").arg(&classes).arg("-cp").arg(format!("{}/*", libs.display())).args(&sources);
        quietly(work, "javac", &mut javac)
    })
}

fn python(work: &Work) -> Result<()> {
    python_environment(work, &work.dir.join("python"), &work.compat.join("python/requirements.txt"))
}

/// A virtual environment with what a file of requirements asks for.
pub(crate) fn python_environment(work: &Work, venv: &Path, requirements: &Path) -> Result<()> {
    let mark = fingerprint(&[requirements.to_path_buf()], "")?;
    once(venv, &mark, &format!("what {} asks for", shown(work, requirements)), || {
        quietly(work, "venv", Command::new("python3").args(["-m", "venv"]).arg(venv))?;
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--cache-dir"]);
        pip.arg(work.dir.join("pip-cache")).arg("-r").arg(requirements);
        quietly(work, "pip", &mut pip)
    })
}

fn kafkajs(work: &Work, client: &Client) -> Result<()> {
    // kafkajs leaves all codecs but gzip to plug-ins.
    npm(
        work,
        client,
        &[&format!("kafkajs@{}", client.version), "kafkajs-snappy@1.1.0", "kafkajs-lz4@1.2.1", "zstd-codec@0.1.5"],
    )
}

fn confluent_js(work: &Work, client: &Client) -> Result<()> {
    npm(work, client, &[&format!("@confluentinc/kafka-javascript@{}", client.version)])
}

/// Without a lock file: it would name the registry of the machine that wrote it.
fn npm(work: &Work, client: &Client, packages: &[&str]) -> Result<()> {
    let dir = work.dir.join("node").join(client.name);
    once(&dir, &packages.join(" "), &format!("{} {}", client.name, client.version), || {
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join("package.json"), "{\"private\":true}\n")?;
        let mut npm = Command::new("npm");
        npm.current_dir(&dir).args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--save-exact"]);
        npm.arg("--cache").arg(work.dir.join("npm-cache")).args(packages);
        // Of confluentinc's package: librdkafka against the system's libraries, where it would download their sources.
        npm.env("CKJS_LINKING", "dynamic");
        quietly(work, client.name, &mut npm)
    })
}

fn go(work: &Work) -> Result<()> {
    let dir = work.dir.join("go");
    std::fs::create_dir_all(&dir)?;
    let sources = [files_below(&work.compat.join("go"), "go")?, vec![work.compat.join("go/go.sum")]].concat();
    once(&dir.join("driver"), &fingerprint(&sources, "")?, "the Go clients", || {
        let mut go = Command::new("go");
        go.current_dir(work.compat.join("go")).args(["build", "-o"]).arg(dir.join("driver")).arg(".");
        own_go_caches(work, &mut go);
        quietly(work, "go", &mut go)
    })
}

/// A module cache that its owner may delete.
pub(crate) fn own_go_caches(work: &Work, go: &mut Command) {
    let dir = work.dir.join("go");
    go.env("GOMODCACHE", dir.join("modules")).env("GOCACHE", dir.join("cache")).env("GOFLAGS", "-modcacherw");
}

fn rust(work: &Work) -> Result<()> {
    let dir = work.dir.join("rust");
    let manifest = work.compat.join("rust/Cargo.toml");
    let lock = work.compat.join("rust/Cargo.lock");
    let sources = [files_below(&work.compat.join("rust/src"), "rs")?, vec![manifest.clone(), lock]].concat();
    once(&dir.join("release/compat-rust"), &fingerprint(&sources, "")?, "the Rust client", || {
        let mut cargo = crate::cargo();
        cargo.args(["build", "--release", "--quiet", "--locked", "--manifest-path"]).arg(&manifest);
        cargo.env("CARGO_TARGET_DIR", &dir);
        quietly(work, "cargo", &mut cargo)
    })
}

/// The first of these packages that is missing and cannot be added by us; none if all are there.
fn debian_packages(work: &Work, packages: &[&str]) -> Result<Option<String>> {
    if !on_path("dpkg-query") {
        // Another system: the build will say what it lacks.
        return Ok(None);
    }
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !package_is_there(package)).collect();
    let Some(first) = missing.first() else { return Ok(None) };
    let root = Command::new("id").arg("-u").output().is_ok_and(|found| found.stdout == b"0\n");
    if !root {
        return Ok(Some(format!("Debian's {first}")));
    }
    println!("installing Debian's {}", missing.join(", "));
    let mut update = Command::new("apt-get");
    quietly(work, "apt", update.args(["-qq", "update"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    quietly(work, "apt", install.args(["-qq", "install", "-y", "--no-install-recommends"]).args(&missing))?;
    Ok(None)
}

fn package_is_there(package: &str) -> bool {
    let asked = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]).output();
    asked.is_ok_and(|found| found.stdout.starts_with(b"installed"))
}

pub(crate) fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

/// Does the work unless a mark beside `made` says that it was done for the same input.
pub(crate) fn once(made: &Path, mark: &str, what: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut stamp = made.as_os_str().to_owned();
    stamp.push(".made-of");
    let stamp = PathBuf::from(stamp);
    if made.exists() && std::fs::read_to_string(&stamp).is_ok_and(|found| found == mark) {
        return Ok(());
    }
    if made.is_dir() {
        std::fs::remove_dir_all(made)?;
    }
    let began = Instant::now();
    body().with_context(|| format!("cannot install {what}"))?;
    std::fs::write(&stamp, mark)?;
    println!("installed {what} in {:.1} s", began.elapsed().as_secs_f32());
    Ok(())
}

/// Runs a command with its output in a log, of which the end is shown if it fails.
pub(crate) fn quietly(work: &Work, name: &str, command: &mut Command) -> Result<()> {
    let path = work.log(&format!("install-{name}"));
    let log = File::create(&path)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{} failed ({status}):\n{}", command.get_program().display(), tail(&path, 40));
    Ok(())
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn fingerprint(files: &[PathBuf], more: &str) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hasher);
        std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?.hash(&mut hasher);
    }
    Ok(format!("{more} {:016x}", hasher.finish()))
}

fn files_below(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn shown(work: &Work, path: &Path) -> String {
    path.strip_prefix(&work.root).unwrap_or(path).display().to_string()
}

/// All versions that the project pins, for the table.
pub(crate) fn versions() -> Vec<(&'static str, &'static str, &'static str)> {
    CLIENTS.iter().map(|client| (client.name, client.version, client.language)).collect()
}
