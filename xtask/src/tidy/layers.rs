//! Arrows between crates point to lower numbers only; crates of one number do not see each other.
//!
//! Read from each crate's Cargo.toml. Dev-dependencies are free: tests may look anywhere. `sim` may see every
//! crate and none may see it.

use super::{File, Finding};

const RULE: &str = "layers";

/// The table of docs/architecture.md. A crate that is not here has no place in the house yet.
const LEVELS: &[(&str, u8)] = &[
    ("machine", 0),
    ("wire", 0),
    ("security", 1),
    ("log", 1),
    ("raft", 1),
    ("quota", 1),
    ("link", 2),
    ("metadata", 2),
    ("replica", 2),
    ("coordinator", 2),
    ("group", 3),
    ("txn", 3),
    ("share", 3),
    ("broker", 4),
    ("io", 4),
    ("server", 5),
    ("client", 5),
    ("streams", 6),
    ("connect", 6),
    ("registry", 6),
    ("mirror", 6),
    ("ottla", 6),
    ("tools", 7),
    ("console", 7),
    ("sim", u8::MAX),
];

pub(crate) fn level(folder: &str) -> Option<u8> {
    LEVELS.iter().find(|(name, _)| *name == folder).map(|(_, level)| *level)
}

/// Whether a file belongs to a machine: no sockets, clocks, threads or randomness there.
pub(crate) fn is_pure(path: &str) -> bool {
    let Some((folder, rest)) = path.strip_prefix("crates/").and_then(|path| path.split_once('/')) else {
        return false;
    };
    match folder {
        "io" => false,
        // Sessions are machines; the shell around them is not.
        "client" => rest.starts_with("src/") && !rest.starts_with("src/shell"),
        _ => level(folder).is_some_and(|level| level <= 4),
    }
}

pub(crate) fn check(tree: &[File], findings: &mut Vec<Finding>) {
    for file in tree {
        let Some(folder) = file
            .path
            .strip_prefix("crates/")
            .and_then(|path| path.strip_suffix("/Cargo.toml"))
            .filter(|folder| !folder.contains('/'))
        else {
            continue;
        };
        check_crate(file, folder, findings);
    }
}

fn check_crate(file: &File, folder: &str, findings: &mut Vec<Finding>) {
    let Some(own) = level(folder) else {
        findings.push(file.finding(
            1,
            RULE,
            format!("give '{folder}' a number in xtask/src/tidy/layers.rs and in docs/architecture.md"),
        ));
        return;
    };
    let manifest = Manifest::parse(&file.text);
    let name = package(folder);
    if manifest.name.as_deref() != Some(&*name) {
        findings.push(file.finding(1, RULE, format!("name the package '{name}'")));
    }
    for (line, dependency) in manifest.dependencies {
        let Some(target) = dependency.strip_prefix("ottla-").or_else(|| (dependency == FRONT).then_some(FRONT)) else {
            continue;
        };
        let advice = match level(target) {
            None => format!("'{target}' has no number in xtask/src/tidy/layers.rs"),
            Some(u8::MAX) => format!("nothing may depend on '{target}': make it a dev-dependency"),
            Some(level) if level < own => continue,
            Some(level) if level == own => format!(
                "'{folder}' and '{target}' are both of level {own} and must not see each other: ask for a trait, or move what both need below"
            ),
            Some(level) => format!(
                "'{folder}' (level {own}) must not see '{target}' (level {level}): arrows point to lower numbers only"
            ),
        };
        findings.push(file.finding(line, RULE, advice));
    }
}

/// The crate that other people's programs depend on: it has the project's own name.
const FRONT: &str = "ottla";

fn package(folder: &str) -> String {
    if folder == FRONT { FRONT.to_owned() } else { format!("ottla-{folder}") }
}

/// As much of a Cargo.toml as the rule needs.
struct Manifest {
    name: Option<String>,
    /// Line and package of every dependency but the dev ones.
    dependencies: Vec<(usize, String)>,
}

impl Manifest {
    fn parse(text: &str) -> Self {
        let mut manifest = Self { name: None, dependencies: Vec::new() };
        let mut section = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').trim().to_owned();
                // A table of its own: [dependencies.ottla-log]
                if let Some((table, name)) = section.rsplit_once('.')
                    && is_dependency_table(table)
                {
                    manifest.dependencies.push((index + 1, name.to_owned()));
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let key = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
            if section == "package" && key == "name" {
                manifest.name = Some(value.trim().trim_matches('"').to_owned());
            } else if is_dependency_table(&section) {
                manifest.dependencies.push((index + 1, renamed(value).unwrap_or(key).to_owned()));
            }
        }
        manifest
    }
}

fn is_dependency_table(section: &str) -> bool {
    let table = section.rsplit('.').next().unwrap_or_default();
    table == "dependencies" || table == "build-dependencies"
}

/// `{ package = "ottla-log", … }`: the package behind another name.
fn renamed(value: &str) -> Option<&str> {
    let rest = value.split_once("package")?.1.trim_start();
    rest.strip_prefix('=')?.trim_start().strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &str, dependencies: &str) -> Vec<(usize, String)> {
        let tree = [File {
            path: format!("crates/{folder}/Cargo.toml"),
            text: format!("[package]\nname = \"ottla-{folder}\"\n{dependencies}"),
        }];
        let mut findings = Vec::new();
        check(&tree, &mut findings);
        findings.into_iter().map(|f| (f.line, f.advice)).collect()
    }

    #[test]
    fn arrows_point_down() {
        assert!(found("replica", "[dependencies]\nottla-log.workspace = true\ntokio = \"1\"\n").is_empty());
        let up = found("log", "[dependencies]\nottla-replica = { path = \"../replica\" }\n");
        assert_eq!(up.len(), 1);
        assert_eq!(up[0].0, 4);
        assert!(up[0].1.contains("lower numbers only"), "{}", up[0].1);
    }

    #[test]
    fn one_level_does_not_see_itself() {
        assert!(found("log", "[dependencies]\nottla-raft.workspace = true\n")[0].1.contains("must not see each other"));
        assert_eq!(found("broker", "[build-dependencies.ottla-io]\nworkspace = true\n").len(), 1);
        assert_eq!(found("log", "[target.'cfg(unix)'.dependencies]\nottla-raft = \"1\"\n").len(), 1);
    }

    #[test]
    fn another_name_hides_nothing() {
        assert_eq!(found("log", "[dependencies]\nr = { package = \"ottla-raft\", version = \"1\" }\n").len(), 1);
    }

    #[test]
    fn tests_may_look_anywhere_but_nothing_depends_on_the_simulator() {
        assert!(found("log", "[dev-dependencies]\nottla-sim.workspace = true\n").is_empty());
        assert_eq!(found("tools", "[dependencies]\nottla-sim.workspace = true\n").len(), 1);
        assert!(found("sim", "[dependencies]\nottla-tools.workspace = true\n").is_empty());
    }

    #[test]
    fn a_crate_without_a_number_is_refused() {
        assert!(found("utils", "")[0].1.contains("give 'utils' a number"));
    }

    #[test]
    fn purity_follows_the_level() {
        assert!(is_pure("crates/broker/src/lib.rs"));
        assert!(is_pure("crates/client/src/session/mod.rs"));
        assert!(!is_pure("crates/client/src/shell/mod.rs"));
        assert!(!is_pure("crates/io/src/lib.rs"));
        assert!(!is_pure("crates/server/src/lib.rs"));
        assert!(!is_pure("xtask/src/main.rs"));
    }
}
