//! Orders: all that the Node may ask of the shell, and all that it tells people.

use bytes::Bytes;
use pointsman_sdk::failover;
use pointsman_sdk::selector::Class;

use crate::bluetooth::RadioAddress;
use crate::bluetooth::advert::PAYLOAD_BYTES;
use crate::bluetooth::neighbours::Scanning;
use crate::frame::{Channel, Frame};
use crate::id::{DialId, LinkId, PeerId, Time, Token, UplinkId};
use crate::input::{Address, DialFailure, DownReason};
use crate::policy::{AnomalyQuestion, Decision, Misconduct, ReputationQuestion, Role, Strike};
use crate::reputation::{Level, Subject};
use pointsman_sdk::Outcome;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put a frame on a link.
    Transmit {
        /// Which link.
        link: LinkId,
        /// Which of its channels.
        channel: Channel,
        /// The frame.
        frame: Frame,
    },
    /// Connect. Answered by `LinkUp` with this dial, or `DialFailed`.
    Dial {
        /// The order's number.
        dial: DialId,
        /// Who must answer.
        peer: PeerId,
        /// Where.
        address: Address,
        /// Over which interface.
        uplink: UplinkId,
    },
    /// Connect to whoever is at a radio's address. Answered like `Dial`.
    Approach {
        /// The order's number.
        dial: DialId,
        /// Where.
        address: RadioAddress,
        /// With which radio.
        uplink: UplinkId,
    },
    /// Find out where a peer is. What is found comes as `Sighted`; no answer is awaited.
    Seek {
        /// Whom.
        peer: PeerId,
    },
    /// Listen for advertisements so much of the time from now on.
    Scan {
        /// Which radio.
        uplink: UplinkId,
        /// How much.
        scanning: Scanning,
    },
    /// Advertise this from now on, under a new address where the radio can.
    Advertise {
        /// Which radio.
        uplink: UplinkId,
        /// What.
        payload: [u8; PAYLOAD_BYTES],
    },
    /// Close a link once what was transmitted before is written. Answered by `LinkDown`.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// Hand a message to the application. Answered by `Consumed`, sooner or later.
    Deliver(Delivery),
    /// The fate of a message that was sent.
    Fate {
        /// What the application calls it.
        token: Token,
        /// What became of it. `Queued` may be followed by one of the others.
        fate: Fate,
    },
    /// Something happened that people or programs may want to know.
    Event(Event),
    /// A decision, of those that are sampled.
    Decided(Box<Decision>),
    /// What became of such a decision.
    Outcome(Outcome),
    /// Ask the reputation policy, off the loop. Answered by `Stood`.
    Fold {
        /// About whom.
        about: Subject,
        /// What.
        question: ReputationQuestion,
    },
    /// Ask the anomaly policy, off the loop.
    Inspect(AnomalyQuestion),
    /// A peer stands elsewhere: its level changed, or its score by a good deal. At most one
    /// for a peer in a second. Also where somebody stood in earlier runs who is no peer yet.
    StandingChanged {
        /// Who.
        peer: PeerId,
        /// The effective score.
        score: i32,
        /// How it is treated from now on.
        level: Level,
        /// How it was treated when this was last told.
        was: Level,
    },
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// From whom, as proven.
    pub peer: PeerId,
    /// Of which class.
    pub class: Class,
    /// Its number in its class and the sender's session; stable over all copies of it.
    pub number: u64,
    /// The sender's session.
    pub session: u64,
    /// What.
    pub payload: Bytes,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits in memory.
    Queued,
    /// The peer's node has it.
    Delivered {
        /// From hand-over to acknowledgement, in microseconds.
        took_us: u64,
    },
    /// Its deadline passed first, or a policy gave it up.
    Expired,
    /// It was not taken.
    Refused(Refusal),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The peer's queue of that class is full: try again when something was delivered.
    QueueFull,
    /// All queues together are full.
    NodeFull,
    /// Larger than a message may be.
    TooLarge,
    /// The config does not allow that peer.
    NotAllowed,
    /// More peers than the node keeps.
    TooManyPeers,
    /// Empty.
    Empty,
}

