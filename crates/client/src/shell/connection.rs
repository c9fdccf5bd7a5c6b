//! One connection to a node: requests go out in order, answers come back in the same order.
//!
//! A task reads answers and hands each to who waits for it. When the connection ends, everyone who waits hears of it.

use super::meter::NodeMeter;
use super::reply::Reply;
use crate::error::{ClientError, Result};
use bytes::Bytes;
use ottla_wire::api::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::other::RequestHeader;
use ottla_wire::{ApiKey, Encode, ErrorCode, Request, VersionRange, Writer};
use rustls::pki_types::ServerName;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf, split};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The largest answer that is taken; Kafka's clients have no bound but their memory.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// What answers are read into at first: room grows as bytes come.
const ANSWER_BYTES_FIRST: usize = 64 * 1024;

/// The two ways of a stream, guarded or not.
type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

pub(crate) struct Connection {
    /// `host:port`, for messages.
    name: String,
    client_id: String,
    writer: AsyncMutex<WriteHalf>,
    waiting: Arc<Mutex<Waiting>>,
    versions: BTreeMap<i16, VersionRange>,
    /// What the node said of itself, for those who show it.
    pub(crate) hello: Option<Reply>,
    /// None where nobody asks for metrics.
    meter: Option<NodeMeter>,
}

struct Waiting {
    meter: Option<NodeMeter>,
    next_id: i32,
    /// In the order of their requests.
    answers: VecDeque<(i32, oneshot::Sender<Bytes>)>,
    is_closed: bool,
}

/// An answer that is under way. Dropping it leaves the answer to be thrown away when it comes.
pub(crate) struct Pending {
    receiver: oneshot::Receiver<Bytes>,
    key: ApiKey,
    version: i16,
    name: String,
}

impl Pending {
    pub(crate) async fn wait(self) -> Result<Reply> {
        match self.receiver.await {
            Ok(frame) => Reply::open(frame, self.key, self.version, &self.name),
            Err(_) => Err(ClientError::Disconnected(self.name)),
        }
    }
}

