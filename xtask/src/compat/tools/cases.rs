//! The files of cases: see `compat/tools/README.md` for their form.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

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
}

impl Case {
    /// The arguments, with the node's addresses and the folder of files in their places.
    pub(super) fn args(&self, bootstrap: &str, controller: &str, files: &Path) -> Vec<String> {
        let mut args = Vec::new();
        for word in &self.words {
            match word.as_str() {
                "@" => args.extend(["--bootstrap-server".to_owned(), bootstrap.to_owned()]),
                "@C" => args.extend(["--bootstrap-controller".to_owned(), controller.to_owned()]),
                word => args.push(match word.strip_prefix('%') {
                    Some(name) => files.join(name).display().to_string(),
                    None => word.to_owned(),
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
pub(super) fn read(dir: &Path, only: Option<&str>) -> Result<Vec<(String, Vec<Case>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if only.is_none_or(|only| only == name) {
            files.push((name, parse(&std::fs::read_to_string(&path)?).with_context(|| path.display().to_string())?));
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    ensure!(!files.is_empty(), "there are no such cases in {}", dir.display());
    Ok(files)
}

fn parse(text: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let last = cases.last_mut().with_context(|| format!("line {number} stands before any command"));
        match (mark, rest) {
            ("", _) | ("# ", _) => {}
            ("$ ", _) => {
                let mut words = rest.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
                let tool = words.next().with_context(|| format!("line {number} names no command"))?;
                cases.push(Case { tool, words: words.collect(), ..Case::default() });
            }
            ("< ", _) => last?.input += &format!("{rest}\n"),
            ("~ ", "sorted") => last?.is_sorted = true,
            ("~ ", "eventually") => last?.is_eventual = true,
            ("~ ", "only-options") => last?.only_options = true,
            ("~ ", "ignore stdout") => last?.ignores_stdout = true,
            ("~ ", "ignore stderr") => last?.ignores_stderr = true,
            ("~ ", _) => match rest.strip_prefix("hide ") {
                Some(text) => last?.hidden.push(text.to_owned()),
                None => bail!("line {number}: '{rest}' is not known"),
            },
            _ => bail!("line {number} begins with none of '$ ', '< ', '~ ', '# '"),
        }
    }
    Ok(cases)
}
