//! A listening socket: what it announces, and whom it lets in.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::{ListenerId, TransportEvent};
use pointsman_core::input::Protocol;
use socket2::{SockRef, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep, timeout};

use super::Event;
use super::dial::finish;
use super::stream::{CutStream, tune};
use crate::net::address::compose;
use crate::net::bindings::{Binding, Bound};
use crate::net::failure::ConnectError;
use crate::net::handshakes::{HANDSHAKE_MAX, Handshakes};
use crate::net::listening::Announced;
use crate::net::registry::{Key, Registry};
use crate::net::secure::Security;
use crate::net::sockets;

/// Connections that the kernel holds for us until we accept them.
const BACKLOG: i32 = 1024;

/// How long to leave the socket alone when the system has no file descriptor or memory left:
/// accepting would fail at once, again and again.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    pub(super) id: ListenerId,
    binding: Binding,
    life: u64,
    wanted: SocketAddr,
    local: SocketAddr,
    socket: TcpListener,
    /// Whether dials may leave from its port.
    shares: bool,
    pause: Option<Pin<Box<Sleep>>>,
    announced: Announced,
}

impl Listener {
    pub(super) fn open(
        id: ListenerId,
        bound: Bound,
        wanted: SocketAddr,
        events: &mut VecDeque<Event>,
    ) -> Result<Self, ConnectError> {
        let Bound { binding, life } = bound;
        let (socket, local, shares) = listen(&binding, wanted)?;
        let mut announced = Announced::new(id, Protocol::Tcp);
        announced.update(&binding, local, events);
        Ok(Self { id, binding, life, wanted, local, socket, shares, pause: None, announced })
    }

    /// What it listens on.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn shares(&self) -> bool {
        self.shares
    }

    pub(super) fn uplink(&self) -> &str {
        &self.binding.name
    }

    /// Follows its uplink; false when that is gone. A socket that is bound to an address
    /// which the uplink no longer has is opened anew, on the same port.
    pub(super) fn follow(
        &mut self,
        bound: Option<Bound>,
        events: &mut VecDeque<Event>,
    ) -> Result<bool, ConnectError> {
        let Some(bound) = bound.filter(|bound| bound.life == self.life) else {
            return Ok(false);
        };
        self.binding = bound.binding;
        let ip = self.local.ip();
        if !ip.is_unspecified() && !self.binding.addresses.contains(&ip) {
            let wanted = SocketAddr::new(self.wanted.ip(), self.local.port());
            (self.socket, self.local, self.shares) = listen(&self.binding, wanted)?;
        }
        self.announced.update(&self.binding, self.local, events);
        Ok(true)
    }

    pub(super) fn end(&mut self, reason: Result<(), ConnectError>, events: &mut VecDeque<Event>) {
        self.announced.close(reason, events);
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let accepted = ready!(self.socket.poll_accept(cx));
        if let Err(error) = &accepted
            && is_exhausted(error)
        {
            self.pause = Some(Box::pin(sleep(EXHAUSTED_PAUSE)));
        }
        Poll::Ready(accepted)
    }

    /// Lets a connection in, if there is room for its handshake; otherwise it is reset.
    pub(super) fn admit(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        handshakes: &Handshakes,
        security: &Security,
        registry: &Registry,
    ) -> Option<Event> {
        let Some(permit) = handshakes.begin(remote.ip()) else {
            reset(&stream);
            registry.refusals().count_refused();
            return None;
        };
        let local = stream.local_addr().and_then(|local| tune(&stream).map(|()| local));
        let local = match local {
            Ok(local) => local,
            Err(error) => {
                tracing::debug!(%remote, %error, "a connection was gone before it was accepted");
                return None;
            }
        };
        let local_addr = compose(local, Protocol::Tcp);
        let send_back_addr = compose(remote, Protocol::Tcp);
        let key = Key::Accepted { local: local_addr.clone(), send_back: send_back_addr.clone() };
        let (security, registry, binding) =
            (security.clone(), registry.clone(), self.binding.clone());
        let upgrade = Box::pin(async move {
            let socket = Arc::new(stream);
            let stream = CutStream::new(Arc::clone(&socket), Arc::clone(&binding.cut));
            let secured = timeout(HANDSHAKE_MAX, security.secure(stream, Endpoint::Listener)).await;
            drop(permit);
            let output = secured.map_err(|_| ConnectError::TimedOut)??;
            finish(&registry, key, &binding, &socket);
            Ok(output)
        });
        Some(TransportEvent::Incoming { listener_id: self.id, upgrade, local_addr, send_back_addr })
    }
}

fn listen(
    binding: &Binding,
    wanted: SocketAddr,
) -> Result<(TcpListener, SocketAddr, bool), ConnectError> {
    let socket = sockets::open(binding, Type::STREAM, wanted)?;
    socket.listen(BACKLOG)?;
    let shares = sockets::share(&socket).is_ok();
    let socket = TcpListener::from_std(socket.into())?;
    let local = socket.local_addr()?;
    Ok((socket, local, shares))
}

/// Whether the system ran out of descriptors or memory.
fn is_exhausted(error: &io::Error) -> bool {
    const CODES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

/// Has the kernel forget the connection as soon as it is dropped.
fn reset(stream: &TcpStream) {
    if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a connection that is refused closes the slow way");
    }
}
