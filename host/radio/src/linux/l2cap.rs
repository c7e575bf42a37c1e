//! L2CAP channels: faster than GATT, where kernel and peer have them.
//!
//! A channel is either beside a connection by GATT, whose central opens it on the port that it was
//! told, or a connection by itself, which its central opens on the port of the network. That one
//! needs no services to be read, which takes GATT seconds. Its first packet begins with the UUID
//! of the network's service: whoever says anything else, or nothing for a while, is sent away and
//! told nothing.

mod socket;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluer::l2cap::{SeqPacket, SeqPacketListener};
use bluer::{Adapter, Address};
use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::sentinel::Found;
use crate::shared::{Use, Uses};
use crate::{Carrier, ConnectionId, Fact, Options};
use socket::Ours;

/// Values that may wait for the socket; drivers order fewer.
const WRITES_MAX: usize = 64;
/// Until a channel is there, or is given up.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long BlueZ may take over a disconnect.
const CALL_MAX: Duration = Duration::from_secs(10);
/// Channels that were accepted and said nothing yet. One more is closed at once.
const SILENT_MAX: usize = 8;
/// How long they may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Connections that one link may carry: one each way, and one that ends while its successor comes.
const PER_LINK_MAX: usize = 3;
/// Bytes of the first packet before its frame.
const GREETING_BYTES: usize = 16;
/// The shortest packets that a connection does with: the greeting and a frame of the opening.
const MTU_MIN: u16 = 64;

/// The channels of one adapter.
pub(super) struct Channels {
    shared: Arc<Shared>,
    /// The network's port, to be dialled.
    network_psm: Option<u16>,
    psm: u16,
    listening: AbortHandle,
}

/// What the tasks of channels have in common.
struct Shared {
    ours: Ours,
    greeting: [u8; GREETING_BYTES],
    adapter: Option<Adapter>,
    facts: mpsc::Sender<Fact>,
    uses: Uses,
    /// Never given out twice, in no life.
    numbers: Arc<AtomicU64>,
    open: Mutex<BTreeMap<ConnectionId, mpsc::Sender<Vec<u8>>>>,
    expected: Arrivals,
}

/// What a life with an adapter lends its channels.
pub(super) struct Loan {
    /// To ask about devices, and to end their links.
    pub(super) adapter: Option<Adapter>,
    pub(super) facts: mpsc::Sender<Fact>,
    pub(super) uses: Uses,
    pub(super) numbers: Arc<AtomicU64>,
    /// Where inbound connections by GATT are made known.
    pub(super) arrivals: Arrivals,
}

/// Which inbound connection a channel from an address belongs to.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    expected: Arc<Mutex<BTreeMap<RadioAddress, ConnectionId>>>,
}

/// What a channel is to its connection.
enum Part {
    /// It is beside GATT.
    Beside,
    /// It is all there is, and we opened it.
    Dialled(Use),
    /// It is all there is, and was opened to us.
    Arrived(Use),
}

impl Channels {
    /// Listens on the network's port, or on one of the kernel's choice where another program has
    /// that. `None` without Bluetooth sockets, as in a network namespace or on a kernel without:
    /// GATT does without.
    pub(super) fn open(found: &Found, options: &Options, loan: Loan) -> Option<Self> {
        let ours = Ours::of(found)?;
        let listener = options
            .psm
            .and_then(|psm| socket::listen(ours, psm).ok())
            .map_or_else(|| socket::listen(ours, 0), Ok)
            .inspect_err(|error| tracing::debug!(%error, "no L2CAP channels"))
            .ok()?;
        let psm = listener.as_ref().local_addr().ok()?.psm;
        let Loan { adapter, facts, uses, numbers, arrivals: expected } = loan;
        let (greeting, open) = (options.service, Mutex::default());
        let shared = Shared { ours, greeting, adapter, facts, uses, numbers, open, expected };
        let shared = Arc::new(shared);
        let listening = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Some(Self { shared, network_psm: options.psm, psm, listening })
    }

    /// The port on which we take channels.
    pub(super) fn psm(&self) -> u16 {
        self.psm
    }

