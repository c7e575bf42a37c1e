//! Which interface reaches which address, and over what kind of network.

use core::net::IpAddr;

use crate::input::{Address, Protocol, Uplink};
use pointsman_sdk::Transport;

/// The host part of a multiaddr: its second component.
pub(super) fn host(address: &str) -> Option<&str> {
    address.split('/').nth(2)
}

/// Which transport an address is over an interface; `None` where there is no way.
///
/// In the interface's own subnet it is the local network. Elsewhere it takes a default route;
/// names are resolved only where there is one. Radios have neighbours, not addresses of peers.
pub(super) fn reach(uplink: &Uplink, address: &Address) -> Option<Transport> {
    if uplink.radio.is_some() || address.protocol == Protocol::Bluetooth {
        return None;
    }
    if address.protocol == Protocol::Circuit {
        let relay = Address { text: address.text.clone(), protocol: Protocol::Tcp };
        return reach(uplink, &relay).map(|_| Transport::Relay);
    }
    let beyond = uplink.has_default_route.then_some(Transport::Internet);
    let Ok(target) = host(&address.text)?.parse::<IpAddr>() else { return beyond };
    let networks = uplink.addresses.iter().filter_map(|text| network(text));
    let mut same_family = false;
    for (base, prefix) in networks {
        if base.is_ipv4() != target.is_ipv4() {
            continue;
        }
        same_family = true;
        if same_network(base, target, prefix) {
            return Some(Transport::Lan);
        }
    }
    beyond.filter(|_| same_family && !target.is_loopback())
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (base, prefix) = text.split_once('/')?;
    Some((base.parse().ok()?, prefix.parse().ok()?))
}

fn same_network(a: IpAddr, b: IpAddr, prefix: u32) -> bool {
    let shift = |bits: u32| bits.saturating_sub(prefix);
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differ = a.to_bits() ^ b.to_bits();
            differ.checked_shr(shift(u32::BITS)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differ = a.to_bits() ^ b.to_bits();
            differ.checked_shr(shift(u128::BITS)).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use pointsman_sdk::UNKNOWN;

    use super::*;
    use crate::id::UplinkId;

    fn uplink(address: &str, has_default_route: bool) -> Uplink {
        Uplink {
            id: UplinkId(1),
            name: "eth0".into(),
            radio: None,
            has_default_route,
            addresses: vec![address.into()],
            risk_group: 1,
            metered: false,
            price_per_mib: 0,
            quota_left_kib: UNKNOWN,
            wake_uj: 0,
            nj_per_byte: 0,
        }
    }

    fn address(host: &str) -> Address {
        Address { text: format!("/ip4/{host}/tcp/1"), protocol: Protocol::Tcp }
    }

    #[test]
    fn the_own_subnet_is_the_local_network_and_the_rest_needs_a_default_route() {
        let near = address("192.0.2.9");
        let far = address("198.51.100.1");
        assert_eq!(reach(&uplink("192.0.2.7/24", false), &near), Some(Transport::Lan));
        assert_eq!(reach(&uplink("192.0.2.7/24", false), &far), None);
        assert_eq!(reach(&uplink("192.0.2.7/24", true), &far), Some(Transport::Internet));
        assert_eq!(reach(&uplink("192.0.2.7/32", false), &near), None);
    }

    #[test]
    fn a_relay_in_reach_makes_a_relayed_way() {
        let through = |host: &str| Address {
            text: format!("/ip4/{host}/tcp/1/p2p/R/p2p-circuit"),
            protocol: Protocol::Circuit,
        };
        let near = uplink("192.0.2.7/24", false);
        assert_eq!(reach(&near, &through("192.0.2.9")), Some(Transport::Relay));
        assert_eq!(reach(&near, &through("198.51.100.1")), None);
    }

    #[test]
    fn an_address_of_another_family_is_out_of_reach() {
        let six = Address { text: "/ip6/2001:db8::1/tcp/1".into(), protocol: Protocol::Tcp };
        assert_eq!(reach(&uplink("192.0.2.7/24", true), &six), None);
    }
}
