//! The uplinks as whoever must choose one sees them, and the choice for addresses that name none.
//!
//! The Node's dials name their uplink. Those of libp2p's own protocols (queries, holes, probes)
//! do not, so `Routed` names one before the transports see the address: that in whose subnet
//! the address is; else the one over which the peer is already linked through a relay; else
//! the first with a way out, metered ones last. Nothing is sent to addresses that no peer can
//! have: an address of a stranger's telling must not lead to this machine itself.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId};
use pointsman_core::id::UplinkId;
use pointsman_core::input::Uplink;

use super::address::{split_uplink, with_uplink};
use super::subnets::{ip, is_within, subnet};

/// The table. Cheap to clone; all clones are one. Bounded by the uplinks and the links.
#[derive(Clone, Debug, Default)]
pub struct Ways(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    uplinks: BTreeMap<String, Way>,
    /// Over which uplink a peer is linked through a relay, and by how many connections.
    relayed: HashMap<PeerId, (String, usize)>,
}

/// An uplink that carries IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: UplinkId,
    /// Whether it leads beyond its subnets.
    pub has_way_out: bool,
    /// Whether traffic costs money or quota.
    pub metered: bool,
    subnets: Vec<(IpAddr, u8)>,
}

impl Way {
    /// The addresses of its interface.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.subnets.iter().map(|&(ip, _)| ip)
    }

    /// Its IPv4 addresses, each with the length of its network's part.
    pub(super) fn networks_v4(&self) -> impl Iterator<Item = (Ipv4Addr, u8)> {
        self.subnets.iter().filter_map(|&(ip, bits)| match ip {
            IpAddr::V4(ip) => Some((ip, bits)),
            IpAddr::V6(_) => None,
        })
    }
}

impl Ways {
    /// Notes what an uplink is now. Radios are none.
    pub fn set(&self, uplink: &Uplink) {
        if uplink.radio.is_some() {
            return;
        }
        let way = Way {
            name: uplink.name.clone(),
            id: uplink.id,
            has_way_out: uplink.has_default_route,
            metered: uplink.metered,
            subnets: uplink.addresses.iter().filter_map(|text| subnet(text)).collect(),
        };
        self.table().uplinks.insert(uplink.name.clone(), way);
    }

    /// Forgets an uplink.
    pub fn forget(&self, uplink: &str) {
        self.table().uplinks.remove(uplink);
    }

    /// The uplink of that name.
    pub fn named(&self, uplink: &str) -> Option<Way> {
        self.table().uplinks.get(uplink).cloned()
    }

    /// Those that lead out, the cheap ones first.
    pub fn out(&self) -> Vec<Way> {
        let mut out: Vec<_> =
            self.table().uplinks.values().filter(|way| way.has_way_out).cloned().collect();
        out.sort_by_key(|way| way.metered);
        out
    }

    /// Whether an address is one of this machine's own interfaces.
    pub fn is_own(&self, ip: IpAddr) -> bool {
        self.table().uplinks.values().any(|way| way.addresses().any(|own| own == ip))
    }

    /// A peer is linked through a relay over this uplink.
    pub(super) fn relayed(&self, peer: PeerId, uplink: &str) {
        let mut table = self.table();
        let entry = table.relayed.entry(peer).or_insert_with(|| (uplink.to_owned(), 0));
        entry.0 = uplink.to_owned();
        entry.1 += 1;
    }

    /// A connection like that is gone.
    pub(super) fn relayed_no_more(&self, peer: &PeerId) {
        let mut table = self.table();
        if let Some((_, count)) = table.relayed.get_mut(peer) {
            *count -= 1;
            if *count == 0 {
                table.relayed.remove(peer);
            }
        }
    }

