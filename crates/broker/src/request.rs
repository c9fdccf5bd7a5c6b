//! A request on its way through the node: where it came from, what its header says, and how it is answered. No futures:
//! a request is answered at once, or parked as a value that is asked again when something it waits for has happened.

use crate::node::Node;
use ottla_log::{FetchedSlice, Scratch};
use ottla_machine::{Disk, Instant, Timestamp};
use ottla_replica::Wake;
use ottla_security::{AclOperation, Action, ClientHost, Principal, RequestContext, ResourceType};
use ottla_wire::other::{RequestHeader, ResponseHeader};
use ottla_wire::{ApiKey, Decode, DecodeError, Encode, Reader, Writer};
use std::sync::Arc;
use std::time::Duration;

/// The time of a call: the monotonic clock for deadlines, the wall clock for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub instant: Instant,
    pub wall: Timestamp,
}

/// Which APIs a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    Broker,
    Controller,
}

/// What the node knows of a connection.
pub struct Connection {
    pub listener: Arc<str>,
    pub kind: ListenerKind,
    pub principal: Principal,
    pub host: ClientHost,
    /// Woken when a parked request is worth another look.
    pub waker: Arc<dyn Wake>,
    /// The clock of who serves it. It is asked only where requests have a quota of time.
    pub clock: fn() -> Instant,
}

/// One request: its header, and the connection it came by.
#[derive(Clone)]
pub struct Context {
    pub connection: Arc<Connection>,
    pub key: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<Box<str>>,
    pub now: Now,
    /// The frame's, without its length.
    pub frame_bytes: usize,
}

/// What a worker lends to every request that it handles.
#[derive(Default)]
pub struct Worker {
    pub log: Scratch,
}

/// How a request is answered.
pub enum Answer<D: Disk> {
    Reply(Reply<D>),
    /// Produce with acks=0: nothing is sent. The connection takes no more requests for this time.
    Silence {
        wait: Duration,
    },
    /// The connection waits for this.
    Parked(Box<dyn Parked<D>>),
    /// The connection is closed, and why: for the log.
    Close(String),
}

/// A request that waits. The connection asks it again when it is woken and when its deadline has come.
pub trait Parked<D: Disk>: Send {
    /// The answer, if it is time for it; otherwise it goes on waiting, and has registered for what it waits for.
    fn resume(&mut self, node: &Node<D>, now: Now, worker: &mut Worker) -> Option<Answer<D>>;

    /// When to ask again at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// Registers once more for what it waits for: each registration wakes once. The connection calls this after it was
    /// woken to no avail, then resumes again before it sleeps.
    fn wait_again(&mut self, _node: &Node<D>) {}

    /// The connection is gone.
    fn cancel(&mut self, _node: &Node<D>) {}
}

/// Bytes to send: a frame with its length, and ranges of files that belong between them.
pub struct Reply<D: Disk> {
    pub bytes: Vec<u8>,
    /// Each stands before the byte at its place.
    pub slices: Vec<(usize, FetchedSlice<D::File>)>,
    /// How long the connection then takes no more requests.
    pub wait: Duration,
}

/// Why a frame is not a request. The connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the request header cannot be read: {0}")]
    Header(DecodeError),
    #[error("API {key} version {version} is not served on this listener")]
    Unsupported { key: i16, version: i16 },
    #[error("the {key:?} request (version {version}) cannot be read: {error}")]
    Body { key: ApiKey, version: i16, error: DecodeError },
}

