//! The signed record of a peer: where it can be reached, and the key to seal messages for it.
//!
//! A record is an envelope of libp2p's RFC 0002 around a payload of ours; `docs/peer-record.md`
//! describes every byte. It is kept in the DHT under a name that is made of its peer, so the key
//! that must have signed it is known before anything of it is read. A record is believed when
//! all of [`Rules::check`] holds, and in no other way: there is no constructor from bytes.
//!
//! What is cheap is checked first. The signature is last, because it costs some fifty times as
//! much as all the rest, and a flood is made of records that fail before it.

use libp2p::Multiaddr;
use libp2p::core::SignedEnvelope;
use libp2p::identity::{Keypair, SigningError};
use pointsman_core::dht::contact::{AddressKind, Scope};
use pointsman_core::id::PeerId;
use pointsman_core::limits;
use pointsman_sdk::Transport;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::identity;

/// What a record's name in the DHT begins with; the 38 bytes of the peer id follow.
pub const KEY_PREFIX: &[u8] = b"/pointsman/peer/";

/// What signatures of records are for, as RFC 0002 wants it told.
const DOMAIN: &str = "pointsman-peer-record";

/// The type of the payload, as RFC 0002 wants it told.
const PAYLOAD_TYPE: &[u8] = b"/pointsman/peer-record/1";

/// Longest time from issue to expiry, in seconds.
pub const LIFETIME_S_MAX: u64 = 48 * 3600;

/// How far in the future a record may be issued, in seconds: clocks differ.
pub const SKEW_S_MAX: u64 = 600;

/// Longest name of a network, in bytes.
const NETWORK_BYTES_MAX: usize = 128;

/// The name of a peer's record in the DHT.
pub fn key_of(peer: PeerId) -> Vec<u8> {
    [KEY_PREFIX, &identity::to_bytes(peer)].concat()
}

/// The peer whose record has this name.
pub fn peer_of(key: &[u8]) -> Option<PeerId> {
    identity::from_bytes(key.strip_prefix(KEY_PREFIX)?)
}

/// What a node can do for others. Unknown bits are kept and mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// It relays connections.
    pub const RELAY: Self = Self(1);
    /// It keeps messages for peers that are away.
    pub const MAILBOX: Self = Self(1 << 1);

    /// Whether all of these are there.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a peer can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Over which kind of network.
    pub transport: Transport,
    /// The address, without the peer.
    pub address: Multiaddr,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// Whose it is.
    pub peer: PeerId,
    /// Which network it is for.
    pub network: String,
    /// Grows with each record of a peer: milliseconds since 1970 when it was made.
    pub sequence: u64,
    /// When it was made, in seconds since 1970.
    pub issued_s: u64,
    /// Until when it holds, in seconds since 1970.
    pub expires_s: u64,
    /// Where the peer can be reached.
    pub reach: Vec<Reach>,
    /// What it can do for others.
    pub capabilities: Capabilities,
    /// Its X25519 key, to seal messages for it.
    pub sealing_key: [u8; 32],
}

/// A record that was checked, with the bytes that prove it to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What it says.
    pub record: PeerRecord,
    /// The envelope.
    pub envelope: Vec<u8>,
}

/// What a record must hold to, for this node.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The network's name.
    pub network: &'a str,
    /// Which addresses it may have.
    pub scope: Scope,
    /// The time in seconds since 1970.
    pub now_s: u64,
}

