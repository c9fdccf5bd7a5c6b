//! Reading from and writing to a socket without holding a buffer for it: an idle connection waits for readiness with
//! nothing in hand, and what is sent from a file is read again where the socket stalls, rather than kept.

use crate::buffers::BufferPool;
use crate::disk::RealFile;
use bytes::BufMut;
use rustix::io::{ReadWriteFlags, preadv2};
use std::io::{self, ErrorKind, IoSliceMut};
use std::os::unix::fs::FileExt;
use tokio::net::TcpStream;

/// A range of a file to be sent.
#[derive(Debug, Clone)]
pub struct FileRange {
    pub file: RealFile,
    pub position: u64,
    pub length: usize,
}

/// File data goes out in steps of this size: measured, smaller ones cost twice as much, larger ones no less.
const STEP: usize = 1 << 20;

/// Reads what is there; None when the socket has nothing.
pub(crate) fn try_read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.try_read(buffer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads what is there behind what the buffer holds, into room that it has already; at most `count_max`. None when the
/// socket has nothing.
pub(crate) fn try_read_more(stream: &TcpStream, buffer: &mut Vec<u8>, count_max: usize) -> io::Result<Option<usize>> {
    let room = count_max.min(buffer.capacity() - buffer.len());
    match stream.try_read_buf(&mut buffer.limit(room)) {
        Ok(0) if room > 0 => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes all bytes, waiting for the socket where it must.
pub(crate) async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes bytes, and between them ranges of files, each before the byte at its place. What comes before a range goes out
/// in one write with the range's first step. After every step others get their turn.
pub(crate) async fn write_spliced(
    stream: &TcpStream,
    bytes: &[u8],
    ranges: &[(usize, FileRange)],
    pool: &BufferPool,
) -> io::Result<()> {
    let mut sent = 0;
    let mut ahead: &[u8] = &[];
    for (place, range) in ranges {
        ahead = if sent < *place { &bytes[sent..*place] } else { ahead };
        sent = *place;
        let mut done = 0;
        while done < range.length || !ahead.is_empty() {
            let mut buffer = pool.take(ahead.len() + (range.length - done).min(STEP));
            let stepped = step(stream, &mut buffer, ahead, range, done).await;
            pool.give(buffer);
            done += stepped?;
            ahead = &[];
            tokio::task::yield_now().await;
        }
    }
    write_all(stream, &bytes[sent..]).await
}

/// Sends what comes before and one step of the file. Gives how much of the file was sent.
async fn step(
    stream: &TcpStream,
    buffer: &mut Vec<u8>,
    ahead: &[u8],
    range: &FileRange,
    done: usize,
) -> io::Result<usize> {
    let count = (range.length - done).min(STEP);
    let start = ahead.len();
    // What a pooled buffer was filled with last is overwritten: zeroing a megabyte for each step costs as much as reading it.
    if buffer.len() < start + count {
        buffer.resize(start + count, 0);
    }
    let buffer = &mut buffer[..start + count];
    buffer[..start].copy_from_slice(ahead);
    read_range(range, done, &mut buffer[start..]).await?;
    // The header must go out whole; of the file's data what the socket does not take is read again later.
    let mut written = 0;
    loop {
        match stream.try_write(&buffer[written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock && written >= start => {
                stream.writable().await?;
                return Ok(written - start);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
        if written == buffer.len() {
            return Ok(count);
        }
    }
}

/// Fills the buffer from the page cache; what is not there is read on a thread that may wait for the disk.
pub(crate) async fn read_range(range: &FileRange, done: usize, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let position = range.position + (done + filled) as u64;
        let at_once = preadv2(
            range.file.as_file(),
            &mut [IoSliceMut::new(&mut buffer[filled..])],
            position,
            ReadWriteFlags::NOWAIT,
        );
        match at_once {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => {
                let (file, wanted) = (range.file.clone(), buffer.len() - filled);
                let read = tokio::task::spawn_blocking(move || {
                    let mut bytes = vec![0; wanted];
                    file.as_file().read_exact_at(&mut bytes, position).map(|()| bytes)
                });
                let bytes = read.await.map_err(io::Error::other)??;
                buffer[filled..].copy_from_slice(&bytes);
                filled = buffer.len();
            }
        }
    }
    Ok(())
}
