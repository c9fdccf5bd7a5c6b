//! Rules about words in any file: unfinished work, places that exist on one machine only, code behind comments.
//!
//! The words themselves are put together from pieces, so that this file does not find itself.

use super::{File, Finding};

const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];

/// Hosts of package registries: which registry a machine uses is that machine's configuration, not the project's.
const HOSTS: &[&str] = &[
    concat!("repo1.", "maven.org"),
    concat!("repo.", "maven.apache.org"),
    concat!("central.", "sonatype.com"),
    concat!("packages.", "confluent.io"),
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted.org"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("//crates", ".io"),
    concat!("proxy.", "golang.org"),
    concat!("sum.", "golang.org"),
];

const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(crate) fn check(file: &File, findings: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let number = index + 1;
        for word in UNFINISHED {
            if bounded(line, word, |c| c.is_alphanumeric() || c == '_') {
                findings.push(file.finding(
                    number,
                    "unfinished",
                    "finish it, or open an issue and say here what is so",
                ));
            }
        }
        for host in HOSTS {
            if line.contains(host) {
                findings.push(file.finding(
                    number,
                    "registry-host",
                    "name the package and its version; the machine's own configuration knows the registry",
                ));
            }
        }
        for path in MACHINE_PATHS {
            if starts_a_path(line, path) {
                findings.push(file.finding(
                    number,
                    "machine-path",
                    "use a path relative to the repository, or an argument",
                ));
            }
        }
        if file.is_rust() && is_commented_code(line) {
            findings.push(file.finding(number, "commented-code", "delete it: git remembers"));
        }
    }
}

/// Whether `word` stands in `line` with nothing around it that would make it part of a longer one.
fn bounded(line: &str, word: &str, is_part: impl Fn(char) -> bool) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(&is_part)
            && !line[at + word.len()..].chars().next().is_some_and(&is_part)
    })
}

/// An absolute path: a folder of the same name further down is nobody's business.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._-~*})$/".contains(c)))
}

/// A line comment that is a statement. Deliberately narrow: prose must never be taken for code.
fn is_commented_code(line: &str) -> bool {
    line.trim_start().strip_prefix("// ").is_some_and(|rest| {
        rest.trim_end().ends_with(';')
            && ["let ", "use ", "pub ", "return ", "self.", "assert", "mod ", "const "]
                .iter()
                .any(|start| rest.trim_start().starts_with(start))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::rules;
    use super::*;

    #[test]
    fn unfinished_work_is_found_in_any_file() {
        for word in UNFINISHED {
            assert_eq!(rules(&[("docs/a.md", &format!("a\n{word}: b\n"))]), ["docs/a.md:2: unfinished"]);
            assert!(rules(&[("docs/a.md", &format!("{word}S my{word} {word}_A\n"))]).is_empty());
        }
    }

    #[test]
    fn registries_and_machine_paths_are_found() {
        for host in HOSTS {
            assert_eq!(
                rules(&[("compat/a.sh", &format!("curl https://{host}/a\n").replace("////", "//"))]),
                ["compat/a.sh:1: registry-host"],
                "{host}"
            );
        }
        for path in MACHINE_PATHS {
            assert_eq!(rules(&[("compat/a.sh", &format!("cd {path}a\n"))]), ["compat/a.sh:1: machine-path"]);
            assert!(rules(&[("compat/a.sh", &format!("cd compat{path}a $DIR{path}b ${{D}}{path}c\n"))]).is_empty());
        }
    }

    #[test]
    fn statements_behind_comments_are_found_prose_is_not() {
        assert_eq!(rules(&[("xtask/src/a.rs", "//! A.\n    // let a = 1;\n")]), ["xtask/src/a.rs:2: commented-code"]);
        assert!(rules(&[("xtask/src/a.rs", "//! A.\n// use it with care; it bites\n// a; b;\n")]).is_empty());
    }
}
