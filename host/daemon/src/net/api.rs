//! What the shell and the network task say to each other.
//!
//! Every channel is bounded. Orders are few (dials are bounded by the Node, the rest is rare),
//! so a full order channel means that the network task is stuck, and says so by [`Busy`].

use std::sync::Arc;

use libp2p::identity::Keypair;
use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::config::{Allow, DhtConfig, NatConfig};
use pointsman_core::dht::contact::Contact;
use pointsman_core::frame::{Channel, Frame, FrameError};
use pointsman_core::id::{DialId, LinkId, PeerId};
use pointsman_core::input::{
    Address, DialFailure, DownReason, LinkSample, NewLink, Protocol, Source, Uplink,
};
use pointsman_core::reputation::{Cause, Level};
use pointsman_dht::shelf::Shelved;
use tokio::sync::{mpsc, watch};

use super::links::queue::LinkSender;
use super::nat::Reach;
use super::phone::{PhoneBook, PhoneOptions};
use super::refusals::Refusals;

/// What the network task is started with.
#[derive(Clone, Debug)]
pub struct NetOptions {
    /// Who we are; see [`crate::identity`].
    pub keypair: Keypair,
    /// `network.name`: part of the protocol names, and of the mDNS service.
    pub network: String,
    /// Who may connect. Changed later by [`Net::allow`].
    pub allow: Allow,
    /// Whether to advertise and browse by mDNS.
    pub mdns: bool,
    /// The ways around NATs.
    pub nat: NatConfig,
    /// The phone book; `None` where this node does not take part.
    pub phone: Option<PhoneOptions>,
}

/// Where to listen on one uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The uplink as the shell sees it now. Its name binds the sockets; its addresses tell
    /// which remote addresses are in the same subnet, so also an uplink without any listener
    /// is told by [`Net::listen`].
    pub uplink: Uplink,
    /// UDP port for QUIC; 0 for any free one, `None` to not listen.
    pub quic: Option<u16>,
    /// TCP port; 0 for any free one, `None` to not listen.
    pub tcp: Option<u16>,
}

/// An address that this node listens on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenAddress {
    /// The name of the uplink.
    pub uplink: String,
    /// The address, without the uplink's name in it: what a remote would dial.
    pub address: Address,
}

/// Facts of links. Of one link they come in this order: `Up`, any of the others, `Down`.
///
/// A link that came `Up` goes `Down` exactly once, for whatever reason.
#[derive(Debug)]
pub enum LinkFact {
    /// The handshake is done and all channels are open, on this side at least.
    Up {
        /// The link.
        new: NewLink,
        /// Where its frames go. Dropping it closes the link; see [`LinkSender::close`].
        sender: LinkSender,
    },
    /// Frames arrived. At most [`pointsman_core::limits::BATCH_BYTES_MAX`] bytes of data and
    /// [`pointsman_core::limits::BATCH_CONTROL_MAX`] frames of control. In order in each
    /// channel; control frames come first, a `Bye` last.
    Received {
        /// On which link.
        link: LinkId,
        /// The frames; never empty.
        frames: Vec<(Channel, Frame)>,
    },
    /// Bytes arrived that are no frame. Nothing more is read on this link; it still writes.
    Malformed {
        /// On which link.
        link: LinkId,
        /// What is wrong with them.
        error: FrameError,
    },
    /// What the protocol below measured, where it differs from the last time.
    Measured {
        /// On which link.
        link: LinkId,
        /// The figures.
        sample: LinkSample,
    },
    /// The link is gone.
    Down {
        /// Which.
        link: LinkId,
        /// Why.
        reason: DownReason,
    },
}

/// Facts of the network that belong to no link.
#[derive(Clone, Debug, PartialEq)]
pub enum NetFact {
    /// A dial came to nothing. Every dial ends in this, or in a [`LinkFact::Up`] with its
    /// number.
    DialFailed {
        /// Which order.
        dial: DialId,
        /// Why.
        failure: DialFailure,
        /// The same for people.
        text: String,
    },
    /// The addresses that this node listens on, all of them, after each change.
    Listening(Vec<ListenAddress>),
    /// What others reach this node by, after each change.
    Reached(Arc<Reach>),
    /// A peer was seen to do something: in the phone book, or as a relay.
    Observed {
        /// Who.
        peer: PeerId,
        /// What.
        because: Cause,
        /// How often.
        weight: u32,
    },
    /// The nodes nearest to a key of the phone book were made to lie there.
    Crowded {
        /// The key, in hexadecimal.
        key: String,
        /// How much the distances of the nearest differ from those that chance gives.
        score: f64,
    },
    /// Peers of the phone book that are worth remembering over a restart.
    Met(Vec<Contact>),
    /// The records that the phone book keeps for others.
    Shelved(Vec<Shelved>),
    /// This node's own record was published.
    Published {
        /// Its sequence.
        sequence: u64,
        /// How many nodes gave it back when they were asked for it.
        stored: usize,
    },
    /// What others did for this node has ended: the answer to [`Net::leave`].
    Left,
    /// A listener could not be opened, or broke.
    ListenFailed {
        /// On which uplink.
        uplink: String,
        /// Of which protocol.
        protocol: Protocol,
        /// Why, for people.
        text: String,
    },
    /// A peer may be reachable at an address.
    Sighted {
        /// Who, as claimed.
        peer: PeerId,
        /// Where.
        address: Address,
        /// Who says so.
        source: Source,
    },
    /// A sighting was withdrawn.
    Unsighted {
        /// Who.
        peer: PeerId,
        /// Where.
        address: Address,
        /// Who had said so.
        source: Source,
    },
}

