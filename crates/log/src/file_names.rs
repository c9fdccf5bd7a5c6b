//! The names of the files in a partition's folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub(crate) const LOG: &str = "log";
pub(crate) const OFFSET_INDEX: &str = "index";
pub(crate) const TIME_INDEX: &str = "timeindex";
pub(crate) const TXN_INDEX: &str = "txnindex";
pub(crate) const PRODUCER_SNAPSHOT: &str = "snapshot";
/// Appended to a file that is about to be removed.
pub(crate) const DELETED: &str = "deleted";
/// Appended to a file that compaction is writing.
pub(crate) const CLEANED: &str = "cleaned";
/// Appended to a file that compaction has finished and that takes the place of others.
pub(crate) const SWAP: &str = "swap";
pub(crate) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";

/// A file named by an offset: twenty digits, then what kind it is, then perhaps a suffix of its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetFile<'a> {
    pub(crate) offset: i64,
    pub(crate) kind: &'a str,
    pub(crate) suffix: Option<&'a str>,
}

/// The path of a file that belongs to an offset.
pub(crate) fn offset_file(dir: &Path, offset: i64, kind: &str) -> PathBuf {
    dir.join(format!("{offset:020}.{kind}"))
}

/// `path` with one more suffix.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Reads a name; `None` if it is not of this kind.
pub(crate) fn parse(name: &OsStr) -> Option<OffsetFile<'_>> {
    let mut parts = name.to_str()?.split('.');
    let digits = parts.next()?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let file = OffsetFile { offset: digits.parse().ok()?, kind: parts.next()?, suffix: parts.next() };
    parts.next().is_none().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let path = offset_file(Path::new("/d"), 42, LOG);
        assert_eq!(path, Path::new("/d/00000000000000000042.log"));
        let file = OffsetFile { offset: 42, kind: LOG, suffix: None };
        assert_eq!(parse(path.file_name().unwrap()), Some(file.clone()));
        let swapped = with_suffix(&path, SWAP);
        assert_eq!(parse(swapped.file_name().unwrap()), Some(OffsetFile { suffix: Some(SWAP), ..file }));
        for other in
            ["partition.metadata", "leader-epoch-checkpoint", "1.log.swap.x", "99999999999999999999.log", ".log"]
        {
            assert_eq!(parse(OsStr::new(other)), None, "{other}");
        }
    }
}
