//! A peer with the addresses that are said of it, and which of these are worth a dial.
//!
//! Addresses come from strangers. Of each list a bounded part is read, and what would lead a
//! dial into our own network, onto this machine or nowhere is dropped before anyone tries it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::id::PeerId;
use crate::limits::{DHT_ADDRESS_BYTES_MAX, DHT_ADDRESSES_PER_CONTACT_MAX, DHT_ADDRESSES_READ_MAX};
pub use crate::subnet::Subnet;

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKind {
    /// To a place on the internet.
    Public,
    /// To a public relay, which leads on to the peer.
    Relayed,
    /// To wherever a domain's owner says.
    Named,
    /// Into a private network: RFC 1918, RFC 6598 (100.64.0.0/10), RFC 4193.
    Private,
    /// To this machine.
    Loopback,
    /// To a machine on the same cable: RFC 3927, `fe80::/10`.
    LinkLocal,
    /// Nowhere: ranges for documents and benchmarks (RFC 5737, RFC 3849, RFC 9637, RFC 2544).
    Documentation,
    /// To a radio around the corner; such addresses never belong in the phone book.
    Bluetooth,
    /// Nowhere that a dial can go.
    Unusable,
}

impl AddressKind {
    /// Of a multiaddr.
    pub fn of(text: &str) -> Self {
        if text.len() > DHT_ADDRESS_BYTES_MAX || !text.starts_with('/') {
            return Self::Unusable;
        }
        let first = match host(text) {
            Some(Host::Ip(ip)) => of_ip(ip),
            Some(Host::Name) => Self::Named,
            Some(Host::Radio) => return Self::Bluetooth,
            None => return Self::Unusable,
        };
        match (text.split('/').filter(|&part| part == "p2p-circuit").count(), first) {
            (0, _) => first,
            (1, Self::Public) => Self::Relayed,
            (1, _) => first,
            // A circuit through a circuit is never offered and has no bound.
            _ => Self::Unusable,
        }
    }
}

/// Which addresses are kept and dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those on the internet, by number: a name could lead anywhere, and belongs to no subnet.
    #[default]
    Public,
    /// All that a dial can use: for a network within one site or one machine.
    Any,
}

impl Scope {
    /// Whether addresses of the kind are kept.
    pub fn keeps(self, kind: AddressKind) -> bool {
        match kind {
            AddressKind::Public | AddressKind::Relayed => true,
            AddressKind::Named
            | AddressKind::Private
            | AddressKind::Loopback
            | AddressKind::LinkLocal
            | AddressKind::Documentation => self == Self::Any,
            AddressKind::Bluetooth | AddressKind::Unusable => false,
        }
    }
}

/// A peer, and where it is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who. Only a handshake proves it.
    pub peer: PeerId,
    /// Multiaddrs without the peer in them: at most [`DHT_ADDRESSES_PER_CONTACT_MAX`], each once.
    pub addresses: Vec<String>,
}

impl Contact {
    /// What is worth keeping of the addresses that are told of a peer. Of a list that is longer
    /// than [`DHT_ADDRESSES_READ_MAX`] the rest is not looked at.
    pub fn new<'a>(peer: PeerId, told: impl IntoIterator<Item = &'a str>, scope: Scope) -> Self {
        let name = peer.to_string();
        let mut addresses: Vec<String> = Vec::new();
        for text in told.into_iter().take(DHT_ADDRESSES_READ_MAX) {
            let Some(text) = without_peer(text, &name) else { continue };
            let is_new = !addresses.iter().any(|kept| kept == text);
            if is_new && scope.keeps(AddressKind::of(text)) {
                addresses.push(text.to_owned());
            }
            if addresses.len() == DHT_ADDRESSES_PER_CONTACT_MAX {
                break;
            }
        }
        Self { peer, addresses }
    }

    /// The same, of a contact from a shell that did not look at the addresses.
    pub fn kept(&self, scope: Scope) -> Self {
        Self::new(self.peer, self.addresses.iter().map(String::as_str), scope)
    }

    /// The subnets that the addresses are in, each once.
    pub fn subnets(&self) -> Vec<Subnet> {
        let mut subnets: Vec<Subnet> =
            self.addresses.iter().filter_map(|text| Subnet::of(text)).collect();
        subnets.sort_unstable();
        subnets.dedup();
        subnets
    }
}

/// The address without its last `/p2p/…`; `None` where that names another peer.
fn without_peer<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let text = text.get(..).filter(|text| text.len() <= DHT_ADDRESS_BYTES_MAX)?;
    match text.rsplit_once("/p2p/") {
        Some((rest, peer)) if !peer.contains('/') => (peer == name).then_some(rest),
        Some(_) | None => Some(text),
    }
}

