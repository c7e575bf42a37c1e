//! L2CAP channels beside GATT: faster, where kernel and peer have them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluer::l2cap::{SeqPacket, SeqPacketListener, Socket, SocketAddr};
use bluer::{Adapter, Address, AddressType};
use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::sentinel::Found;
use crate::{Carrier, ConnectionId, Fact};

/// The longest value that we take; the kernel's own default is 672.
const RECV_MTU: u16 = 2048;
/// Values that may wait for the socket; drivers order fewer.
const WRITES_MAX: usize = 64;
/// Channels that may wait to be accepted.
const BACKLOG: u32 = 4;
/// Until a channel is there, or is given up.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether a channel that is said to be there really is.
const POLL: Duration = Duration::from_millis(2);

/// The channels of one adapter.
pub(super) struct Channels {
    ours: (RadioAddress, AddressType),
    psm: u16,
    open: Open,
    expected: Arrivals,
    facts: mpsc::Sender<Fact>,
    listening: AbortHandle,
}

/// Which inbound connection a channel from an address belongs to.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    expected: Arc<Mutex<BTreeMap<RadioAddress, ConnectionId>>>,
}

/// The channels that are there, by connection.
type Open = Arc<Mutex<BTreeMap<ConnectionId, mpsc::Sender<Vec<u8>>>>>;

impl Channels {
    /// Listens on a port of the kernel's choice. `None` without Bluetooth sockets, as in a network
    /// namespace or on a kernel without: GATT does without.
    pub(super) fn open(found: &Found, facts: mpsc::Sender<Fact>) -> Option<Self> {
        let kind = if found.random { AddressType::LeRandom } else { AddressType::LePublic };
        let ours = (found.address?, kind);
        let listener =
            listen(ours).inspect_err(|error| tracing::debug!(%error, "no L2CAP channels")).ok()?;
        let psm = listener.as_ref().local_addr().ok()?.psm;
        let (open, expected) = (Open::default(), Arrivals::default());
        let accepting = accept(listener, open.clone(), expected.clone(), facts.clone());
        let listening = tokio::spawn(accepting).abort_handle();
        Some(Self { ours, psm, open, expected, facts, listening })
    }

    /// The port on which we take channels.
    pub(super) fn psm(&self) -> u16 {
        self.psm
    }

    /// Where inbound connections are made known.
    pub(super) fn arrivals(&self) -> Arrivals {
        self.expected.clone()
    }

    /// Opens a channel beside a connection of ours; what comes of it is told.
    pub(super) fn connect(
        &self,
        connection: ConnectionId,
        adapter: Option<Adapter>,
        to: RadioAddress,
        psm: u16,
    ) {
        let (ours, open, facts) = (self.ours, self.open.clone(), self.facts.clone());
        tokio::spawn(async move {
            let connecting = async {
                let kind = kind_of(adapter, to).await.unwrap_or(ours.1);
                connect(ours, (to, kind), psm).await
            };
            match timeout(CONNECT_MAX, connecting).await {
                Ok(Ok(socket)) => carry(connection, socket, open, facts).await,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "no L2CAP channel");
                    let _ = facts.send(Fact::ChannelDown { connection }).await;
                }
                Err(_) => {
                    let _ = facts.send(Fact::ChannelDown { connection }).await;
                }
            }
        });
    }

    /// Writes a value to the channel of a connection.
    pub(super) fn write(&self, connection: ConnectionId, bytes: Vec<u8>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writes) = open.get(&connection) {
            let _ = writes.try_send(bytes);
        }
    }

    /// Closes the channel of a connection.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Arrivals {
    /// Channels from this address belong to that connection.
    pub(super) fn expect(&self, address: RadioAddress, connection: ConnectionId) {
        self.lock().insert(address, connection);
    }

    /// Channels from this address belong to nobody.
    pub(super) fn forget(&self, address: RadioAddress) {
        self.lock().remove(&address);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RadioAddress, ConnectionId>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn socket_address((address, kind): (RadioAddress, AddressType), psm: u16) -> SocketAddr {
    SocketAddr::new(Address(address.0), kind, psm)
}

fn listen(ours: (RadioAddress, AddressType)) -> std::io::Result<SeqPacketListener> {
    let socket = Socket::new_seq_packet()?;
    socket.bind(socket_address(ours, 0))?;
    socket.set_recv_mtu(RECV_MTU)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: SeqPacketListener,
    open: Open,
    expected: Arrivals,
    facts: mpsc::Sender<Fact>,
) {
    while let Ok((socket, from)) = listener.accept().await {
        let address = RadioAddress(from.addr.0);
        let Some(connection) = expected.lock().get(&address).copied() else { continue };
        tokio::spawn(carry(connection, socket, open.clone(), facts.clone()));
    }
}

/// Whether an address is a random one: the kernel must be told, and BlueZ knows.
async fn kind_of(adapter: Option<Adapter>, address: RadioAddress) -> Option<AddressType> {
    adapter?.device(Address(address.0)).ok()?.address_type().await.ok()
}

async fn connect(
    ours: (RadioAddress, AddressType),
    to: (RadioAddress, AddressType),
    psm: u16,
) -> std::io::Result<SeqPacket> {
    let socket = Socket::new_seq_packet()?;
    socket.bind(socket_address(ours, 0))?;
    socket.set_recv_mtu(RECV_MTU)?;
    settle(socket.connect(socket_address(to, psm)).await?).await
}

/// A connect may return before the channel is there; its MTU is known only once it is.
async fn settle(socket: SeqPacket) -> std::io::Result<SeqPacket> {
    while socket.send_mtu().is_err() {
        sleep(POLL).await;
    }
    Ok(socket)
}

/// Carries values both ways until either side closes.
async fn carry(connection: ConnectionId, socket: SeqPacket, open: Open, facts: mpsc::Sender<Fact>) {
    let Ok(mtu) = socket.send_mtu() else {
        let _ = facts.send(Fact::ChannelDown { connection }).await;
        return;
    };
    let (writes_in, mut writes) = mpsc::channel::<Vec<u8>>(WRITES_MAX);
    open.lock().unwrap_or_else(PoisonError::into_inner).insert(connection, writes_in);
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let _ = facts.send(Fact::ChannelUp { connection, mtu }).await;
    let (carrier, mut buffer) = (Carrier::L2cap, vec![0; usize::from(RECV_MTU)]);
    let reading = async {
        while let Ok(n @ 1..) = socket.recv(&mut buffer).await {
            let bytes = buffer[..n].to_vec();
            let _ = facts.send(Fact::Notified { connection, carrier, bytes }).await;
        }
    };
    let writing = async {
        while let Some(bytes) = writes.recv().await {
            if socket.send(&bytes).await.is_err() {
                break;
            }
            let _ = facts.send(Fact::Written { connection, carrier, n: 1 }).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
    open.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
    let _ = facts.send(Fact::ChannelDown { connection }).await;
}
