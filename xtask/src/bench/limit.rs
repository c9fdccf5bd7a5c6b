//! What the kernel itself costs: a bare loop from a loopback socket to a file, and from a cached file to a socket.
//! Goals are stated against these, and a run in which they move tells that the machine was busy.

use super::results::Spread;
use super::system::cpu_of;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;

const BYTES: usize = 512 << 20;
const STEP: usize = 1 << 20;

/// CPU seconds per GB of the loop's own thread.
#[derive(Default)]
pub(crate) struct Limits {
    pub(crate) to_file: Spread,
    pub(crate) to_socket: Spread,
}

impl Limits {
    pub(crate) fn measure(&mut self, work: &Path) -> Result<()> {
        let path = work.join("limit");
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        self.to_file.add(socket_to_file(&mut file)?);
        self.to_socket.add(file_to_socket(&file)?);
        std::fs::remove_file(&path)?;
        Ok(())
    }
}

fn socket_to_file(file: &mut File) -> Result<f64> {
    let (mut from, mut to) = pair()?;
    let sender = std::thread::spawn(move || {
        let step = vec![1; STEP];
        (0..BYTES / STEP).try_for_each(|_| from.write_all(&step))
    });
    let mut buffer = vec![1; STEP];
    let before = thread_cpu()?;
    loop {
        let count = to.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        file.write_all(buffer.get(..count).unwrap_or_default())?;
    }
    let seconds = thread_cpu()? - before;
    sender.join().ok().context("the sender failed")??;
    Ok(seconds / (BYTES as f64 / 1e9))
}

fn file_to_socket(file: &File) -> Result<f64> {
    let (mut from, mut to) = pair()?;
    let receiver = std::thread::spawn(move || {
        let mut buffer = vec![1; STEP];
        while matches!(to.read(&mut buffer), Ok(1..)) {}
    });
    let mut buffer = vec![1; STEP];
    let before = thread_cpu()?;
    for step in 0..BYTES / STEP {
        file.read_exact_at(&mut buffer, (step * STEP) as u64)?;
        from.write_all(&buffer)?;
    }
    let seconds = thread_cpu()? - before;
    drop(from);
    receiver.join().ok().context("the receiver failed")?;
    Ok(seconds / (BYTES as f64 / 1e9))
}

fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let from = TcpStream::connect(listener.local_addr()?)?;
    Ok((from, listener.accept()?.0))
}

fn thread_cpu() -> Result<f64> {
    cpu_of(&std::fs::read_to_string("/proc/thread-self/stat")?).context("an unreadable stat")
}
