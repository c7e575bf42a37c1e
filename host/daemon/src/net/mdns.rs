//! Finding the nodes of our network on the local networks, by multicast DNS.
//!
//! The service type is `_pm-<name>._udp.local.`, with the network's name where it consists of
//! lower-case letters, digits and inner single hyphens and is at most 12 bytes long; otherwise
//! `<name>` is 12 hexadecimal digits of a hash (FNV-1a, 48 bits of it), because DNS-SD allows
//! a service name 15 bytes. A collision does no harm: the handshake and the hello tell
//! networks apart.
//!
//! Each uplink is advertised as an instance of its own, only on its own interface and with
//! only its own addresses, so that no network learns of another. The TXT record has `id`, the
//! peer's identity in base58, and `a0`, `a1`, …, its addresses.
//!
//! What is heard is a rumour: only IP addresses that we could dial are taken, a bounded number
//! of each instance, of a bounded number of instances. What mdns-sd itself caches is bounded by
//! the records' time to live only. mDNS never stops the node: where there
//! is no multicast it says so once and is not heard of again.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use libp2p::Multiaddr;
use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo, TxtProperties};
use pointsman_core::id::PeerId;
use pointsman_core::input::{Address, Source};
use pointsman_core::limits;
use tokio::sync::mpsc;

use super::address::{Host, Target};
use super::api::{ListenAddress, NetFact};
use super::subnets::ip;
use crate::identity;

/// Events of the mDNS thread that wait for the network task. While they do, the thread waits.
const EVENTS_MAX: usize = 64;

/// Bytes of `<name>` in the service type.
const NAME_BYTES_MAX: usize = 12;

/// mDNS, as long as it lives.
pub struct Mdns {
    me: PeerId,
    service: String,
    daemon: ServiceDaemon,
    events: mpsc::Receiver<ServiceEvent>,
    adverts: BTreeMap<String, Advert>,
    seen: Seen,
}

/// One uplink as advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Advert {
    ips: Vec<IpAddr>,
    addresses: Vec<String>,
}

impl Mdns {
    /// Begins to listen for nodes of this network. Advertises nothing yet.
    pub fn start(me: PeerId, network: &str) -> Result<Self, mdns_sd::Error> {
        let service = service_type(network);
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(IfKind::All)?;
        let browsed = daemon.browse(&service)?;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        // Ends when the daemon is shut down, or the receiver is dropped.
        let forward = move || {
            while let Ok(event) = browsed.recv() {
                if sender.blocking_send(event).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new()
            .name("mdns".into())
            .spawn(forward)
            .map_err(|error| mdns_sd::Error::Msg(error.to_string()))?;
        Ok(Self { me, service, daemon, events, adverts: BTreeMap::new(), seen: Seen::new(me) })
    }

    /// Advertises these addresses from now on, and listens where they are.
    pub fn advertise(&mut self, addresses: &[ListenAddress]) {
        let wanted = adverts(addresses);
        for (uplink, advert) in &self.adverts {
            if wanted.get(uplink) != Some(advert) {
                self.withdraw(uplink, advert);
            }
        }
        for (uplink, advert) in &wanted {
            if self.adverts.get(uplink) != Some(advert)
                && let Err(error) = self.register(uplink, advert)
            {
                tracing::warn!(uplink, %error, "the uplink can't be advertised by mDNS");
            }
        }
        self.adverts = wanted;
    }

    /// What becomes known, or is known no more. `None` when mDNS has ended.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "mdns-sd's events are an open set, and only two concern us"
    )]
    pub async fn next(&mut self) -> Option<Vec<NetFact>> {
        loop {
            let facts = match self.events.recv().await? {
                ServiceEvent::ServiceResolved(service) => self.seen.resolved(&service),
                ServiceEvent::ServiceRemoved(_, instance) => self.seen.removed(&instance),
                // The progress of the search; the enum is open.
                _ => continue,
            };
            if !facts.is_empty() {
                return Some(facts);
            }
        }
    }

    /// Adverts that could not be read, and those for which there was no room, so far.
    pub fn dropped(&self) -> u64 {
        self.seen.dropped
    }

    fn register(&self, uplink: &str, advert: &Advert) -> Result<(), mdns_sd::Error> {
        for &ip in &advert.ips {
            self.daemon.enable_interface(IfKind::Addr(ip))?;
        }
        let instance = instance(self.me, uplink);
        let host = format!("{instance}.local.");
        let txt = txt(self.me, &advert.addresses);
        let port = advert.addresses.first().and_then(|text| port(text)).unwrap_or_default();
        let ips: Vec<_> = advert.ips.clone();
        let mut info = ServiceInfo::new(&self.service, &instance, &host, &ips[..], port, txt)?;
        info.set_interfaces(ips.into_iter().map(IfKind::Addr).collect());
        // The name contains our key: nobody else can rightly have it.
        info.set_requires_probe(false);
        self.daemon.register(info)
    }

    fn withdraw(&self, uplink: &str, advert: &Advert) {
        let instance = format!("{}.{}", instance(self.me, uplink), self.service);
        // It fails only where the daemon is gone, and the advert with it.
        let _ = self.daemon.unregister(&instance);
        for &ip in &advert.ips {
            let _ = self.daemon.disable_interface(IfKind::Addr(ip));
        }
    }
}

