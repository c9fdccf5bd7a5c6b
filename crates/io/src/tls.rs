//! TLS over a socket, with no buffer while the connection is idle: what the socket has is read, decrypted and handed on,
//! and only the beginning of a record, or what its reader had no room for, is kept.
//!
//! Handshakes, and what TLS sends of its own accord (alerts, new keys), go out with whatever is written next, or at once
//! where nothing else is.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};
use rustls::{CommonState, ServerConfig};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tokio::net::TcpStream;

/// What is read from the socket at a time: four records.
const READ_BYTES: usize = 64 << 10;
/// What a record adds to its data, at the most: header, nonce, tag and type; rounded up.
const RECORD_OVERHEAD: usize = 64;
const RECORD_BYTES: usize = 16 << 10;

pub struct TlsStream {
    socket: TcpStream,
    tls: UnbufferedServerConnection,
    /// The beginning of a record.
    incoming: Vec<u8>,
    /// Decrypted, and from `taken` on not yet read.
    plain: Vec<u8>,
    taken: usize,
    /// TLS's own messages, to be sent before anything else.
    outgoing: Vec<u8>,
    /// The peer has said that nothing follows.
    closed: bool,
}

/// How far a look into what has come has led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Handshake,
    Established,
}

impl TlsStream {
    /// Shakes hands with a client that has just connected.
    pub(crate) async fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let (incoming, plain, outgoing) = (Vec::new(), Vec::new(), Vec::new());
        let mut stream = Self { socket, tls, incoming, plain, taken: 0, outgoing, closed: false };
        loop {
            let stage = stream.process();
            stream.flush().await?;
            if stage? == Stage::Established {
                return Ok(stream);
            }
            if stream.closed {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            stream.socket.readable().await?;
            stream.receive()?;
        }
    }

    /// What the handshake has found out: the peer's certificates, the protocol, the cipher.
    pub fn session(&self) -> &CommonState {
        &self.tls
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether decrypted data waits to be read.
    pub(crate) fn has_data(&self) -> bool {
        self.taken < self.plain.len()
    }

    /// Reads what is there; None when the socket has nothing.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.has_data() && !self.fill()? {
            return Ok(None);
        }
        let count = buffer.len().min(self.plain.len() - self.taken);
        buffer[..count].copy_from_slice(&self.plain[self.taken..self.taken + count]);
        self.taken += count;
        if !self.has_data() {
            (self.plain, self.taken) = (Vec::new(), 0);
        }
        Ok(Some(count))
    }

    /// Decrypts what the socket has. False when that gave no data yet.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        while !self.has_data() {
            if self.closed {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if !self.receive()? {
                return Ok(false);
            }
            let processed = self.process();
            self.try_flush()?;
            processed?;
        }
        Ok(true)
    }

    /// Takes what the socket has. False when it has nothing.
    fn receive(&mut self) -> io::Result<bool> {
        self.incoming.reserve(READ_BYTES);
        let read = self.socket.try_read_buf(&mut self.incoming);
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Works off what has come, up to where more is needed.
    fn process(&mut self) -> io::Result<Stage> {
        let mut failure = None;
        let stage = loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.incoming);
            let mut stage = None;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        self.plain.extend_from_slice(record.map_err(invalid)?.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => append(&mut self.outgoing, |room| data.encode(room))?,
                // It is sent before anything else is, so for TLS it is sent.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::BlockedHandshake) => stage = Some(Stage::Handshake),
                Ok(ConnectionState::WriteTraffic(_)) => stage = Some(Stage::Established),
                Ok(ConnectionState::PeerClosed) => self.closed = true,
                Ok(ConnectionState::Closed) => {
                    self.closed = true;
                    stage = Some(Stage::Established);
                }
                Ok(_) => return Err(io::Error::new(ErrorKind::InvalidData, "early data was not offered")),
                Err(error) if failure.is_none() => failure = Some(invalid(error)),
                // The alert that tells the peer why has been encoded.
                Err(_) => stage = Some(Stage::Handshake),
            }
            self.incoming.drain(..discard);
            if let Some(stage) = stage {
                break stage;
            }
        };
        // Who has sent the beginning of a record holds no more than that.
        self.incoming.shrink_to(self.incoming.len());
        failure.map_or(Ok(stage), Err)
    }

    /// Sends TLS's own messages as far as the socket takes them.
    fn try_flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match self.socket.try_write(&self.outgoing) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.outgoing = Vec::new();
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.try_flush()?;
        while !self.outgoing.is_empty() {
            self.socket.writable().await?;
            self.try_flush()?;
        }
        Ok(())
    }

    /// Encrypts data behind TLS's own messages into `buffer`, whose old content goes.
    pub(crate) fn encrypt(&mut self, data: &[u8], buffer: &mut Vec<u8>) -> io::Result<()> {
        let records = data.len() / RECORD_BYTES + 1;
        let room = self.outgoing.len() + data.len() + records * RECORD_OVERHEAD;
        if buffer.len() < room {
            buffer.resize(room, 0);
        }
        loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.incoming);
            match state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let own = self.outgoing.len();
                    buffer.resize((own + data.len() + records * RECORD_OVERHEAD).max(buffer.len()), 0);
                    buffer[..own].copy_from_slice(&self.outgoing);
                    let count = traffic.encrypt(data, &mut buffer[own..]).map_err(io::Error::other)?;
                    buffer.truncate(own + count);
                    self.outgoing = Vec::new();
                    return Ok(());
                }
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        self.plain.extend_from_slice(record.map_err(invalid)?.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => append(&mut self.outgoing, |room| data.encode(room))?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.closed = true,
                _ => return Err(ErrorKind::BrokenPipe.into()),
            }
            self.incoming.drain(..discard);
        }
    }
}

/// Says that nothing follows, if that can be said at once: without it the peer cannot tell an end from a cut.
impl Drop for TlsStream {
    fn drop(&mut self) {
        if !self.outgoing.is_empty() {
            return;
        }
        let mut buffer = [0; RECORD_OVERHEAD];
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = self.tls.process_tls_records(&mut self.incoming).state
            && let Ok(count) = traffic.queue_close_notify(&mut buffer)
        {
            // Who is gone already needs no word.
            let _ = self.socket.try_write(&buffer[..count]);
        }
    }
}

/// Encodes a message behind what is there.
fn append(outgoing: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) -> io::Result<()> {
    let start = outgoing.len();
    match encode(&mut []) {
        Ok(_) => Ok(()),
        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
            outgoing.resize(start + required_size, 0);
            encode(&mut outgoing[start..]).map(drop).map_err(io::Error::other)
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
