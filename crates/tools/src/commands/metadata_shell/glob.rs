//! Paths with wildcards: `*`, `?`, `{one,other}`, and a backslash before what is meant as it stands.

use super::tree::Node;
use regex_lite::Regex;

/// A node, and where it was found.
pub(super) struct Found<'t> {
    pub(super) path: Vec<String>,
    pub(super) node: &'t Node,
}

impl Found<'_> {
    pub(super) fn name(&self) -> &str {
        self.path.last().map_or("/", String::as_str)
    }

    pub(super) fn absolute(&self) -> String {
        format!("/{}", self.path.join("/"))
    }
}

/// The names of a path from the root; `.` and `..` are worked out.
fn components(directory: &str, path: &str) -> Vec<String> {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{directory}/{path}") };
    let mut components: Vec<String> = Vec::new();
    for part in whole.split('/').filter(|part| !part.is_empty()) {
        match part {
            ".." => drop(components.pop()),
            "." => {}
            part => components.push(part.to_owned()),
        }
    }
    components
}

/// All nodes that a path means, in the order of their names.
pub(super) fn find<'t>(root: &'t Node, directory: &str, path: &str) -> Vec<Found<'t>> {
    let mut found = vec![Found { path: Vec::new(), node: root }];
    for component in components(directory, path) {
        let pattern = pattern(&component);
        let mut next = Vec::new();
        for from in found {
            let Node::Directory(children) = from.node else { continue };
            let mut take = |name: &str, node: &'t Node| {
                let mut path = from.path.clone();
                path.push(name.to_owned());
                next.push(Found { path, node });
            };
            match &pattern {
                None => {
                    if let Some(node) = children.get(&component) {
                        take(&component, node);
                    }
                }
                Some(pattern) => {
                    children
                        .iter()
                        .filter(|(name, _)| pattern.is_match(name))
                        .for_each(|(name, node)| take(name, node));
                }
            }
        }
        found = next;
    }
    found
}

/// A pattern, or none where the component has no wildcard or is none that can be read: then it stands for itself.
fn pattern(component: &str) -> Option<Regex> {
    let is_special = |char: char| "*?\\{}$()+.[]^|".contains(char);
    let mut text = String::from("^");
    let (mut is_literal, mut in_group) = (true, false);
    let mut chars = component.chars();
    while let Some(char) = chars.next() {
        match char {
            '?' => text.push('.'),
            '*' => text.push_str(".*"),
            '{' if in_group => return None,
            '{' => {
                text.push_str("(?:(?:");
                in_group = true;
            }
            ',' if in_group => text.push_str(")|(?:"),
            '}' if in_group => {
                text.push_str("))");
                in_group = false;
            }
            '\\' => {
                let next = chars.next().unwrap_or('\\');
                text.push_str(&regex_lite::escape(&next.to_string()));
                continue;
            }
            other => {
                if is_special(other) {
                    text.push('\\');
                }
                text.push(other);
                continue;
            }
        }
        is_literal = false;
    }
    if is_literal || in_group {
        return None;
    }
    text.push('$');
    Regex::new(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tree() -> Node {
        let leaf = |name: &str| (name.to_owned(), Node::File(name.to_owned()));
        let inner = |names: &[&str]| Node::Directory(names.iter().map(|name| leaf(name)).collect());
        Node::Directory(BTreeMap::from([
            ("a".to_owned(), inner(&["x", "y.z"])),
            ("ab".to_owned(), inner(&["x"])),
            leaf("file"),
        ]))
    }

    fn names(directory: &str, path: &str) -> Vec<String> {
        find(&tree(), directory, path).iter().map(Found::absolute).collect()
    }

    #[test]
    fn paths_are_followed_from_the_directory_or_the_root() {
        assert_eq!(names("/", "."), ["/"]);
        assert_eq!(names("/a", "x"), ["/a/x"]);
        assert_eq!(names("/a", "../ab//x/"), ["/ab/x"]);
        assert_eq!(names("/a", "/../.."), ["/"]);
        assert_eq!(names("/", "file/x"), [""; 0]);
        assert_eq!(names("/", "none"), [""; 0]);
    }

    #[test]
    fn wildcards_stand_for_names() {
        assert_eq!(names("/", "*"), ["/a", "/ab", "/file"]);
        assert_eq!(names("/", "a?/x"), ["/ab/x"]);
        assert_eq!(names("/", "{a,fil?}"), ["/a", "/file"]);
        assert_eq!(names("/", "*/x"), ["/a/x", "/ab/x"]);
        assert_eq!(names("/a", "y.*"), ["/a/y.z"]);
        assert_eq!(names("/a", "?\\.z"), ["/a/y.z"]);
        for broken in ["{a", "{a,{b}}", "[", "(*", "\\"] {
            assert_eq!(names("/", broken), [""; 0], "{broken}");
        }
    }
}
