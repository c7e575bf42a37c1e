//! Addresses as text: the part of multiaddr that a dial can use.
//!
//! ```text
//! /ip4/192.0.2.7/udp/4001/quic-v1     /ip6/2001:db8::7/tcp/4001
//! /dns/host.example/tcp/4001          /dns4/…  /dns6/…
//! /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…/p2p-circuit
//! ```
//!
//! The last leads through a relay, whose identity stands before `/p2p-circuit`.
//!
//! Adverts bring such texts from strangers, so their length is bounded before they are read,
//! and what is accepted is written anew in one form: equal addresses are equal texts.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::id::PeerId;
use crate::input::{Address, Protocol};

/// Longest text of an address in bytes: the longest domain name, the rest around it, and a
/// relay's identity.
pub const ADDRESS_BYTES_MAX: usize = 253 + 32 + RELAY_BYTES_MAX;

/// `/p2p/` with an identity, and `/p2p-circuit`.
const RELAY_BYTES_MAX: usize = 5 + 52 + 12;

/// Longest domain name, and longest label in one, in bytes (RFC 1035, 2.3.4).
const DOMAIN_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Why a text is no address that a dial can use, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAddress(&'static str);

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for InvalidAddress {}

impl InvalidAddress {
    pub(crate) const fn new(why: &'static str) -> Self {
        Self(why)
    }
}

const NO_RELAY: InvalidAddress = InvalidAddress("no peer id of a relay before `/p2p-circuit`");

impl Address {
    /// Reads a multiaddr of the forms told in [`crate::address`], without the peer's identity.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        const FORM: InvalidAddress = InvalidAddress(
            "an address is `/ip4/…`, `/ip6/…`, `/dns/…`, `/dns4/…` or `/dns6/…`, \
             then `/udp/PORT/quic-v1` or `/tcp/PORT`; through a relay `/p2p/RELAY/p2p-circuit` \
             follows",
        );
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(InvalidAddress("longer than any address"));
        }
        let mut parts = text.strip_prefix('/').ok_or(FORM)?.split('/');
        let mut part = || parts.next().ok_or(FORM);
        let (kind, host) = (part()?, part()?);
        let host = match kind {
            "ip4" => ip4(host)?,
            "ip6" => ip6(host)?,
            "dns" | "dns4" | "dns6" => domain(host)?,
            _ => return Err(FORM),
        };
        let (below, port) = (part()?, part()?);
        let port = port_of(port)?;
        let (protocol, end) = match below {
            "tcp" => (Protocol::Tcp, ""),
            "udp" if part()? == "quic-v1" => (Protocol::Quic, "/quic-v1"),
            _ => return Err(FORM),
        };
        let text = format!("/{kind}/{host}/{below}/{port}{end}");
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (None, ..) => Ok(Self { text, protocol }),
            (Some("p2p"), Some(relay), Some("p2p-circuit"), None) => {
                let relay = PeerId::from_str(relay).map_err(|_| NO_RELAY)?;
                Ok(Self::through(&text, relay))
            }
            (Some("p2p"), Some(_), None, None) => {
                Err(InvalidAddress("leave out `/p2p/…`: the peer is named beside it"))
            }
            (Some(_), ..) => Err(FORM),
        }
    }

    /// The relay that it leads through.
    pub fn relay(&self) -> Option<PeerId> {
        let (through, _) = self.text.rsplit_once("/p2p-circuit")?;
        through.rsplit_once("/p2p/")?.1.parse().ok()
    }

    /// Where whoever has a reservation at a relay is reached; `at` is the relay's own address.
    fn through(at: &str, relay: PeerId) -> Self {
        Self { text: format!("{at}/p2p/{relay}/p2p-circuit"), protocol: Protocol::Circuit }
    }

    /// Reads the address of a peer with its identity at the end: `/ip4/…/p2p/12D3KooW…`.
    pub fn parse_with_peer(text: &str) -> Result<(Self, PeerId), InvalidAddress> {
        const FORM: InvalidAddress =
            InvalidAddress("an address with `/p2p/` and the peer id at its end");
        let (address, peer) = text.rsplit_once("/p2p/").ok_or(FORM)?;
        let peer = peer.parse().map_err(|_| FORM)?;
        Ok((Self::parse(address)?, peer))
    }
}

fn ip4(text: &str) -> Result<String, InvalidAddress> {
    let ip: Ipv4Addr = text.parse().map_err(|_| InvalidAddress("no IPv4 address"))?;
    if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
        return Err(InvalidAddress("nobody can be dialled at that IPv4 address"));
    }
    Ok(ip.to_string())
}

fn ip6(text: &str) -> Result<String, InvalidAddress> {
    let ip: Ipv6Addr = text.parse().map_err(|_| InvalidAddress("no IPv6 address"))?;
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(InvalidAddress("nobody can be dialled at that IPv6 address"));
    }
    Ok(ip.to_string())
}

