//! A recording proxy: passes bytes on as they come, and keeps, of each API, version and direction, the smallest and
//! the largest frame that went by.
//!
//! A response is paired with its request by the correlation id, connection by connection. Frames above
//! [`KEPT_FRAME_BYTES_MAX`] are passed on but not kept. What a driver's clients never ask is not here.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Examples stay small enough to be committed.
const KEPT_FRAME_BYTES_MAX: usize = 16 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Request,
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Api {
    key: i16,
    version: i16,
}

/// Examples of frames, without their lengths.
#[derive(Debug, Default)]
pub(crate) struct Captured(BTreeMap<(Api, Direction), Vec<Vec<u8>>>);

impl Captured {
    fn keep(&mut self, api: Api, direction: Direction, frame: &[u8]) {
        if frame.len() > KEPT_FRAME_BYTES_MAX {
            return;
        }
        let examples = self.0.entry((api, direction)).or_default();
        examples.push(frame.to_vec());
        // The smallest and the largest; of frames of one length the first.
        examples.sort_by_key(Vec::len);
        examples.dedup_by_key(|example| example.len());
        if examples.len() > 2 {
            examples.remove(1);
        }
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        for ((api, direction), examples) in other.0 {
            for example in examples {
                self.keep(api, direction, &example);
            }
        }
        self
    }

    /// Writes each example to `<api key>-<version>-<request|response>-<n>.bin`, in place of those of an earlier run.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "bin") {
                std::fs::remove_file(path)?;
            }
        }
        let mut bytes = 0;
        for ((api, direction), examples) in &self.0 {
            let direction = match direction {
                Direction::Request => "request",
                Direction::Response => "response",
            };
            for (n, example) in examples.iter().enumerate() {
                bytes += example.len();
                std::fs::write(dir.join(format!("{}-{}-{direction}-{n}.bin", api.key, api.version)), example)?;
            }
        }
        let files: usize = self.0.values().map(Vec::len).sum();
        println!("captured {files} frames, {bytes} bytes, into {}", dir.display());
        Ok(())
    }
}

/// Listens on a port of its own before a node's.
pub(crate) struct Proxy {
    port: u16,
    captured: Arc<Mutex<Captured>>,
}

impl Proxy {
    pub(crate) fn before(node_port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the proxy")?;
        let port = listener.local_addr()?.port();
        let captured = Arc::new(Mutex::new(Captured::default()));
        let kept = Arc::clone(&captured);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // A connection that cannot be passed on is closed, as the node would.
                std::thread::spawn(move || pass_on(&client, node_port, &kept));
            }
        });
        Ok(Self { port, captured })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn captured(self) -> Captured {
        std::mem::take(&mut *self.captured.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Requests of one connection that are not answered yet.
type Asked = Mutex<BTreeMap<i32, Api>>;

fn pass_on(client: &TcpStream, node_port: u16, kept: &Mutex<Captured>) -> Result<()> {
    let node = TcpStream::connect(("127.0.0.1", node_port))?;
    client.set_nodelay(true)?;
    node.set_nodelay(true)?;
    let asked = Asked::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pump(client, &node, |frame| {
                if let Some((api, correlation)) = request(frame) {
                    lock(&asked).insert(correlation, api);
                    lock(kept).keep(api, Direction::Request, frame);
                }
            });
        });
        pump(&node, client, |frame| {
            let correlation = frame.get(..4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
            let api = correlation.and_then(|correlation| lock(&asked).remove(&correlation));
            if let Some(api) = api {
                lock(kept).keep(api, Direction::Response, frame);
            }
        });
    });
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The API and the correlation id that open a request.
fn request(frame: &[u8]) -> Option<(Api, i32)> {
    let key = i16::from_be_bytes(frame.get(0..2)?.try_into().ok()?);
    let version = i16::from_be_bytes(frame.get(2..4)?.try_into().ok()?);
    let correlation = i32::from_be_bytes(frame.get(4..8)?.try_into().ok()?);
    Some((Api { key, version }, correlation))
}

