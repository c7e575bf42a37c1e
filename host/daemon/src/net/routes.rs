//! Which interface a dial takes that the Node did not order.
//!
//! Lookups in the DHT, relays and the like dial by themselves. They name an address; this
//! table makes it one with an uplink in front, for each uplink that leads there, the one that
//! costs least first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::Multiaddr;
use pointsman_core::input::{Address, Transport, Uplink};

use super::address::{with_uplink, without_peer};

/// Uplinks that are tried for one address.
const WAYS_MAX: usize = 2;

/// The table. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Routes(Arc<Mutex<BTreeMap<String, Uplink>>>);

impl Routes {
    /// Adds an uplink, or replaces what is known of it.
    pub fn set(&self, uplink: &Uplink) {
        self.table().insert(uplink.name.clone(), uplink.clone());
    }

    /// Forgets the uplink of this name.
    pub fn forget(&self, uplink: &str) {
        self.table().remove(uplink);
    }

    /// The same address over each uplink that leads there; none where none does.
    pub fn ways(&self, address: &Multiaddr) -> Vec<Multiaddr> {
        let Ok(bare) = Address::parse(&without_peer(address).to_string()) else {
            return Vec::new();
        };
        let table = self.table();
        let mut ways: Vec<_> = table
            .values()
            .filter_map(|uplink| {
                let far = uplink.reach(&bare)? != Transport::Lan;
                Some((far, uplink.metered, uplink.price_per_mib, uplink.name.as_str()))
            })
            .collect();
        ways.sort_unstable();
        ways.truncate(WAYS_MAX);
        ways.into_iter().map(|(.., name)| with_uplink(address, name)).collect()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Uplink>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use pointsman_core::id::UplinkId;

    use super::*;

    fn uplink(name: &str, address: &str, price_per_mib: u32) -> Uplink {
        Uplink {
            id: UplinkId(1),
            name: name.into(),
            radio: None,
            has_default_route: true,
            addresses: vec![address.into()],
            risk_group: 1,
            metered: price_per_mib > 0,
            price_per_mib,
            quota_left_kib: u32::MAX,
            wake_uj: 0,
            nj_per_byte: 0,
        }
    }

    fn ways(routes: &Routes, address: &str) -> Vec<String> {
        let address = address.parse().expect("a multiaddr");
        routes.ways(&address).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_own_subnet_comes_first_then_what_costs_least() {
        let routes = Routes::default();
        routes.set(&uplink("a", "192.0.2.7/24", 5));
        routes.set(&uplink("b", "198.51.100.7/24", 0));
        routes.set(&uplink("c", "203.0.113.7/24", 9));
        let near = ways(&routes, "/ip4/192.0.2.9/tcp/1");
        assert_eq!(near, ["/ip6zone/a/ip4/192.0.2.9/tcp/1", "/ip6zone/b/ip4/192.0.2.9/tcp/1"]);
        assert_eq!(ways(&routes, "/ip4/5.6.7.8/tcp/1")[0], "/ip6zone/b/ip4/5.6.7.8/tcp/1");
        routes.forget("b");
        assert_eq!(ways(&routes, "/ip4/5.6.7.8/tcp/1")[0], "/ip6zone/a/ip4/5.6.7.8/tcp/1");
    }

    #[test]
    fn what_leads_nowhere_has_no_way() {
        let routes = Routes::default();
        routes.set(&uplink("a", "192.0.2.7/24", 0));
        for address in ["/ip6/2001:db8::1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/memory/1"] {
            assert_eq!(ways(&routes, address), [""; 0], "{address}");
        }
    }
}
