//! One UDP socket of one uplink, with the quinn endpoint that runs over it.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{AsyncUdpSocket, Endpoint, Runtime, TokioRuntime, VarInt};
use socket2::Type;

use super::config::Config;
use super::socket::CutSocket;
use crate::net::bindings::{Binding, Bound};
use crate::net::failure::ConnectError;
use crate::net::sockets;

/// Asked of the system for each UDP socket, both ways: a burst of a whole window. The system
/// gives what `net.core.rmem_max` and `wmem_max` allow.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

#[derive(Clone, Debug)]
pub(super) struct Carrier {
    pub(super) endpoint: Endpoint,
    pub(super) socket: Arc<CutSocket>,
    pub(super) binding: Binding,
    pub(super) life: u64,
    pub(super) local: SocketAddr,
}

impl Carrier {
    /// Opens a socket and an endpoint over it, which accepts connections where it shall
    /// listen. Must be called within a tokio runtime.
    pub(super) fn open(
        config: &Config,
        bound: Bound,
        wanted: SocketAddr,
        listen: bool,
    ) -> Result<Self, ConnectError> {
        let Bound { binding, life } = bound;
        let socket = sockets::open(&binding, Type::DGRAM, wanted)?;
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
        let runtime = Arc::new(TokioRuntime);
        let inner = runtime.wrap_udp_socket(socket.into())?;
        let local = inner.local_addr()?;
        let socket = Arc::new(CutSocket::new(inner, Arc::clone(&binding.cut)));
        let server = listen.then(|| config.server.clone());
        let endpoint = Endpoint::new_with_abstract_socket(
            config.endpoint.clone(),
            server,
            Arc::clone(&socket) as Arc<dyn AsyncUdpSocket>,
            runtime,
        )?;
        Ok(Self { endpoint, socket, binding, life, local })
    }

    /// Whether the uplink still has what the socket is bound to.
    pub(super) fn fits(&self, binding: &Binding) -> bool {
        self.local.ip().is_unspecified() || binding.addresses.contains(&self.local.ip())
    }

    /// Whether its socket broke, so that nothing arrives any more.
    pub(super) fn is_dead(&self) -> bool {
        self.socket.is_dead()
    }

    /// Accepts no further connection; those that are there go on.
    pub(super) fn stop_listening(&self) {
        self.endpoint.set_server_config(None);
    }

    /// Closes all its connections.
    pub(super) fn close(&self) {
        self.endpoint.close(VarInt::from_u32(0), b"");
    }
}
