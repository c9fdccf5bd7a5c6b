//! Java's `.properties` format, with the line each value came from.
//!
//! Read as Java's `Properties.load(InputStream)` does, which is how Kafka reads its files: bytes are Latin-1, other
//! characters are `\uXXXX`; comments, continued lines, and `=`, `:` or blanks between key and value. A later value of
//! a key replaces an earlier one.

use std::collections::BTreeMap;
use std::fmt;

/// Keys and values, and where each stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: BTreeMap<String, (String, Origin)>,
}

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The line of the file on which the key stands, from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
    /// `--override` on the command line.
    Override,
    /// By the program itself.
    Program,
}

/// A `\u` that is not followed by four hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: \\u must be followed by four hexadecimal digits")]
pub struct MalformedEscape {
    pub line: usize,
}

/// An `--override` without an equals sign, or without a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--override wants key=value, not '{0}'")]
pub struct MalformedOverride(pub String);

impl Properties {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedEscape> {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let mut properties = Self::new();
        for (line, logical) in logical_lines(&text) {
            let (key, value) = split(&logical);
            let key = unescape(key).ok_or(MalformedEscape { line })?;
            let value = unescape(value).ok_or(MalformedEscape { line })?;
            properties.set(key, value, Origin::Line(line));
        }
        Ok(properties)
    }

    /// Takes over an `--override key=value`, in the order of the command line.
    pub fn apply_override(&mut self, argument: &str) -> Result<(), MalformedOverride> {
        match argument.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                self.set(key.trim(), value.trim(), Origin::Override);
                Ok(())
            }
            _ => Err(MalformedOverride(argument.to_owned())),
        }
    }

    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.entries.insert(key.into(), (value.into(), origin));
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|(value, _)| value.as_str())
    }

    pub fn origin(&self, key: &str) -> Option<Origin> {
        self.entries.get(key).map(|(_, origin)| origin.clone())
    }

    /// In the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Origin)> {
        self.entries.iter().map(|(key, (value, origin))| (key.as_str(), value.as_str(), origin))
    }
}

/// Written so that Java reads back the same.
impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value, _) in self.iter() {
            writeln!(f, "{}={}", escape(key, Part::Key), escape(value, Part::Value))?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Key,
    Value,
}

fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, unit) in text.encode_utf16().enumerate() {
        match u8::try_from(unit).map(char::from) {
            // Blanks end a key; in a value only the first could be taken for the separator.
            Ok(' ') if part == Part::Key || at == 0 => out.push_str("\\ "),
            Ok('\t') => out.push_str("\\t"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\r') => out.push_str("\\r"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok(c @ ('\\' | '=' | ':' | '#' | '!')) => out.extend(['\\', c]),
            Ok(c @ ' '..='~') => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04X}")),
        }
    }
    out
}

/// Lines with their continuations joined, without comments and blank lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').enumerate();
    let mut logical = Vec::new();
    while let Some((index, line)) = lines.next() {
        let mut line = line.trim_start_matches(is_blank).to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while ends_in_continuation(&line) {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push_str(next.trim_start_matches(is_blank));
        }
        // A lone backslash before an empty line is an empty line.
        if !line.is_empty() {
            logical.push((index + 1, line));
        }
    }
    logical
}

fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Key and value, both still escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (is_blank(*c) || matches!(c, '=' | ':'));
            escaped = *c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

pub(super) fn unescape(text: &str) -> Option<String> {
    // UTF-16 units: a character beyond the first plane is written as two escapes.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let mut push = |c: char| units.extend(c.encode_utf16(&mut [0; 2]).iter());
        if c != '\\' {
            push(c);
            continue;
        }
        match chars.next() {
            Some('t') => push('\t'),
            Some('n') => push('\n'),
            Some('r') => push('\r'),
            Some('f') => push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let hexadecimal = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| hexadecimal)?);
            }
            Some(other) => push(other),
            None => {}
        }
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String, usize)> {
        Properties::parse(text.as_bytes())
            .unwrap()
            .iter()
            .map(|(k, v, origin)| match origin {
                Origin::Line(line) => (k.to_owned(), v.to_owned(), *line),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = parsed(text);
        assert_eq!(all.len(), 1, "{text:?}: {all:?}");
        let (key, value, _) = all.remove(0);
        (key, value)
    }

    #[test]
    fn separators_and_blanks_are_javas() {
        for text in ["a=b", "a:b", "a b", " a = b", "a\t:  b", "a  b", "\u{c}a=b"] {
            assert_eq!(one(text), ("a".into(), "b".into()), "{text:?}");
        }
        assert_eq!(one("a==b"), ("a".into(), "=b".into()));
        assert_eq!(one("a = b  "), ("a".into(), "b  ".into()), "blanks at the end belong to the value");
        assert_eq!(one("a"), ("a".into(), String::new()));
        assert_eq!(one("=b"), (String::new(), "b".into()));
        assert_eq!(one("a\\=\\ \\:=b"), ("a= :".into(), "b".into()));
    }

    #[test]
    fn comments_continuations_and_lines() {
        let text = "# one\\\n! two\n\n  a=1,\\\n   2,\\\r\n\t3\r\nb=2\\\\\nc=\\\n# not a comment\na=later\n";
        assert_eq!(
            parsed(text),
            [
                ("a".into(), "later".into(), 10),
                ("b".into(), "2\\".into(), 7),
                ("c".into(), "# not a comment".into(), 8),
            ]
        );
        assert_eq!(one("a=1\\"), ("a".into(), "1".into()));
    }

    #[test]
    fn escapes_and_latin_1() {
        assert_eq!(one("a=\\u00e9\\t\\q\\uD83D\\uDE00"), ("a".into(), "é\tq😀".into()));
        let latin_1 = Properties::parse(b"a=\xe9").unwrap();
        assert_eq!(latin_1.get("a"), Some("é"));
        for text in ["\n a=\\u12", "\na=\\u12g4", "\n\\u+123=a"] {
            assert_eq!(Properties::parse(text.as_bytes()), Err(MalformedEscape { line: 2 }), "{text}");
        }
    }

    #[test]
    fn overrides_come_last() {
        let mut properties = Properties::parse(b"a=1\nb=2").unwrap();
        properties.apply_override("a= 3=4 ").unwrap();
        assert_eq!(properties.get("a"), Some("3=4"));
        assert_eq!(properties.origin("a"), Some(Origin::Override));
        assert_eq!(properties.origin("b"), Some(Origin::Line(2)));
        assert!(properties.apply_override("a").is_err());
        assert!(properties.apply_override("=1").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut properties = Properties::new();
        for (key, value) in [("a b=c", " x  y"), ("é😀", "line\nbreak\\"), ("#k", "!v:w"), ("", "")] {
            properties.set(key, value, Origin::Program);
        }
        let text = properties.to_string();
        assert!(text.is_ascii());
        let back = Properties::parse(text.as_bytes()).unwrap();
        let pairs = |p: &Properties| -> Vec<(String, String)> {
            p.iter().map(|(k, v, _)| (k.to_owned(), v.to_owned())).collect()
        };
        assert_eq!(pairs(&back), pairs(&properties));
    }
}
