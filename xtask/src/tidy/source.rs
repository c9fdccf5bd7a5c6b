//! A Rust file as the rules see it: without the insides of comments and literals, and with its tests told apart.
//!
//! Line and byte positions stay those of the file. This is a lexer, not a parser: it knows comments, strings,
//! characters, lifetimes and braces.

/// Source with comments and literals blanked out.
pub(crate) struct Source {
    code: Vec<u8>,
    /// Byte ranges of items under `#[cfg(test)]`, in order.
    tests: Vec<(usize, usize)>,
    /// Start of each line.
    lines: Vec<usize>,
}

/// A piece of code that a rule asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) at: usize,
    pub(crate) line: usize,
    pub(crate) in_test: bool,
}

impl Source {
    pub(crate) fn lex(path: &str, text: &str) -> Self {
        let code = blank(text.as_bytes());
        let lines = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1))
            .collect();
        let tests = if is_test_path(path) { vec![(0, code.len())] } else { test_items(&code) };
        Self { code, tests, lines }
    }

    pub(crate) fn code(&self) -> &[u8] {
        &self.code
    }

    pub(crate) fn hit(&self, at: usize) -> Hit {
        Hit {
            at,
            line: self.lines.partition_point(|start| *start <= at),
            in_test: self.tests.iter().any(|(from, to)| (*from..*to).contains(&at)),
        }
    }

    /// Where `needle` stands in code, not as the tail or head of a longer name.
    pub(crate) fn words(&self, needle: &str) -> Vec<Hit> {
        let needle = needle.as_bytes();
        let mut hits = Vec::new();
        let mut from = 0;
        while let Some(found) = find(&self.code[from..], needle) {
            let (start, end) = (from + found, from + found + needle.len());
            let head = needle.first().is_some_and(|b| is_word(*b)) && start > 0 && is_word(self.code[start - 1]);
            let tail = needle.last().is_some_and(|b| is_word(*b)) && self.code.get(end).is_some_and(|b| is_word(*b));
            if !head && !tail {
                hits.push(self.hit(start));
            }
            from = start + 1;
        }
        hits
    }

    /// All paths that `use` declarations bring in, spelled out, groups expanded.
    pub(crate) fn uses(&self) -> Vec<(Hit, String)> {
        let mut paths = Vec::new();
        for hit in self.words("use") {
            let rest = &self.code[hit.at + 3..];
            let Some(end) = rest.iter().position(|b| *b == b';') else {
                continue;
            };
            let tree = String::from_utf8_lossy(&rest[..end]);
            let mut found = Vec::new();
            expand("", tree.trim(), &mut found);
            paths.extend(found.into_iter().map(|path| (hit, path)));
        }
        paths
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_test_path(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let file = parts.next().unwrap_or_default();
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    stem == "tests" || stem.ends_with("_tests") || parts.any(|p| p == "tests" || p == "benches")
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// `a::{b, c::{d, e as f}}` → `a::b`, `a::c::d`, `a::c::e`.
fn expand(prefix: &str, tree: &str, out: &mut Vec<String>) {
    let Some(open) = tree.find('{') else {
        let path = tree.split_whitespace().next().unwrap_or_default();
        if !path.is_empty() {
            out.push(format!("{prefix}{}", path.trim_start_matches("::")));
        }
        return;
    };
    let prefix = format!("{prefix}{}", tree[..open].trim().trim_start_matches("::"));
    let inner = tree[open + 1..].trim_end();
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut start) = (0usize, 0usize);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                expand(&prefix, inner[start..at].trim(), out);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, inner[start..].trim(), out);
}

