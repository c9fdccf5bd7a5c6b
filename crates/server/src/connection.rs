//! One connection: frames in, answers out, in order. It holds no buffer while it is idle, handles frames where they were
//! read, and lets others have their turn after each round.
//!
//! A frame that is read with others lies in the worker's own buffer; one that does not fit grows in a pooled buffer as its
//! bytes come, never on the word of its length. Where all unfinished frames are to share a bound
//! (`queued.max.request.bytes`), each is read by itself, when there is room for it.

use crate::admission::{Activity, Source};
use crate::budget::{Budget, Share};
use crate::io_threads::{IoThreads, Rider};
use crate::patience::Patience;
use crate::tls::{Terms, Tls};
use ottla_broker::{Answer, Connection, Node, Now, Parked, Reply, Wake, Worker};
use ottla_io::buffers::{BufferPool, capacity_for};
use ottla_io::clock;
use ottla_io::disk::RealDisk;
use ottla_io::socket::Socket;
use ottla_io::stream::FileRange;
use ottla_metadata::image::{ConfigResource, ConfigResourceKind};
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What all connections of a node share.
pub(crate) struct Shared {
    pub node: Arc<Node<RealDisk>>,
    pub io: Arc<IoThreads>,
    pub pool: BufferPool,
    pub budget: Budget,
    pub patience: Patience,
    /// How many connections there may be.
    pub limits: Source,
    /// `socket.request.max.bytes`
    pub frame_bytes_max: usize,
    /// `connections.max.idle.ms`
    pub idle_max: Duration,
    /// `connection.failed.authentication.delay.ms`
    pub refusal_delay: Duration,
}

impl Shared {
    /// What a new connection is served with: as the metadata has it now.
    pub(crate) fn terms(&self, tls: &Tls) -> Terms {
        let published = self.node.published();
        let of = |name: String| {
            let resource = ConfigResource { kind: ConfigResourceKind::Broker, name };
            published.image.configs.get(&resource).unwrap_or(&tls.nothing)
        };
        tls.terms(of(self.node.id.to_string()), of(String::new()))
    }
}

/// Wakes the connection's task.
#[derive(Default)]
pub(crate) struct Waker(Notify);

impl Wake for Waker {
    fn wake(&self) {
        self.0.notify_one();
    }
}

const SCRATCH_BYTES: usize = 64 << 10;
/// The most room that a frame gets from the pool, for each byte of it that has come: a full scratch gets what a frame of a
/// MiB needs, while a few bytes with a great length cannot keep a great buffer from others.
const ROOM_PER_BYTE: usize = 16;

struct Local {
    scratch: Box<[u8]>,
    worker: Worker,
}

thread_local! {
    /// What a worker thread lends to the requests that it handles.
    static LOCAL: RefCell<Local> = RefCell::new(Local {
        scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
        worker: Worker::default(),
    });
}

fn now() -> Now {
    Now { instant: clock::instant(), wall: clock::wall() }
}

/// What a round of reading led to.
enum Next {
    Read,
    Wait(Box<dyn Parked<RealDisk>>),
    /// The client took more than it may: nothing more of it for this time.
    Mute(Duration),
    Close(String),
}

pub(crate) struct Serving {
    pub shared: Arc<Shared>,
    pub stream: Socket,
    pub connection: Arc<Connection>,
    pub waker: Arc<Waker>,
    /// The beginning of a frame, with its length.
    pub partial: Vec<u8>,
    /// Where it is noted that the client was heard of.
    pub activity: Activity,
    /// Of the budget: for the frame that is being read.
    pub share: Option<Share>,
    /// A request that waits, while the connection moves to other threads.
    pub parked: Option<Box<dyn Parked<RealDisk>>>,
    /// What tells that it is to move; none where it cannot.
    pub rider: Option<Rider>,
}