impl Context {
    /// Reads a frame's header; the reader stands at the body afterwards.
    pub fn parse<'a>(
        connection: &Arc<Connection>,
        frame: &'a [u8],
        now: Now,
    ) -> Result<(Self, Reader<'a>), FrameError> {
        let mut peek = Reader::new(frame);
        let code = peek.i16().map_err(FrameError::Header)?;
        let version = peek.i16().map_err(FrameError::Header)?;
        let unsupported = FrameError::Unsupported { key: code, version };
        let key = ApiKey::from_code(code).ok_or_else(|| unsupported.clone())?;
        let info = key.info();
        let served = match connection.kind {
            ListenerKind::Broker => info.on_broker,
            ListenerKind::Controller => info.on_controller,
        };
        // A version of ApiVersions that is not known is answered, and its header read like the newest.
        let known = info.versions.contains(version) || key == ApiKey::ApiVersions;
        if !served || !known || !crate::api::is_finished(key) {
            return Err(unsupported);
        }
        let mut reader = Reader::new(frame);
        let header_version = info.request_header_version(version);
        let header = RequestHeader::decode(&mut reader, header_version).map_err(FrameError::Header)?;
        let context = Self {
            connection: Arc::clone(connection),
            key,
            version,
            correlation_id: header.correlation_id,
            client_id: header.client_id.map(|id| id.into_owned().into_boxed_str()),
            now,
            frame_bytes: frame.len(),
        };
        Ok((context, reader))
    }

    /// The whole body, which must fill the rest of the frame's bytes or leave unread what a newer client added.
    pub fn body<'a, T: Decode<'a>>(&self, reader: &mut Reader<'a>) -> Result<T, FrameError> {
        T::decode(reader, self.version).map_err(|error| FrameError::Body {
            key: self.key,
            version: self.version,
            error,
        })
    }

    /// Begins an answer: room for the frame's length, then the header.
    pub fn begin_reply(&self) -> Writer {
        let mut writer = Writer::over(Vec::with_capacity(256));
        writer.i32(0);
        let version = self.key.info().response_header_version(self.key, self.version);
        let header = ResponseHeader { correlation_id: self.correlation_id, ..Default::default() };
        if let Err(error) = header.encode(&mut writer, version) {
            tracing::error!("a response header cannot be written: {error}");
        }
        writer
    }

    /// The answer with this body.
    pub fn reply<D: Disk>(&self, response: &dyn Encode) -> Answer<D> {
        self.reply_in(response, self.version)
    }

    /// The answer with this body, which tells of the wait that comes after it.
    pub fn reply_and_wait<D: Disk>(&self, response: &dyn Encode, wait: Duration) -> Answer<D> {
        match self.reply(response) {
            Answer::Reply(reply) => Answer::Reply(Reply { wait, ..reply }),
            other => other,
        }
    }

    /// The answer in another version than the request's: ApiVersions, to a client that is ahead.
    pub fn reply_in<D: Disk>(&self, response: &dyn Encode, version: i16) -> Answer<D> {
        let mut writer = self.begin_reply();
        let written = response.encode(&mut writer, version).and_then(|()| writer.patch_frame_length(0));
        match written {
            Ok(()) => Answer::Reply(Reply { bytes: writer.into_bytes(), slices: Vec::new(), wait: Duration::ZERO }),
            // A mistake of ours: the client gets no answer that it would take for another.
            Err(error) => Answer::Close(format!("the answer to {:?} cannot be written: {error}", self.key)),
        }
    }

    #[must_use]
    pub fn security(&self) -> RequestContext<'_> {
        RequestContext { principal: &self.connection.principal, host: &self.connection.host }
    }

    /// Whose quotas count: the user's, and the client's by the id that it gives itself.
    #[must_use]
    pub fn taker(&self) -> (&str, Option<&str>) {
        (self.connection.principal.name(), self.client_id.as_deref())
    }

    /// How long ago the request was taken up.
    #[must_use]
    pub fn spent(&self) -> Duration {
        (self.connection.clock)().saturating_since(self.now.instant)
    }

    /// Whether the client may do this to this resource.
    #[must_use]
    pub fn may<D: Disk>(&self, node: &Node<D>, operation: AclOperation, kind: ResourceType, name: &str) -> bool {
        let published = node.published();
        published.authorizer.authorize(&self.security(), &Action::new(operation, kind, name)).is_allowed()
    }

    #[must_use]
    pub fn may_to_topic<D: Disk>(&self, node: &Node<D>, operation: AclOperation, topic: &str) -> bool {
        self.may(node, operation, ResourceType::Topic, topic)
    }

    #[must_use]
    pub fn may_to_group<D: Disk>(&self, node: &Node<D>, operation: AclOperation, group: &str) -> bool {
        self.may(node, operation, ResourceType::Group, group)
    }

    #[must_use]
    pub fn may_to_cluster<D: Disk>(&self, node: &Node<D>, operation: AclOperation) -> bool {
        let published = node.published();
        published.authorizer.authorize(&self.security(), &Action::cluster(operation)).is_allowed()
    }

    /// The bit field of all that the client may do to a resource.
    #[must_use]
    pub fn operations<D: Disk>(&self, node: &Node<D>, kind: ResourceType, name: &str) -> i32 {
        node.published().authorizer.authorized_operations(&self.security(), kind, name)
    }
}
