//! The names of things: numbers that the shell or the Node hands out, and identities that
//! only a handshake proves.

use core::fmt;
use core::str::FromStr;

/// A peer's identity: its Ed25519 public key, as proven by the handshake.
///
/// Its text form is libp2p's: the base58btc of an identity multihash of the key as a protobuf
/// (libp2p's specification of peer ids), which for this kind of key begins with `12D3KooW`.
/// Whether the bytes are a point on the curve is for the handshake to find out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 32]);

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "peer:{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// Identity multihash of 36 bytes; protobuf: key type Ed25519, then 32 bytes of key.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Bytes of a peer's identity before base58.
pub const PEER_ID_BYTES: usize = PEER_ID_PREFIX.len() + 32;

impl PeerId {
    /// Its bytes in libp2p's messages: what the text form encodes.
    pub fn to_multihash(&self) -> [u8; PEER_ID_BYTES] {
        let mut bytes = [0; PEER_ID_BYTES];
        let (prefix, key) = bytes.split_at_mut(PEER_ID_PREFIX.len());
        prefix.copy_from_slice(&PEER_ID_PREFIX);
        key.copy_from_slice(&self.0);
        bytes
    }

    /// The peer of such bytes; `None` for an identity of another kind.
    pub fn from_multihash(bytes: &[u8]) -> Option<Self> {
        bytes.strip_prefix(&PEER_ID_PREFIX)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.to_multihash()).into_string())
    }
}

impl FromStr for PeerId {
    type Err = InvalidPeerId;

    fn from_str(text: &str) -> Result<Self, InvalidPeerId> {
        let mut bytes = [0; PEER_ID_BYTES];
        let length = bs58::decode(text).onto(&mut bytes).map_err(|_| InvalidPeerId)?;
        bytes.get(..length).and_then(Self::from_multihash).ok_or(InvalidPeerId)
    }
}

/// A text that names no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPeerId;

impl fmt::Display for InvalidPeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ed25519 peer id; one is 52 letters and digits from `12D3KooW` on")
    }
}

impl core::error::Error for InvalidPeerId {}

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

impl DialId {
    /// For a link that this side dialled without an order, through a hole that was punched for
    /// it: above all that the Node hands out, and growing like those.
    pub fn unordered(link: LinkId) -> Self {
        Self((1 << 60) + u64::from(link.0))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The Ed25519 key of libp2p's specification of peer ids, and its text.
    const KEY: [u8; 32] = [
        0x1e, 0xd1, 0xe8, 0xfa, 0xe2, 0xc4, 0xa1, 0x44, 0xb8, 0xbe, 0x8f, 0xd4, 0xb4, 0x7b, 0xf3,
        0xd3, 0xb3, 0x4b, 0x87, 0x1c, 0x3c, 0xac, 0xf6, 0x01, 0x0f, 0x0e, 0x42, 0xd4, 0x74, 0xfc,
        0xe2, 0x7e,
    ];
    const TEXT: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";

    #[test]
    fn the_text_of_a_peer_is_libp2ps() {
        assert_eq!(PeerId(KEY).to_string(), TEXT);
        assert_eq!(TEXT.parse(), Ok(PeerId(KEY)));
        assert_eq!(format!("{:?}", PeerId(KEY)), "peer:1ed1e8fa");
    }

    #[test]
    fn every_key_comes_back_from_its_text() {
        for byte in 0..=u8::MAX {
            let peer = PeerId([byte; 32]);
            let text = peer.to_string();
            assert!(text.starts_with("12D3KooW") && text.len() == 52, "{text}");
            assert_eq!(text.parse(), Ok(peer));
        }
    }

    #[test]
    fn what_is_no_ed25519_identity_names_no_peer() {
        let long = format!("{TEXT}1");
        let ones = "1".repeat(100_000);
        let rsa = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        let other =
            ["", "1", "12D3KooW", &TEXT[1..], &TEXT[..51], &long, &ones, rsa, "0OIl", "12D3é"];
        for text in other {
            assert_eq!(text.parse::<PeerId>(), Err(InvalidPeerId), "{text}");
        }
    }
}
