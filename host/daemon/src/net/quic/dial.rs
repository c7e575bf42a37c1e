//! Making a connection: by dialling, or by waiting for one while punching a hole for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use libp2p::PeerId;
use libp2p::core::muxing::StreamMuxerBox;
use pointsman_core::input::Protocol;
use pointsman_core::limits::DIALS_MAX;
use quinn::{ClientConfig, Connecting, Connection, ConnectionError, TransportErrorCode, VarInt};
use socket2::Type;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::carrier::Carrier;
use super::muxer::{Muxer, peer_of};
use super::punch::punch;
use super::{Output, Quic, Upgrade};
use crate::net::address::{Family, Host, Target};
use crate::net::bindings::{Binding, Bound};
use crate::net::failure::ConnectError;
use crate::net::handshakes::{HANDSHAKE_MAX, Permit};
use crate::net::registry::{Key, LinkHandle, Registered, Registry};
use crate::net::sockets;

/// What TLS wants as a server's name. libp2p's certificates name peers, not servers, so no
/// side looks at it.
const SERVER_NAME: &str = "libp2p";

/// A dial that has not begun.
pub(super) struct Dial {
    pub(super) carriers: Vec<Carrier>,
    pub(super) client: ClientConfig,
    pub(super) registry: Registry,
    pub(super) key: Key,
    pub(super) target: Target,
}

/// An accepted connection whose handshake is under way.
pub(super) struct Arrival {
    pub(super) connecting: Connecting,
    pub(super) permit: Permit,
}

impl Dial {
    pub(super) async fn run(self) -> Result<Output, ConnectError> {
        let mut failed = ConnectError::NoAddress;
        for address in self.target.resolve().await? {
            let family = Family::of(address.ip());
            let fits = |carrier: &&Carrier| Family::of(carrier.local.ip()) == family;
            let Some(carrier) = self.carriers.iter().find(fits) else { continue };
            match attempt(carrier, self.client.clone(), address).await {
                Ok(connection) => return self.finish(carrier, connection),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn finish(&self, carrier: &Carrier, connection: Connection) -> Result<Output, ConnectError> {
        let peer = expect_peer(&connection, self.target.peer)?;
        finish(&self.registry, self.key.clone(), &carrier.binding, &connection);
        Ok((peer, StreamMuxerBox::new(Muxer::new(connection))))
    }
}

impl Arrival {
    /// The connection, once its handshake is done; it no longer counts as pending then.
    pub(super) async fn connection(self) -> Result<Connection, ConnectError> {
        let Self { connecting, permit } = self;
        let connection = handshake(connecting).await;
        drop(permit);
        connection
    }
}

/// Registers a connection.
pub(super) fn finish(registry: &Registry, key: Key, binding: &Binding, connection: &Connection) {
    let registered = Registered {
        uplink: binding.name.clone(),
        uplink_id: binding.id,
        protocol: Protocol::Quic,
        handle: LinkHandle::quic(connection.clone()),
    };
    registry.register(key, registered);
}

async fn attempt(
    carrier: &Carrier,
    client: ClientConfig,
    address: SocketAddr,
) -> Result<Connection, ConnectError> {
    ask_for_route(&carrier.binding, address)?;
    let connecting = carrier
        .endpoint
        .connect_with(client, address, SERVER_NAME)
        .map_err(|error| ConnectError::Handshake(error.to_string()))?;
    handshake(connecting).await
}

/// Fails at once where the system knows that there is no way: quinn only drops the datagrams.
fn ask_for_route(binding: &Binding, address: SocketAddr) -> Result<(), ConnectError> {
    let local = sockets::any(Family::of(address.ip()), 0);
    Ok(sockets::open(binding, Type::DGRAM, local)?.connect(&address.into())?)
}

async fn handshake(connecting: Connecting) -> Result<Connection, ConnectError> {
    match timeout(HANDSHAKE_MAX, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(ConnectionError::TimedOut)) | Err(_) => Err(ConnectError::TimedOut),
        Ok(Err(ConnectionError::ConnectionClosed(close)))
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            Err(io::Error::from(io::ErrorKind::ConnectionRefused).into())
        }
        Ok(Err(error)) => Err(ConnectError::Handshake(error.to_string())),
    }
}

/// Who answered; an error, and the connection closed, where somebody else was expected.
fn expect_peer(connection: &Connection, expected: Option<PeerId>) -> Result<PeerId, ConnectError> {
    let found = peer_of(connection)?;
    match expected {
        Some(expected) if expected != found => {
            connection.close(VarInt::from_u32(0), b"");
            Err(ConnectError::WrongPeer { expected: expected.into(), found: found.into() })
        }
        Some(_) | None => Ok(found),
    }
}

impl Quic {
    /// Dials in the listener's role: opens the NAT towards the peer, and takes the connection
    /// that comes from there.
    pub(super) fn punch(
        &mut self,
        target: Target,
        bound: &Bound,
        key: Key,
    ) -> Result<Upgrade, ConnectError> {
        let (Host::Ip(ip), Some(expected)) = (&target.host, target.peer) else {
            return Err(ConnectError::NoListener);
        };
        let remote = SocketAddr::new(*ip, target.port);
        let of_uplink = |carrier: &&Carrier| {
            carrier.life == bound.life && Family::of(carrier.local.ip()) == Family::of(*ip)
        };
        let mut listening = self.listeners.iter().map(|listener| &listener.carrier);
        let carrier = listening.find(of_uplink).ok_or(ConnectError::NoListener)?.clone();
        let arrival = self.expect_arrival((carrier.binding.name.clone(), remote))?;
        let registry = self.registry.clone();
        Ok(Box::pin(async move {
            let socket = Arc::clone(&carrier.socket);
            let wait = async {
                tokio::select! {
                    arrival = arrival => arrival.map_err(|_| ConnectError::NoListener),
                    never = punch(&socket, remote) => match never {},
                }
            };
            let arrival =
                timeout(HANDSHAKE_MAX, wait).await.map_err(|_| ConnectError::TimedOut)??;
            let connection = arrival.connection().await?;
            let peer = expect_peer(&connection, Some(expected))?;
            finish(&registry, key, &carrier.binding, &connection);
            Ok((peer, StreamMuxerBox::new(Muxer::new(connection))))
        }))
    }

    fn expect_arrival(
        &mut self,
        from: (String, SocketAddr),
    ) -> Result<oneshot::Receiver<Arrival>, ConnectError> {
        self.punches.retain(|_, waiting| !waiting.is_closed());
        if self.punches.contains_key(&from) || self.punches.len() >= DIALS_MAX {
            return Err(ConnectError::Busy);
        }
        let (sender, receiver) = oneshot::channel();
        self.punches.insert(from, sender);
        Ok(receiver)
    }
}
