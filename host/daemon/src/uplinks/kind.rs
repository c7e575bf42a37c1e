//! What an interface is, and what is guessed from that where the config is silent.
//!
//! The energy figures are of phones, from J. Huang et al., "A Close Examination of
//! Performance and Power Characteristics of 4G LTE Networks" (MobiSys 2012), tables 3 and 4.
//! Waking is promotion and tail together: WiFi 79 ms at 124 mW and 238 ms at 119 mW, LTE
//! 260 ms at 1,211 mW and 11.6 s at 1,060 mW. Sending costs 283 mW per Mbit/s over WiFi and
//! 438 over LTE. The figure for wires is a guess: half a watt of a port at a gigabit per
//! second. So are all of them on any other device: they put interfaces in an order, and
//! measure nothing.

use std::fs;
use std::path::Path;

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Loopback,
    Wired,
    Wireless,
    Cellular,
    Bridge,
    Tunnel,
}

/// What is guessed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) metered: bool,
    pub(super) wake_uj: u32,
    pub(super) nj_per_byte: u32,
}

impl Kind {
    /// That of an interface which the kernel calls nothing special.
    pub(super) fn of(name: &str) -> Self {
        let there = Path::new("/sys/class/net").join(name);
        let told = fs::read_to_string(there.join("uevent")).unwrap_or_default();
        let is_wireless = there.join("wireless").exists() || there.join("phy80211").exists();
        let is_tunnel = there.join("tun_flags").exists();
        Self::from_signs(name, &told, is_wireless, is_tunnel)
    }

    /// That of a point-to-point interface: a modem's, or a tunnel's.
    pub(super) fn of_point_to_point(name: &str) -> Self {
        let found = Self::of(name);
        if found == Self::Wired { Self::Tunnel } else { found }
    }

    fn from_signs(name: &str, uevent: &str, is_wireless: bool, is_tunnel: bool) -> Self {
        let says =
            |kind: &str| uevent.lines().any(|line| line.strip_prefix("DEVTYPE=") == Some(kind));
        if says("wwan") || name.starts_with("wwan") || name.starts_with("rmnet") {
            Self::Cellular
        } else if is_wireless || says("wlan") {
            Self::Wireless
        } else if says("bridge") {
            Self::Bridge
        } else if is_tunnel || says("wireguard") {
            Self::Tunnel
        } else {
            Self::Wired
        }
    }

    /// What is guessed where the config is silent.
    pub(super) fn guess(self) -> Guess {
        let (metered, wake_uj, nj_per_byte) = match self {
            Self::Loopback => (false, 0, 0),
            Self::Wired | Self::Bridge | Self::Tunnel => (false, 0, 4),
            Self::Wireless => (false, 38_000, 2_264),
            Self::Cellular => (true, 12_600_000, 3_504),
        };
        Guess { metered, wake_uj, nj_per_byte }
    }

    /// Whether it is used without being named in the config. Bridges and tunnels lead over
    /// other uplinks or to virtual machines, unless they are the way out.
    pub(super) fn is_used_unasked(self, has_default_route: bool) -> bool {
        match self {
            Self::Wired | Self::Wireless | Self::Cellular => true,
            Self::Bridge | Self::Tunnel => has_default_route,
            Self::Loopback => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_tell_the_kind() {
        for (name, uevent, wireless, tunnel, kind) in [
            ("eth0", "INTERFACE=eth0\n", false, false, Kind::Wired),
            ("wlp3s0", "DEVTYPE=wlan\n", false, false, Kind::Wireless),
            ("ath0", "", true, false, Kind::Wireless),
            ("wwp0s20f0u6", "DEVTYPE=wwan\n", false, false, Kind::Cellular),
            ("rmnet_data0", "", false, false, Kind::Cellular),
            ("br0", "DEVTYPE=bridge\n", false, false, Kind::Bridge),
            ("vpn", "", false, true, Kind::Tunnel),
        ] {
            assert_eq!(Kind::from_signs(name, uevent, wireless, tunnel), kind, "{name}");
        }
    }

    #[test]
    fn the_guess_orders_kinds_by_what_they_cost() {
        let wake = |kind: Kind| kind.guess().wake_uj;
        assert!(wake(Kind::Wired) < wake(Kind::Wireless));
        assert!(wake(Kind::Wireless) < wake(Kind::Cellular));
        assert!(Kind::Cellular.guess().metered && !Kind::Wireless.guess().metered);
    }
}
