//! A disk that takes a hundred megabytes a second, made of what a Linux machine has: a file system in user space
//! (`bench/go/slowdisk`), a loop device on its one file, and XFS on that, the file system that Kafka's documentation
//! recommends. Writes go through the page cache, and the kernel holds writers back as it does before a disk that is slow by
//! itself.
//!
//! On ext4 a write that makes a file longer waits for the journal, and that for the streams' data before it: 0.3 s here,
//! whoever writes, with `data=writeback` and `lazytime` too. How much may be dirty is bounded for this disk alone, since the
//! bounds of the whole machine are gigabytes that no short run reaches.

use super::Bench;
use crate::compat::install;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MEGABYTES: u64 = 6000;
const MEGABYTES_PER_SECOND: u64 = 100;
/// The most that the page cache holds for this disk before writers wait.
const DIRTY_BYTES_MAX: u64 = 64 << 20;
const UNMOUNT_TIME_MAX: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Mounted until it is dropped.
pub(crate) struct SlowDisk {
    dir: PathBuf,
    server: Child,
    device: Option<String>,
}

impl SlowDisk {
    /// Why there can be none on this machine.
    pub(crate) fn lacks() -> Option<&'static str> {
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
        let tools = ["losetup", "mkfs.xfs", "mount", "umount"];
        match () {
            () if !root => Some("only root may mount"),
            () if !Path::new("/dev/fuse").exists() => Some("there is no /dev/fuse"),
            () if !tools.iter().all(|tool| install::on_path(tool)) => {
                Some("losetup and mkfs.xfs (Debian: xfsprogs) are not installed")
            }
            () if !Path::new("/sys/class/bdi").exists() => Some("the kernel cannot bound a disk's dirty pages"),
            () => None,
        }
    }

    pub(crate) fn mount(bench: &Bench) -> Result<Self> {
        // Of its own each time: a process with mounts of its own, started meanwhile, would keep one alive.
        let dir = tempfile::Builder::new().prefix("slow-disk-").tempdir_in(&bench.work)?.keep();
        for part in ["fuse", "mount"] {
            std::fs::create_dir_all(dir.join(part))?;
        }
        let mut server = Command::new(&bench.slow_disk);
        server.arg("-mount").arg(dir.join("fuse")).arg("-backing").arg(dir.join("backing"));
        server.args(["-megabytes", &MEGABYTES.to_string(), "-rate", &MEGABYTES_PER_SECOND.to_string()]);
        let mut server = server.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run slowdisk")?;
        let said = server.stdout.take().context("slowdisk has no output")?;
        let mut disk = Self { dir, server, device: None };
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        ensure!(line == "ready\n", "slowdisk says {line:?}");
        let device = output(Command::new("losetup").args(["-f", "--show"]).arg(disk.dir.join("fuse/disk")))?;
        let device = device.trim().to_owned();
        disk.device = Some(device.clone());
        output(Command::new("mkfs.xfs").args(["-q", "-K"]).arg(&device))?;
        output(Command::new("mount").args(["-o", "noatime", &device]).arg(disk.path()))?;
        let name = device.trim_start_matches("/dev/");
        let number = std::fs::read_to_string(format!("/sys/block/{name}/dev"))?;
        let bounds = PathBuf::from(format!("/sys/class/bdi/{}", number.trim()));
        std::fs::write(bounds.join("strict_limit"), "1").context("this kernel knows no strict_limit")?;
        std::fs::write(bounds.join("max_bytes"), DIRTY_BYTES_MAX.to_string())?;
        Ok(disk)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("mount")
    }

    /// Takes it down from the top; what is not there any more is passed over.
    fn unmount(&mut self) {
        let quietly = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        quietly(Command::new("umount").arg(self.path()));
        if let Some(device) = self.device.take() {
            quietly(Command::new("losetup").args(["-d", &device]));
        }
        // The loop device lets go of its file a moment later.
        let deadline = Instant::now() + UNMOUNT_TIME_MAX;
        while matches!(self.server.try_wait(), Ok(None)) && Instant::now() < deadline {
            quietly(Command::new("umount").arg(self.dir.join("fuse")));
            std::thread::sleep(POLL_INTERVAL);
        }
        quietly(Command::new("umount").arg("-l").arg(self.dir.join("fuse")));
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_file(self.dir.join("backing"));
        // What is still mounted stays: nothing in it is this program's to delete.
        for part in ["fuse", "mount", ""] {
            let _ = std::fs::remove_dir(self.dir.join(part));
        }
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