impl Subnet {
    /// Of a multiaddr on the internet: for a relayed one, the relay's. `None` for any other, and
    /// for a name.
    ///
    /// A network within one site lies in a single subnet, so there a bound for each would keep out
    /// the honest; it has to trust its cables instead.
    pub fn of(text: &str) -> Option<Self> {
        let kind = AddressKind::of(text);
        if !matches!(kind, AddressKind::Public | AddressKind::Relayed) {
            return None;
        }
        match host(text)? {
            Host::Ip(IpAddr::V4(ip)) => Some(Self::of_ip(ip.into())),
            Host::Ip(IpAddr::V6(ip)) => {
                Some(Self::of_ip(inner_ip4(ip).map_or(ip.into(), IpAddr::V4)))
            }
            Host::Name | Host::Radio => None,
        }
    }
}

enum Host {
    Ip(IpAddr),
    Name,
    Radio,
}

/// What the address begins with.
fn host(text: &str) -> Option<Host> {
    let mut parts = text.strip_prefix('/')?.split('/');
    match (parts.next()?, parts.next()?) {
        ("ip4", ip) => ip.parse().ok().map(|ip| Host::Ip(IpAddr::V4(ip))),
        ("ip6", ip) => ip.parse().ok().map(|ip| Host::Ip(IpAddr::V6(ip))),
        ("dns" | "dns4" | "dns6" | "dnsaddr", name) => (!name.is_empty()).then_some(Host::Name),
        ("unix", radio) => radio.starts_with("ble:").then_some(Host::Radio),
        _ => None,
    }
}

fn of_ip(ip: IpAddr) -> AddressKind {
    match ip {
        IpAddr::V4(ip) => of_ip4(ip),
        IpAddr::V6(ip) => inner_ip4(ip).map_or_else(|| of_ip6(ip), of_ip4),
    }
}

fn of_ip4(ip: Ipv4Addr) -> AddressKind {
    match ip.octets() {
        [127, ..] => AddressKind::Loopback,
        [169, 254, ..] => AddressKind::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            AddressKind::Private
        }
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
            AddressKind::Documentation
        }
        // This network, protocol assignments, multicast, and what is reserved.
        [0 | 224.., ..] | [192, 0, 0, _] => AddressKind::Unusable,
        _ => AddressKind::Public,
    }
}

fn of_ip6(ip: Ipv6Addr) -> AddressKind {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xfc00..=0xfdff, ..] => AddressKind::Private,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressKind::Documentation,
        // What is routed on the internet (RFC 4291, 2.4).
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Unusable,
    }
}

