//! `ottla server-start --ephemeral`: a node for a test, on free ports, whose data goes with it.

use anyhow::{Context, Result};
use ottla_io::clock;
use ottla_server::config::{Origin, Properties, embedded};
use ottla_server::storage;
use std::path::PathBuf;

/// A directory that is removed at the end.
pub(crate) struct Ephemeral {
    path: PathBuf,
}

impl Ephemeral {
    pub(crate) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ottla-{}", storage::random_uuid(&mut clock::seed())));
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }

    /// A node that stands alone on this machine; the system chooses its ports.
    pub(crate) fn properties(&self) -> Properties {
        let mut properties = embedded(&self.path.to_string_lossy());
        for (key, value) in [
            ("listeners", "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"),
            ("controller.quorum.bootstrap.servers", "127.0.0.1:0"),
            // Members of a group in a test do not come late.
            ("group.initial.rebalance.delay.ms", "0"),
        ] {
            properties.set(key, value, Origin::Program);
        }
        properties
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}
