//! Subnets: what somebody has who has one address, and can't easily have many of.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

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
    pub fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f])
            }
        }
    }

    /// The bytes that its addresses share: three or six.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }

    /// The one whose addresses share these bytes; `None` unless they are three or six.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let v4 = bytes.try_into().map(Self::V4).ok();
        v4.or_else(|| bytes.try_into().map(Self::V6).ok())
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4([a, b, c]) => write!(f, "{a}.{b}.{c}.0/24"),
            Self::V6(bytes) => {
                let mut whole = [0; 16];
                whole[..bytes.len()].copy_from_slice(&bytes);
                write!(f, "{}/48", Ipv6Addr::from(whole))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_subnet_are_in_one() {
        let of = |text: &str| Subnet::of_ip(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), of("192.0.2.200"));
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.7"), of("192.0.3.7"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::4"));
        assert_ne!(of("2001:db8:1::3"), of("2001:db8:2::3"));
    }

    #[test]
    fn its_bytes_name_it_and_others_none() {
        for subnet in [Subnet::V4([1, 2, 3]), Subnet::V6([1, 2, 3, 4, 5, 6])] {
            assert_eq!(Subnet::from_bytes(subnet.bytes()), Some(subnet));
        }
        assert_eq!(Subnet::from_bytes(&[1, 2, 3, 4]), None);
        assert_eq!(Subnet::from_bytes(&[]), None);
    }

    #[test]
    fn people_read_it_as_a_prefix() {
        assert_eq!(Subnet::V4([192, 0, 2]).to_string(), "192.0.2.0/24");
        assert_eq!(Subnet::V6([0x20, 1, 0xd, 0xb8, 0, 7]).to_string(), "2001:db8:7::/48");
    }
}