impl Serving {
    /// Serves until the client leaves or must be left; or gives itself back, to be moved to other threads.
    pub(crate) async fn run(mut self) -> Option<Self> {
        loop {
            if self.is_to_move() {
                return Some(self);
            }
            let next = match self.parked.take() {
                Some(parked) => Ok(Next::Wait(parked)),
                None => self.round().await,
            };
            let served = match next {
                Ok(Next::Read) => continue,
                Ok(Next::Wait(parked)) => self.wait(parked).await,
                Ok(Next::Mute(time)) => Box::pin(self.mute(time)).await,
                Ok(Next::Close(reason)) => Err(io::Error::new(ErrorKind::InvalidData, reason)),
                Err(error) => Err(error),
            };
            if let Err(error) = served {
                match error.kind() {
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {}
                    _ => tracing::info!("the connection of {} is closed: {error}", self.connection.host.as_str()),
                }
                return None;
            }
        }
    }

    fn is_to_move(&self) -> bool {
        self.rider.as_ref().is_some_and(Rider::is_to_move)
    }

    /// Waits for something to read. False if it was woken, for it may have to move.
    async fn is_readable(&mut self) -> io::Result<bool> {
        tokio::select! {
            biased;
            ready = self.stream.readable() => ready.map(|()| true),
            () = self.waker.0.notified() => Ok(false),
        }
    }

    /// Reads once and answers what is whole.
    async fn round(&mut self) -> io::Result<Next> {
        // Frames that were read with one that had to wait come first.
        if !self.has_whole_frame()? {
            self.reserve().await?;
            match tokio::time::timeout(self.shared.idle_max, self.is_readable()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Ok(Next::Read),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Ok(Next::Close("it was idle for connections.max.idle.ms".to_owned())),
            }
        }
        self.activity.note(clock::instant());
        let mut out = Out::default();
        let next = match self.partial.len() {
            0..4 if self.shared.budget.is_bounded() => self.read_length()?,
            0..4 => self.read_small(&mut out)?,
            _ => Box::pin(self.read_large(&mut out)).await?,
        };
        out.send(&mut self.stream, &self.shared.pool).await?;
        tokio::task::consume_budget().await;
        Ok(next)
    }

    /// Waits until the frame whose length is known has its room.
    async fn reserve(&mut self) -> io::Result<()> {
        if self.share.is_none()
            && self.shared.budget.is_bounded()
            && let Some(end) = frame_end(&self.partial, self.shared.frame_bytes_max)?
        {
            self.share = self.shared.budget.reserve(end).await;
        }
        Ok(())
    }

    fn has_whole_frame(&self) -> io::Result<bool> {
        Ok(frame_end(&self.partial, self.shared.frame_bytes_max)?.is_some_and(|end| end <= self.partial.len()))
    }

    /// Reads into the worker's buffer and handles what lies there.
    fn read_small(&mut self, out: &mut Out) -> io::Result<Next> {
        LOCAL.with_borrow_mut(|local| {
            let held = self.partial.len();
            local.scratch[..held].copy_from_slice(&self.partial);
            let Some(count) = self.stream.try_read(&mut local.scratch[held..])? else { return Ok(Next::Read) };
            self.keep(&[]);
            let (bytes, worker) = (&local.scratch[..held + count], &mut local.worker);
            let (used, next) = handle(&self.shared, &self.connection, bytes, worker, out)?;
            self.keep(&bytes[used..]);
            Ok(next)
        })
    }

    /// Reads no more than a frame's length: whether there is room for the rest is asked first.
    fn read_length(&mut self) -> io::Result<Next> {
        let held = self.partial.len();
        self.partial.reserve_exact(4 - held);
        self.stream.try_read_more(&mut self.partial, 4 - held)?;
        Ok(Next::Read)
    }

