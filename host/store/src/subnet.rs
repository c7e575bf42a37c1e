//! Subnets: what somebody has who has one address, and can't easily have many of.

use core::net::{IpAddr, Ipv6Addr};

use pointsman_core::input::Address;

use crate::codec::Malformed;

/// An IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subnet {
    /// The first three bytes of its addresses.
    V4([u8; 3]),
    /// The first six bytes of its addresses.
    V6([u8; 6]),
}

impl Subnet {
    /// The one that an address is in. One of IPv4 in IPv6's clothes is in that of IPv4.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let [a, b, c, d, e, f, ..] = ip.octets();
        Self::V6([a, b, c, d, e, f])
    }

    /// The one of a multiaddr that begins with an IP address.
    pub(crate) fn of_address(address: &Address) -> Option<Self> {
        let mut parts = address.text.strip_prefix('/')?.split('/');
        let (kind, host) = (parts.next()?, parts.next()?);
        let is_ip = matches!(kind, "ip4" | "ip6");
        host.parse().ok().filter(|_| is_ip).map(Self::of)
    }

    /// Its bytes as a key.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if let Ok(bytes) = bytes.try_into() {
            return Ok(Self::V4(bytes));
        }
        bytes.try_into().map(Self::V6).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_core::input::Protocol;

    #[test]
    fn addresses_of_a_subnet_are_in_one_group() {
        let of = |text: &str| Subnet::of(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), of("192.0.2.200"));
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.7"), of("192.0.3.7"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::4"));
        assert_ne!(of("2001:db8:1::3"), of("2001:db8:2::3"));
    }

    #[test]
    fn only_an_address_that_begins_with_an_ip_address_has_one() {
        let of = |text: &str| {
            Subnet::of_address(&Address { text: text.to_owned(), protocol: Protocol::Tcp })
        };
        assert_eq!(of("/ip4/192.0.2.7/tcp/1"), Some(Subnet::V4([192, 0, 2])));
        assert!(matches!(of("/ip6/2001:db8::7/tcp/1"), Some(Subnet::V6(_))));
        for text in ["/dns/host.example/tcp/1", "/dns/192.0.2.7/tcp/1", "", "/ip4"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn its_bytes_are_a_key_and_others_are_none() {
        for subnet in [Subnet::V4([1, 2, 3]), Subnet::V6([1, 2, 3, 4, 5, 6])] {
            assert_eq!(Subnet::from_bytes(subnet.bytes()), Ok(subnet));
        }
        assert_eq!(Subnet::from_bytes(&[1, 2, 3, 4]), Err(Malformed));
    }
}
