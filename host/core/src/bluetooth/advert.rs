//! What an advertisement of this network says: which service it is, and six bytes beside it.
//!
//! ```text
//! flags                 3 bytes   what a low-energy-only controller puts there by itself
//! service UUID         18 bytes   2 of head and the 128-bit UUID of the network
//! manufacturer data    10 bytes   2 of head, 2 of company, and:
//!     0      version      1
//!     1      capabilities, a bit each; bits that we don't know are kept and ignored
//!     2..6   token, big-endian, never 0
//! ```
//!
//! That is a legacy advertisement to the last byte (Bluetooth Core 5.4, vol. 6, part B, 2.3.1).
//! Everything in it can be forged and replayed by anyone in earshot: it is a hint that costs at
//! most a dial. The token tells two devices apart until one of them rotates its address; it
//! is no identity, and what is derived from it is only an order of who dials first.

use sha2::{Digest, Sha256};

/// The company that the manufacturer data names: 0xFFFF, which the Bluetooth SIG reserves for
/// whoever has no number of their own (Assigned Numbers, 7.1). The service UUID tells whose it is.
pub const COMPANY: u16 = 0xFFFF;

/// The version of the payload that this node writes and reads.
pub const VERSION: u8 = 1;

/// Bytes of the payload, without the company.
pub const PAYLOAD_BYTES: usize = 6;

/// Bytes of a legacy advertisement.
const LEGACY_BYTES: usize = 31;
/// Length and kind before the bytes of each structure in it.
const HEAD_BYTES: usize = 2;
const FLAGS_BYTES: usize = 1;
const UUID_BYTES: usize = 16;
const COMPANY_BYTES: usize = 2;
/// The first of the ports that are nobody's, and how many there are.
const PSM_DYNAMIC_MIN: u16 = 0x80;
const PSM_DYNAMIC_COUNT: u8 = 0x80;

const _: () = assert!(
    HEAD_BYTES + FLAGS_BYTES + HEAD_BYTES + UUID_BYTES + HEAD_BYTES + COMPANY_BYTES + PAYLOAD_BYTES
        <= LEGACY_BYTES
);

/// What a node says it can do: a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capabilities(pub u8);

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);
    /// An application is attached to it.
    pub const APPLICATION: Self = Self(1);
    /// It passes messages on for others.
    pub const MESH_ROUTING: Self = Self(1 << 1);
    /// Its application settles transactions.
    pub const TRANSACTIONS: Self = Self(1 << 2);
    /// It scans and dials too. Without it, waiting for its dial is in vain.
    pub const CENTRAL: Self = Self(1 << 3);
    /// It takes L2CAP channels beside GATT.
    pub const L2CAP: Self = Self(1 << 4);

    /// Whether all of the other's bits are among these.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The other's bits as well, or not.
    #[must_use]
    pub fn with_if(self, other: Self, yes: bool) -> Self {
        if yes { self.with(other) } else { self }
    }
}

/// What an advertisement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Version of the payload.
    pub version: u8,
    /// What its sender says it can do.
    pub capabilities: Capabilities,
    /// A number that changes together with the sender's address, never 0.
    pub token: u32,
}

/// Why a payload is no advertisement of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvertError {
    /// It has so many bytes, and not [`PAYLOAD_BYTES`].
    Length(usize),
    /// It is of a version that this node does not speak.
    Version(u8),
    /// Its token is 0.
    Token,
}

impl core::fmt::Display for AdvertError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(bytes) => write!(f, "{bytes} bytes, an advertisement has six"),
            Self::Version(version) => write!(f, "version {version}, this node speaks {VERSION}"),
            Self::Token => f.write_str("the token is 0"),
        }
    }
}

impl core::error::Error for AdvertError {}

impl Advert {
    /// One of this version.
    pub fn new(capabilities: Capabilities, token: u32) -> Self {
        Self { version: VERSION, capabilities, token }
    }

    /// The payload: manufacturer data after the company.
    pub fn to_bytes(self) -> [u8; PAYLOAD_BYTES] {
        let [a, b, c, d] = self.token.to_be_bytes();
        [self.version, self.capabilities.0, a, b, c, d]
    }

    /// Reads a payload: manufacturer data after the company.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, AdvertError> {
        let &[version, capabilities, a, b, c, d] = payload else {
            return Err(AdvertError::Length(payload.len()));
        };
        let token = u32::from_be_bytes([a, b, c, d]);
        if version != VERSION {
            return Err(AdvertError::Version(version));
        }
        if token == 0 {
            return Err(AdvertError::Token);
        }
        Ok(Self { version, capabilities: Capabilities(capabilities), token })
    }
}

