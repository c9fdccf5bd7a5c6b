//! `cargo xtask examples`: the tests that `docs/testing` shows, as they stand there, with the toolchains that they are for.

use crate::compat::{Work, install, ottla_binary};
use anyhow::{Result, bail, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

struct Example {
    name: &'static str,
    tools: &'static [&'static str],
    run: fn(&Work, &Path, &Path) -> Result<()>,
}

const EXAMPLES: &[Example] = &[
    Example { name: "pytest", tools: &["python3"], run: pytest },
    Example { name: "go", tools: &["go"], run: go },
    Example { name: "junit", tools: &["java", "mvn"], run: junit },
];

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let only = match args {
        [] => None,
        [option, name] if option == "--only" => Some(name.as_str()),
        _ => bail!("usage: cargo xtask examples [--only pytest|go|junit]"),
    };
    let work = Work::new(root)?;
    let ottla = ottla_binary(&work)?;
    for example in EXAMPLES.iter().filter(|example| only.is_none_or(|only| only == example.name)) {
        if let Some(missing) = example.tools.iter().find(|tool| !install::on_path(tool)) {
            ensure!(std::env::var_os("CI").is_none(), "{missing} is not installed");
            println!("skipped: the example for {} needs {missing}", example.name);
            continue;
        }
        let began = Instant::now();
        (example.run)(&work, &root.join("docs/testing").join(example.name), &ottla)?;
        println!("docs/testing/{} passes ({:.1} s)", example.name, began.elapsed().as_secs_f64());
    }
    Ok(())
}

fn pytest(work: &Work, dir: &Path, ottla: &Path) -> Result<()> {
    let venv = work.dir.join("examples-python");
    install::python_environment(work, &venv, &dir.join("requirements.txt"))?;
    let mut pytest = Command::new(venv.join("bin/python"));
    pytest.current_dir(dir).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    pytest.env("OTTLA_BINARY", ottla).env("PYTHONDONTWRITEBYTECODE", "1");
    install::quietly(work, "example-pytest", &mut pytest)
}

fn go(work: &Work, dir: &Path, ottla: &Path) -> Result<()> {
    let mut go = Command::new("go");
    go.current_dir(dir).args(["test", "-count=1", "./..."]).env("OTTLA_BINARY", ottla);
    install::own_go_caches(work, &mut go);
    install::quietly(work, "example-go", &mut go)
}

fn junit(work: &Work, dir: &Path, ottla: &Path) -> Result<()> {
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "test"]).arg("-f").arg(dir.join("pom.xml"));
    maven.arg(format!("-Dmaven.repo.local={}", work.dir.join("m2").display()));
    // Not beside the sources: a checkout stays as it is.
    maven.arg(format!("-Dexample.target={}", work.dir.join("examples-junit").display()));
    maven.env("OTTLA_BINARY", ottla);
    install::quietly(work, "example-junit", &mut maven)
}
