//! Facts: all that the shell may tell the Node.

use bytes::Bytes;
use pointsman_sdk::selector::Class;

use crate::bluetooth::RadioAddress;
use crate::bluetooth::neighbours::RadioTraits;
use crate::bluetooth::stream::Carrier;
use crate::config::NodeConfig;
use crate::frame::{Channel, Frame, FrameError};
use crate::id::{DialId, LinkId, PeerId, Time, Token, UplinkId};
use crate::policy::{Failover, Role, Selector, Swap};
use crate::reputation::{Cause, Recollection, Subject};
use pointsman_sdk::reputation::Standing;

pub use pointsman_sdk::Transport;

/// The protocol of a link below libp2p's upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// QUIC over UDP: streams and datagrams.
    Quic,
    /// TCP with Noise and yamux: streams only.
    Tcp,
    /// A byte stream over Bluetooth LE (GATT, or an L2CAP channel) with Noise and yamux.
    Bluetooth,
    /// A byte stream through a relay server (libp2p's circuit relay v2) with Noise and yamux.
    Circuit,
}

/// A local interface with its routes, as the shell sees it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Its number.
    pub id: UplinkId,
    /// Its name: of the interface or the adapter, or as configured.
    pub name: String,
    /// What its radio can do, where it is a Bluetooth adapter; `None` where it carries IP.
    pub radio: Option<RadioTraits>,
    /// The transport that links over it belong to when the peer is in the same subnet
    /// (`Lan`), and otherwise (`Internet`): whether it has a way out.
    pub has_default_route: bool,
    /// Local addresses with prefix lengths, as text: `192.0.2.7/24`; of an adapter its own one.
    pub addresses: Vec<String>,
    /// Uplinks with the same number fail together.
    pub risk_group: u32,
    /// Whether traffic costs money or quota.
    pub metered: bool,
    /// In millionths of the currency unit of the config, per MiB.
    pub price_per_mib: u32,
    /// What was left of the quota in KiB when the node started; [`pointsman_sdk::UNKNOWN`] where unlimited.
    pub quota_left_kib: u32,
    /// Energy to wake the radio, in microjoules.
    pub wake_uj: u32,
    /// Energy per byte, in nanojoules.
    pub nj_per_byte: u32,
}

/// A network address that a dial can use: an opaque multiaddr in its text form, without the
/// peer's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The multiaddr.
    pub text: String,
    /// Which protocol it speaks.
    pub protocol: Protocol,
}

/// Who says that a peer may be reachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A line of the config, or an operator's command. Never ages.
    Config,
    /// An mDNS advertisement.
    Mdns,
    /// A live link from there.
    Observed,
    /// Its signed record in the DHT.
    Dht,
}

/// Why a dial came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialFailure {
    /// Nobody listens there.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No way there over that uplink.
    Unreachable,
    /// Somebody else answered.
    WrongPeer,
    /// Our own limits, or the peer's, forbid it.
    Limited,
    /// Anything else; the shell logs the text.
    Other,
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownReason {
    /// The Node ordered it.
    Ordered,
    /// The peer closed it.
    Closed,
    /// The connection broke or timed out.
    Broken,
}

/// What the protocol below shows of a link; a field that it does not show is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkSample {
    /// The protocol's own round-trip time in microseconds.
    pub rtt_us: Option<u32>,
    /// Congestion window in bytes.
    pub cwnd_bytes: Option<u32>,
    /// Waiting in the host's buffers, in bytes.
    pub queued_bytes: Option<u32>,
    /// Packets lost, per million.
    pub loss_ppm: Option<u32>,
    /// What carries the bytes on the air, and the longest value of that in bytes.
    pub channel: Option<(Carrier, u16)>,
}

/// A link as the shell hands it over after the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// Its number.
    pub link: LinkId,
    /// Who is at the other end, as proven.
    pub peer: PeerId,
    /// Kind of network.
    pub transport: Transport,
    /// Protocol below.
    pub protocol: Protocol,
    /// The interface that it is bound to.
    pub uplink: UplinkId,
    /// The order that made it, or [`DialId::unordered`]; `None` where the peer dialled.
    pub dial: Option<DialId>,
    /// Largest datagram that it takes, in bytes; 0 without datagrams.
    pub datagram_bytes: u32,
    /// The remote address, for people; through a relay that of the relay.
    pub remote: String,
}

