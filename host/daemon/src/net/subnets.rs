//! Which remote addresses are near: in a subnet of the uplink that leads to them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use pointsman_core::input::{Transport, Uplink};

use super::address::{is_circuit, is_radio};

/// The subnets of all uplinks, by the uplink's name. Bounded by the number of uplinks.
#[derive(Clone, Debug, Default)]
pub struct Subnets {
    uplinks: HashMap<String, Vec<(IpAddr, u8)>>,
}

impl Subnets {
    /// Notes the subnets of an uplink, in place of what was known of it. Addresses that can't
    /// be read are left out.
    pub fn set(&mut self, uplink: &Uplink) {
        let subnets = uplink.addresses.iter().filter_map(|text| subnet(text)).collect();
        self.uplinks.insert(uplink.name.clone(), subnets);
    }

    /// Forgets an uplink.
    pub fn forget(&mut self, uplink: &str) {
        self.uplinks.remove(uplink);
    }

    /// The kind of network that leads over the uplink to a remote address. Loopback and
    /// link-local addresses are near on every uplink, and so is what has no IP address. A
    /// radio's address is that of a Bluetooth neighbour, and what leads through a relay is no
    /// network of its own.
    pub fn transport(&self, uplink: &str, remote: &Multiaddr) -> Transport {
        if is_radio(remote) {
            return Transport::Bluetooth;
        }
        if is_circuit(remote) {
            return Transport::Relay;
        }
        let Some(remote) = ip(remote) else { return Transport::Lan };
        let near = is_local(remote)
            || self
                .uplinks
                .get(uplink)
                .is_some_and(|all| all.iter().any(|&(ip, bits)| is_within(remote, ip, bits)));
        if near { Transport::Lan } else { Transport::Internet }
    }
}

/// The IP address of a multiaddr, if it has one.
#[expect(clippy::wildcard_enum_match_arm, reason = "multiaddr's protocols are an open set")]
pub fn ip(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    })
}

/// Whether an address is one that the Internet routes (RFC 6890): neither private, shared,
/// local, reserved nor for documentation.
pub fn is_public(ip: IpAddr) -> bool {
    const PRIVATE_V4: [(Ipv4Addr, u8); 14] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 88, 99, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        (Ipv4Addr::new(224, 0, 0, 0), 3),
    ];
    const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    const EXAMPLES_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32);
    match ip {
        IpAddr::V4(_) => {
            !PRIVATE_V4.iter().any(|&(net, bits)| is_within(ip, IpAddr::V4(net), bits))
        }
        IpAddr::V6(_) => {
            let within = |(net, bits): (Ipv6Addr, u8)| is_within(ip, IpAddr::V6(net), bits);
            within(GLOBAL_V6) && !within(EXAMPLES_V6)
        }
    }
}

/// `192.0.2.7/24`.
pub(super) fn subnet(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    let whole = if ip.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
    (u32::from(bits) <= whole).then_some((ip, bits))
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

pub(super) fn is_within(remote: IpAddr, own: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (remote, own) {
        (IpAddr::V4(remote), IpAddr::V4(own)) => {
            let differing = remote.to_bits() ^ own.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(remote), IpAddr::V6(own)) => {
            let differing = remote.to_bits() ^ own.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ways::uplink;

    #[test]
    fn what_the_internet_routes_is_public() {
        for text in ["8.8.8.8", "45.10.0.1", "172.32.0.1", "2600::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        let private = [
            "0.1.2.3",
            "10.1.1.1",
            "100.127.0.1",
            "127.9.9.9",
            "169.254.1.1",
            "172.31.0.1",
            "192.168.9.9",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "ff02::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_address_in_the_uplinks_subnet_is_near() {
        let mut subnets = Subnets::default();
        subnets.set(&uplink(
            1,
            "wlan0",
            &["192.0.2.7/24", "2001:db8::7/64", "nonsense", "10.0.0.1/33"],
        ));
        let cases = [
            ("/ip4/192.0.2.200/udp/1/quic-v1", Transport::Lan),
            ("/ip4/192.0.3.200/udp/1/quic-v1", Transport::Internet),
            ("/ip4/10.0.0.1/tcp/1", Transport::Internet),
            ("/ip6/2001:db8::1/tcp/1", Transport::Lan),
            ("/ip6/2001:db8:0:1::1/tcp/1", Transport::Internet),
            ("/ip6/::ffff:192.0.2.9/tcp/1", Transport::Lan),
            ("/ip4/127.0.0.2/tcp/1", Transport::Lan),
            ("/ip6/fe80::1/tcp/1", Transport::Lan),
            ("/memory/7", Transport::Lan),
        ];
        for (text, transport) in cases {
            let address: Multiaddr = text.parse().unwrap();
            assert_eq!(subnets.transport("wlan0", &address), transport, "{text}");
        }
        let near: Multiaddr = "/ip4/192.0.2.200/tcp/1".parse().unwrap();
        assert_eq!(subnets.transport("eth0", &near), Transport::Internet);
        subnets.forget("wlan0");
        assert_eq!(subnets.transport("wlan0", &near), Transport::Internet);
    }
}
