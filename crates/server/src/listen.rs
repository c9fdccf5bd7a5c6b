//! Listeners: sockets that take connections and give each a task of its own.

use crate::admission::{Activity, Admission, Place, Refused};
use crate::config::{Listener, SocketSettings};
use crate::connection::{Serving, Shared, Waker};
use crate::io_threads::{Moving, On, Task};
use crate::tls::{Terms, Tls};
use ottla_broker::{Connection, ListenerKind};
use ottla_io::clock;
use ottla_io::socket::Socket;
use ottla_security::{ClientHost, Principal};
use socket2::{Domain, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// A socket that is bound, and listens once it is served.
pub(crate) struct Bound {
    pub listener: Listener,
    pub address: SocketAddr,
    socket: TcpListener,
}

/// Kafka's default for socket buffers. It costs a third of the CPU of large requests, so it is left to the system's own
/// tuning; another size is taken as meant.
const DEFAULT_SOCKET_BUFFER_BYTES: i32 = 102_400;

/// After a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn bind(listener: &Listener, settings: &SocketSettings) -> io::Result<Bound> {
    let addresses: Vec<SocketAddr> = match &listener.host {
        Some(host) => (host.as_str(), listener.port).to_socket_addrs()?.collect(),
        None => vec![SocketAddr::from(([0u16; 8], listener.port)), SocketAddr::from(([0u8; 4], listener.port))],
    };
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match listen(address, listener.host.is_none(), settings) {
            Ok(socket) => {
                let address = socket.local_addr()?;
                return Ok(Bound { listener: listener.clone(), address, socket });
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen(address: SocketAddr, any: bool, settings: &SocketSettings) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if any && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    let chosen = |bytes: i32| usize::try_from(bytes).ok().filter(|_| bytes != DEFAULT_SOCKET_BUFFER_BYTES && bytes > 0);
    if let Some(bytes) = chosen(settings.receive_buffer_bytes) {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = chosen(settings.send_buffer_bytes) {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(settings.listen_backlog_size)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Bound {
    /// Takes connections until the runtime ends.
    pub(crate) async fn serve(
        self,
        shared: Arc<Shared>,
        kind: ListenerKind,
        admission: Arc<Admission>,
        tls: Option<Arc<Tls>>,
    ) {
        let socket = match tokio::net::TcpListener::from_std(self.socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!("the listener {} cannot be served: {error}", self.listener.name);
                return;
            }
        };
        let name: Arc<str> = self.listener.name.as_str().into();
        loop {
            let (stream, address) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection cannot be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let ip = address.ip().to_canonical();
            let limits = || shared.limits.limits(&shared.node.published().image);
            let place = match admission.admit(&name, ip, limits, clock::instant).await {
                Ok(place) => place,
                Err(Refused::TooFast(pause)) => {
                    tracing::debug!("a connection of {ip} is closed: the address makes them too fast");
                    tokio::spawn(async move {
                        tokio::time::sleep(pause).await;
                        drop(stream);
                    });
                    continue;
                }
                Err(Refused::TooMany(max)) => {
                    tracing::info!("a connection of {ip} is closed: the address has the {max} that it may have");
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!("a connection is gone before it began: {error}");
                continue;
            }
            let arrived = Arrived {
                shared: Arc::clone(&shared),
                listener: Arc::clone(&name),
                kind,
                host: ClientHost::new(ip),
                activity: place.activity(),
            };
            let taken = match &tls {
                None => shared
                    .io
                    .take(stream, |stream| ride(place, arrived.serving(Socket::Plain(stream), Principal::anonymous()))),
                Some(tls) => {
                    let terms = shared.terms(tls);
                    shared.io.take(stream, |stream| shake_hands(place, arrived, stream, terms))
                }
            };
            if let Err(error) = taken {
                tracing::debug!("a connection is gone before it began: {error}");
            }
        }
    }
}

/// A client that has connected.
struct Arrived {
    shared: Arc<Shared>,
    listener: Arc<str>,
    kind: ListenerKind,
    host: ClientHost,
    activity: Activity,
}

impl Arrived {
    /// None where it is refused.
    async fn shake_hands(self, stream: TcpStream, terms: Terms) -> Option<Serving> {
        let greeted = Socket::accept_tls(stream, Arc::clone(&terms.config));
        let refused = match tokio::time::timeout(self.shared.idle_max, greeted).await {
            Ok(Ok(socket)) => {
                let principal = match &socket {
                    Socket::Tls(tls) => terms.principal(tls.session()),
                    Socket::Plain(_) => None,
                };
                match principal {
                    Some(principal) => return Some(self.serving(socket, principal)),
                    None => "no rule of ssl.principal.mapping.rules applies to its certificate".to_owned(),
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it was idle for connections.max.idle.ms".to_owned(),
        };
        tracing::info!("the TLS connection of {} to {} is refused: {refused}", self.host.as_str(), self.listener);
        // Whoever tries again and again is slowed down.
        tokio::time::sleep(self.shared.refusal_delay).await;
        None
    }

    fn serving(self, stream: Socket, principal: Principal) -> Serving {
        let waker = Arc::new(Waker::default());
        let Self { shared, listener, kind, host, activity } = self;
        let connection = Arc::new(Connection {
            listener,
            kind,
            principal,
            host,
            waker: Arc::clone(&waker) as _,
            clock: clock::instant,
        });
        let (partial, share, parked, rider) = (Vec::new(), None, None, None);
        Serving { shared, stream, connection, waker, partial, activity, share, parked, rider }
    }
}

async fn shake_hands(place: Place, arrived: Arrived, stream: TcpStream, terms: Terms) {
    if let Some((place, Some(serving))) = place.hold(arrived.shake_hands(stream, terms)).await {
        ride(place, serving).await;
    }
}

/// Serves a connection, on these threads and then on those that come after them.
fn ride(place: Place, mut serving: Serving) -> Task {
    // Each future around another holds it once where it was given and once where it is awaited: ten thousand idle connections
    // weigh half of what they would without the inner box.
    Box::pin(async move {
        let io = Arc::clone(&serving.shared.io);
        if serving.rider.is_none() {
            serving.rider = Some(io.board(&serving.waker));
        }
        if let Some((place, Some(serving))) = place.hold(Box::pin(serving.run())).await {
            io.go_on(Box::new(Riding { place, serving }));
        }
    })
}

/// A connection between threads.
struct Riding {
    place: Place,
    serving: Serving,
}

impl Moving for Riding {
    fn socket(&mut self) -> &mut Socket {
        &mut self.serving.stream
    }

    fn go_on(mut self: Box<Self>, on: On) -> Task {
        match (on, &mut self.serving.rider) {
            (On::TheSame, Some(rider)) => rider.stay(),
            (_, rider) => *rider = None,
        }
        ride(self.place, self.serving)
    }
}
