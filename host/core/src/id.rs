//! The names of things: numbers that the shell or the Node hands out, and identities that
//! only a handshake proves.

use core::fmt;

/// A peer's identity: its Ed25519 public key, as proven by the handshake.
///
/// The shell turns it into a libp2p PeerId and back; the text form is the shell's too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 32]);

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "peer:{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($int:ty),)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);
    )*};
}

numbers! {
    /// One libp2p connection to a peer. Handed out by the shell, never used twice.
    LinkId(u32),
    /// An order to dial. Handed out by the Node, never used twice.
    DialId(u64),
    /// A local interface as configured or found. Handed out by the shell; an interface that
    /// comes back under the same name keeps its number.
    UplinkId(u32),
    /// What an application calls a message until it learns its fate. Chosen by the shell.
    Token(u64),
    /// The Node's number for a peer, in the order of their appearance; policies see this one.
    PeerNumber(u32),
}

/// An instant: microseconds of a monotonic clock that counts suspended time too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Microseconds from `earlier` to this; 0 where `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This many microseconds later.
    pub fn after(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }
}
