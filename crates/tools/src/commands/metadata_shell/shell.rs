//! The commands of the shell: each reads the tree, and writes lines.

use super::glob::find;
use super::tree::Node;
use std::fmt::Write;

/// What a command is called, what it does, and what it takes: how many words at least, and at most.
struct Command {
    name: &'static str,
    about: &'static str,
    takes: &'static str,
    least: usize,
    most: usize,
    /// Of no use outside of the interactive shell.
    is_interactive: bool,
}

const fn command(
    name: &'static str,
    about: &'static str,
    takes: &'static str,
    (least, most): (usize, usize),
    is_interactive: bool,
) -> Command {
    Command { name, about, takes, least, most, is_interactive }
}

const COMMANDS: [Command; 10] = [
    command("cat", "Show the contents of metadata files.", "targets [targets ...]", (1, usize::MAX), false),
    command("cd", "Set the current working directory.", "[target]", (0, 1), true),
    command("exit", "Exit the metadata shell.", "", (0, 0), true),
    command("find", "Search for nodes in the directory hierarchy.", "[paths [paths ...]]", (0, usize::MAX), false),
    command("help", "Display this help message.", "", (0, 0), true),
    command("history", "Print command history.", "[numEntriesToShow]", (0, 1), true),
    command("ls", "List metadata nodes.", "[targets [targets ...]]", (0, usize::MAX), false),
    command("man", "Show the help text for a specific command.", "cmd", (1, 1), true),
    command("pwd", "Print the current working directory.", "", (0, 0), true),
    command(
        "tree",
        "Show the contents of metadata nodes in a tree structure.",
        "targets [targets ...]",
        (1, usize::MAX),
        false,
    ),
];

pub(super) struct Shell {
    root: Node,
    directory: String,
    /// What was typed; none outside of the interactive shell.
    pub(super) history: Option<Vec<String>>,
    /// How many letters a line has, if anyone looks.
    pub(super) width: Option<usize>,
}

/// What a command leaves to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    GoOn,
    Exit,
}

impl Shell {
    pub(super) fn new(root: Node) -> Self {
        Self { root, directory: "/".to_owned(), history: None, width: None }
    }

    /// The one node that a path means.
    pub(super) fn node(&self, path: &str) -> Option<&Node> {
        find(&self.root, &self.directory, path).pop().map(|found| found.node)
    }

    /// Runs a command; what it says, its mistakes too, is added to the page.
    pub(super) fn run(&mut self, words: &[String], page: &mut String) -> After {
        let mut words = words;
        while let Some((last, rest)) = words.split_last()
            && last.is_empty()
        {
            words = rest;
        }
        let Some((name, targets)) = words.split_first() else { return After::GoOn };
        let command = match self.known(name, targets) {
            Ok(command) => command,
            Err(why) => {
                let _ = writeln!(page, "{why}");
                return After::GoOn;
            }
        };
        match command {
            "cat" => self.cat(targets, page),
            "cd" => self.cd(targets.first().map_or("/", String::as_str), page),
            "exit" => return After::Exit,
            "find" => self.find(targets, page),
            "help" => help(page),
            "history" => self.show_history(targets.first(), page),
            "ls" => self.ls(targets, page),
            "man" => man(targets.first().map_or("", String::as_str), page),
            "pwd" => {
                let _ = writeln!(page, "{}", self.directory);
            }
            _ => self.tree(targets, page),
        }
        After::GoOn
    }