    /// Opens a channel beside a connection of ours; what comes of it is told.
    pub(super) fn connect(&self, connection: ConnectionId, to: RadioAddress, psm: u16) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            match shared.reach(to, psm).await {
                Ok(socket) => {
                    let writes = shared.writes(connection);
                    shared.carry(connection, socket, writes, Part::Beside, None).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "no L2CAP channel");
                    let _ = shared.facts.send(Fact::ChannelDown { connection }).await;
                }
            }
        });
    }

    /// Connects by a channel alone; what comes of it is told.
    pub(super) fn dial(&self, connection: ConnectionId, to: RadioAddress) {
        let (shared, psm) = (Arc::clone(&self.shared), self.network_psm);
        let mut writes = shared.writes(connection);
        tokio::spawn(async move {
            let usage = shared.uses.begin(to);
            let reached = match psm {
                Some(psm) => tokio::select! {
                    reached = shared.reach(to, psm) => reached,
                    _ = writes.recv() => Err(io::Error::other("given up")),
                },
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            };
            match reached {
                Ok(socket) => {
                    let part = Part::Dialled(usage);
                    shared.carry(connection, socket, writes, part, None).await;
                }
                Err(error) => shared.failed(connection, &error).await,
            }
        });
    }

    /// Writes a value to the channel of a connection.
    pub(super) fn write(&self, connection: ConnectionId, bytes: Vec<u8>) {
        if let Some(writes) = self.shared.open().get(&connection) {
            let _ = writes.try_send(bytes);
        }
    }

    /// Closes the channel of a connection.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.shared.open().remove(&connection);
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

