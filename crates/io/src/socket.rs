//! A client's socket, plain or with TLS, behind one face: waiting for it, reading what is there, writing all of something.

use crate::buffers::BufferPool;
use crate::stream::{self, FileRange};
use crate::tls::TlsStream;
use rustls::ServerConfig;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::net::TcpStream;

pub enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

/// Encrypted data goes out in steps of this size. It is smaller than for plain data, since what a slow socket does not take
/// is kept: it cannot be read from the file again.
const TLS_STEP: usize = 128 << 10;

impl Socket {
    /// Shakes hands with a client that has just connected.
    pub async fn accept_tls(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(Self::Tls(Box::new(TlsStream::accept(socket, config).await?)))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.socket(),
        }
    }

    /// From here on the runtime within which this is called tells of the socket, and not the one that did. Where it fails,
    /// nothing is changed.
    pub fn move_here(&mut self) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.socket_mut(),
        };
        // By another descriptor of the same socket, since the old one is known to the old runtime until it is closed.
        let other = socket.as_fd().try_clone_to_owned()?;
        *socket = TcpStream::from_std(other.into())?;
        Ok(())
    }

    /// Waits until there may be something to read.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tls(stream) if stream.has_data() => Ok(()),
            _ => self.tcp().readable().await,
        }
    }

    /// Reads what is there; None when the socket has nothing.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(socket) => stream::try_read(socket, buffer),
            Self::Tls(stream) => stream.try_read(buffer),
        }
    }

    /// Reads what is there behind what the buffer holds, into room that it has already; at most `count_max`. None when
    /// the socket has nothing.
    pub fn try_read_more(&mut self, buffer: &mut Vec<u8>, count_max: usize) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(socket) => stream::try_read_more(socket, buffer, count_max),
            Self::Tls(stream) => {
                let (held, room) = (buffer.len(), count_max.min(buffer.capacity() - buffer.len()));
                buffer.resize(held + room, 0);
                let read = stream.try_read(&mut buffer[held..]);
                buffer.truncate(held + read.as_ref().map_or(0, |count| count.unwrap_or(0)));
                read
            }
        }
    }

    /// Writes all bytes, waiting for the socket where it must.
    pub async fn write_all(&mut self, bytes: &[u8], pool: &BufferPool) -> io::Result<()> {
        let stream = match self {
            Self::Plain(socket) => return stream::write_all(socket, bytes).await,
            Self::Tls(stream) => stream,
        };
        for step in bytes.chunks(TLS_STEP) {
            // A small answer is not worth a great buffer of the pool.
            let mut buffer =
                if step.len() < TLS_STEP / 8 { Vec::new() } else { pool.take(step.len() + step.len() / 64) };
            buffer.clear();
            let written = match stream.encrypt(step, &mut buffer) {
                Ok(()) => stream::write_all(stream.socket(), &buffer).await,
                Err(error) => Err(error),
            };
            if step.len() >= TLS_STEP / 8 {
                pool.give(buffer);
            }
            written?;
        }
        Ok(())
    }

    /// Writes bytes, and between them ranges of files, each before the byte at its place.
    pub async fn write_spliced(
        &mut self,
        bytes: &[u8],
        ranges: &[(usize, FileRange)],
        pool: &BufferPool,
    ) -> io::Result<()> {
        if let Self::Plain(socket) = self {
            return stream::write_spliced(socket, bytes, ranges, pool).await;
        }
        let mut sent = 0;
        for (place, range) in ranges {
            self.write_all(&bytes[sent..*place], pool).await?;
            sent = *place;
            let mut done = 0;
            while done < range.length {
                let count = (range.length - done).min(TLS_STEP);
                let mut data = pool.take(count);
                data.resize(count, 0);
                let written = match stream::read_range(range, done, &mut data).await {
                    Ok(()) => self.write_all(&data, pool).await,
                    Err(error) => Err(error),
                };
                pool.give(data);
                written?;
                done += count;
                tokio::task::yield_now().await;
            }
        }
        self.write_all(&bytes[sent..], pool).await
    }

    /// Comes back when the client has left. Once it has sent its next request it cannot be watched any more.
    pub async fn gone(&mut self) -> io::Error {
        loop {
            if let Err(error) = self.readable().await {
                return error;
            }
            match self {
                Self::Plain(socket) => match socket.peek(&mut [0]).await {
                    Ok(0) => return ErrorKind::UnexpectedEof.into(),
                    Err(error) => return error,
                    Ok(_) => break,
                },
                // Only decrypted it says whether it is the end.
                Self::Tls(stream) => match stream.fill() {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) => return error,
                },
            }
        }
        std::future::pending().await
    }
}