    /// The command of a name, if it takes so many words.
    fn known(&self, name: &str, targets: &[String]) -> Result<&'static str, String> {
        let may = |command: &&Command| !command.is_interactive || self.history.is_some();
        let usable: Vec<&Command> = COMMANDS.iter().filter(may).collect();
        let beginning: Vec<&&Command> = usable.iter().filter(|command| command.name.starts_with(name)).collect();
        let found = match (usable.iter().find(|command| command.name == name), &beginning[..]) {
            (Some(found), _) => found,
            (None, [one]) => one,
            _ => {
                let names: Vec<_> = usable.iter().map(|command| format!("'{}'", command.name)).collect();
                return Err(format!("invalid choice: '{name}' (choose from {})", names.join(", ")));
            }
        };
        if let Some(option) = targets.iter().find(|target| target.starts_with('-') && target.len() > 1) {
            return Err(format!("unrecognized arguments: '{option}'"));
        }
        if targets.len() < found.least {
            return Err("too few arguments".to_owned());
        }
        if let Some(extra) = targets.get(found.most) {
            return Err(format!("unrecognized arguments: '{extra}'"));
        }
        if found.name != name {
            return Err(format!("invalid choice: '{name}': did you mean '{}'?", found.name));
        }
        Ok(found.name)
    }

    fn cat(&self, targets: &[String], page: &mut String) {
        for target in targets {
            let found = find(&self.root, &self.directory, target);
            if found.is_empty() {
                let _ = writeln!(page, "cat: {target}: No such file or directory.");
            }
            for found in found {
                match found.node {
                    Node::Directory(_) => {
                        let _ = writeln!(page, "cat: {target}: Is a directory");
                    }
                    file @ Node::File(_) => file.print(0, page),
                }
            }
        }
    }

    fn cd(&mut self, target: &str, page: &mut String) {
        let mut last = None;
        let found = find(&self.root, &self.directory, target);
        if found.is_empty() {
            let _ = writeln!(page, "cd: {target}: no such directory.");
        }
        for found in found {
            match found.node {
                Node::Directory(_) => last = Some(found.absolute()),
                Node::File(_) => {
                    let _ = writeln!(page, "cd: {target}: not a directory.");
                }
            }
        }
        if let Some(directory) = last {
            self.directory = directory;
        }
    }

    fn find(&self, targets: &[String], page: &mut String) {
        for target in or_here(targets) {
            let found = find(&self.root, &self.directory, target);
            if found.is_empty() {
                let _ = writeln!(page, "find: {target}: no such file or directory.");
            }
            for found in found {
                list_below(target, found.node, page);
            }
        }
    }

    fn tree(&self, targets: &[String], page: &mut String) {
        for target in targets {
            let found = find(&self.root, &self.directory, target);
            if found.is_empty() {
                let _ = writeln!(page, "tree: {target}: No such file or directory.");
            }
            found.iter().for_each(|found| found.node.print(0, page));
        }
    }

    fn ls(&self, targets: &[String], page: &mut String) {
        let mut files: Vec<String> = Vec::new();
        let mut directories: Vec<(String, Vec<String>)> = Vec::new();
        for target in or_here(targets) {
            let found = find(&self.root, &self.directory, target);
            if found.is_empty() {
                let _ = writeln!(page, "ls: {target}: no such file or directory.");
            }
            for found in found {
                match found.node {
                    Node::Directory(children) => {
                        directories.push((found.name().to_owned(), children.keys().cloned().collect()));
                    }
                    Node::File(_) => files.push(found.name().to_owned()),
                }
            }
        }
        columns("", &files, self.width, page);
        let has_heads = !files.is_empty() || directories.len() > 1;
        let mut is_first = files.is_empty();
        for (name, children) in &directories {
            let head = match (has_heads, is_first) {
                (false, _) => String::new(),
                (true, true) => format!("{name}:"),
                (true, false) => format!("\n{name}:"),
            };
            is_first = false;
            columns(&head, children, self.width, page);
        }
    }

    fn show_history(&self, count: Option<&String>, page: &mut String) {
        let lines = self.history.as_deref().unwrap_or_default();
        let count = match count.map(|count| count.parse::<i32>()) {
            None => lines.len(),
            Some(Ok(count)) => usize::try_from(count).unwrap_or(0),
            Some(Err(_)) => {
                let text = count.map_or("", String::as_str);
                let _ = writeln!(
                    page,
                    "argument numEntriesToShow: could not convert '{text}' to Integer (For input string: \"{text}\")"
                );
                return;
            }
        };
        for (place, line) in lines.iter().enumerate().skip(lines.len().saturating_sub(count)) {
            let _ = writeln!(page, "{place:5}  {line}");
        }
    }
}

pub(super) fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

pub(super) fn takes_paths(command: &str) -> bool {
    matches!(command, "cat" | "cd" | "find" | "ls" | "tree")
}

fn or_here(targets: &[String]) -> Vec<&str> {
    let given: Vec<&str> = targets.iter().map(String::as_str).filter(|target| !target.is_empty()).collect();
    if given.is_empty() { vec!["."] } else { given }
}

fn list_below(path: &str, node: &Node, page: &mut String) {
    let _ = writeln!(page, "{path}");
    if let Node::Directory(children) = node {
        for (name, child) in children {
            let slash = if path == "/" { "" } else { "/" };
            list_below(&format!("{path}{slash}{name}"), child, page);
        }
    }
}

/// Names in as many columns as a line has room for, read downwards.
fn columns(head: &str, entries: &[String], width: Option<usize>, page: &mut String) {
    if entries.is_empty() {
        return;
    }
    if !head.is_empty() {
        let _ = writeln!(page, "{head}");
    }
    let widths = width.map_or_else(|| vec![0], |width| column_widths(entries, width));
    let per_column = entries.len().div_ceil(widths.len());
    for line in 0..per_column {
        let mut text = String::new();
        for (column, width) in widths.iter().enumerate() {
            let Some(entry) = entries.get(line + column * per_column) else { continue };
            let width = if column + 1 < widths.len() { *width } else { 0 };
            let _ = write!(text, "{entry:width$}");
        }
        let _ = writeln!(page, "{text}");
    }
}

