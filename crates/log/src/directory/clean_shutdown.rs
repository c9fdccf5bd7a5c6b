//! `.kafka_cleanshutdown`: the mark of a clean stop, JSON with the broker epoch of the registration that ended with it.
//!
//! Invariants: it is durable only after everything it vouches for; its removal is durable before any log is opened.

use std::path::Path;

use ottla_machine::Disk;

use crate::error::{LogError, doing, sync_dir};

const NAME: &str = ".kafka_cleanshutdown";

/// A clean stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// −1 if the mark does not tell (Kafka before 3.6 left the file empty).
    pub broker_epoch: i64,
}

pub(super) fn take<D: Disk>(disk: &D, dir: &Path) -> Result<Option<CleanShutdown>, LogError> {
    let path = dir.join(NAME);
    let content = match disk.read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        content => content.map_err(doing("reading", &path))?,
    };
    disk.remove_file(&path).map_err(doing("removing", &path))?;
    sync_dir(disk, dir)?;
    let told = serde_json::from_slice::<serde_json::Value>(&content).ok();
    let broker_epoch = told.as_ref().and_then(|json| json.get("brokerEpoch")?.as_i64()).unwrap_or(-1);
    Ok(Some(CleanShutdown { broker_epoch }))
}

pub(super) fn write<D: Disk>(disk: &D, dir: &Path, mark: CleanShutdown) -> Result<(), LogError> {
    let path = dir.join(NAME);
    let content = format!(r#"{{"version":0,"brokerEpoch":{}}}"#, mark.broker_epoch);
    disk.write_atomically(&path, content.as_bytes()).map_err(doing("writing", &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_machine::{MemDisk, Seed};

    #[test]
    fn a_mark_is_taken_once_even_across_a_crash() {
        let disk = MemDisk::new();
        let dir = Path::new("/data");
        disk.create_dir_all(dir).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        write(&disk, dir, CleanShutdown { broker_epoch: 42 }).unwrap();
        assert_eq!(disk.read(&dir.join(NAME)).unwrap(), br#"{"version":0,"brokerEpoch":42}"#);
        for seed in 0..20 {
            disk.crash(&mut Seed(seed));
            assert!(disk.exists(&dir.join(NAME)).unwrap());
        }
        assert_eq!(take(&disk, dir).unwrap(), Some(CleanShutdown { broker_epoch: 42 }));
        for seed in 0..20 {
            disk.crash(&mut Seed(seed));
            assert_eq!(take(&disk, dir).unwrap(), None);
        }
    }

    #[test]
    fn an_empty_mark_is_one() {
        let disk = MemDisk::new();
        disk.write_atomically(Path::new("/.kafka_cleanshutdown"), b"").unwrap();
        assert_eq!(take(&disk, Path::new("/")).unwrap(), Some(CleanShutdown { broker_epoch: -1 }));
    }
}
