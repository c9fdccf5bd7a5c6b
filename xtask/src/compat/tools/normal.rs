//! What a command said, without what must differ: ids, times, addresses, stack traces, log lines and pages of help.

use super::cases::Case;
use super::runner::Raw;
use crate::compat::node::Node;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    code: i32,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Said {
    /// None if the two agree.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let mut text = String::new();
        if self.code != other.code {
            let _ = writeln!(text, "  exit code {}, wanted {}", other.code, self.code);
        }
        for (name, wanted, said) in [("stdout", &self.stdout, &other.stdout), ("stderr", &self.stderr, &other.stderr)] {
            if wanted != said {
                let _ = writeln!(text, "  {name}:");
                let missing = wanted.iter().filter(|line| !said.contains(line)).map(|line| format!("    - {line}\n"));
                let added = said.iter().filter(|line| !wanted.contains(line)).map(|line| format!("    + {line}\n"));
                text.extend(missing.chain(added));
                if wanted.len() == said.len() && wanted.iter().all(|line| said.contains(line)) {
                    let _ = writeln!(text, "    (the same lines in another order)");
                }
            }
        }
        Some(text)
    }
}

pub(super) fn normal(raw: &Raw, case: &Case, node: &Node, files: &Path) -> Said {
    if case.only_options {
        // Where help goes, and with which code, differs on purpose: Ottla takes it for no failure.
        let options: BTreeSet<String> = options(&raw.stdout).chain(options(&raw.stderr)).collect();
        return Said { code: 0, stdout: options.into_iter().collect(), stderr: Vec::new() };
    }
    let lines = |text: &str, is_ignored: bool| {
        if is_ignored {
            return Vec::new();
        }
        let mut lines: Vec<_> = without_help(text)
            .into_iter()
            .filter(|line| !is_trace(line) && !case.hidden.iter().any(|hidden| line.contains(hidden)))
            .map(|line| {
                case.blanked.iter().fold(blank(line.trim_end(), node, files), |line, word| without_next(&line, word))
            })
            .collect();
        // An empty line at the end tells nothing.
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        if case.is_sorted {
            lines.sort();
        }
        lines
    };
    Said {
        code: raw.code,
        stdout: lines(&raw.stdout, case.ignores_stdout),
        stderr: lines(&raw.stderr, case.ignores_stderr),
    }
}

/// The names at the beginnings of a help page's lines, but those that Ottla adds.
fn options(text: &str) -> impl Iterator<Item = String> {
    let first = |line: &str| line.split([' ', ',']).next().unwrap_or_default().to_owned();
    // A star marks what is required.
    let lines = text.lines().map(|line| line.strip_prefix("* ").unwrap_or(line));
    let names = lines.filter(|line| line.starts_with("--") && !line.starts_with("---")).map(first);
    names.filter(|name| name != "--json").collect::<Vec<_>>().into_iter()
}

/// The lines before a page of help.
fn without_help(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let kafka = lines.iter().position(|line| line.starts_with("Option  ") || line.starts_with("Option (*"));
    // Ottla's begins with what the command is, an empty line, and the usage.
    let ottla = lines.iter().position(|line| line.starts_with("Usage: ottla")).map(|at| at.saturating_sub(2));
    let end = ottla.or(kafka).unwrap_or(lines.len());
    lines.get(..end).unwrap_or_default().to_vec()
}

/// A line of a stack trace, or of a log.
fn is_trace(line: &str) -> bool {
    let trimmed = line.trim_start();
    let is_class = ["java.", "com.", "org.apache.kafka.", "joptsimple.", "net.sourceforge.", "kafka.", "scala."]
        .iter()
        .any(|package| trimmed.starts_with(package));
    let names_error =
        trimmed.split([':', ' ']).next().is_some_and(|word| word.ends_with("Exception") || word.ends_with("Error"));
    trimmed.starts_with("at ") && line.starts_with(['\t', ' '])
        || trimmed.starts_with("Caused by: ")
        || trimmed.starts_with("Suppressed: ")
        || trimmed.starts_with("... ")
        || (is_class && names_error)
        || trimmed.starts_with("ERROR ")
        || trimmed.starts_with("WARN ")
        || trimmed.starts_with("SLF4J")
        || trimmed.contains(" WARN ")
        || trimmed.contains(" INFO ")
}

/// Puts a word in the place of what stands behind each `word`.
fn without_next(line: &str, word: &str) -> String {
    let mut parts = line.split(word);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let value = part.trim_start();
        let end = match value.starts_with('[') {
            true => value.find(']').map(|end| end + 1),
            false => value.find([' ', ',', ')', '}', ']']),
        };
        let rest = end.map_or("", |end| &value[end..]);
        text += &format!("{word} <hidden>{rest}");
    }
    text
}

/// Puts a word in the place of what differs from run to run.
fn blank(line: &str, node: &Node, files: &Path) -> String {
    let line = line.replace(&files.display().to_string(), "<files>");
    let line = line.replace(&node.data().display().to_string(), "<data>");
    let line = line.replace(&node.more().display().to_string(), "<more>");
    let line = line.replace(&node.bootstrap(), "<broker>").replace(&node.controller(), "<controller>");
    let mut line = line;
    for address in [node.bootstrap(), node.controller()] {
        line = without_number(&line, address.rsplit(':').next().unwrap_or_default(), "<port>");
    }
    let mut text = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, text: &mut String| {
        text.push_str(if is_id(word) {
            "<id>"
        } else if is_time(word) {
            "<time>"
        } else {
            word
        });
        word.clear();
    };
    for letter in line.chars() {
        if letter.is_ascii_alphanumeric() || letter == '-' || letter == '_' {
            word.push(letter);
        } else {
            flush(&mut word, &mut text);
            text.push(letter);
        }
    }
    flush(&mut word, &mut text);
    text
}

/// Puts a word in the place of a number, where that is not part of a longer one, such as a checksum.
fn without_number(line: &str, number: &str, word: &str) -> String {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let (mut text, mut rest) = (String::new(), line);
    while let Some(at) = rest.find(number).filter(|_| !number.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + number.len()..]);
        let is_part = is_digit(before.as_bytes().last()) || is_digit(after.as_bytes().first());
        text = text + before + if is_part { number } else { word };
        rest = after;
    }
    text + rest
}

/// 16 bytes in base64, as Kafka writes its ids.
fn is_id(word: &str) -> bool {
    word.len() == 22 && word.chars().any(|c| c.is_ascii_uppercase()) && word.chars().any(|c| c.is_ascii_lowercase())
}

/// Milliseconds of these years.
fn is_time(word: &str) -> bool {
    word.len() == 13 && word.starts_with('1') && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_a_checksum() {
        let line = "crc: 4241924600 at 127.0.0.1:42419, 142419 (42419)";
        let blanked = "crc: 4241924600 at 127.0.0.1:<port>, 142419 (<port>)";
        assert_eq!(without_number(line, "42419", "<port>"), blanked);
    }
}