/// Why a record is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Longer than any may be.
    #[error("a record longer than any may be")]
    TooLong,
    /// Its name is no peer's.
    #[error("a name that is no peer's")]
    Name,
    /// The bytes are no record.
    #[error("not a record")]
    Malformed,
    /// It is about, or was signed by, another than its name says.
    #[error("a record of another peer")]
    OtherPeer,
    /// It is for another network.
    #[error("a record for another network")]
    OtherNetwork,
    /// It holds no longer.
    #[error("an expired record")]
    Expired,
    /// It was issued in the future.
    #[error("a record from the future")]
    Future,
    /// It would hold for longer than any may.
    #[error("a record that would hold too long")]
    Lifetime,
    /// It has too many addresses.
    #[error("a record with too many addresses")]
    Addresses,
    /// It has an address that nobody may publish here.
    #[error("a record with an address that is not for the public")]
    Scope,
    /// The signature is not that of the peer.
    #[error("a record whose signature does not hold")]
    Signature,
    /// A newer one of the same peer is known.
    #[error("a record older than one that is known")]
    RolledBack,
}

impl Refusal {
    /// Whether it tells of ill will or a broken program. A record that merely grew old may come
    /// from anybody.
    pub fn is_offence(self) -> bool {
        !matches!(self, Self::Expired | Self::RolledBack)
    }

    /// What it is called in observations and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "record-too-long",
            Self::Name => "record-name",
            Self::Malformed => "record-malformed",
            Self::OtherPeer => "record-of-another-peer",
            Self::OtherNetwork => "record-of-another-network",
            Self::Expired => "record-expired",
            Self::Future => "record-from-the-future",
            Self::Lifetime => "record-lifetime",
            Self::Addresses => "record-addresses",
            Self::Scope => "record-scope",
            Self::Signature => "record-signature",
            Self::RolledBack => "record-rolled-back",
        }
    }
}

impl PeerRecord {
    /// Signs it. The key must be that of its peer.
    pub fn sign(self, keypair: &Keypair) -> Result<Checked, SigningError> {
        let payload = Payload::from(&self).encode_to_vec();
        let envelope =
            SignedEnvelope::new(keypair, DOMAIN.to_owned(), PAYLOAD_TYPE.to_vec(), payload)?;
        Ok(Checked { record: self, envelope: envelope.into_protobuf_encoding() })
    }
}

impl Rules<'_> {
    /// Checks a record that was found under a name. `newest` is the sequence of the record that
    /// is known of that peer.
    pub fn check(
        &self,
        key: &[u8],
        value: &[u8],
        newest: Option<u64>,
    ) -> Result<Checked, Refusal> {
        if value.len() > limits::DHT_RECORD_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let peer = peer_of(key).ok_or(Refusal::Name)?;
        let envelope = Envelope::decode(value).map_err(|_| Refusal::Malformed)?;
        if envelope.public_key.as_ref() != public_key(peer) {
            return Err(Refusal::OtherPeer);
        }
        if envelope.payload_type.as_ref() != PAYLOAD_TYPE {
            return Err(Refusal::Malformed);
        }
        let payload =
            Payload::decode(envelope.payload.clone()).map_err(|_| Refusal::Malformed)?;
        let record = self.read(peer, payload)?;
        // An equal sequence is the same record, or one that its peer made within a millisecond.
        if newest.is_some_and(|newest| record.sequence < newest) {
            return Err(Refusal::RolledBack);
        }
        verify(value, &envelope.payload)?;
        Ok(Checked { record, envelope: value.to_vec() })
    }

    fn read(&self, peer: PeerId, payload: Payload) -> Result<PeerRecord, Refusal> {
        if payload.peer.as_ref() != identity::to_bytes(peer) {
            return Err(Refusal::OtherPeer);
        }
        if payload.network.len() > NETWORK_BYTES_MAX || payload.network != self.network {
            return Err(Refusal::OtherNetwork);
        }
        self.check_times(&payload)?;
        let reach = self.read_reach(&payload.reach)?;
        let sealing_key =
            payload.sealing_key.as_ref().try_into().map_err(|_| Refusal::Malformed)?;
        Ok(PeerRecord {
            peer,
            network: payload.network,
            sequence: payload.sequence,
            issued_s: payload.issued_s,
            expires_s: payload.expires_s,
            reach,
            capabilities: Capabilities(payload.capabilities),
            sealing_key,
        })
    }

    fn check_times(&self, payload: &Payload) -> Result<(), Refusal> {
        let latest_s = self.now_s.saturating_add(SKEW_S_MAX);
        // A sequence is a time as well: one from the future would shut out all that follow.
        if payload.issued_s > latest_s || payload.sequence / 1000 > latest_s {
            return Err(Refusal::Future);
        }
        if payload.expires_s <= self.now_s {
            return Err(Refusal::Expired);
        }
        match payload.expires_s.checked_sub(payload.issued_s) {
            Some(lifetime_s) if lifetime_s <= LIFETIME_S_MAX => Ok(()),
            Some(_) | None => Err(Refusal::Lifetime),
        }
    }

    fn read_reach(&self, told: &[ReachPayload]) -> Result<Vec<Reach>, Refusal> {
        if told.len() > limits::DHT_RECORD_ADDRESSES_MAX {
            return Err(Refusal::Addresses);
        }
        told.iter().map(|reach| self.read_one(reach)).collect()
    }

    fn read_one(&self, told: &ReachPayload) -> Result<Reach, Refusal> {
        if told.address.len() > limits::DHT_ADDRESS_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let transport = Transport::from_number(told.transport).ok_or(Refusal::Malformed)?;
        let address =
            Multiaddr::try_from(told.address.to_vec()).map_err(|_| Refusal::Malformed)?;
        if self.scope.keeps(AddressKind::of(&address.to_string())) {
            Ok(Reach { transport, address })
        } else {
            Err(Refusal::Scope)
        }
    }
}

