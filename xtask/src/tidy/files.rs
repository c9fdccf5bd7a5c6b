//! Rules about whole files: an opening line, a bounded length, and a top level that a newcomer can read.

use super::{File, Finding};

/// Files above this hold a second idea.
const LINES_MAX: usize = 600;

/// `path lines`, one a line: files that were longer when the rule came. They may shrink, not grow.
pub(crate) const SIZE_EXCEPTIONS: &str = include_str!("size-exceptions.txt");

const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".dockerignore",
    ".gitattributes",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "NOTICE",
    "README.md",
    "SECURITY.md",
    "bench",
    "bin",
    "clippy.toml",
    "compat",
    "config",
    "crates",
    "deny.toml",
    "docs",
    "fuzz",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "xtask",
];

pub(crate) fn check(tree: &[File], size_exceptions: &str, findings: &mut Vec<Finding>) {
    for file in tree {
        let top = file.path.split('/').next().unwrap_or_default();
        if !TOP_LEVEL.contains(&top) {
            findings.push(file.finding(
                1,
                "top-level",
                format!(
                    "'{top}' does not belong at the top: find it a place below, or add it to xtask/src/tidy/files.rs"
                ),
            ));
        }
        if file.is_rust() {
            if !file.text.starts_with("//!") {
                findings.push(file.finding(
                    1,
                    "doc",
                    "open with //!: what the file is, its invariants, what it deliberately lacks",
                ));
            }
            size(file, size_exceptions, findings);
        }
    }
    stale_exceptions(tree, size_exceptions, findings);
}

fn size(file: &File, exceptions: &str, findings: &mut Vec<Finding>) {
    if is_generated(file) {
        return;
    }
    let lines = file.text.lines().count();
    let allowed = exception(exceptions, &file.path).unwrap_or(LINES_MAX);
    if lines > allowed {
        findings.push(file.finding(
            allowed + 1,
            "size",
            format!("{lines} lines, {allowed} allowed: look for the second idea in the file"),
        ));
    }
}

fn stale_exceptions(tree: &[File], exceptions: &str, findings: &mut Vec<Finding>) {
    for (index, line) in exceptions.lines().enumerate() {
        let path = line.split_whitespace().next().unwrap_or_default();
        let needed = tree.iter().any(|file| file.path == path && file.text.lines().count() > LINES_MAX);
        if !needed {
            findings.push(Finding {
                path: "xtask/src/tidy/size-exceptions.txt".to_owned(),
                line: index + 1,
                rule: "size",
                advice: format!("'{path}' needs no exception any more: remove the line"),
            });
        }
    }
}

fn exception(exceptions: &str, path: &str) -> Option<usize> {
    exceptions.lines().find_map(|line| {
        let (listed, lines) = line.split_once(' ')?;
        (listed == path).then(|| lines.trim().parse().ok())?
    })
}

fn is_generated(file: &File) -> bool {
    file.path.starts_with("crates/wire/src/messages/")
        && file.text.lines().next().is_some_and(|line| line.to_ascii_lowercase().contains("generated"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::rules;
    use super::*;

    #[test]
    fn every_rust_file_opens_with_its_purpose() {
        assert_eq!(
            rules(&[("crates/log/src/a.rs", "use b;\n"), ("xtask/src/b.rs", "//! B.\n")]),
            ["crates/log/src/a.rs:1: doc"]
        );
    }

    #[test]
    fn the_top_level_is_for_newcomers() {
        assert_eq!(
            rules(&[("PLAN.md", ""), ("docs/style.md", ""), ("notes/a.md", "")]),
            ["PLAN.md:1: top-level", "notes/a.md:1: top-level"]
        );
    }

    #[test]
    fn long_files_are_found_generated_ones_are_not() {
        let long = format!("//! Generated.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(
            rules(
                &[("crates/wire/src/messages/fetch.rs", long.as_str()), ("crates/wire/src/fetch.rs", long.as_str()),]
            ),
            ["crates/wire/src/fetch.rs:601: size"]
        );
    }

    #[test]
    fn an_exception_may_shrink_but_not_grow_or_outlive_its_need() {
        let sized = |lines: usize| {
            let file = File { path: "xtask/src/a.rs".to_owned(), text: format!("//! A.\n{}", "\n".repeat(lines - 1)) };
            let mut findings = Vec::new();
            check(&[file], "xtask/src/a.rs 700\n", &mut findings);
            findings.into_iter().map(|f| f.path).collect::<Vec<_>>()
        };
        assert_eq!(sized(701), ["xtask/src/a.rs"]);
        assert!(sized(650).is_empty());
        assert_eq!(sized(600), ["xtask/src/tidy/size-exceptions.txt"]);
    }

    #[test]
    fn the_exception_list_is_empty() {
        assert_eq!(SIZE_EXCEPTIONS, "");
    }
}
