//! Sockets of the kernel's Bluetooth, and what is odd about them.

use std::io;
use std::time::Duration;

use bluer::l2cap::{SeqPacket, SeqPacketListener, Socket, SocketAddr};
use bluer::{Adapter, Address, AddressType};
use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::limits::L2CAP_PACKET_BYTES_MAX;
use tokio::time::sleep;

use super::super::sentinel::Found;

/// The longest packet that we take; the kernel's own default is 672.
const RECV_MTU: u16 = L2CAP_PACKET_BYTES_MAX as u16;
/// Channels that may wait to be accepted.
const BACKLOG: u32 = 4;
/// Between two looks whether a channel that is said to be there really is.
const POLL: Duration = Duration::from_millis(2);

/// The address that our sockets have.
#[derive(Clone, Copy)]
pub(super) struct Ours(RadioAddress, AddressType);

impl Ours {
    /// That of an adapter, where the system tells it.
    pub(super) fn of(found: &Found) -> Option<Self> {
        let kind = if found.random { AddressType::LeRandom } else { AddressType::LePublic };
        Some(Self(found.address?, kind))
    }

    fn on(self, psm: u16) -> SocketAddr {
        SocketAddr::new(Address(self.0.0), self.1, psm)
    }
}

/// Listens on a port; 0 is one of the kernel's choice.
pub(super) fn listen(ours: Ours, psm: u16) -> io::Result<SeqPacketListener> {
    let socket = Socket::new_seq_packet()?;
    socket.bind(ours.on(psm))?;
    socket.set_recv_mtu(RECV_MTU)?;
    socket.listen(BACKLOG)
}

/// Whether an address is a random one: the kernel must be told, and BlueZ knows.
pub(super) async fn kind_of(adapter: Option<&Adapter>, address: RadioAddress) -> AddressType {
    let device = adapter.and_then(|adapter| adapter.device(Address(address.0)).ok());
    match device {
        Some(device) => device.address_type().await.unwrap_or(AddressType::LePublic),
        None => AddressType::LePublic,
    }
}

/// Connects; the link below is made if there is none.
pub(super) async fn connect(
    ours: Ours,
    (to, kind): (RadioAddress, AddressType),
    psm: u16,
) -> io::Result<SeqPacket> {
    let socket = Socket::new_seq_packet()?;
    socket.bind(ours.on(0))?;
    socket.set_recv_mtu(RECV_MTU)?;
    settled(socket.connect(SocketAddr::new(Address(to.0), kind, psm)).await?).await
}

/// A connect may return before the channel is there; its MTU is known only once it is. That it was
/// refused shows in what can be read.
async fn settled(socket: SeqPacket) -> io::Result<SeqPacket> {
    let there = async {
        while socket.send_mtu().is_err() {
            sleep(POLL).await;
        }
    };
    let mut nothing = [0; 1];
    tokio::select! {
        biased;
        () = there => {}
        read = socket.recv(&mut nothing) => {
            read?;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
    }
    Ok(socket)
}

/// The next packet.
pub(super) async fn receive(socket: &SeqPacket) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; usize::from(RECV_MTU)];
    match socket.recv(&mut buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => {
            buffer.truncate(n);
            Ok(buffer)
        }
    }
}
