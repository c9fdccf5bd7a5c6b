//! Where the suites' sources come from: the languages' registries where these have the tests, else the projects' own
//! repositories. A machine that reaches those another way says so to git (`url.….insteadOf`).

use crate::compat::Work;
use crate::compat::install::quietly;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// A change without which a suite cannot run against a node that is there already.
#[derive(Clone, Copy)]
pub(super) enum Edit {
    /// Every occurrence of a text in a file becomes another one.
    Replace { file: &'static str, from: &'static str, to: &'static str },
    /// A file of ours, from `compat/suites`, at the end of one of theirs, which need not exist.
    Append { file: &'static str, ours: &'static str },
    /// A folder goes, which would hide what is installed.
    Remove { folder: &'static str },
}

/// Copies a folder, so that it can be changed.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    empty(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // The content alone: a module's files may not be written to.
            std::fs::write(&target, std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Makes a folder with nothing in it.
pub(super) fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

/// One commit of a repository, by its tag.
pub(super) fn clone(work: &Work, home: &str, tag: &str, to: &Path) -> Result<()> {
    empty(to)?;
    let mut git = Command::new("git");
    git.args(["-c", "advice.detachedHead=false", "clone", "--quiet", "--depth", "1", "--branch", tag, home]).arg(to);
    quietly(work, "git", &mut git)
}

/// Unpacks an archive whose files lie in one folder.
pub(super) fn unpack(work: &Work, archive: &Path, to: &Path) -> Result<()> {
    empty(to)?;
    let mut tar = Command::new("tar");
    quietly(work, "tar", tar.arg("-xzf").arg(archive).arg("-C").arg(to).arg("--strip-components=1"))
}

pub(super) fn edit(dir: &Path, edits: &[Edit]) -> Result<()> {
    for edit in edits {
        let (file, text) = match *edit {
            Edit::Replace { file, from, to } => {
                let path = dir.join(file);
                let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                ensure!(text.contains(from), "{} has no '{from}' any more", path.display());
                (path, text.replace(from, to))
            }
            Edit::Append { file, ours } => {
                let path = dir.join(file);
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                (path, text + ours)
            }
            Edit::Remove { folder } => {
                std::fs::remove_dir_all(dir.join(folder)).with_context(|| format!("there is no {folder}"))?;
                continue;
            }
        };
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// What tells one list of edits from another.
pub(super) fn mark(edits: &[Edit]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for edit in edits {
        match *edit {
            Edit::Replace { file, from, to } => (file, from, to).hash(&mut hasher),
            Edit::Append { file, ours } => (file, ours).hash(&mut hasher),
            Edit::Remove { folder } => folder.hash(&mut hasher),
        }
    }
    format!("{:016x}", hasher.finish())
}