async fn accept(listener: SeqPacketListener, shared: Arc<Shared>) {
    let silent = Arc::new(Semaphore::new(SILENT_MAX));
    while let Ok((socket, from)) = listener.accept().await {
        let Ok(permit) = Arc::clone(&silent).try_acquire_owned() else {
            let _ = shared.facts.try_send(Fact::TurnedAway);
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let first = timeout(SILENCE_MAX, socket::receive(&socket)).await;
            drop(permit);
            let from = RadioAddress(from.addr.0);
            match first {
                Ok(Ok(packet)) => shared.admit(socket, from, packet).await,
                Ok(Err(_)) | Err(_) => drop(shared.facts.send(Fact::TurnedAway).await),
            }
        });
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<ConnectionId, mpsc::Sender<Vec<u8>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where what is written to a channel goes, until it is closed.
    fn writes(&self, connection: ConnectionId) -> mpsc::Receiver<Vec<u8>> {
        let (writes_in, writes) = mpsc::channel(WRITES_MAX);
        self.open().insert(connection, writes_in);
        writes
    }

    async fn reach(&self, to: RadioAddress, psm: u16) -> io::Result<SeqPacket> {
        let connecting = async {
            let kind = socket::kind_of(self.adapter.as_ref(), to).await;
            let socket = socket::connect(self.ours, (to, kind), psm).await?;
            let is_wide = socket.send_mtu()? >= usize::from(MTU_MIN);
            if is_wide { Ok(socket) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
        };
        timeout(CONNECT_MAX, connecting).await.unwrap_or_else(|late| Err(late.into()))
    }

    /// A dial led to no channel.
    async fn failed(&self, connection: ConnectionId, error: &io::Error) {
        self.open().remove(&connection);
        let why = error.to_string();
        let fact = if error.kind() == io::ErrorKind::ConnectionRefused {
            Fact::Refused { connection, why }
        } else {
            Fact::ConnectFailed { connection, why }
        };
        let _ = self.facts.send(fact).await;
    }

    /// A channel whose first packet tells what it is.
    async fn admit(&self, socket: SeqPacket, from: RadioAddress, packet: Vec<u8>) {
        if let Some(frame) = packet.strip_prefix(&self.greeting[..]) {
            if self.uses.count(from) >= PER_LINK_MAX {
                return drop(self.facts.send(Fact::TurnedAway).await);
            }
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let part = Part::Arrived(self.uses.begin(from));
            let (connection, frame) = (ConnectionId(number * 2 + 1), frame.to_vec());
            let writes = self.writes(connection);
            let (carrier, mtu) = (Carrier::L2cap, mtu_of(&socket));
            let arrived = Fact::Arrived { connection, address: from, carrier, mtu };
            let _ = self.facts.send(arrived).await;
            return self.carry(connection, socket, writes, part, Some(frame)).await;
        }
        let expected = self.expected.lock().get(&from).copied();
        match expected {
            Some(connection) => {
                let writes = self.writes(connection);
                self.carry(connection, socket, writes, Part::Beside, Some(packet)).await;
            }
            None => drop(self.facts.send(Fact::TurnedAway).await),
        }
    }

    /// Carries values both ways until either side closes.
    async fn carry(
        &self,
        connection: ConnectionId,
        socket: SeqPacket,
        writes: mpsc::Receiver<Vec<u8>>,
        part: Part,
        first: Option<Vec<u8>>,
    ) {
        let (carrier, mtu) = (Carrier::L2cap, mtu_of(&socket));
        let (up, greeting) = match part {
            Part::Beside => (Some(Fact::ChannelUp { connection, mtu }), None),
            Part::Dialled(_) => {
                (Some(Fact::Connected { connection, carrier, mtu }), Some(self.greeting))
            }
            Part::Arrived(_) => (None, None),
        };
        let mut has_heard = first.is_some();
        let said = first.map(|bytes| Fact::Notified { connection, carrier, bytes });
        for fact in [up, said].into_iter().flatten() {
            let _ = self.facts.send(fact).await;
        }
        let is_ours = tokio::select! {
            () = self.read(connection, &socket, &mut has_heard) => false,
            is_ours = self.write(connection, &socket, writes, greeting) => is_ours,
        };
        drop(socket);
        self.open().remove(&connection);
        let usage = match part {
            Part::Beside => {
                let _ = self.facts.send(Fact::ChannelDown { connection }).await;
                return;
            }
            Part::Dialled(_) if !has_heard && !is_ours => {
                return self.failed(connection, &io::ErrorKind::ConnectionRefused.into()).await;
            }
            Part::Dialled(usage) | Part::Arrived(usage) => usage,
        };
        if is_ours {
            self.leave(&usage).await;
        }
        drop(usage);
        let why = if is_ours { "we ended it" } else { "its channel was closed" }.to_owned();
        let _ = self.facts.send(Fact::Lost { connection, why }).await;
    }

    async fn read(&self, connection: ConnectionId, socket: &SeqPacket, has_heard: &mut bool) {
        let carrier = Carrier::L2cap;
        while let Ok(bytes) = socket::receive(socket).await {
            *has_heard = true;
            let _ = self.facts.send(Fact::Notified { connection, carrier, bytes }).await;
        }
    }

    /// Writes what is ordered; whether it ended because no more will be.
    async fn write(
        &self,
        connection: ConnectionId,
        socket: &SeqPacket,
        mut writes: mpsc::Receiver<Vec<u8>>,
        mut greeting: Option<[u8; GREETING_BYTES]>,
    ) -> bool {
        while let Some(mut bytes) = writes.recv().await {
            if let Some(greeting) = greeting.take() {
                bytes.splice(..0, greeting);
            }
            if socket.send(&bytes).await.is_err() {
                return false;
            }
            let carrier = Carrier::L2cap;
            let _ = self.facts.send(Fact::Written { connection, carrier, n: 1 }).await;
        }
        true
    }

    /// Ends the link below if nobody else needs it: BlueZ keeps channels of its own on it, so it
    /// would not go by itself.
    async fn leave(&self, usage: &Use) {
        if usage.is_last()
            && let Some(adapter) = &self.adapter
            && let Ok(device) = adapter.device(Address(usage.address().0))
        {
            let _ = timeout(CALL_MAX, device.disconnect()).await;
        }
    }
}

fn mtu_of(socket: &SeqPacket) -> u16 {
    u16::try_from(socket.send_mtu().unwrap_or(usize::from(MTU_MIN))).unwrap_or(u16::MAX)
}
