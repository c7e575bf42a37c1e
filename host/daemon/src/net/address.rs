//! Multiaddrs that carry their uplink, and what they mean to a socket.
//!
//! A dial or listen address begins with `/ip6zone/<uplink>`, before IPv4 and names too. The
//! uplink is ours alone: it must never be in an address that a peer gets to see, so
//! everything that a transport reports is without it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use libp2p::multiaddr::Protocol as Part;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::id::PeerId as Identity;
use pointsman_core::input::{Address, Protocol};

use crate::identity;

/// Most addresses of one name that a dial tries.
const RESOLVED_MAX: usize = 4;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What stands for the other end in an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name to look up, and the only family to look it up in.
    Name(String, Option<Family>),
}

/// What a transport reads in a multiaddr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The uplink to use.
    pub uplink: Option<String>,
    /// The other end, or what to listen on.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Which protocol.
    pub protocol: Protocol,
    /// Who must answer.
    pub peer: Option<PeerId>,
}

impl Target {
    /// Reads `[/ip6zone/U]/(ip4|ip6|dns|dns4|dns6)/H/(udp/P/quic-v1|tcp/P)[/p2p/ID]`; `None`
    /// for anything else.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
    pub fn read(address: &Multiaddr) -> Option<Self> {
        let (uplink, rest) = split_uplink(address);
        let mut parts = rest.iter();
        let host = host(parts.next()?)?;
        let (port, protocol) = match parts.next()? {
            Part::Udp(port) => {
                parts.next().filter(|part| matches!(part, Part::QuicV1))?;
                (port, Protocol::Quic)
            }
            Part::Tcp(port) => (port, Protocol::Tcp),
            _ => return None,
        };
        let peer = match parts.next() {
            Some(Part::P2p(peer)) => Some(peer),
            Some(_) => return None,
            None => None,
        };
        parts.next().is_none().then_some(Self { uplink, host, port, protocol, peer })
    }

    /// The socket addresses behind it: itself, or what the system's resolver says, at most
    /// four. The resolver is asked over whatever way the system chooses.
    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let (name, family) = match &self.host {
            Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, self.port)]),
            Host::Name(name, family) => (name, family),
        };
        let found = tokio::net::lookup_host((name.as_str(), self.port)).await?;
        let wanted = |address: &SocketAddr| family.is_none_or(|f| f == Family::of(address.ip()));
        Ok(found.filter(wanted).take(RESOLVED_MAX).collect())
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
fn host(part: Part<'_>) -> Option<Host> {
    match part {
        Part::Ip4(ip) => Some(Host::Ip(ip.into())),
        Part::Ip6(ip) => Some(Host::Ip(ip.into())),
        Part::Dns(name) => Some(Host::Name(name.into_owned(), None)),
        Part::Dns4(name) => Some(Host::Name(name.into_owned(), Some(Family::V4))),
        Part::Dns6(name) => Some(Host::Name(name.into_owned(), Some(Family::V6))),
        _ => None,
    }
}

/// The address with its uplink before it; an uplink that it had is replaced.
pub fn with_uplink(address: &Multiaddr, uplink: &str) -> Multiaddr {
    let (_, bare) = split_uplink(address);
    std::iter::once(Part::Ip6zone(uplink.into())).chain(bare.iter()).collect()
}

/// The uplink, and the address without it.
pub fn split_uplink(address: &Multiaddr) -> (Option<String>, Multiaddr) {
    let mut parts = address.iter();
    match parts.next() {
        Some(Part::Ip6zone(uplink)) => (Some(uplink.into_owned()), parts.collect()),
        _ => (None, address.clone()),
    }
}

/// The radio that an address names: `[/ip6zone/U]/unix/ble:AA:…[/p2p/ID]`.
pub fn radio(address: &Multiaddr) -> Option<RadioAddress> {
    let (_, bare) = split_uplink(address);
    RadioAddress::from_multiaddr(&without_peer(&bare).to_string())
}

/// Whether an address is a radio's, which is nobody's business but ours.
pub fn is_radio(address: &Multiaddr) -> bool {
    radio(address).is_some()
}

/// The address without the `/p2p/` at its end; the one that names a relay stays.
pub fn without_peer(address: &Multiaddr) -> Multiaddr {
    let mut bare = address.clone();
    if matches!(bare.iter().last(), Some(Part::P2p(_))) {
        bare.pop();
    }
    bare
}

/// Whether an address leads through a relay.
pub fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Part::P2pCircuit))
}