/// A fact.
#[expect(clippy::large_enum_variant, reason = "facts are told one by one, and not kept")]
#[derive(Debug)]
pub enum Input {
    /// Time has come, or passed by `lag_us` because the shell's loop was late.
    Tick {
        /// How late the loop ran, in microseconds.
        lag_us: u64,
    },
    /// The machine slept for so many microseconds.
    Resumed {
        /// How long it was suspended.
        asleep_us: u64,
    },
    /// An interface came or changed.
    UplinkChanged(Uplink),
    /// An interface went.
    UplinkGone(UplinkId),
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
    /// A link to a peer is wanted from now on, or no more, whether or not there is anything to
    /// send.
    Wanted {
        /// To whom.
        peer: PeerId,
        /// Whether it is.
        wanted: bool,
    },
    /// A radio heard an advertisement.
    Overheard {
        /// Which radio.
        uplink: UplinkId,
        /// Where its sender is on the air.
        address: RadioAddress,
        /// What it says, as it came.
        payload: Vec<u8>,
        /// Received with so much power in dBm, where the radio knows.
        rssi: Option<i16>,
    },
    /// A handshake is done.
    LinkUp(NewLink),
    /// A link is gone.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Why.
        reason: DownReason,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Which order.
        dial: DialId,
        /// Why.
        failure: DialFailure,
    },
    /// A frame arrived.
    Received {
        /// On which link.
        link: LinkId,
        /// On which of its channels.
        channel: Channel,
        /// The frame.
        frame: Frame,
    },
    /// Bytes arrived that are no frame.
    Malformed {
        /// On which link.
        link: LinkId,
        /// What is wrong with them.
        error: FrameError,
    },
    /// What the protocol below measured.
    Measured {
        /// On which link.
        link: LinkId,
        /// The figures.
        sample: LinkSample,
    },
    /// The application hands over a message.
    Send(Send),
    /// The application took messages off the shell's hands.
    Consumed {
        /// From whom they came.
        peer: PeerId,
        /// Of which class.
        class: Class,
        /// How many messages.
        messages: u32,
        /// How many bytes of payload they had.
        bytes: u64,
    },
    /// Battery and mains.
    Power {
        /// Charge in thousandths; `None` without a battery.
        battery_permille: Option<u16>,
        /// On mains.
        charging: bool,
        /// The person asks to save.
        saver: bool,
    },
    /// An edited config took effect.
    Configured(NodeConfig),
    /// Another selector from now on.
    SelectorSwapped(Swap<dyn Selector>),
    /// Another failover policy from now on.
    FailoverSwapped(Swap<dyn Failover>),
    /// The selector of this generation in a fresh instance that was handed what it learned
    /// since. Dropped where another generation is in the slot by now.
    SelectorLearned {
        /// The same policy.
        module: Box<dyn Selector>,
        /// Of which generation.
        generation: u64,
    },
    /// The same for a failover policy.
    FailoverLearned {
        /// The same policy.
        module: Box<dyn Failover>,
        /// Of which generation.
        generation: u64,
    },
    /// Bring back the policy that was there before, if it is still warm.
    RollBack(Role),
    /// Tell one decision in so many, with its outcome; 0: none.
    SampleDecisions {
        /// 1: all of them.
        every: u32,
    },
    /// A reputation policy's answer to [`Output::Fold`](crate::output::Output::Fold).
    Stood {
        /// Whose.
        about: Subject,
        /// What it is now.
        standing: Standing,
    },
    /// The shell saw a peer do something: in the DHT, as a relay.
    Observed {
        /// Who, as proven.
        peer: PeerId,
        /// What.
        because: Cause,
        /// How often: 1 for a single event.
        weight: u32,
    },
    /// What was stored of peers and subnets in earlier runs.
    Recalled(Vec<Recollection>),
}

/// A message as an application hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// What the application calls it.
    pub token: Token,
    /// To whom.
    pub peer: PeerId,
    /// How urgent.
    pub class: Class,
    /// Whether it must arrive after what was sent before it in its class.
    pub ordered: bool,
    /// When it is worth nothing any more.
    pub deadline: Option<Time>,
    /// What.
    pub payload: Bytes,
}