/// The protobuf of an Ed25519 key.
fn public_key(peer: PeerId) -> [u8; 36] {
    let mut key = [0; 36];
    key.copy_from_slice(&identity::to_bytes(peer)[2..]);
    key
}

/// That the signature is over this payload, which was read from the same bytes.
fn verify(envelope: &[u8], payload: &[u8]) -> Result<(), Refusal> {
    let envelope =
        SignedEnvelope::from_protobuf_encoding(envelope).map_err(|_| Refusal::Malformed)?;
    match envelope.payload_and_signing_key(DOMAIN.to_owned(), PAYLOAD_TYPE) {
        Ok((signed, _)) if signed == payload => Ok(()),
        Ok(_) | Err(_) => Err(Refusal::Signature),
    }
}

/// RFC 0002's envelope.
#[derive(Clone, PartialEq, prost::Message)]
struct Envelope {
    #[prost(bytes = "bytes", tag = "1")]
    public_key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    payload_type: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    payload: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    signature: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    peer: Bytes,
    #[prost(string, tag = "2")]
    network: String,
    #[prost(uint64, tag = "3")]
    sequence: u64,
    #[prost(uint64, tag = "4")]
    issued_s: u64,
    #[prost(uint64, tag = "5")]
    expires_s: u64,
    #[prost(message, repeated, tag = "6")]
    reach: Vec<ReachPayload>,
    #[prost(uint32, tag = "7")]
    capabilities: u32,
    #[prost(bytes = "bytes", tag = "8")]
    sealing_key: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReachPayload {
    #[prost(uint32, tag = "1")]
    transport: u32,
    #[prost(bytes = "bytes", tag = "2")]
    address: Bytes,
}

impl From<&PeerRecord> for Payload {
    fn from(record: &PeerRecord) -> Self {
        let reach = record.reach.iter().map(|reach| ReachPayload {
            transport: reach.transport as u32,
            address: reach.address.to_vec().into(),
        });
        Self {
            peer: identity::to_bytes(record.peer).to_vec().into(),
            network: record.network.clone(),
            sequence: record.sequence,
            issued_s: record.issued_s,
            expires_s: record.expires_s,
            reach: reach.collect(),
            capabilities: record.capabilities.0,
            sealing_key: record.sealing_key.to_vec().into(),
        }
    }
}

#[cfg(test)]
mod tests;