/// Letters, digits, `-` and `_`: a name in another script is written in its `xn--` form.
fn domain(text: &str) -> Result<String, InvalidAddress> {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if text.len() <= DOMAIN_BYTES_MAX && text.split('.').all(is_label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(InvalidAddress("no domain name"))
    }
}

fn port_of(text: &str) -> Result<u16, InvalidAddress> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|&port| is_number && port != 0);
    port.ok_or(InvalidAddress("a port is a number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
    const CIRCUIT: &str = "/ip4/192.0.2.7/udp/1/quic-v1/p2p/\
        12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq/p2p-circuit";

    #[test]
    fn every_form_that_can_be_dialled_is_read() {
        let forms = [
            ("/ip4/192.0.2.7/udp/4001/quic-v1", Protocol::Quic),
            ("/ip4/192.0.2.7/tcp/1", Protocol::Tcp),
            ("/ip6/2001:db8::7/udp/65535/quic-v1", Protocol::Quic),
            ("/ip6/fe80::1/tcp/4001", Protocol::Tcp),
            ("/dns/host.example/tcp/4001", Protocol::Tcp),
            ("/dns4/xn--bcher-kva.example/udp/4001/quic-v1", Protocol::Quic),
            ("/dns6/a_b/tcp/4001", Protocol::Tcp),
            (CIRCUIT, Protocol::Circuit),
        ];
        for (text, protocol) in forms {
            assert_eq!(Address::parse(text), Ok(Address { text: text.into(), protocol }));
        }
    }

    #[test]
    fn equal_addresses_become_equal_texts() {
        let pairs = [
            ("/ip6/2001:DB8:0::0007/tcp/04001", "/ip6/2001:db8::7/tcp/4001"),
            ("/dns/Host.Example/tcp/4001", "/dns/host.example/tcp/4001"),
        ];
        for (written, kept) in pairs {
            assert_eq!(Address::parse(written).map(|address| address.text), Ok(kept.to_owned()));
        }
    }

    #[test]
    fn what_no_dial_can_use_is_refused() {
        let label = "a".repeat(64);
        let domain = vec!["a".repeat(49); 6].join(".");
        let others = [
            "",
            "/",
            "192.0.2.7:4001",
            "ip4/192.0.2.7/tcp/4001",
            "/ip4/192.0.2.7",
            "/ip4/192.0.2.7/tcp",
            "/ip4/192.0.2.7/tcp/",
            "/ip4/192.0.2.7/tcp/0",
            "/ip4/192.0.2.7/tcp/+1",
            "/ip4/192.0.2.7/tcp/65536",
            "/ip4/192.0.2.7/tcp/4001/",
            "/ip4/192.0.2.7/tcp/4001/ws",
            "/ip4/192.0.2.7/tcp/4001/quic-v1",
            "/ip4/192.0.2.7/udp/4001",
            "/ip4/192.0.2.7/udp/4001/quic",
            "/ip4/192.0.2.7/udp/4001/quic-v1/webtransport",
            "/ip4/192.0.2.256/tcp/4001",
            "/ip4/192.0.2.07/tcp/4001",
            "/ip4/0.0.0.0/tcp/4001",
            "/ip4/224.0.0.251/tcp/4001",
            "/ip4/255.255.255.255/tcp/4001",
            "/ip6/::/tcp/4001",
            "/ip6/ff02::1/tcp/4001",
            "/ip6/fe80::1%eth0/tcp/4001",
            "/ip6zone/eth0/ip6/fe80::1/tcp/4001",
            "/dns//tcp/4001",
            "/dns/a..b/tcp/4001",
            "/dns/-a/tcp/4001",
            "/dns/a b/tcp/4001",
            "/dns/bücher.example/tcp/4001",
            "/dnsaddr/host.example",
            "/unix/run/socket",
            "/p2p-circuit/p2p-circuit/p2p-circuit",
            "/ip4/192.0.2.7/tcp/4001/p2p-circuit",
            "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW/p2p-circuit",
            &format!("{CIRCUIT}/p2p-circuit"),
            &format!("{CIRCUIT}/p2p/{RELAY}"),
            &format!("{CIRCUIT}{CIRCUIT}"),
            &format!("/dns/{label}/tcp/4001"),
            &format!("/dns/{domain}/tcp/4001"),
            &"/ip4/192.0.2.7".repeat(1000),
        ];
        for text in others {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_with_the_peer_in_it_says_to_leave_that_out() {
        let error = Address::parse("/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW");
        assert!(error.is_err_and(|error| error.to_string().contains("leave out `/p2p/")));
    }

    #[test]
    fn an_address_with_its_peer_is_read_apart() {
        let bare = "/ip4/192.0.2.7/tcp/4001";
        let read = Address::parse_with_peer(&format!("{bare}/p2p/{RELAY}"));
        let address = Address::parse(bare).expect("a form of ours");
        assert_eq!(read, Ok((address, RELAY.parse().expect("a peer id"))));
        for text in [bare, "/p2p/x", &format!("/p2p/{RELAY}"), &format!("{bare}/p2p/x")] {
            assert!(Address::parse_with_peer(text).is_err(), "{text}");
        }
    }
}