/// The `number`th token out of a secret: never 0, and a radio that heard some of them can't tell
/// which will come, or that two are of one node.
pub fn token(secret: u64, number: u64) -> u32 {
    let hash = Sha256::new()
        .chain_update(b"pointsman bluetooth token\0")
        .chain_update(secret.to_be_bytes())
        .chain_update(number.to_be_bytes())
        .finalize();
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&hash[..4]);
    u32::from_be_bytes(bytes).max(1)
}

/// The UUID of the service that nodes of a network advertise.
pub fn service_uuid(network: &str) -> [u8; UUID_BYTES] {
    uuid("service", network)
}

/// The UUID of the characteristic that bytes travel over, both ways.
pub fn stream_uuid(network: &str) -> [u8; UUID_BYTES] {
    uuid("stream", network)
}

/// The port (SPSM) on which nodes of a network take L2CAP channels, where nobody else has it: one
/// of the 128 that a program may choose for itself (Bluetooth Core 5.4, vol. 3, part A, 4.22).
pub fn channel_psm(network: &str) -> u16 {
    PSM_DYNAMIC_MIN + u16::from(uuid("channel", network)[0] % PSM_DYNAMIC_COUNT)
}

/// A UUID of version 8 (RFC 9562, 5.8): the first 16 bytes of a SHA-256, with six bits set.
fn uuid(of: &str, network: &str) -> [u8; UUID_BYTES] {
    let hash = Sha256::new()
        .chain_update(b"pointsman bluetooth ")
        .chain_update(of.as_bytes())
        .chain_update([0])
        .chain_update(network.as_bytes())
        .finalize();
    let mut bytes = [0; UUID_BYTES];
    bytes.copy_from_slice(&hash[..UUID_BYTES]);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertisement_comes_back_from_its_bytes() {
        let abilities = Capabilities::APPLICATION.with(Capabilities::CENTRAL);
        let advert = Advert::new(abilities, 0x0102_0304);
        assert_eq!(advert.to_bytes(), [1, 0b1001, 1, 2, 3, 4]);
        assert_eq!(Advert::from_bytes(&advert.to_bytes()), Ok(advert));
    }

    #[test]
    fn a_capability_that_we_do_not_know_is_tolerated() {
        let advert = Advert::from_bytes(&[1, 0xE1, 0, 0, 0, 9]).expect("it is of our version");
        assert!(advert.capabilities.contains(Capabilities::APPLICATION));
        assert!(!advert.capabilities.contains(Capabilities::MESH_ROUTING));
        assert_eq!(advert.to_bytes(), [1, 0xE1, 0, 0, 0, 9]);
    }

    #[test]
    fn a_payload_of_another_length_is_refused() {
        for length in (0..=40).filter(|length| *length != PAYLOAD_BYTES) {
            assert_eq!(Advert::from_bytes(&vec![1; length]), Err(AdvertError::Length(length)));
        }
    }

    #[test]
    fn another_version_and_a_token_of_0_are_refused() {
        assert_eq!(Advert::from_bytes(&[2, 0, 0, 0, 0, 1]), Err(AdvertError::Version(2)));
        assert_eq!(Advert::from_bytes(&[0, 0, 0, 0, 0, 1]), Err(AdvertError::Version(0)));
        assert_eq!(Advert::from_bytes(&[1, 0, 0, 0, 0, 0]), Err(AdvertError::Token));
    }

    #[test]
    fn tokens_follow_from_the_secret_and_differ() {
        assert_eq!(token(7, 1), token(7, 1));
        assert_ne!(token(7, 1), token(7, 2));
        assert_ne!(token(7, 1), token(8, 1));
        assert!((0..1000).all(|number| token(7, number) != 0));
    }

    #[test]
    fn uuids_are_of_version_8_and_differ_by_purpose_and_network() {
        let all = [
            service_uuid("bitcraps"),
            stream_uuid("bitcraps"),
            service_uuid("pointsman"),
            service_uuid(""),
        ];
        for (place, uuid) in all.iter().enumerate() {
            assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (8, 0b10));
            assert!(!all[..place].contains(uuid));
        }
    }

    #[test]
    fn the_port_of_a_network_is_one_that_a_program_may_choose() {
        for network in ["bitcraps", "pointsman", "", "lab"] {
            assert!((0x80..=0xFF).contains(&channel_psm(network)));
        }
        assert_ne!(channel_psm("bitcraps"), channel_psm("pointsman"));
    }

    /// Nodes of two builds must find each other: a change here is a new network.
    #[test]
    fn the_uuid_of_a_network_never_changes() {
        let text: String = service_uuid("bitcraps").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(text, "4adb5ca080f28559b249716a3ab44620");
    }
}
