//! Where peers were: with it, a node whose usual contacts are gone meets those it knew.

use core::cmp::Reverse;

use pointsman_core::address::ADDRESS_BYTES_MAX;
use pointsman_core::id::PeerId;
use pointsman_core::input::{Address, Protocol};
use pointsman_core::limits::STORE_ADDRESSES_PER_PEER_MAX;

use super::{Row, peer_id};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::tables::Table;
use crate::worth::Worth;
use pointsman_core::subnet::Subnet;

/// A peer and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub id: PeerId,
    /// Where. Of more than [`STORE_ADDRESSES_PER_PEER_MAX`], those that worked last are kept.
    pub addresses: Vec<KnownAddress>,
}

/// An address of a peer, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAddress {
    /// Where.
    pub address: Address,
    /// Who said so first.
    pub origin: Origin,
    /// When a link from or to there was up last, in milliseconds of Unix time; `None`: never.
    pub success_unix_ms: Option<u64>,
    /// When anybody named it last, in milliseconds of Unix time.
    pub seen_unix_ms: u64,
    /// Dials in a row that came to nothing.
    pub failures: u32,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The config, or an operator.
    Config,
    /// The local network.
    Mdns,
    /// A link from there.
    Observed,
    /// The DHT: a signed record, or another peer's routing table.
    Dht,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Config, Self::Mdns, Self::Observed, Self::Dht];
}

const PROTOCOLS: [Protocol; 4] =
    [Protocol::Quic, Protocol::Tcp, Protocol::Bluetooth, Protocol::Circuit];

/// Its number in rows.
const fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Quic => 0,
        Protocol::Tcp => 1,
        Protocol::Bluetooth => 2,
        Protocol::Circuit => 3,
    }
}

impl KnownAddress {
    /// The greater, the sooner to be dialled.
    fn merit(&self) -> (Option<u64>, Reverse<u32>, u64) {
        (self.success_unix_ms, Reverse(self.failures), self.seen_unix_ms)
    }

    fn encode(&self, part: &mut Encoder) {
        part.u8(protocol_number(self.address.protocol));
        part.bytes(self.address.text.as_bytes());
        part.u8(self.origin as u8);
        part.u64(self.success_unix_ms.unwrap_or(0));
        part.u64(self.seen_unix_ms);
        part.u32(self.failures);
    }

    /// `None` for one that a dial of this program can't use.
    fn decode(part: &mut Decoder<'_>) -> Result<Option<Self>, Malformed> {
        let protocol = PROTOCOLS.get(usize::from(part.u8()?)).copied();
        let text = part.text(ADDRESS_BYTES_MAX)?;
        let origin = Origin::ALL.get(usize::from(part.u8()?)).copied();
        let success_unix_ms = Some(part.u64()?).filter(|&at| at > 0);
        let (seen_unix_ms, failures) = (part.u64()?, part.u32()?);
        let (Some(protocol), Some(origin)) = (protocol, origin) else { return Ok(None) };
        let address = Address { text: text.to_owned(), protocol };
        let known = Self { address, origin, success_unix_ms, seen_unix_ms, failures };
        Ok(is_usable(&known.address).then_some(known))
    }
}

/// Whether a dial can use it. The text of a radio's address is the radio's own.
fn is_usable(address: &Address) -> bool {
    let is_radio = address.protocol == Protocol::Bluetooth;
    is_radio || Address::parse(&address.text).as_ref() == Ok(address)
}

impl Peer {
    /// The address that is worth most.
    fn best(&self) -> Option<&KnownAddress> {
        self.addresses.iter().max_by_key(|known| known.merit())
    }
}

impl Row for Peer {
    const TABLE: Table = Table::Peers;

    fn key(&self) -> &[u8] {
        &self.id.0
    }

    fn encode(&self, row: &mut Encoder) {
        let fits = |known: &&KnownAddress| known.address.text.len() <= ADDRESS_BYTES_MAX;
        let mut kept: Vec<&KnownAddress> = self.addresses.iter().filter(fits).collect();
        kept.sort_by_key(|known| Reverse(known.merit()));
        kept.truncate(STORE_ADDRESSES_PER_PEER_MAX);
        row.list(&kept, |known, part| known.encode(part));
    }

    fn decode(key: &[u8], row: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let addresses = row.list(STORE_ADDRESSES_PER_PEER_MAX, KnownAddress::decode)?;
        Ok(Self { id: peer_id(key)?, addresses })
    }

    /// One that was met is worth more than any that was only heard of.
    fn worth(&self) -> Worth {
        let Some(best) = self.best() else { return Worth::NONE };
        let success_unix_ms = best.success_unix_ms.unwrap_or(0);
        Worth {
            class: 1 + u8::from(success_unix_ms > 0),
            group: Worth::group_of(subnet_of(&best.address)),
            merit: (success_unix_ms, best.seen_unix_ms),
        }
    }
}

/// That of a multiaddr that begins with an IP address.
fn subnet_of(address: &Address) -> Option<Subnet> {
    let mut parts = address.text.strip_prefix('/')?.split('/');
    let (kind, host) = (parts.next()?, parts.next()?);
    let is_ip = matches!(kind, "ip4" | "ip6");
    host.parse().ok().filter(|_| is_ip).map(Subnet::of_ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(n: u64) -> KnownAddress {
        KnownAddress {
            address: Address::parse(&format!("/ip4/192.0.2.7/tcp/{}", 4000 + n)).unwrap(),
            origin: Origin::Observed,
            success_unix_ms: Some(n).filter(|&n| n > 0),
            seen_unix_ms: 1000 + n,
            failures: 3,
        }
    }

    fn peer(addresses: Vec<KnownAddress>) -> Peer {
        Peer { id: PeerId([7; 32]), addresses }
    }

    fn read(peer: &Peer) -> (Peer, u64) {
        Peer::from_bytes(peer.key(), &peer.to_bytes()).unwrap()
    }

    #[test]
    fn a_peer_is_read_as_it_was_written() {
        let radio = KnownAddress {
            address: Address { text: "hci0/AA".to_owned(), protocol: Protocol::Bluetooth },
            ..known(0)
        };
        let written = peer(vec![known(9), known(1), radio]);
        assert_eq!(read(&written), (written.clone(), 0));
    }

    #[test]
    fn the_addresses_that_worked_last_are_kept() {
        let (read, _) = read(&peer((0..40).map(known).collect()));
        let kept: Vec<_> = read.addresses.iter().map(|known| known.seen_unix_ms).collect();
        assert_eq!(kept, [1039, 1038, 1037, 1036, 1035, 1034, 1033, 1032]);
    }

    #[test]
    fn an_address_that_no_dial_can_use_is_skipped_and_the_rest_is_kept() {
        let mut odd = known(5);
        odd.address.text = "/ip4/192.0.2.7/tcp/0".to_owned();
        assert_eq!(read(&peer(vec![odd, known(1)])), (peer(vec![known(1)]), 1));
    }

    #[test]
    fn every_protocol_and_origin_has_a_number_of_its_own() {
        for protocol in PROTOCOLS {
            assert_eq!(PROTOCOLS[usize::from(protocol_number(protocol))], protocol);
        }
        for origin in Origin::ALL {
            assert_eq!(Origin::ALL[origin as usize], origin);
        }
    }

    #[test]
    fn one_that_was_met_is_worth_more_than_one_that_was_heard_of() {
        let heard = KnownAddress { seen_unix_ms: u64::MAX, ..known(0) };
        assert!(peer(vec![known(1)]).worth().class > peer(vec![heard]).worth().class);
    }
}
