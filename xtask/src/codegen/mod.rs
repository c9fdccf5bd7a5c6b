//! `cargo xtask codegen`: the schema files of `crates/wire/schema` become `crates/wire/src/messages/`. The output is
//! committed; `--check` fails when it is not what the schemas say.

mod emit;
mod json;
mod modules;
pub(crate) mod schema;

use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCHEMAS: &str = "crates/wire/schema";
const OUTPUT: &str = "crates/wire/src/messages";

/// Writes the generated files, or compares them when `check` is set.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    let schemas = schema::read_all(&root.join(SCHEMAS)).map_err(|e| anyhow!(e))?;
    let errors = std::fs::read_to_string(root.join(SCHEMAS).join("errors.txt"))?;
    let mut files = BTreeMap::new();
    for (folder, schema) in &schemas {
        files
            .insert(PathBuf::from(format!("{folder}/{}.rs", emit::snake(&schema.name))), emit::message(folder, schema));
    }
    files.extend(modules::all(&schemas));
    files.insert(PathBuf::from("errors.rs"), modules::errors(&errors)?);
    let formatted = format_all(root, files)?;
    let output = root.join(OUTPUT);
    if check {
        return compare(&output, &formatted);
    }
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    for (path, text) in &formatted {
        let path = output.join(path);
        std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        std::fs::write(path, text)?;
    }
    println!("{} files written to {OUTPUT}", formatted.len());
    Ok(())
}

fn compare(output: &Path, wanted: &BTreeMap<PathBuf, String>) -> Result<()> {
    for (path, text) in wanted {
        if std::fs::read_to_string(output.join(path)).ok().as_ref() != Some(text) {
            bail!("{OUTPUT}/{} is not what its schema says: run cargo xtask codegen", path.display());
        }
    }
    Ok(())
}

/// rustfmt decides how it looks, so that `cargo fmt --check` holds for generated files too.
fn format_all(root: &Path, files: BTreeMap<PathBuf, String>) -> Result<BTreeMap<PathBuf, String>> {
    let scratch = root.join("target/codegen");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    for (path, text) in &files {
        let path = scratch.join(path);
        std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        std::fs::write(&path, text)?;
    }
    // The topmost module leads rustfmt to all the others.
    let ok = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root.join("rustfmt.toml"))
        .arg(scratch.join("mod.rs"))
        .status()
        .context("cannot run rustfmt: is it installed? (rustup component add rustfmt)")?
        .success();
    if !ok {
        bail!("rustfmt refused the generated files in {}", scratch.display());
    }
    files.into_keys().map(|path| Ok((path.clone(), std::fs::read_to_string(scratch.join(&path))?))).collect()
}
