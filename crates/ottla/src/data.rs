//! Where a node's data are, and that they go with it.

use super::StartError;
use ottla_io::clock;
use ottla_server::storage;
use std::path::{Path, PathBuf};

/// The file system in memory.
pub(crate) const MEMORY: &str = "/dev/shm";

#[derive(Debug, Default)]
pub(crate) enum Place {
    #[default]
    Temporary,
    Memory,
    Given(PathBuf),
}

/// A directory; removed at the end unless it was given.
#[derive(Debug)]
pub struct Data {
    path: PathBuf,
    is_given: bool,
}

impl Data {
    pub(crate) fn new(place: Place) -> Result<Self, StartError> {
        let (path, is_given) = match place {
            Place::Temporary => (fresh(&std::env::temp_dir()), false),
            Place::Memory if Path::new(MEMORY).is_dir() => (fresh(Path::new(MEMORY)), false),
            Place::Memory => return Err(StartError::NoMemory),
            Place::Given(path) => (path, true),
        };
        let made = if is_given { std::fs::create_dir_all(&path) } else { std::fs::create_dir(&path) };
        made.map_err(|error| StartError::Directory { path: path.clone(), error })?;
        Ok(Self { path, is_given })
    }

    /// A directory of its own below the system's for temporary files.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn temporary() -> Result<Self, StartError> {
        Self::new(Place::Temporary)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn fresh(parent: &Path) -> PathBuf {
    parent.join(format!("ottla-{}", storage::random_uuid(&mut clock::seed())))
}

impl Drop for Data {
    fn drop(&mut self) {
        // Who looks at a test's end has no use for an error; what is left lies where temporary things are swept.
        if !self.is_given {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