    /// Goes on with a frame whose beginning is kept.
    async fn read_large(&mut self, out: &mut Out) -> io::Result<Next> {
        let end = frame_end(&self.partial, self.shared.frame_bytes_max)?.unwrap_or(4);
        let held = self.partial.len();
        if held < end {
            self.make_room(end);
            let room = self.partial.capacity().min(end);
            self.stream.try_read_more(&mut self.partial, room - held)?;
        }
        if self.partial.len() < end {
            return Ok(Next::Read);
        }
        let bytes = std::mem::take(&mut self.partial);
        let large = bytes.len() >= SCRATCH_BYTES;
        let handled = match large && self.shared.patience.is_tried(clock::instant()) {
            true => Box::pin(self.handle_beside(bytes, out)).await?,
            false => Handled::new(&self.shared, &self.connection, bytes, std::mem::take(out)),
        };
        *out = handled.out;
        let next = handled.result.map(|(used, next)| {
            self.keep(&handled.bytes[used..]);
            next
        });
        self.shared.pool.give(handled.bytes);
        self.share = None;
        if large {
            self.shared.patience.note(handled.took, clock::instant());
            // Others come first after so much: the runtime counts operations, not bytes.
            tokio::task::yield_now().await;
        }
        next
    }

    /// Handles what may be held up by the disk on a thread that may wait.
    async fn handle_beside(&mut self, bytes: Vec<u8>, out: &mut Out) -> io::Result<Handled> {
        let place = self.shared.patience.place().await;
        let (shared, connection, out) = (Arc::clone(&self.shared), Arc::clone(&self.connection), std::mem::take(out));
        let handled = tokio::task::spawn_blocking(move || {
            let handled = Handled::new(&shared, &connection, bytes, out);
            drop(place);
            handled
        });
        handled.await.map_err(io::Error::other)
    }

    /// Sees to room for more of a frame: for as much again as has come, since a length alone makes no memory.
    fn make_room(&mut self, end: usize) {
        let held = self.partial.len();
        let room = end.min((held * 2).max(SCRATCH_BYTES));
        if self.partial.capacity() >= room {
            return;
        }
        let most = self.share.as_ref().map_or(usize::MAX, Share::bytes);
        let new = capacity_for(room).min(most).max(room);
        match self.shared.pool.take_between(room, new.max(held * ROOM_PER_BYTE).min(most), end) {
            Some(mut larger) => {
                larger.clear();
                larger.extend_from_slice(&self.partial);
                self.shared.pool.give(std::mem::replace(&mut self.partial, larger));
            }
            None => self.partial.reserve_exact(new - held),
        }
    }

    /// Keeps the beginning of a frame for the next round.
    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.partial = Vec::new();
            return;
        }
        if self.partial.capacity() < rest.len() {
            let count = rest.len();
            let wanted = frame_end(rest, self.shared.frame_bytes_max).ok().flatten().unwrap_or(count);
            let taken = self.shared.pool.take_between(count, count * ROOM_PER_BYTE, wanted);
            self.partial = taken.unwrap_or_else(|| Vec::with_capacity(count));
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
    }

    /// Waits for a parked request's answer, and sends it.
    async fn wait(&mut self, mut parked: Box<dyn Parked<RealDisk>>) -> io::Result<()> {
        loop {
            let answer = self.resume(&mut parked);
            let answer = match answer {
                Some(answer) => Some(answer),
                // What happened before it registered woke nobody: look once more before sleeping.
                None => {
                    parked.wait_again(&self.shared.node);
                    self.resume(&mut parked)
                }
            };
            match answer {
                Some(Answer::Reply(reply)) => {
                    let mut out = Out::default();
                    let time = reply.wait;
                    out.add(reply);
                    out.send(&mut self.stream, &self.shared.pool).await?;
                    return Box::pin(self.mute(time)).await;
                }
                Some(Answer::Close(reason)) => return Err(io::Error::new(ErrorKind::InvalidData, reason)),
                Some(Answer::Parked(next)) => {
                    parked = next;
                    continue;
                }
                Some(Answer::Silence { wait }) => return self.mute(wait).await,
                None if self.is_to_move() => {
                    self.parked = Some(parked);
                    return Ok(());
                }
                None => {}
            }
            let woken = self.waker.0.notified();
            let deadline = parked.deadline();
            let slept = async move {
                match deadline {
                    Some(deadline) => {
                        let patience = deadline.saturating_since(clock::instant());
                        let _ = tokio::time::timeout(patience, woken).await;
                    }
                    None => woken.await,
                }
            };
            tokio::select! {
                () = slept => {}
                gone = gone(&mut self.stream, self.partial.is_empty()) => {
                    parked.cancel(&self.shared.node);
                    return Err(gone);
                }
            }
        }
    }

    /// Takes nothing for a while (KIP-219): the client was answered, and told to wait.
    async fn mute(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            gone = gone(&mut self.stream, self.partial.is_empty()) => Err(gone),
        }
    }

    fn resume(&self, parked: &mut Box<dyn Parked<RealDisk>>) -> Option<Answer<RealDisk>> {
        LOCAL.with_borrow_mut(|local| parked.resume(&self.shared.node, now(), &mut local.worker))
    }
}

