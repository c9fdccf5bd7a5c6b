//! `cargo xtask tidy`: the rules of the house, held by a program, so that reviews need not.
//!
//! It reads the committed and the not yet ignored files once and prints each finding as
//! `path:line: rule: what to do`. It knows Rust only as far as its lexer does: no types, no macros expanded.
//! What the compiler or clippy can say (unwrap, dbg!, todo!) is left to them.

mod banned;
mod files;
mod layers;
mod source;
mod text;

use anyhow::{Context, Result, bail, ensure};
use std::fmt;
use std::path::Path;
use std::process::Command;

/// One place that breaks one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// A file of the repository, by its path from the top, with forward slashes.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn finding(&self, line: usize, rule: &'static str, advice: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, rule, advice: advice.into() }
    }
}

pub(crate) fn run() -> Result<()> {
    let findings = check(&read_tree(&crate::root())?, files::SIZE_EXCEPTIONS);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        n => bail!("tidy: {n} finding{}", if n == 1 { "" } else { "s" }),
    }
}

/// Every rule over every file; the findings sorted by place.
fn check(tree: &[File], size_exceptions: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    layers::check(tree, &mut findings);
    files::check(tree, size_exceptions, &mut findings);
    for file in tree {
        text::check(file, &mut findings);
        if file.is_rust() {
            let source = source::Source::lex(&file.path, &file.text);
            banned::check(file, &source, &mut findings);
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// Committed files and new ones that git does not ignore. Files that are not text are of no interest here.
fn read_tree(root: &Path) -> Result<Vec<File>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run git: tidy asks it which files belong to the repository")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    let listing = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
    let mut tree = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        let text = match std::fs::read(root.join(path)) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            // Deleted, but the deletion is not committed yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        };
        tree.push(File { path: path.to_owned(), text });
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings for a small tree, as `path:line: rule`.
    pub(crate) fn rules(tree: &[(&str, &str)]) -> Vec<String> {
        let tree: Vec<File> =
            tree.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
        check(&tree, "").iter().map(|f| format!("{}:{}: {}", f.path, f.line, f.rule)).collect()
    }

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let found = rules(&[
            ("README.md", "# A house\n"),
            ("crates/log/Cargo.toml", "[package]\nname = \"ottla-log\"\n[dependencies]\nottla-wire.workspace = true\n"),
            ("crates/log/src/lib.rs", "//! A log.\nuse std::collections::BTreeMap;\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn findings_come_sorted_and_say_what_to_do() {
        let finding = Finding { path: "a.rs".into(), line: 3, rule: "doc", advice: "open with //!".into() };
        assert_eq!(finding.to_string(), "a.rs:3: doc: open with //!");
        assert_eq!(
            rules(&[("z.rs", "\n"), ("a.rs", "\n")]),
            ["a.rs:1: doc", "a.rs:1: top-level", "z.rs:1: doc", "z.rs:1: top-level"]
        );
    }
}
