//! `ottla` alone. Where the environment is that of a container, it does what the entry of Kafka's image does; elsewhere it
//! is a node for those who want to try: it formats its own directory, and says what to type next.

use super::server_start::{Started, format_if_alone, raise_open_files, start_log};
use super::{load, properties};
use crate::cli::{Done, Failure};
use anyhow::{Context, Result};
use ottla_server::config::{Container, Origin, SECRET_FILES, SECRETS, Variables, embedded};
use ottla_server::storage::{self, FormatOptions};
use std::path::Path;
use std::time::Instant;

/// Where Kafka's image looks for a properties file of the user's.
const MOUNTED: &str = "/mnt/shared/config/server.properties";

/// Where a node without a file keeps its data.
const EMBEDDED_DATA: &str = "data";

pub(crate) fn run() -> Done {
    start_and_wait().map_err(Failure::error)?
}

fn start_and_wait() -> Result<Done> {
    let mounted = Path::new(MOUNTED);
    let mounted = if mounted.exists() { Some(properties(mounted)?) } else { None };
    // What is no text is no variable of ours.
    let variables: Variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match Container::read(&variables, mounted) {
        Some(container) => run_container(container, &variables),
        None => run_embedded(),
    }
}

/// Formats what is not formatted, under the cluster's id, and starts.
fn run_container(mut container: Container, variables: &Variables) -> Result<Done> {
    let begun = Instant::now();
    start_log();
    raise_open_files();
    for (variable, key) in SECRET_FILES {
        let Some(name) = variables.get(variable).filter(|name| !name.is_empty()) else { continue };
        let path = Path::new(SECRETS).join(name);
        let secret = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        container.properties.set(key, secret.trim_end_matches(['\r', '\n']), Origin::Variable(variable.to_owned()));
    }
    let config = load(&container.properties)?;
    let cluster_id = container.cluster_id;
    if storage::stands_alone(&config) {
        print!("{}", storage::format_alone(&config, Some(&cluster_id)).map_err(anyhow::Error::msg)?);
    } else {
        let options = FormatOptions { cluster_id, ignore_formatted: true, ..FormatOptions::default() };
        print!("{}", storage::format(&config, &options).map_err(anyhow::Error::msg)?);
    }
    let started = Started::new(&config)?;
    started.announce(&mut std::io::stdout(), begun)?;
    started.wait()
}

fn run_embedded() -> Result<Done> {
    let begun = Instant::now();
    start_log();
    raise_open_files();
    let data = std::env::current_dir().context("there is no current directory")?.join(EMBEDDED_DATA);
    let config = load(&embedded(&data.to_string_lossy()))?;
    format_if_alone(&config, None)?;
    let started = Started::new(&config)?;
    started.announce(&mut std::io::stdout(), begun)?;
    println!();
    println!("  data       {}", data.display());
    println!("  bootstrap  localhost:9092");
    println!();
    let program = std::env::args().next().unwrap_or_else(|| "ottla".to_owned());
    println!("Now, in another terminal, with any Kafka client or with Kafka's own commands:");
    println!("  echo 'Hello Kafka' | {program} console-producer --topic greetings");
    println!("  {program} console-consumer --topic greetings --from-beginning");
    println!("  {program} --help");
    println!("Ctrl-C stops the node.");
    started.wait()
}
