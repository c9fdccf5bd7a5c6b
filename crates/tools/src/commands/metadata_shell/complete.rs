//! What the tab key offers: commands, and the paths behind them.

use super::shell::{Shell, command_names, takes_paths};
use super::tree::Node;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use std::cell::RefCell;
use std::rc::Rc;

/// Looks at the shell's tree and at its place in it, between two commands.
pub(super) struct Offers(pub(super) Rc<RefCell<Shell>>);

impl Completer for Offers {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        // A shell that is at work offers nothing.
        let offers = self.0.try_borrow().map(|shell| offers(&shell, line.get(..position).unwrap_or(line)));
        Ok(offers.unwrap_or_default())
    }
}

impl Hinter for Offers {
    type Hint = String;
}

impl Highlighter for Offers {}

impl Validator for Offers {}

impl Helper for Offers {}

/// Where the word begins that is being typed, and what it could become.
fn offers(shell: &Shell, typed: &str) -> (usize, Vec<String>) {
    let begin = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, word) = typed.split_at(begin);
    let mut words = before.split_whitespace();
    let offered = match (words.next(), words.next()) {
        (None, _) | (Some("man"), None) => {
            command_names().filter(|name| name.starts_with(word)).map(str::to_owned).collect()
        }
        // There is one place to go to.
        (Some("cd"), Some(_)) => Vec::new(),
        (Some(command), _) if takes_paths(command) => paths(shell, word),
        _ => Vec::new(),
    };
    (begin, offered)
}

/// The nodes that a path's last name begins, each with the path before it; a directory with what its children need.
fn paths(shell: &Shell, word: &str) -> Vec<String> {
    let (directory, last) = word.rfind('/').map_or(("", word), |at| word.split_at(at + 1));
    let from = if directory.is_empty() { "." } else { directory };
    let Some(Node::Directory(children)) = shell.node(from) else { return Vec::new() };
    let begun = children.iter().filter(|(name, _)| name.starts_with(last));
    let offered = begun.map(|(name, node)| match node {
        Node::Directory(_) => format!("{directory}{name}/"),
        Node::File(_) => format!("{directory}{name} "),
    });
    offered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn shell() -> Shell {
        let file = |name: &str| (name.to_owned(), Node::File(String::new()));
        let inner = Node::Directory(BTreeMap::from([file("one"), file("other")]));
        Shell::new(Node::Directory(BTreeMap::from([("top".to_owned(), inner), file("leaf")])))
    }

    #[test]
    fn commands_come_first_and_paths_behind_them() {
        let shell = shell();
        let offered = |typed: &str| offers(&shell, typed);
        assert_eq!(offered("h"), (0, vec!["help".to_owned(), "history".to_owned()]));
        assert_eq!(offered("man pw"), (4, vec!["pwd".to_owned()]));
        assert_eq!(offered("ls "), (3, vec!["leaf ".to_owned(), "top/".to_owned()]));
        assert_eq!(offered("cat leaf top/o"), (9, vec!["top/one ".to_owned(), "top/other ".to_owned()]));
        assert_eq!(offered("cat /top/on"), (4, vec!["/top/one ".to_owned()]));
    }

    #[test]
    fn nothing_is_offered_where_nothing_fits() {
        let shell = shell();
        for typed in ["walk t", "cd top t", "pwd t", "ls none/", "ls leaf/", "ls x"] {
            assert_eq!(offers(&shell, typed).1, [""; 0], "{typed}");
        }
    }
}
