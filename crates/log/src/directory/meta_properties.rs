//! `meta.properties`: whose directory this is. Java properties; version 1 has `cluster.id`, `node.id` and `directory.id`
//! (KIP-858), the last of which older directories lack; version 0 had `broker.id`.

use std::collections::BTreeMap;
use std::path::Path;

use ottla_machine::Disk;

use crate::error::{LogError, doing};
use crate::log::TopicId;

/// The identity of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster_id: String,
    pub node_id: i32,
    /// A UUID in base64, like a topic's id; `None` in a directory from before Kafka 3.7.
    pub directory_id: Option<TopicId>,
}

impl MetaProperties {
    pub(super) fn read<D: Disk>(disk: &D, path: &Path) -> Result<Option<MetaProperties>, LogError> {
        let content = match disk.read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            content => content.map_err(doing("reading", path))?,
        };
        let text = String::from_utf8_lossy(&content);
        MetaProperties::parse(&text).map(Some).map_err(|reason| LogError::malformed(path, reason))
    }

    pub(super) fn write<D: Disk>(&self, disk: &D, path: &Path) -> Result<(), LogError> {
        disk.write_atomically(path, self.print().as_bytes()).map_err(doing("writing", path))
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<MetaProperties, String> {
        let properties = properties(text);
        let get = |key: &str| properties.get(key).cloned();
        match get("version").as_deref() {
            Some("1") => {}
            Some(other) => return Err(format!("version {other} is not supported; it must be 1")),
            None => return Err("the version is missing".to_owned()),
        }
        let node_id = get("node.id").ok_or("node.id is missing")?;
        let directory_id = get("directory.id");
        let parsed_id = directory_id.as_deref().map(TopicId::parse);
        if parsed_id == Some(None) {
            return Err("directory.id is no id".to_owned());
        }
        Ok(MetaProperties {
            cluster_id: get("cluster.id").ok_or("cluster.id is missing")?,
            node_id: node_id.parse().map_err(|_| format!("node.id {node_id} is no number"))?,
            directory_id: parsed_id.flatten(),
        })
    }

    /// The text of the file.
    pub fn print(&self) -> String {
        let mut text = String::from("#\n");
        text.push_str(&format!("cluster.id={}\n", escape(&self.cluster_id)));
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={id}\n"));
        }
        text.push_str(&format!("node.id={}\nversion=1\n", self.node_id));
        text
    }
}

/// Reads Java properties: comments, `=`, `:` or blanks between key and value, backslash escapes, continued lines.
fn properties(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut lines = text.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while logical.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
            logical.pop();
            logical.push_str(lines.next().unwrap_or_default());
        }
        let (key, value) = split(&logical);
        all.insert(unescape(key), unescape(value));
    }
    all
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || c.is_ascii_whitespace());
        escaped = !escaped && c == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start())
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                out.push(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '=' | ':' | '#' | '!' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_kafkas_is_read() {
        let text = "#\n#Sat Nov 21 01:00:00 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\n\
                    directory.id=G1x3GqGkQyOwh8YiZGlxEw\nnode.id=1\nversion=1\n";
        let meta = MetaProperties::parse(text).unwrap();
        assert_eq!((meta.cluster_id.as_str(), meta.node_id), ("MkU3OEVBNTcwNTJENDM2Qk", 1));
        assert_eq!(meta.directory_id, TopicId::parse("G1x3GqGkQyOwh8YiZGlxEw"));
        assert_eq!(MetaProperties::parse(&meta.print()), Ok(meta));
    }

    #[test]
    fn escapes_and_other_separators_are_read() {
        let text = " ! note\nversion : 1\nnode.id 7\ncluster.id = a\\=b\\\n   c\\u0041\n";
        let meta = MetaProperties::parse(text).unwrap();
        assert_eq!((meta.cluster_id.as_str(), meta.node_id, meta.directory_id), ("a=bcA", 7, None));
        assert_eq!(MetaProperties::parse(&meta.print()), Ok(meta));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, part) in [
            ("node.id=1\ncluster.id=x", "version is missing"),
            ("version=0\nbroker.id=1", "version 0"),
            ("version=1\ncluster.id=x", "node.id is missing"),
            ("version=1\nnode.id=1", "cluster.id is missing"),
            ("version=1\nnode.id=x\ncluster.id=x", "node.id x"),
            ("version=1\nnode.id=1\ncluster.id=x\ndirectory.id=y", "directory.id"),
        ] {
            assert!(MetaProperties::parse(text).unwrap_err().contains(part), "{text}");
        }
    }
}
