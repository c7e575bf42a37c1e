//! Making a connection by dialling.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use libp2p::core::Endpoint;
use pointsman_core::input::Protocol;
use socket2::Type;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::stream::{CutStream, tune};
use crate::net::address::{Family, Target};
use crate::net::bindings::Binding;
use crate::net::failure::ConnectError;
use crate::net::handshakes::HANDSHAKE_MAX;
use crate::net::registry::{Key, LinkHandle, Registered, Registry};
use crate::net::secure::{Output, Security};
use crate::net::sockets;

/// How long the kernel may take to connect: two lost SYNs.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A dial that has not begun.
pub(super) struct Dial {
    /// What is listened on, and may be left from.
    pub(super) from: Vec<SocketAddr>,
    pub(super) binding: Binding,
    pub(super) security: Security,
    pub(super) registry: Registry,
    pub(super) key: Key,
    pub(super) role: Endpoint,
    pub(super) target: Target,
}

impl Dial {
    pub(super) async fn run(self) -> Result<Output, ConnectError> {
        let socket = Arc::new(self.connect().await?);
        let stream = CutStream::new(Arc::clone(&socket), Arc::clone(&self.binding.cut));
        let secured = self.security.secure(stream, self.role);
        let secured = timeout(HANDSHAKE_MAX, secured).await;
        let (found, muxer) = secured.map_err(|_| ConnectError::TimedOut)??;
        match self.target.peer {
            Some(expected) if expected != found => {
                Err(ConnectError::WrongPeer { expected: expected.into(), found: found.into() })
            }
            Some(_) | None => {
                finish(&self.registry, self.key, &self.binding, &socket);
                Ok((found, muxer))
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, ConnectError> {
        let mut failed = ConnectError::NoAddress;
        for address in self.target.resolve().await? {
            match self.attempt(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// From the port that is listened on, or else from any.
    async fn attempt(&self, address: SocketAddr) -> Result<TcpStream, ConnectError> {
        let same = |from: &&SocketAddr| from.is_ipv4() == address.is_ipv4();
        if let Some(from) = self.from.iter().find(same) {
            match attempt(&self.binding, *from, address).await {
                Err(ConnectError::Io(error)) if is_taken(&error) => {}
                done => return done,
            }
        }
        let any = sockets::any(Family::of(address.ip()), 0);
        attempt(&self.binding, any, address).await
    }
}

/// Whether there is another connection between the same two ports, or was one lately.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// Registers a connection.
pub(super) fn finish(registry: &Registry, key: Key, binding: &Binding, socket: &Arc<TcpStream>) {
    let registered = Registered {
        uplink: binding.name.clone(),
        uplink_id: binding.id,
        protocol: Protocol::Tcp,
        handle: LinkHandle::tcp(socket),
    };
    registry.register(key, registered);
}

async fn attempt(
    binding: &Binding,
    from: SocketAddr,
    address: SocketAddr,
) -> Result<TcpStream, ConnectError> {
    let family = Family::of(address.ip());
    if !binding.addresses.iter().any(|ip| Family::of(*ip) == family) {
        return Err(ConnectError::NoFamily(binding.name.clone(), family));
    }
    let connected = timeout(CONNECT_MAX, async {
        whole(binding).await;
        let socket = match from.port() {
            0 => sockets::open(binding, Type::STREAM, from)?,
            _ => sockets::open_beside(binding, from)?,
        };
        let stream = TcpSocket::from_std_stream(socket.into()).connect(address).await?;
        tune(&stream)?;
        Ok(stream)
    });
    connected.await.unwrap_or(Err(ConnectError::TimedOut))
}

/// Waits until the uplink is not cut: the kernel's own packets could not be lost otherwise.
async fn whole(binding: &Binding) {
    let place = binding.cut.wait();
    poll_fn(|cx| {
        ready!(binding.cut.poll_inbound(&place, cx));
        binding.cut.poll_outbound(&place, cx)
    })
    .await;
}
