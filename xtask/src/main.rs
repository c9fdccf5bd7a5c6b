//! Everything a developer types: `cargo xtask ci`, `tidy`, `codegen`, `compat`, `bench`.

mod ci;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask <command>

  ci        install what is needed, then format, lint, tidy, test and run compat/";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("ci") => ci::run(),
        Some(other) => bail!("unknown command '{other}'\n{USAGE}"),
        None => bail!("{USAGE}"),
    }
}