/// Passes bytes on until either side ends, telling of each whole frame before its last byte leaves.
fn pump(mut from: &TcpStream, mut to: &TcpStream, mut tell: impl FnMut(&[u8])) {
    let mut frames = Frames::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        frames.take(&chunk[..count], &mut tell);
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    // Both ways, so that the other pump ends too. A socket that is closed already is what is wanted.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Splits a stream into frames; of one too large to be kept, nothing is held.
#[derive(Default)]
struct Frames {
    held: Vec<u8>,
    /// Bytes of an oversized frame still to come.
    skip: usize,
}

impl Frames {
    fn take(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = match self.held.first_chunk::<4>() {
                None => 4,
                Some(length) => 4 + u32::from_be_bytes(*length) as usize,
            };
            if wanted > 4 + KEPT_FRAME_BYTES_MAX {
                // Its head has no more than the fields that pair it with its answer.
                let head = 12;
                if self.held.len() < head {
                    self.fill(head, &mut bytes);
                    continue;
                }
                tell(&self.oversized());
                self.skip = wanted - self.held.len();
                self.held.clear();
                continue;
            }
            self.fill(wanted, &mut bytes);
            if self.held.len() == wanted && wanted > 4 {
                tell(&self.held[4..]);
                self.held.clear();
            } else if self.held == [0; 4] {
                self.held.clear();
            }
        }
    }

    fn fill(&mut self, wanted: usize, bytes: &mut &[u8]) {
        let taken = wanted.saturating_sub(self.held.len()).min(bytes.len());
        self.held.extend_from_slice(&bytes[..taken]);
        *bytes = &bytes[taken..];
    }

    /// A stand-in of more than may be kept, with the head of the real frame.
    fn oversized(&self) -> Vec<u8> {
        let mut frame = self.held[4..].to_vec();
        frame.resize(KEPT_FRAME_BYTES_MAX + 1, 0);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(frame: &[u8]) -> Vec<u8> {
        [&(frame.len() as u32).to_be_bytes(), frame].concat()
    }

    fn split(stream: &[u8], chunk: usize) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        let mut frames = Frames::default();
        for part in stream.chunks(chunk) {
            frames.take(part, &mut |frame| seen.push(frame.to_vec()));
        }
        seen
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let stream = [framed(b"12345678"), framed(b"abcdefghij"), framed(b"x")].concat();
        for chunk in 1..stream.len() {
            assert_eq!(split(&stream, chunk), [&b"12345678"[..], b"abcdefghij", b"x"]);
        }
    }

    #[test]
    fn an_oversized_frame_is_told_with_its_head_and_not_kept() {
        let large = [&b"headhead"[..], &vec![7; KEPT_FRAME_BYTES_MAX]].concat();
        let stream = [framed(&large), framed(b"next")].concat();
        for chunk in [1, 5, 1000, stream.len()] {
            let seen = split(&stream, chunk);
            assert_eq!(seen.len(), 2);
            assert!(seen[0].starts_with(b"headhead") && seen[0].len() > KEPT_FRAME_BYTES_MAX);
            assert_eq!(seen[1], b"next");
        }
        let mut captured = Captured::default();
        captured.keep(Api { key: 0, version: 3 }, Direction::Request, &split(&framed(&large), 10)[0]);
        assert!(captured.0.is_empty());
    }

    #[test]
    fn the_smallest_and_the_largest_are_kept() {
        let mut captured = Captured::default();
        let api = Api { key: 18, version: 4 };
        for frame in [&b"middle"[..], b"the largest", b"small", b"again!"] {
            captured.keep(api, Direction::Response, frame);
        }
        assert_eq!(captured.0[&(api, Direction::Response)], [&b"small"[..], b"the largest"]);
    }

    #[test]
    fn traffic_passes_through_and_answers_find_their_requests() {
        let node = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::before(node.local_addr().unwrap().port()).unwrap();
        let served = std::thread::spawn(move || {
            let (mut connection, _) = node.accept().unwrap();
            let mut request = [0; 14];
            connection.read_exact(&mut request).unwrap();
            connection.write_all(&framed(&[&request[8..12], b"answer"].concat())).unwrap();
        });
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        client.write_all(&framed(&[0, 18, 0, 4, 0, 0, 0, 9, 1, 1])).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        served.join().unwrap();
        assert_eq!(answer, framed(b"\0\0\0\x09answer"));
        let api = Api { key: 18, version: 4 };
        let captured = proxy.captured();
        assert_eq!(captured.0[&(api, Direction::Request)].len(), 1);
        assert_eq!(captured.0[&(api, Direction::Response)], [b"\0\0\0\x09answer"]);
    }
}
