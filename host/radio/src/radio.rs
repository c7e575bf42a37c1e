//! The narrow waist between a radio and what is made of it: orders go in, facts come out.

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::bluetooth::stream::Carrier;

use crate::{Adapter, Scanning};

/// A radio. Its facts come out of the bounded channel that is handed to [`crate::start_with`]
/// beside it.
pub trait Radio: Send + Sync + 'static {
    /// Takes an order, at once and without waiting; what comes of it is told as facts. Dropping
    /// the radio ends every connection, scan and advertisement.
    fn order(&self, order: Order);
}

/// A number for a connection. Those we dial are numbered by the one who orders, with the lowest
/// bit clear; those that arrive by the radio, with it set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a radio is ordered to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Listen for adverts, or stop.
    Scan(Scanning),
    /// Advertise the service with this payload, or stop.
    Advertise(Option<[u8; 6]>),
    /// Connect. Answered by `Connected`, `Refused` or `ConnectFailed`.
    Connect {
        /// The number that the connection gets.
        connection: ConnectionId,
        /// Where to.
        address: RadioAddress,
        /// By a channel to the network's port and nothing beside it, or by GATT.
        carrier: Carrier,
    },
    /// Open an L2CAP channel beside GATT, as the side that dialled. Answered by `ChannelUp` or
    /// `ChannelDown`.
    OpenChannel {
        /// On which connection.
        connection: ConnectionId,
        /// The port on which the other side listens.
        psm: u16,
    },
    /// Close the L2CAP channel of a connection. Answered by `ChannelDown`.
    CloseChannel {
        /// Of which connection.
        connection: ConnectionId,
    },
    /// Send one value. Answered by `Written`, or by the end of the carrier.
    Write {
        /// On which connection.
        connection: ConnectionId,
        /// Over what.
        carrier: Carrier,
        /// The value, never longer than the carrier's MTU allows.
        bytes: Vec<u8>,
    },
    /// End a connection. Answered by `Lost`.
    Disconnect {
        /// Which.
        connection: ConnectionId,
    },
}

/// What a radio tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The state of the adapter changed. Every connection is `Lost` when it becomes unusable.
    Adapter(Adapter),
    /// The port on which this radio takes L2CAP channels, or that it takes none.
    Listening {
        /// The port.
        psm: Option<u16>,
    },
    /// An advert of our service was heard.
    Heard {
        /// Who says so.
        address: RadioAddress,
        /// The manufacturer data of our company.
        payload: Vec<u8>,
        /// The strength of the signal in dBm.
        rssi: Option<i16>,
    },
    /// A connection is there; where it is by GATT, its characteristic is subscribed to.
    Connected {
        /// Which.
        connection: ConnectionId,
        /// By what.
        carrier: Carrier,
        /// Its ATT MTU, in bytes: values are shorter. Or the longest value of the channel.
        mtu: u16,
    },
    /// A connection by a channel did not come about, because here or there nobody has such
    /// channels; or it was closed, and nothing had come over it. GATT may do.
    Refused {
        /// Which.
        connection: ConnectionId,
        /// What the system says.
        why: String,
    },
    /// A connection did not come about.
    ConnectFailed {
        /// Which.
        connection: ConnectionId,
        /// What the system says.
        why: String,
    },
    /// A central wrote its first value to us; the value follows as `Notified`.
    Arrived {
        /// The number of the new connection.
        connection: ConnectionId,
        /// Whose it is.
        address: RadioAddress,
        /// By what.
        carrier: Carrier,
        /// Its ATT MTU, in bytes: values are shorter. Or the longest value of the channel.
        mtu: u16,
    },
    /// Somebody opened a channel to us, said nothing of our network, and was sent away.
    TurnedAway,
    /// The ATT MTU of a connection changed.
    MtuChanged {
        /// Which.
        connection: ConnectionId,
        /// In bytes.
        mtu: u16,
    },
    /// A value came in, by a notification, a write or the channel.
    Notified {
        /// On which connection.
        connection: ConnectionId,
        /// Over what.
        carrier: Carrier,
        /// The value.
        bytes: Vec<u8>,
    },
    /// Values that were ordered left for the air, and as many more may be ordered.
    Written {
        /// On which connection.
        connection: ConnectionId,
        /// Over what.
        carrier: Carrier,
        /// How many.
        n: usize,
    },
    /// The connection has an L2CAP channel beside GATT now.
    ChannelUp {
        /// Which connection.
        connection: ConnectionId,
        /// The longest value that the channel carries, in bytes.
        mtu: u16,
    },
    /// The L2CAP channel did not come about, or is gone. GATT may still be there.
    ChannelDown {
        /// Which connection's.
        connection: ConnectionId,
    },
    /// A connection is gone, whoever ended it.
    Lost {
        /// Which.
        connection: ConnectionId,
        /// What the system says.
        why: String,
    },
}
