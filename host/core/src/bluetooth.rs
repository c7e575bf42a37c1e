//! Bluetooth LE, as far as it needs no radio: what an advertisement says, how far its sender is,
//! which neighbours are worth a link, and the byte stream over what a radio carries.
//!
//! Nothing here does IO or reads a clock. The Node owns the [`neighbours`]; each connection of
//! the radio below owns a [`stream`].

pub mod stream;

use core::fmt;
use core::str::FromStr;

use crate::input::{Address, Protocol};

/// What every Bluetooth address begins with as text: a multiaddr that no other transport takes.
/// It never leaves the node.
const PREFIX: &str = "/unix/ble:";

/// The address of a radio, as it is on the air now. It changes with time and is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RadioAddress(pub [u8; 6]);

/// A text that is no address of a radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRadioAddress;

impl RadioAddress {
    /// As an address that a dial can use.
    pub fn to_address(self) -> Address {
        Address { text: format!("{PREFIX}{self}"), protocol: Protocol::Bluetooth }
    }

    /// The radio that a multiaddr of ours names.
    pub fn from_multiaddr(text: &str) -> Option<Self> {
        text.strip_prefix(PREFIX)?.parse().ok()
    }
}

impl fmt::Display for RadioAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl FromStr for RadioAddress {
    type Err = InvalidRadioAddress;

    fn from_str(text: &str) -> Result<Self, InvalidRadioAddress> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(InvalidRadioAddress)?;
            if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(InvalidRadioAddress);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| InvalidRadioAddress)?;
        }
        if parts.next().is_some() { Err(InvalidRadioAddress) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for InvalidRadioAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address of a radio is six bytes in hexadecimal with colons between")
    }
}

impl core::error::Error for InvalidRadioAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_from_its_text_and_from_its_multiaddr() {
        let address = RadioAddress([0, 0xAA, 1, 2, 0xFE, 9]);
        assert_eq!(address.to_string(), "00:AA:01:02:FE:09");
        assert_eq!(address.to_string().parse(), Ok(address));
        assert_eq!("00:aa:01:02:fe:09".parse(), Ok(address));
        assert_eq!(RadioAddress::from_multiaddr(&address.to_address().text), Some(address));
    }

    #[test]
    fn anything_else_is_no_address_of_a_radio() {
        for text in [
            "",
            "00",
            "00:AA:01:02:FE",
            "00:AA:01:02:FE:09:0",
            "0:AA:01:02:FE:09",
            "+0:AA:01:02:FE:09",
        ] {
            assert_eq!(text.parse::<RadioAddress>(), Err(InvalidRadioAddress), "{text}");
        }
        assert_eq!(RadioAddress::from_multiaddr("/ip4/192.0.2.1/tcp/1"), None);
    }
}