/// The IPv4 address that packets to this one end up at: mapped (RFC 4291), translated
/// (RFC 6052) or tunnelled (RFC 3056).
fn inner_ip4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId([7; 32]);
    const RELAY: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";

    #[test]
    fn an_address_is_known_by_where_it_leads() {
        let relayed = format!("/ip4/8.8.4.4/tcp/4001/p2p/{RELAY}/p2p-circuit");
        let relayed_at_home = format!("/ip4/10.0.0.1/tcp/4001/p2p/{RELAY}/p2p-circuit");
        let nested = format!("{relayed}/p2p/{RELAY}/p2p-circuit");
        let long = format!("/dns/{}/tcp/1", "a".repeat(DHT_ADDRESS_BYTES_MAX));
        let cases = [
            ("/ip4/8.8.4.4/udp/4001/quic-v1", AddressKind::Public),
            ("/ip6/2a00:1450::1/tcp/4001", AddressKind::Public),
            (&relayed, AddressKind::Relayed),
            (&relayed_at_home, AddressKind::Private),
            ("/dns4/host.example/tcp/4001", AddressKind::Named),
            ("/ip4/192.168.1.7/tcp/4001", AddressKind::Private),
            ("/ip4/100.64.0.1/tcp/4001", AddressKind::Private),
            ("/ip4/172.31.0.1/tcp/4001", AddressKind::Private),
            ("/ip4/172.32.0.1/tcp/4001", AddressKind::Public),
            ("/ip6/fd00::1/tcp/4001", AddressKind::Private),
            ("/ip6/::ffff:192.168.1.7/tcp/4001", AddressKind::Private),
            ("/ip6/64:ff9b::7f00:1/tcp/4001", AddressKind::Loopback),
            ("/ip6/2002:a00:1::1/tcp/4001", AddressKind::Private),
            ("/ip4/127.0.0.1/tcp/4001", AddressKind::Loopback),
            ("/ip6/::1/tcp/4001", AddressKind::Loopback),
            ("/ip4/169.254.169.254/tcp/80", AddressKind::LinkLocal),
            ("/ip6/fe80::1/tcp/4001", AddressKind::LinkLocal),
            ("/ip4/203.0.113.9/tcp/4001", AddressKind::Documentation),
            ("/ip6/2001:db8::1/tcp/4001", AddressKind::Documentation),
            ("/unix/ble:aa:bb:cc:dd:ee:ff", AddressKind::Bluetooth),
            ("/unix/run/socket", AddressKind::Unusable),
            ("/ip4/0.0.0.0/tcp/4001", AddressKind::Unusable),
            ("/ip4/224.0.0.251/udp/5353", AddressKind::Unusable),
            ("/ip4/255.255.255.255/tcp/4001", AddressKind::Unusable),
            ("/ip6/ff02::1/tcp/4001", AddressKind::Unusable),
            ("/ip6zone/eth0/ip6/fe80::1/tcp/1", AddressKind::Unusable),
            ("/p2p-circuit", AddressKind::Unusable),
            (&nested, AddressKind::Unusable),
            (&long, AddressKind::Unusable),
            ("", AddressKind::Unusable),
            ("/ip4", AddressKind::Unusable),
        ];
        for (text, kind) in cases {
            assert_eq!(AddressKind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn what_leads_into_our_own_network_is_kept_only_where_that_is_the_network() {
        let told = [
            "/ip4/127.0.0.1/tcp/22",
            "/ip4/169.254.169.254/tcp/80",
            "/dns4/localhost/tcp/4001",
            "/unix/ble:aa:bb:cc:dd:ee:ff",
            "/ip4/8.8.4.4/tcp/4001",
        ];
        assert_eq!(Contact::new(PEER, told, Scope::Public).addresses, [told[4]]);
        let all = Contact::new(PEER, told, Scope::Any).addresses;
        assert_eq!(all, [told[0], told[1], told[2], told[4]]);
    }

    #[test]
    fn the_peer_at_the_end_of_an_address_is_its_own_or_the_address_is_dropped() {
        let own = format!("/ip4/8.8.4.4/tcp/4001/p2p/{PEER}");
        let other = format!("/ip4/8.8.8.8/tcp/4001/p2p/{RELAY}");
        let relayed = format!("/ip4/9.9.9.9/tcp/1/p2p/{RELAY}/p2p-circuit/p2p/{PEER}");
        let told = [own.as_str(), "/ip4/8.8.4.4/tcp/4001", &other, &relayed];
        let contact = Contact::new(PEER, told, Scope::Public);
        let circuit = relayed.strip_suffix(&format!("/p2p/{PEER}")).unwrap();
        assert_eq!(contact.addresses, ["/ip4/8.8.4.4/tcp/4001", circuit]);
    }

    #[test]
    fn a_list_without_end_is_read_for_a_while() {
        let told: Vec<String> =
            (1..=9_999).map(|port| format!("/ip4/8.8.4.4/tcp/{port}")).collect();
        let contact = Contact::new(PEER, told.iter().map(String::as_str), Scope::Public);
        assert_eq!(contact.addresses, told[..DHT_ADDRESSES_PER_CONTACT_MAX]);
        let useless = core::iter::repeat_n("/ip4/10.0.0.1/tcp/1", DHT_ADDRESSES_READ_MAX);
        let told = useless.chain(["/ip4/8.8.4.4/tcp/1"]);
        assert!(Contact::new(PEER, told, Scope::Public).addresses.is_empty());
    }

    #[test]
    fn subnets_are_those_of_the_internet_as_people_write_them() {
        let relayed = format!("/ip4/9.9.9.9/tcp/1/p2p/{RELAY}/p2p-circuit");
        let cases = [
            ("/ip4/8.8.4.4/tcp/1", Some("8.8.4.0/24")),
            ("/ip6/2a00:1450:4001:82a::1/tcp/1", Some("2a00:1450:4001::/48")),
            ("/ip6/::ffff:8.8.4.4/tcp/1", Some("8.8.4.0/24")),
            (&relayed, Some("9.9.9.0/24")),
            ("/ip4/10.1.2.3/tcp/1", None),
            ("/ip4/127.0.0.1/tcp/1", None),
            ("/dns/host.example/tcp/1", None),
        ];
        for (text, shown) in cases {
            let subnet = Subnet::of(text).map(|subnet| subnet.to_string());
            assert_eq!(subnet.as_deref(), shown, "{text}");
        }
        let twice = Contact::new(PEER, ["/ip4/8.8.4.4/tcp/1", "/ip4/8.8.4.5/tcp/1"], Scope::Public);
        assert_eq!(twice.subnets().len(), 1);
    }
}