/// Why the Node closes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// Another link with the same transport, protocol and interfaces stays.
    Duplicate,
    /// The config does not allow that peer.
    NotAllowed,
    /// A limit is reached.
    Limited,
    /// The peer broke the protocol.
    Violation(Violation),
    /// No common version.
    Incompatible,
    /// The peer is of another network.
    OtherNetwork,
    /// The peer said bye.
    ByPeer,
    /// The failover policy asked for it.
    Policy,
    /// Its interface is gone.
    UplinkGone,
    /// The neighbour at its other end is out of sight.
    OutOfSight,
    /// The neighbour at its other end was going away, and another link is there.
    Faded,
    /// Another link to the same peer does as well: a radio link beside another, or one through
    /// a relay beside a direct one. Or there are enough of them.
    Spare,
    /// Nothing was heard for so long that the protocol below must be wrong.
    Dead,
    /// The peer did so much that is forbidden that it is shunned.
    Shunned,
    /// Its place was needed for a peer that stands better.
    Evicted,
}

/// What a peer did that the protocol forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// Bytes that are no frame.
    Malformed,
    /// Acknowledged what was never sent.
    FalseAck,
    /// Sent more than it was granted.
    OverCredit,
    /// Sent anything before its hello, or a second hello.
    HelloOrder,
    /// A frame on a channel where it does not belong.
    WrongChannel,
    /// Pieces of a message that contradict each other.
    BadPiece,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link is usable.
    LinkUp(LinkId),
    /// A link is gone.
    LinkDown(LinkId, DownReason),
    /// An acknowledgement is overdue: its packet was sent so many microseconds ago.
    Suspect(LinkId, u64),
    /// A suspect or masked link was heard again, after so many microseconds.
    Recovered(LinkId, u64),
    /// Copies were sent elsewhere.
    Hedged {
        /// The link that is late.
        from: LinkId,
        /// How many packets.
        packets: u32,
        /// How many bytes.
        bytes: u64,
        /// The policy's code for why.
        reason: u32,
    },
    /// The mask of usable links changed.
    Moved {
        /// Whose traffic.
        peer: PeerId,
        /// The links now in use.
        onto: Vec<LinkId>,
        /// Sent again, in packets.
        resent: u32,
        /// What had the policy answer.
        event: failover::Event,
        /// The policy's code for why.
        reason: u32,
    },
    /// A dial came to nothing; the next try is at the time given.
    DialFailed {
        /// Whom.
        peer: PeerId,
        /// Where.
        address: Address,
        /// Why.
        failure: DialFailure,
        /// When it is tried again.
        retry: Time,
    },
    /// A dial to whoever is at a radio's address came to nothing.
    ApproachFailed {
        /// With which radio.
        uplink: UplinkId,
        /// Where.
        address: RadioAddress,
        /// Why.
        failure: DialFailure,
    },
    /// A link was closed by the Node.
    Closed(LinkId, CloseReason),
    /// An interface came or changed.
    UplinkChanged(UplinkId),
    /// An interface went.
    UplinkGone(UplinkId),
    /// A policy failed to answer, and the builtin one did. Told once a second while it fails
    /// again and again.
    Struck {
        /// Which role.
        role: Role,
        /// How.
        strike: Strike,
        /// So many so far.
        strikes: u64,
    },
    /// A policy came into a slot.
    Swapped {
        /// Which slot.
        role: Role,
        /// Its generation.
        generation: u64,
    },
    /// A policy has proven itself: the one before is let go.
    Proven {
        /// Which slot.
        role: Role,
        /// Its generation.
        generation: u64,
    },
    /// A policy did not prove itself: the one before is back.
    RolledBack {
        /// Which slot.
        role: Role,
        /// The generation that went.
        generation: u64,
        /// The generation that is back.
        to: u64,
        /// Why.
        because: Misconduct,
    },
    /// A neighbour of our network is in radio range.
    NeighbourFound {
        /// Heard by which radio.
        uplink: UplinkId,
        /// Where it is on the air.
        address: RadioAddress,
        /// How far it is, in centimetres, where the radio tells how strong it is.
        distance_cm: Option<u32>,
    },
    /// A neighbour came nearer or went further away.
    RangeChanged {
        /// Heard by which radio.
        uplink: UplinkId,
        /// Where it is on the air.
        address: RadioAddress,
        /// How far it is, in centimetres.
        distance_cm: u32,
        /// It is hardly nearer than this, in centimetres.
        least_cm: u32,
        /// It is hardly further than this, in centimetres.
        most_cm: u32,
        /// Whether it is in the range of the config now.
        in_range: bool,
    },
    /// A neighbour was not heard any more.
    NeighbourLost {
        /// By which radio.
        uplink: UplinkId,
        /// Where it was on the air.
        address: RadioAddress,
    },
    /// The neighbour at the other end of a link goes away.
    Fading(LinkId),
    /// It does not any more.
    Steady(LinkId),
    /// The machine slept.
    Resumed(u64),
}
