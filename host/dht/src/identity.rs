//! A peer's two forms: the core's, which is its Ed25519 key, and libp2p's.

use libp2p::identity::PublicKey;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId as Libp2p, identity};
use pointsman_core::id::PeerId;

/// Before the key in a peer id's bytes: an identity multihash of 36 bytes, and the protobuf of
/// an Ed25519 key.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The core's form; `None` for a peer whose key is no Ed25519 key.
pub fn from_libp2p(peer: &Libp2p) -> Option<PeerId> {
    from_bytes(&peer.to_bytes())
}

/// Reads the bytes of a peer id; `None` for one whose key is no Ed25519 key.
pub fn from_bytes(bytes: &[u8]) -> Option<PeerId> {
    bytes.strip_prefix(&PREFIX)?.try_into().ok().map(PeerId)
}

/// The bytes of a peer id: a multihash.
pub fn to_bytes(peer: PeerId) -> [u8; 38] {
    let mut bytes = [0; 38];
    let (prefix, key) = bytes.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    key.copy_from_slice(&peer.0);
    bytes
}

/// libp2p's form. `None` where the bytes are no key: such a peer can't exist.
pub fn to_libp2p(peer: PeerId) -> Option<Libp2p> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&peer.0).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The address without a `/p2p/` at its end.
pub fn without_peer(address: &Multiaddr) -> Multiaddr {
    let mut bare = address.clone();
    if matches!(bare.iter().last(), Some(Protocol::P2p(_))) {
        bare.pop();
    }
    bare
}

/// Whether both lead to the same place, whoever is named at their ends.
pub fn is_same(one: &Multiaddr, other: &Multiaddr) -> bool {
    without_peer(one) == without_peer(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back_from_libp2ps_form() {
        for _ in 0..20 {
            let libp2p = identity::Keypair::generate_ed25519().public().to_peer_id();
            let peer = from_libp2p(&libp2p).unwrap();
            assert_eq!(to_libp2p(peer), Some(libp2p));
            assert_eq!(to_bytes(peer)[..], libp2p.to_bytes());
        }
        assert_eq!(from_libp2p(&Libp2p::random()), None, "a hash is no key");
    }
}