/// The widths of the most columns that fit and that all have an entry.
fn column_widths(entries: &[String], width: usize) -> Vec<usize> {
    for count in (2..=width / 4).rev() {
        let per_column = entries.len().div_ceil(count);
        let widths: Vec<usize> = entries
            .chunks(per_column)
            .map(|column| column.iter().map(|entry| entry.chars().count() + 2).max().unwrap_or(0))
            .collect();
        if widths.len() == count && widths.iter().sum::<usize>() <= width {
            return widths;
        }
    }
    vec![0]
}

fn help(page: &mut String) {
    page.push_str("Welcome to the Apache Kafka metadata shell.\n\n");
    for command in &COMMANDS {
        let _ = writeln!(page, "{:10} {}", command.name, command.about);
    }
}

fn man(name: &str, page: &mut String) {
    let _ = match COMMANDS.iter().find(|command| command.name == name) {
        None => writeln!(page, "man: unknown command {name}. Type help to get a list of commands."),
        Some(command) => {
            let usage = format!("usage: {name} {}", command.takes);
            writeln!(page, "{name}: {}\n\n{}", command.about, usage.trim_end())
        }
    };
}

/// The words of a line: a blank separates, unless it stands in quotes or behind a backslash.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', _) => word.get_or_insert_default().extend(chars.next()),
            (_, Some(end)) if char == end => quote = None,
            ('\'' | '"', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (_, None) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn shell() -> Shell {
        let inner = BTreeMap::from([
            ("one".to_owned(), Node::File("1".to_owned())),
            ("two".to_owned(), Node::Directory(BTreeMap::from([("deep".to_owned(), Node::File("d".to_owned()))]))),
        ]);
        Shell::new(Node::Directory(BTreeMap::from([("top".to_owned(), Node::Directory(inner))])))
    }

    fn said(shell: &mut Shell, line: &str) -> String {
        let mut page = String::new();
        shell.run(&words(line), &mut page);
        page
    }

    #[test]
    fn trees_files_and_lists_are_shown() {
        let mut shell = shell();
        assert_eq!(said(&mut shell, "tree top"), "one:\n  1\ntwo:\n  deep:\n    d\n");
        assert_eq!(said(&mut shell, "cat top/one top"), "1\ncat: top: Is a directory\n");
        assert_eq!(said(&mut shell, "find /"), "/\n/top\n/top/one\n/top/two\n/top/two/deep\n");
        assert_eq!(said(&mut shell, "ls"), "top\n");
        assert_eq!(said(&mut shell, "ls /top/* none"), "ls: none: no such file or directory.\none\n\ntwo:\ndeep\n");
    }

    #[test]
    fn mistakes_are_told_in_words_that_scripts_know() {
        let mut shell = shell();
        assert_eq!(said(&mut shell, "walk"), "invalid choice: 'walk' (choose from 'cat', 'find', 'ls', 'tree')\n");
        assert_eq!(said(&mut shell, "cat"), "too few arguments\n");
        assert_eq!(said(&mut shell, "tre /"), "invalid choice: 'tre': did you mean 'tree'?\n");
        assert_eq!(said(&mut shell, "ls -l"), "unrecognized arguments: '-l'\n");
        assert_eq!(said(&mut shell, ""), "");
    }

    #[test]
    fn the_interactive_shell_has_a_place_and_a_memory() {
        let mut shell = shell();
        shell.history = Some(vec!["cd top".to_owned(), "history".to_owned()]);
        assert_eq!(said(&mut shell, "cd top"), "");
        assert_eq!(said(&mut shell, "pwd"), "/top\n");
        assert_eq!(said(&mut shell, "cd one"), "cd: one: not a directory.\n");
        assert_eq!(said(&mut shell, "history 1"), "    1  history\n");
        assert_eq!(said(&mut shell, "cd"), "");
        assert_eq!(said(&mut shell, "pwd"), "/\n");
        assert_eq!(shell.run(&words("exit"), &mut String::new()), After::Exit);
    }

    #[test]
    fn names_stand_in_columns_that_fit() {
        let entries: Vec<String> = ["a", "bb", "ccc", "dddd", "e"].map(str::to_owned).to_vec();
        let mut page = String::new();
        columns("", &entries, Some(16), &mut page);
        assert_eq!(page, "a   ccc   e\nbb  dddd  \n");
        page.clear();
        columns("", &entries, Some(5), &mut page);
        assert_eq!(page, "a\nbb\nccc\ndddd\ne\n");
    }

    #[test]
    fn words_are_separated_by_blanks_outside_of_quotes() {
        assert_eq!(words(r#" cat  'a b' "c\"d" e\ f '' "#), ["cat", "a b", "c\"d", "e f", ""]);
    }
}
