//! The files of cases: see `compat/tools/README.md` for their form.

use crate::compat::node::{LogDirs, Node};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// A file of them, for one node.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) name: String,
    pub(super) cases: Vec<Case>,
    pub(super) log_dirs: LogDirs,
}

#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) tool: String,
    words: Vec<String>,
    pub(super) input: String,
    pub(super) is_sorted: bool,
    pub(super) only_options: bool,
    /// A read whose answer follows a change a moment later.
    pub(super) is_eventual: bool,
    pub(super) ignores_stdout: bool,
    pub(super) ignores_stderr: bool,
    pub(super) hidden: Vec<String>,
    /// The word behind any of these is not compared.
    pub(super) blanked: Vec<String>,
    /// What must be told: a tool that answers before it has read all is asked again.
    pub(super) until: Option<String>,
    /// The node has ended before this, so that its files are whole.
    pub(super) is_after_node: bool,
}

impl Case {
    /// The arguments, with the node's addresses, its log directory and the folder of files in their places.
    pub(super) fn args(&self, node: &Node, files: &Path) -> Vec<String> {
        let (files, data) = (files.display().to_string(), node.data().display().to_string());
        let more = node.more().display().to_string();
        let mut args = Vec::new();
        for word in &self.words {
            match word.as_str() {
                "@" => args.extend(["--bootstrap-server".to_owned(), node.bootstrap()]),
                "@C" => args.extend(["--bootstrap-controller".to_owned(), node.controller()]),
                word => args.push(match word.strip_prefix('%') {
                    Some(name) => format!("{files}/{name}").replace(",%", &format!(",{files}/")),
                    None => {
                        word.replace("{data}", &data).replace("{more}", &more).replace("{broker}", &node.bootstrap())
                    }
                }),
            }
        }
        args
    }

    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.tool, self.words.join(" "))
    }
}

/// By name, in the order of names.
pub(super) fn read(dir: &Path, only: Option<&str>) -> Result<Vec<Session>> {
    let mut files: Vec<Session> = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if only.is_none_or(|only| only == name) {
            let text = std::fs::read_to_string(&path)?;
            let (cases, log_dirs) = parse(&text).with_context(|| path.display().to_string())?;
            files.push(Session { name, cases, log_dirs });
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    ensure!(!files.is_empty(), "there are no such cases in {}", dir.display());
    Ok(files)
}

fn parse(text: &str) -> Result<(Vec<Case>, LogDirs)> {
    let mut cases: Vec<Case> = Vec::new();
    let mut is_after_node = false;
    let mut log_dirs = LogDirs::One;
    for (number, line) in (1..).zip(text.lines()) {
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let last = cases.last_mut().with_context(|| format!("line {number} stands before any command"));
        match (mark, rest) {
            ("", _) | ("# ", _) => {}
            ("$ ", _) => {
                let mut words = rest.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
                let tool = words.next().with_context(|| format!("line {number} names no command"))?;
                cases.push(Case { tool, words: words.collect(), is_after_node, ..Case::default() });
            }
            ("! ", "stop") => is_after_node = true,
            ("! ", "two-directories") => log_dirs = LogDirs::Two,
            ("< ", _) => last?.input += &format!("{rest}\n"),
            ("~ ", "sorted") => last?.is_sorted = true,
            ("~ ", "eventually") => last?.is_eventual = true,
            ("~ ", "only-options") => last?.only_options = true,
            ("~ ", "ignore stdout") => last?.ignores_stdout = true,
            ("~ ", "ignore stderr") => last?.ignores_stderr = true,
            ("~ ", _) => match rest.split_once(' ') {
                Some(("hide", text)) => last?.hidden.push(text.to_owned()),
                Some(("until", text)) => last?.until = Some(text.to_owned()),
                Some(("blank", word)) => last?.blanked.push(word.to_owned()),
                _ => bail!("line {number}: '{rest}' is not known"),
            },
            _ => bail!("line {number} begins with none of '$ ', '< ', '~ ', '! ', '# '"),
        }
    }
    Ok((cases, log_dirs))
}