/// A large frame that was handled, and what came of it.
struct Handled {
    bytes: Vec<u8>,
    out: Out,
    result: io::Result<(usize, Next)>,
    took: Duration,
}

impl Handled {
    fn new(shared: &Shared, connection: &Arc<Connection>, bytes: Vec<u8>, mut out: Out) -> Self {
        let began = clock::instant();
        let result = LOCAL.with_borrow_mut(|local| handle(shared, connection, &bytes, &mut local.worker, &mut out));
        Self { bytes, out, result, took: clock::instant().saturating_since(began) }
    }
}

/// Answers the whole frames in `bytes`, up to one that must wait. Gives how far it came.
fn handle(
    shared: &Shared,
    connection: &Arc<Connection>,
    bytes: &[u8],
    worker: &mut Worker,
    out: &mut Out,
) -> io::Result<(usize, Next)> {
    let mut used = 0;
    loop {
        let end = match frame_end(&bytes[used..], shared.frame_bytes_max) {
            Ok(Some(end)) => end,
            Ok(None) => break,
            // What came before it is still answered.
            Err(error) => return Ok((used, Next::Close(error.to_string()))),
        };
        let Some(frame) = bytes.get(used + 4..used + end) else { break };
        used += end;
        match shared.node.handle(connection, frame, now(), worker) {
            Answer::Reply(reply) => {
                let time = reply.wait;
                out.add(reply);
                if !time.is_zero() {
                    return Ok((used, Next::Mute(time)));
                }
            }
            Answer::Silence { wait } if !wait.is_zero() => return Ok((used, Next::Mute(wait))),
            Answer::Silence { .. } => {}
            Answer::Parked(parked) => return Ok((used, Next::Wait(parked))),
            Answer::Close(reason) => return Ok((used, Next::Close(reason))),
        }
    }
    Ok((used, Next::Read))
}

/// Comes back when the client has left. Bytes that it sends meanwhile are not taken; with some of them here already it
/// cannot be watched.
async fn gone(stream: &mut Socket, quiet: bool) -> io::Error {
    if quiet { stream.gone().await } else { std::future::pending().await }
}

/// Where the frame at the beginning of `bytes` ends; None when its length is not there yet.
fn frame_end(bytes: &[u8], frame_bytes_max: usize) -> io::Result<Option<usize>> {
    let Some(length) = bytes.first_chunk() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(length) if length <= frame_bytes_max => Ok(Some(4 + length)),
        Ok(length) => {
            Err(invalid(format!("a request of {length} bytes exceeds socket.request.max.bytes = {frame_bytes_max}")))
        }
        Err(_) => Err(invalid(format!("a request has the length {length}"))),
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

/// Answers of one round, to be sent together.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    ranges: Vec<(usize, FileRange)>,
}

impl Out {
    fn add(&mut self, reply: Reply<RealDisk>) {
        let before = self.bytes.len();
        for (place, slice) in reply.slices {
            if let Some(file) = slice.file {
                let range = FileRange { file, position: slice.position, length: slice.length };
                self.ranges.push((before + place, range));
            }
        }
        if before == 0 {
            self.bytes = reply.bytes;
        } else {
            self.bytes.extend_from_slice(&reply.bytes);
        }
    }

    async fn send(self, stream: &mut Socket, pool: &BufferPool) -> io::Result<()> {
        if self.ranges.is_empty() {
            return stream.write_all(&self.bytes, pool).await;
        }
        stream.write_spliced(&self.bytes, &self.ranges, pool).await
    }
}