impl Connection {
    /// Connects and learns which versions the node speaks.
    pub(crate) async fn open(
        host: &str,
        port: u16,
        client_id: &str,
        setup: Duration,
        tls: Option<&TlsConnector>,
        meter: Option<NodeMeter>,
    ) -> Result<Self> {
        let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let unreachable = |why: String| ClientError::Unreachable(name.clone(), why);
        let stream = match timeout(setup, TcpStream::connect((host, port))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable("the connection was not set up in time".into())),
        };
        if let Some(meter) = &meter {
            meter.connected();
        }
        stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
        let (reader, writer): (ReadHalf, WriteHalf) = match tls {
            None => {
                let (reader, writer) = stream.into_split();
                (Box::new(reader), Box::new(writer))
            }
            Some(tls) => {
                let server = ServerName::try_from(host.to_owned()).map_err(|error| unreachable(error.to_string()))?;
                let done = timeout(setup, tls.connect(server, stream)).await;
                if let Some(meter) = &meter {
                    meter.authenticated(matches!(done, Ok(Ok(_))));
                }
                let guarded = match done {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => {
                        return Err(ClientError::Handshake(format!("SSL handshake failed: {name}: {error}")));
                    }
                    Err(_) => return Err(unreachable("the TLS handshake was not done in time".into())),
                };
                let (reader, writer) = split(guarded);
                (Box::new(reader), Box::new(writer))
            }
        };
        let waiting = Waiting { meter: meter.clone(), next_id: 0, answers: VecDeque::new(), is_closed: false };
        let waiting = Arc::new(Mutex::new(waiting));
        tokio::spawn(read_answers(reader, Arc::clone(&waiting), meter.clone()));
        let mut connection = Self {
            name,
            client_id: client_id.to_owned(),
            writer: AsyncMutex::new(writer),
            waiting,
            versions: BTreeMap::new(),
            hello: None,
            meter,
        };
        timeout(setup, connection.learn_versions())
            .await
            .map_err(|_| ClientError::Disconnected(connection.name.clone()))??;
        Ok(connection)
    }

    /// A node that is older than the version asked for answers in version 0, and says so (KIP-511).
    async fn learn_versions(&mut self) -> Result<()> {
        let request = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        };
        let pending = self.write(ApiKey::ApiVersions, 4, &request).await?;
        let mut reply = pending.wait().await?;
        // The code is the answer's first field in every version.
        let unsupported = ErrorCode::UnsupportedVersion.code().to_be_bytes();
        if reply.bytes().starts_with(&unsupported) {
            reply = self.write(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()).await?.wait().await?;
        }
        let response: ApiVersionsResponse<'_> = reply.read()?;
        ClientError::check(response.error_code, None)?;
        for api in &response.api_keys {
            self.versions.insert(api.api_key, VersionRange::new(api.min_version, api.max_version));
        }
        self.hello = Some(reply);
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.waiting).is_closed
    }

    /// How many requests wait for their answers.
    pub(crate) fn in_flight(&self) -> usize {
        lock(&self.waiting).answers.len()
    }

    /// The newest version of an API that both sides and `wanted` have.
    pub(crate) fn version(&self, key: ApiKey, wanted: VersionRange) -> Result<i16> {
        let told = self.versions.get(&(key as i16)).ok_or_else(|| {
            ClientError::UnsupportedVersion(format!("The node does not support {}", key.info().name.to_uppercase()))
        })?;
        let version = told.high.min(wanted.high);
        if version < told.low || version < wanted.low {
            return Err(ClientError::UnsupportedVersion(format!(
                "The node does not support {} with version in range [{},{}]. The supported range is [{},{}].",
                key.info().name,
                wanted.low,
                wanted.high,
                told.low,
                told.high
            )));
        }
        Ok(version)
    }

    /// Writes a request, in the newest version that serves; `build` is told which it is.
    pub(crate) async fn send<'r, R: Request<'r>>(
        &self,
        wanted: VersionRange,
        build: impl FnOnce(i16) -> R,
    ) -> Result<Pending> {
        let version = self.version(R::KEY, wanted)?;
        let frame = self.frame(R::KEY, version, &build(version))?;
        self.write_frame(R::KEY, version, frame, true).await
    }

    /// Writes a request to which there is no answer: Produce with `acks=0`.
    pub(crate) async fn send_unanswered<'r, R: Request<'r>>(
        &self,
        wanted: VersionRange,
        build: impl FnOnce(i16) -> R,
    ) -> Result<()> {
        let version = self.version(R::KEY, wanted)?;
        let frame = self.frame(R::KEY, version, &build(version))?;
        self.write_frame(R::KEY, version, frame, false).await.map(drop)
    }

    async fn write(&self, key: ApiKey, version: i16, request: &impl Encode) -> Result<Pending> {
        let frame = self.frame(key, version, request)?;
        self.write_frame(key, version, frame, true).await
    }

    /// A frame whose correlation id is still to be set.
    fn frame(&self, key: ApiKey, version: i16, request: &impl Encode) -> Result<Vec<u8>> {
        let mut writer = Writer::new();
        writer.i32(0);
        let header = RequestHeader {
            request_api_key: key as i16,
            request_api_version: version,
            client_id: Some(self.client_id.as_str().into()),
            ..Default::default()
        };
        header.encode(&mut writer, key.info().request_header_version(version))?;
        request.encode(&mut writer, version)?;
        writer.patch_frame_length(0)?;
        Ok(writer.into_bytes())
    }

    async fn write_frame(&self, key: ApiKey, version: i16, mut frame: Vec<u8>, is_answered: bool) -> Result<Pending> {
        let (sender, receiver) = oneshot::channel();
        let mut writer = self.writer.lock().await;
        let id = {
            let mut waiting = lock(&self.waiting);
            if waiting.is_closed {
                return Err(ClientError::Disconnected(self.name.clone()));
            }
            let id = waiting.next_id;
            waiting.next_id = id.checked_add(1).unwrap_or(0);
            if is_answered {
                waiting.answers.push_back((id, sender));
            }
            id
        };
        // After the length, the API and its version.
        frame[8..12].copy_from_slice(&id.to_be_bytes());
        // TLS keeps what is not flushed.
        if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
            lock(&self.waiting).close();
            return Err(ClientError::Disconnected(self.name.clone()));
        }
        if let Some(meter) = &self.meter {
            meter.sent(frame.len());
        }
        Ok(Pending { receiver, key, version, name: self.name.clone() })
    }
}

impl Waiting {
    fn close(&mut self) {
        if let (false, Some(meter)) = (self.is_closed, &self.meter) {
            meter.closed();
        }
        self.is_closed = true;
        // Whoever waits sees that the sender is gone.
        self.answers.clear();
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until the connection ends, or an answer is not the one that is next.
async fn read_answers(reader: ReadHalf, waiting: Arc<Mutex<Waiting>>, meter: Option<NodeMeter>) {
    let reader = Counted { reader, meter: meter.clone() };
    let mut reader = BufReader::with_capacity(ANSWER_BYTES_FIRST, reader);
    while let Some(frame) = read_frame(&mut reader).await {
        if let Some(meter) = &meter {
            meter.answered();
        }
        let next = lock(&waiting).answers.pop_front();
        match next {
            Some((id, sender)) if frame.starts_with(&id.to_be_bytes()) => {
                // Nobody may be waiting any more.
                let _ = sender.send(frame);
            }
            _ => break,
        }
    }
    lock(&waiting).close();
}

async fn read_frame(reader: &mut BufReader<Counted>) -> Option<Bytes> {
    let length = usize::try_from(reader.read_i32().await.ok()?).ok()?;
    if length > ANSWER_BYTES_MAX {
        return None;
    }
    let mut frame = Vec::with_capacity(length.min(ANSWER_BYTES_FIRST));
    let count = reader.take(length as u64).read_to_end(&mut frame).await.ok()?;
    (count == length).then(|| frame.into())
}

/// Tells of each read what it brought.
struct Counted {
    reader: ReadHalf,
    meter: Option<NodeMeter>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(context, into);
        let count = into.filled().len() - before;
        if let (true, Some(meter)) = (count > 0, &self.meter) {
            meter.received(count);
        }
        polled
    }
}