/// Comments and the insides of literals become spaces; newlines stay.
fn blank(text: &[u8]) -> Vec<u8> {
    let mut code = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let end = match text[at] {
            b'/' if text.get(at + 1) == Some(&b'/') => {
                at + text[at..].iter().position(|b| *b == b'\n').unwrap_or(text.len() - at)
            }
            b'/' if text.get(at + 1) == Some(&b'*') => block_comment_end(text, at),
            b'"' => string_end(text, at),
            b'r' if (at == 0 || !is_word(text[at - 1]) || text[at - 1] == b'b' || text[at - 1] == b'c')
                && raw_string_end(text, at).is_some() =>
            {
                raw_string_end(text, at).unwrap_or(at + 1)
            }
            b'\'' => char_end(text, at).unwrap_or(at + 1),
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    code
}

fn block_comment_end(text: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0usize, start);
    while at + 1 < text.len() {
        match &text[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn raw_string_end(text: &[u8], start: usize) -> Option<usize> {
    let hashes = text[start + 1..].iter().take_while(|b| **b == b'#').count();
    if text.get(start + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = start + 2 + hashes;
    Some(find(&text[body..], &close).map_or(text.len(), |at| body + at + close.len()))
}

/// The end of a character literal, or `None` where the quote begins a lifetime.
fn char_end(text: &[u8], start: usize) -> Option<usize> {
    if text.get(start + 1) == Some(&b'\\') {
        let close = text.get(start + 3..)?.iter().position(|b| *b == b'\'')?;
        return Some(start + 3 + close + 1);
    }
    let width = std::str::from_utf8(&text[start + 1..(start + 5).min(text.len())])
        .map_or_else(|e| e.valid_up_to(), |s| s.chars().next().map_or(0, char::len_utf8));
    let first = std::str::from_utf8(text.get(start + 1..start + 1 + width)?).ok()?;
    let width = first.chars().next()?.len_utf8();
    (text.get(start + 1 + width) == Some(&b'\'')).then_some(start + 2 + width)
}

/// Items under an attribute whose `cfg` names `test`, from the attribute to the closing brace or semicolon.
fn test_items(code: &[u8]) -> Vec<(usize, usize)> {
    let mut items: Vec<(usize, usize)> = Vec::new();
    let mut from = 0;
    while let Some(found) = find(&code[from..], b"#[cfg(") {
        let start = from + found;
        from = start + 1;
        let Some(close) = code[start..].iter().position(|b| *b == b']').map(|at| start + at) else {
            break;
        };
        let condition = String::from_utf8_lossy(&code[start + 6..close]).into_owned();
        let names_test = condition.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "test");
        if !names_test || condition.trim_start().starts_with("not") {
            continue;
        }
        let (mut depth, mut end) = (0usize, code.len());
        for (at, byte) in code.iter().enumerate().skip(close) {
            match byte {
                b'{' => depth += 1,
                b'}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        end = at + 1;
                        break;
                    }
                }
                b';' if depth == 0 => {
                    end = at + 1;
                    break;
                }
                _ => {}
            }
        }
        items.push((start, end));
        from = end;
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, needle: &str) -> Vec<(usize, bool)> {
        Source::lex("a.rs", text).words(needle).iter().map(|hit| (hit.line, hit.in_test)).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "// word\n/* word /* word */ word */ word\nlet s = \"word \\\" word\";\nlet r = r#\"word\"#;\nlet c = '\"'; word;\nfn f<'a>(x: &'a str) { word }\n";
        assert_eq!(words(text, "word"), [(2, false), (5, false), (6, false)]);
    }

    #[test]
    fn a_name_is_not_found_inside_a_longer_one() {
        assert_eq!(words("unsafe_code; my_unsafe; unsafe {}", "unsafe").len(), 1);
    }

    #[test]
    fn test_modules_are_told_apart() {
        let text = "word;\n#[cfg(test)]\nmod tests {\n fn f() { word }\n}\nword;\n#[cfg(not(test))]\nfn g() { word }\n#[cfg(test)]\nmod more;\nword;\n";
        assert_eq!(words(text, "word"), [(1, false), (4, true), (6, false), (8, false), (11, false)]);
        assert!(Source::lex("crates/log/tests/a.rs", "word").words("word")[0].in_test);
        assert!(Source::lex("crates/log/src/roll/tests.rs", "word").words("word")[0].in_test);
    }

    #[test]
    fn use_trees_are_spelled_out() {
        let source =
            Source::lex("a.rs", "use std::{fs, time::{Duration, Instant as Now}};\nuse ::rand;\npub use a::b::*;");
        let paths: Vec<String> = source.uses().into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["std::fs", "std::time::Duration", "std::time::Instant", "rand", "a::b::*"]);
    }

    #[test]
    fn unfinished_source_is_no_trouble() {
        for text in ["\"", "'", "'\\", "r#\"", "/*", "#[cfg(test)", "use a::{b", "b'\\x", "'é", "use {{;"] {
            let source = Source::lex("a.rs", text);
            source.uses();
        }
    }
}
