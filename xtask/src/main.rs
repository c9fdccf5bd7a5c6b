//! Everything a developer types: `cargo xtask ci`, `tidy`, `codegen`, `compat`, `bench`.

mod ci;
mod tidy;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask <command>

  ci        install what is needed, then format, lint, tidy, test and run compat/
  tidy      the house's rules: layers, bans, sizes, words";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("ci") => ci::run(),
        Some("tidy") => tidy::run(),
        Some(other) => bail!("unknown command '{other}'\n{USAGE}"),
        None => bail!("{USAGE}"),
    }
}