    /// The uplink that leads to an address; `None` where none does.
    pub(super) fn to(&self, address: &Multiaddr) -> Option<String> {
        let table = self.table();
        let target = ip(address);
        let near = target.and_then(|ip| {
            let is_near =
                |way: &&Way| way.subnets.iter().any(|&(own, bits)| is_within(ip, own, bits));
            table.uplinks.values().find(is_near)
        });
        if let Some(way) = near {
            return Some(way.name.clone());
        }
        if target.is_some_and(is_nowhere) {
            return None;
        }
        let family = |way: &&Way| {
            target.is_none_or(|ip| way.addresses().any(|own| own.is_ipv4() == ip.is_ipv4()))
        };
        let out = || table.uplinks.values().filter(|way| way.has_way_out).filter(family);
        let known = peer_of(address).and_then(|peer| table.relayed.get(&peer));
        let known = known.and_then(|(name, _)| out().find(|way| way.name == *name));
        known.or_else(|| out().min_by_key(|way| way.metered)).map(|way| way.name.clone())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    if let Part::P2p(peer) = address.iter().last()? { Some(peer) } else { None }
}

/// Addresses that lead to no other machine beyond a subnet of ours.
fn is_nowhere(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
        }
    }
}

/// A transport below which every dial names an uplink, if there is one that leads there.
pub(super) struct Routed<T> {
    inner: T,
    ways: Ways,
}

impl<T> Routed<T> {
    pub(super) fn new(inner: T, ways: Ways) -> Self {
        Self { inner, ways }
    }
}

impl<T: Transport + Unpin> Transport for Routed<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<T::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<T::Dial, TransportError<T::Error>> {
        let is_named = split_uplink(&address).0.is_some();
        match self.ways.to(&address).filter(|_| !is_named) {
            Some(uplink) => self.inner.dial(with_uplink(&address, &uplink), options),
            None => self.inner.dial(address, options),
        }
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// An uplink that leads out and costs nothing, for tests.
#[cfg(test)]
pub(super) fn uplink(id: u32, name: &str, addresses: &[&str]) -> Uplink {
    Uplink {
        id: UplinkId(id),
        name: name.into(),
        radio: None,
        has_default_route: true,
        addresses: addresses.iter().map(ToString::to_string).collect(),
        risk_group: 0,
        metered: false,
        price_per_mib: 0,
        quota_left_kib: u32::MAX,
        wake_uj: 0,
        nj_per_byte: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways() -> Ways {
        let ways = Ways::default();
        ways.set(&uplink(1, "eth0", &["192.168.1.2/24"]));
        ways.set(&uplink(2, "wlan0", &["192.168.2.2/24"]));
        ways.set(&Uplink { metered: true, ..uplink(3, "wwan0", &["2001:db8::2/64"]) });
        ways
    }

    fn to(ways: &Ways, text: &str) -> Option<String> {
        ways.to(&text.parse().unwrap())
    }

    #[test]
    fn an_address_goes_over_the_uplink_whose_subnet_it_is_in() {
        let ways = ways();
        assert_eq!(to(&ways, "/ip4/192.168.2.9/tcp/1").as_deref(), Some("wlan0"));
        assert_eq!(to(&ways, "/ip4/8.8.8.8/tcp/1").as_deref(), Some("eth0"));
        assert_eq!(to(&ways, "/dns/a.example/tcp/1").as_deref(), Some("eth0"));
        assert_eq!(to(&ways, "/ip6/2600::1/tcp/1").as_deref(), Some("wwan0"));
    }

    #[test]
    fn a_peer_that_is_relayed_over_an_uplink_is_dialled_over_it() {
        let (ways, peer) = (ways(), PeerId::random());
        let address = format!("/ip4/8.8.8.8/tcp/1/p2p/{peer}");
        ways.relayed(peer, "wlan0");
        ways.relayed(peer, "wlan0");
        ways.relayed_no_more(&peer);
        assert_eq!(to(&ways, &address).as_deref(), Some("wlan0"));
        ways.relayed_no_more(&peer);
        assert_eq!(to(&ways, &address).as_deref(), Some("eth0"));
    }

    #[test]
    fn what_leads_to_this_machine_itself_is_no_way() {
        let ways = ways();
        for text in ["/ip4/127.0.0.1/tcp/22", "/ip4/0.0.0.0/tcp/1", "/ip6/::1/tcp/1"] {
            assert_eq!(to(&ways, text), None, "{text}");
        }
        ways.forget("eth0");
        ways.forget("wlan0");
        assert_eq!(to(&ways, "/ip4/8.8.8.8/tcp/1"), None);
    }
}