impl Drop for Mdns {
    fn drop(&mut self) {
        for (uplink, advert) in &self.adverts {
            self.withdraw(uplink, advert);
        }
        // It fails only where the daemon is gone already.
        let _ = self.daemon.shutdown();
    }
}

/// What was heard, by the name of the instance.
#[derive(Debug)]
struct Seen {
    me: PeerId,
    instances: HashMap<String, (PeerId, Vec<Address>)>,
    dropped: u64,
}

impl Seen {
    fn new(me: PeerId) -> Self {
        Self { me, instances: HashMap::new(), dropped: 0 }
    }

    fn resolved(&mut self, service: &ResolvedService) -> Vec<NetFact> {
        self.heard(service.get_fullname(), &service.txt_properties)
    }

    fn heard(&mut self, instance: &str, txt: &TxtProperties) -> Vec<NetFact> {
        let Some((peer, addresses)) = read(txt) else {
            self.dropped += 1;
            return self.removed(instance);
        };
        if peer == self.me {
            return Vec::new();
        }
        let known = self.instances.contains_key(instance);
        if !known && self.instances.len() >= limits::PEERS_MAX {
            self.dropped += 1;
            return Vec::new();
        }
        let old = self.instances.insert(instance.to_owned(), (peer, addresses.clone()));
        let (old_peer, old) = old.unwrap_or((peer, Vec::new()));
        let source = Source::Mdns;
        let gone = old.iter().filter(|old| old_peer != peer || !addresses.contains(old)).cloned();
        let new = addresses.iter().filter(|new| old_peer != peer || !old.contains(new)).cloned();
        let gone = gone.map(|address| NetFact::Unsighted { peer: old_peer, address, source });
        let new = new.map(|address| NetFact::Sighted { peer, address, source });
        gone.chain(new).collect()
    }

    fn removed(&mut self, instance: &str) -> Vec<NetFact> {
        let Some((peer, addresses)) = self.instances.remove(instance) else { return Vec::new() };
        let source = Source::Mdns;
        let gone = |address| NetFact::Unsighted { peer, address, source };
        addresses.into_iter().map(gone).collect()
    }
}

/// The service type of a network.
pub fn service_type(network: &str) -> String {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let fits = !network.is_empty()
        && network.len() <= NAME_BYTES_MAX
        && network.bytes().all(plain)
        && !network.starts_with('-')
        && !network.ends_with('-')
        && !network.contains("--");
    if fits {
        format!("_pm-{network}._udp.local.")
    } else {
        format!("_pm-{:012x}._udp.local.", fnv1a(network.as_bytes()) >> 16)
    }
}

/// The name of an uplink's instance: the peer, and a hash of the uplink's name so that the
/// name itself is not told. 52 + 1 + 8 bytes of the 63 that DNS allows.
fn instance(me: PeerId, uplink: &str) -> String {
    let uplink = fnv1a(uplink.as_bytes()) >> 32;
    format!("{}-{uplink:08x}", identity::to_text(me))
}

/// FNV-1a, 64 bits (draft-eastlake-fnv).
fn fnv1a(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// What to advertise of each uplink.
fn adverts(addresses: &[ListenAddress]) -> BTreeMap<String, Advert> {
    let mut all: BTreeMap<String, Advert> = BTreeMap::new();
    for ListenAddress { uplink, address } in addresses {
        let Some(ip) = address.text.parse().ok().and_then(|address| ip(&address)) else { continue };
        let advert = all
            .entry(uplink.clone())
            .or_insert_with(|| Advert { ips: Vec::new(), addresses: Vec::new() });
        if advert.addresses.len() < limits::ADDRESSES_PER_PEER_MAX {
            advert.addresses.push(address.text.clone());
            if !advert.ips.contains(&ip) {
                advert.ips.push(ip);
            }
        }
    }
    all
}

fn txt(me: PeerId, addresses: &[String]) -> HashMap<String, String> {
    let numbered = addresses.iter().enumerate().map(|(n, text)| (format!("a{n}"), text.clone()));
    let id = ("id".to_owned(), identity::to_text(me));
    numbered.chain([id]).collect()
}

/// The UDP or TCP port, for the SRV record that DNS-SD wants.
fn port(address: &str) -> Option<u16> {
    Target::read(&address.parse().ok()?).map(|target| target.port)
}

/// Reads a TXT record. `None` where it names no peer, or no address that we could dial.
fn read(txt: &TxtProperties) -> Option<(PeerId, Vec<Address>)> {
    let peer = identity::from_text(txt.get_property_val_str("id")?)?;
    let mut addresses: Vec<Address> = (0..limits::ADDRESSES_PER_PEER_MAX)
        .filter_map(|n| address(txt.get_property_val_str(&format!("a{n}"))?))
        .collect();
    addresses.sort();
    addresses.dedup();
    (!addresses.is_empty()).then_some((peer, addresses))
}

/// An address that can be dialled as it stands: no name that we would have to look up, no
/// uplink of ours, no peer in it.
fn address(text: &str) -> Option<Address> {
    let parsed: Multiaddr = text.parse().ok()?;
    let target = Target::read(&parsed)?;
    let usable = match target.host {
        Host::Ip(ip) => !ip.is_unspecified() && !ip.is_multicast(),
        Host::Name(..) => false,
    };
    let plain = target.uplink.is_none() && target.peer.is_none() && target.port != 0;
    (usable && plain).then(|| Address { text: parsed.to_string(), protocol: target.protocol })
}

#[cfg(test)]
mod tests;