/// The multiaddr of a socket address.
pub fn compose(address: SocketAddr, protocol: Protocol) -> Multiaddr {
    let host = Multiaddr::empty().with(Part::from(address.ip()));
    match protocol {
        Protocol::Quic => host.with(Part::Udp(address.port())).with(Part::QuicV1),
        Protocol::Tcp => host.with(Part::Tcp(address.port())),
        Protocol::Bluetooth | Protocol::Circuit => host,
    }
}

/// How libp2p is told to dial; `None` for what it can't dial. TCP takes a port of its own: two
/// that dial each other from the ports that they listen on would meet half-way, and neither be
/// the one who answers.
pub(super) fn dial_options(
    peer: Option<Identity>,
    address: &Address,
    uplink: &str,
) -> Option<DialOpts> {
    let address = with_uplink(&address.text.parse().ok()?, uplink);
    let Some(peer) = peer else {
        return Some(DialOpts::unknown_peer_id().address(address).build());
    };
    let options = DialOpts::peer_id(identity::to_libp2p(peer)?);
    let options = options.condition(PeerCondition::Always).addresses(vec![address.clone()]);
    let is_tcp = address.iter().any(|part| matches!(part, Part::Tcp(_)));
    let options =
        if is_tcp && !is_circuit(&address) { options.allocate_new_port() } else { options };
    Some(options.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_uplink_goes_before_any_address_and_comes_off_again() {
        for text in ["/ip4/192.0.2.1/udp/4001/quic-v1", "/dns/a.example/tcp/1", "/ip6/::1/tcp/1"] {
            let zoned = with_uplink(&addr(text), "eth0");
            assert_eq!(zoned.to_string(), format!("/ip6zone/eth0{text}"));
            assert_eq!(split_uplink(&zoned), (Some("eth0".into()), addr(text)));
            assert_eq!(with_uplink(&zoned, "wlan0"), with_uplink(&addr(text), "wlan0"));
        }
        assert_eq!(split_uplink(&addr("/ip4/192.0.2.1/tcp/1")).0, None);
    }

    #[test]
    fn a_target_is_read_whole() {
        let peer = PeerId::random();
        let text = format!("/ip6zone/wlan0/ip4/192.0.2.1/udp/4001/quic-v1/p2p/{peer}");
        let target = Target::read(&addr(&text)).unwrap();
        assert_eq!(target.uplink.as_deref(), Some("wlan0"));
        assert_eq!(target.host, Host::Ip("192.0.2.1".parse().unwrap()));
        assert_eq!((target.port, target.protocol), (4001, Protocol::Quic));
        assert_eq!(target.peer, Some(peer));
        let name = Target::read(&addr("/dns6/a.example/tcp/4001")).unwrap();
        assert_eq!(name.host, Host::Name("a.example".into(), Some(Family::V6)));
    }

    #[test]
    fn what_is_not_ours_is_no_target() {
        let relayed = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        for text in [
            "/ip4/192.0.2.1/udp/4001",
            "/ip4/192.0.2.1/udp/4001/quic",
            "/ip4/192.0.2.1/tcp/80/ws",
            "/memory/7",
            "/ip6zone/eth0",
            relayed.as_str(),
        ] {
            assert_eq!(Target::read(&addr(text)), None, "{text}");
        }
    }

    #[test]
    fn a_radio_is_read_with_its_uplink_and_peer_and_is_no_target() {
        let own = RadioAddress([0, 0xAA, 1, 2, 3, 4]);
        let bare = addr(&own.to_address().text);
        let whole = format!("/ip6zone/hci0{bare}/p2p/{}", PeerId::random());
        assert_eq!(radio(&bare), Some(own));
        assert_eq!(radio(&addr(&whole)), Some(own));
        assert_eq!(Target::read(&addr(&whole)), None);
        assert!(!is_radio(&addr("/ip4/192.0.2.1/tcp/1")) && !is_radio(&addr("/unix/run")));
    }

    #[test]
    fn a_socket_address_is_composed_as_it_is_read() {
        for (socket, protocol) in
            [("192.0.2.1:4001", Protocol::Quic), ("[2001:db8::1]:9", Protocol::Tcp)]
        {
            let socket: SocketAddr = socket.parse().unwrap();
            let target = Target::read(&compose(socket, protocol)).unwrap();
            assert_eq!(target.host, Host::Ip(socket.ip()));
            assert_eq!((target.port, target.protocol), (socket.port(), protocol));
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_up_in_its_family_only() {
        let target = Target::read(&addr("/dns4/localhost/tcp/7")).unwrap();
        assert_eq!(target.resolve().await.unwrap(), ["127.0.0.1:7".parse().unwrap()]);
    }
}
