//! How many accepted connections may be in their handshake at once, in total and from one
//! address, so that nobody who connects and stays silent keeps others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pointsman_core::limits::{PENDING_INBOUND_MAX, PENDING_INBOUND_PER_ADDRESS_MAX};

/// How long a handshake may take, either way: ten round trips over a bad satellite link.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The count. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshakes(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    total: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// One handshake under way; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    counts: Handshakes,
    address: IpAddr,
}

impl Handshakes {
    /// Counts one more from that address; `None` where it is one too many.
    pub(super) fn begin(&self, from: IpAddr) -> Option<Permit> {
        let address = subscriber(from);
        let mut counts = self.lock();
        if counts.total >= PENDING_INBOUND_MAX {
            return None;
        }
        let here = counts.by_address.entry(address).or_default();
        if *here >= PENDING_INBOUND_PER_ADDRESS_MAX {
            return None;
        }
        *here += 1;
        counts.total += 1;
        Some(Permit { counts: self.clone(), address })
    }

    /// Whether so many are under way that a stranger has to prove its address first.
    pub(super) fn is_busy(&self) -> bool {
        self.lock().total >= PENDING_INBOUND_MAX / 4
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        counts.total = counts.total.saturating_sub(1);
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// What one subscriber has: an IPv4 address, or an IPv6 /64.
fn subscriber(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(n))
    }

    #[test]
    fn one_address_has_its_share_and_no_more() {
        let handshakes = Handshakes::default();
        let mut held: Vec<_> = (0..PENDING_INBOUND_PER_ADDRESS_MAX)
            .map(|_| handshakes.begin(v4(1)).unwrap())
            .collect();
        assert!(handshakes.begin(v4(1)).is_none());
        assert!(handshakes.begin(v4(2)).is_some());
        held.pop();
        assert!(handshakes.begin(v4(1)).is_some());
    }

    #[test]
    fn a_64_is_one_address() {
        let handshakes = Handshakes::default();
        let ip = |host: u128| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | host));
        let _held: Vec<_> = (0..u128::from(PENDING_INBOUND_PER_ADDRESS_MAX))
            .map(|n| handshakes.begin(ip(n)).unwrap())
            .collect();
        assert!(handshakes.begin(ip(1 << 63)).is_none());
        assert!(handshakes.begin(ip(1 << 64)).is_some());
    }

    #[test]
    fn the_total_is_bounded_and_nothing_is_left_behind() {
        let handshakes = Handshakes::default();
        let held: Vec<_> =
            (0..PENDING_INBOUND_MAX).map(|n| handshakes.begin(v4(n)).unwrap()).collect();
        assert!(handshakes.is_busy());
        assert!(handshakes.begin(v4(u32::MAX)).is_none());
        drop(held);
        assert_eq!(handshakes.lock().total, 0);
        assert!(handshakes.lock().by_address.is_empty());
    }
}
