//! Which listeners are open, and the addresses that they are reached at.
//!
//! What the shell wants is compared with what is open: only the difference is opened and
//! closed. The transport follows the addresses of an uplink by itself, so a listener is per
//! uplink, protocol and IP family, not per address.

use std::net::IpAddr;
use std::sync::Arc;

use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol as Part;
use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::input::{Address, Protocol, Uplink};

use super::address::{split_uplink, with_uplink};
use super::api::{ListenAddress, Listener};

/// What is to be listened on: an address with its uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) uplink: String,
    pub(super) protocol: Protocol,
    pub(super) address: Multiaddr,
}

/// The open listeners. Bounded by the number of uplinks.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    bind: Bind,
    id: ListenerId,
    reached: Vec<Multiaddr>,
}

/// What to change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) close: Vec<ListenerId>,
    pub(super) open: Vec<Bind>,
}

impl Listeners {
    /// What to close and open so that an uplink listens as is wanted.
    pub(super) fn changes(&self, uplink: &str, wanted: Vec<Bind>) -> Changes {
        let here = || self.open.iter().filter(|open| open.bind.uplink == uplink);
        let close = here().filter(|open| !wanted.contains(&open.bind)).map(|open| open.id);
        let close = close.collect();
        let missing = |bind: &Bind| !here().any(|open| open.bind == *bind);
        Changes { close, open: wanted.into_iter().filter(missing).collect() }
    }

    pub(super) fn opened(&mut self, id: ListenerId, bind: Bind) {
        self.open.push(Open { bind, id, reached: Vec::new() });
    }

    /// Forgets a listener. Gives what it was bound to, if it was known.
    pub(super) fn closed(&mut self, id: ListenerId) -> Option<Bind> {
        let position = self.open.iter().position(|open| open.id == id)?;
        Some(self.open.swap_remove(position).bind)
    }

    pub(super) fn reached(&mut self, id: ListenerId, address: &Multiaddr) {
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            let bare = split_uplink(address).1;
            if !open.reached.contains(&bare) {
                open.reached.push(bare);
            }
        }
    }

    pub(super) fn expired(&mut self, id: ListenerId, address: &Multiaddr) {
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            let bare = split_uplink(address).1;
            open.reached.retain(|reached| *reached != bare);
        }
    }

    /// All addresses, sorted.
    pub(super) fn addresses(&self) -> Arc<[ListenAddress]> {
        let mut all: Vec<_> = self.open.iter().flat_map(Open::addresses).collect();
        all.sort();
        all.into()
    }
}

impl Open {
    fn addresses(&self) -> impl Iterator<Item = ListenAddress> {
        let Bind { uplink, protocol, .. } = &self.bind;
        self.reached.iter().map(|address| ListenAddress {
            uplink: uplink.clone(),
            address: Address { text: address.to_string(), protocol: *protocol },
        })
    }
}

/// What an uplink shall listen on: each protocol in each IP family of which it has an address.
pub(super) fn wanted(listener: &Listener) -> Vec<Bind> {
    let uplink = &listener.uplink;
    if uplink.radio.is_some() {
        return radio(uplink).into_iter().collect();
    }
    let ips: Vec<IpAddr> =
        uplink.addresses.iter().filter_map(|text| text.split('/').next()?.parse().ok()).collect();
    let families =
        [(ips.iter().any(IpAddr::is_ipv4), "0.0.0.0"), (ips.iter().any(IpAddr::is_ipv6), "::")];
    let ports = [(Protocol::Quic, listener.quic), (Protocol::Tcp, listener.tcp)];
    let mut binds = Vec::new();
    for (_, any) in families.iter().filter(|(there, _)| *there) {
        let any: IpAddr = any.parse().expect("a constant");
        for (protocol, port) in ports {
            let Some(port) = port else { continue };
            let address = with_uplink(&socket(any, protocol, port), &uplink.name);
            binds.push(Bind { uplink: uplink.name.clone(), protocol, address });
        }
    }
    binds
}

/// A radio is listened to at its own address.
fn radio(uplink: &Uplink) -> Option<Bind> {
    let own: RadioAddress = uplink.addresses.first()?.parse().ok()?;
    let address = with_uplink(&own.to_address().text.parse().ok()?, &uplink.name);
    Some(Bind { uplink: uplink.name.clone(), protocol: Protocol::Bluetooth, address })
}

fn socket(ip: IpAddr, protocol: Protocol, port: u16) -> Multiaddr {
    let host = Multiaddr::empty().with(Part::from(ip));
    match protocol {
        Protocol::Quic => host.with(Part::Udp(port)).with(Part::QuicV1),
        Protocol::Tcp => host.with(Part::Tcp(port)),
        Protocol::Bluetooth | Protocol::Circuit => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ways::uplink;

    fn listener(addresses: &[&str], quic: Option<u16>, tcp: Option<u16>) -> Listener {
        Listener { uplink: uplink(1, "eth0", addresses), quic, tcp }
    }

    #[test]
    fn an_uplink_listens_in_the_families_that_it_has() {
        let texts = |listener: &Listener| -> Vec<String> {
            wanted(listener).iter().map(|bind| bind.address.to_string()).collect()
        };
        assert_eq!(
            texts(&listener(&["192.0.2.1/24", "192.0.2.2/24"], Some(4001), Some(0))),
            ["/ip6zone/eth0/ip4/0.0.0.0/udp/4001/quic-v1", "/ip6zone/eth0/ip4/0.0.0.0/tcp/0"]
        );
        assert_eq!(
            texts(&listener(&["2001:db8::1/64"], None, Some(7))),
            ["/ip6zone/eth0/ip6/::/tcp/7"]
        );
        assert!(texts(&listener(&[], Some(1), Some(1))).is_empty());
    }

    #[test]
    fn only_the_difference_is_opened_and_closed() {
        let mut listeners = Listeners::default();
        let both = wanted(&listener(&["192.0.2.1/24"], Some(1), Some(1)));
        assert_eq!(listeners.changes("eth0", both.clone()).open, both);
        let [quic, tcp] = [ListenerId::next(), ListenerId::next()];
        listeners.opened(quic, both[0].clone());
        listeners.opened(tcp, both[1].clone());
        let moved = wanted(&listener(&["192.0.2.9/24"], Some(1), Some(2)));
        let changes = listeners.changes("eth0", moved.clone());
        assert_eq!((changes.close, changes.open), (vec![tcp], vec![moved[1].clone()]));
        assert!(listeners.changes("wlan0", Vec::new()).close.is_empty());
    }

    #[test]
    fn addresses_are_told_without_their_uplink() {
        let mut listeners = Listeners::default();
        let bind = wanted(&listener(&["192.0.2.1/24"], None, Some(0))).remove(0);
        let id = ListenerId::next();
        listeners.opened(id, bind);
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/9".parse().unwrap();
        listeners.reached(id, &with_uplink(&address, "eth0"));
        listeners.reached(id, &address);
        let all = listeners.addresses();
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].uplink.as_str(), all[0].address.text.as_str()),
            ("eth0", "/ip4/192.0.2.1/tcp/9")
        );
        listeners.expired(id, &address);
        assert!(listeners.addresses().is_empty());
    }
}