/// Where the facts come out. Take `links` before `net`: acknowledgements are urgent, and
/// discovery is not.
#[derive(Debug)]
pub struct NetFacts {
    /// Of links. While it is full no link reads any more data.
    pub links: mpsc::Receiver<LinkFact>,
    /// Of the rest.
    pub net: mpsc::Receiver<NetFact>,
}

/// The order channel is full, or the network task is gone: the order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network task takes no more orders now")]
pub struct Busy;

/// Orders to the network task, which ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub struct Net {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) listening: watch::Receiver<Arc<[ListenAddress]>>,
    pub(super) reach: watch::Receiver<Arc<Reach>>,
    pub(super) refusals: Refusals,
    pub(super) phone: PhoneBook,
}

/// An order, on its way to the network task.
#[derive(Debug)]
pub(super) enum Order {
    /// Without a peer: whoever answers.
    Dial {
        dial: DialId,
        peer: Option<PeerId>,
        address: Address,
        uplink: String,
    },
    Listen(Listener),
    Unlisten(String),
    Allow(Allow),
    Seek(PeerId),
    Standing {
        peer: PeerId,
        score: i32,
        level: Level,
    },
    Dht(DhtConfig),
    Leave,
}

impl Net {
    /// Connects to a peer at an address over the uplink of this name. Answered by
    /// [`LinkFact::Up`] with this dial, or by [`NetFact::DialFailed`].
    pub fn dial(
        &self,
        dial: DialId,
        peer: PeerId,
        address: Address,
        uplink: String,
    ) -> Result<(), Busy> {
        self.order(Order::Dial { dial, peer: Some(peer), address, uplink })
    }

    /// Connects to whoever is at a radio's address; the handshake tells who. Answered like a
    /// dial.
    pub fn approach(
        &self,
        dial: DialId,
        address: RadioAddress,
        uplink: String,
    ) -> Result<(), Busy> {
        self.order(Order::Dial { dial, peer: None, address: address.to_address(), uplink })
    }

    /// Listens on an uplink, or changes where it is listened. What stays the same stays open;
    /// listeners at addresses that the uplink no longer has are closed.
    pub fn listen(&self, listener: Listener) -> Result<(), Busy> {
        self.order(Order::Listen(listener))
    }

    /// Closes all listeners of the uplink of this name, and forgets its subnets. Links live on.
    pub fn unlisten(&self, uplink: String) -> Result<(), Busy> {
        self.order(Order::Unlisten(uplink))
    }

    /// Who may connect from now on. Links that are up stay: they are the Node's to close.
    pub fn allow(&self, allow: Allow) -> Result<(), Busy> {
        self.order(Order::Allow(allow))
    }

    /// Looks a peer up in the phone book. What is found is told as [`NetFact::Sighted`].
    pub fn seek(&self, peer: PeerId) -> Result<(), Busy> {
        self.order(Order::Seek(peer))
    }

    /// How far a peer is trusted from now on, for the phone book and the choice of relays.
    pub fn stand(&self, peer: PeerId, score: i32, level: Level) -> Result<(), Busy> {
        self.order(Order::Standing { peer, score, level })
    }

    /// An edited `[dht]` took effect.
    pub fn configure_dht(&self, config: DhtConfig) -> Result<(), Busy> {
        self.order(Order::Dht(config))
    }

    /// This node is about to stop: what is worth remembering is told, and what others do for it
    /// is given back. Answered by [`NetFact::Left`].
    pub fn leave(&self) -> Result<(), Busy> {
        self.order(Order::Leave)
    }

    /// The phone book, for operators.
    pub fn phone(&self) -> &PhoneBook {
        &self.phone
    }

    /// The addresses that this node listens on now.
    pub fn addresses(&self) -> Arc<[ListenAddress]> {
        self.listening.borrow().clone()
    }

    /// What others reach this node by, as it is now.
    pub fn reach(&self) -> Arc<Reach> {
        self.reach.borrow().clone()
    }

    /// The same, for whoever waits for a change.
    pub fn reach_changes(&self) -> watch::Receiver<Arc<Reach>> {
        self.reach.clone()
    }

    /// Inbound connections that came to nothing.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    fn order(&self, order: Order) -> Result<(), Busy> {
        self.orders.try_send(order).map_err(|_| Busy)
    }
}
