//! The addresses at which others see this node, and whether they lead here.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol as Part;
use pointsman_core::limits::EXTERNAL_ADDRESSES_MAX;

use crate::net::address::{is_circuit, is_radio, split_uplink, without_peer};
use crate::net::subnets::{ip, is_public};

/// Who says that an address leads here, or may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Peers see this node there.
    Observed,
    /// It is that of one of our interfaces.
    Interface,
    /// The router forwards it (UPnP).
    Router,
    /// The config says so.
    Config,
    /// A relay leads from it.
    Relay,
}

/// An address of ours as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Without our identity.
    pub address: Multiaddr,
    /// Who says so.
    pub evidence: Evidence,
    /// Whether it leads here; `None` as long as nobody has tried.
    pub reachable: Option<bool>,
}

/// All of them, in the order of their appearance.
#[derive(Debug, Default)]
pub(super) struct Externals(Vec<External>);

impl Externals {
    pub(super) fn all(&self) -> &[External] {
        &self.0
    }

    /// Notes an address that may lead here; whether it is new and worth a probe.
    pub(super) fn candidate(&mut self, address: &Multiaddr, evidence: Evidence) -> bool {
        let is_known = self.0.iter().any(|one| one.address == *address);
        if is_known || !is_worth(address) {
            return false;
        }
        self.add(address.clone(), evidence, None)
    }

    /// An address leads here, or does not.
    pub(super) fn tested(&mut self, address: &Multiaddr, evidence: Evidence, reachable: bool) {
        match self.0.iter_mut().find(|one| one.address == *address) {
            Some(one) => {
                one.reachable = Some(reachable);
                one.evidence = if reachable { evidence } else { one.evidence };
            }
            None => drop(self.add(address.clone(), evidence, Some(reachable))),
        }
    }

    /// Somebody tried an address. Who told of it first stays as it was.
    pub(super) fn tried(&mut self, address: &Multiaddr, evidence: Evidence, reachable: bool) {
        let known = self.0.iter().find(|one| one.address == *address);
        self.tested(address, known.map_or(evidence, |one| one.evidence), reachable);
    }

    /// An address does not lead here any more.
    pub(super) fn expired(&mut self, address: &Multiaddr) {
        self.0.retain(|one| one.address != *address);
    }

    /// Forgets what was true of the network only; gives what led here.
    pub(super) fn forget_network(&mut self) -> Vec<Multiaddr> {
        let of_network =
            |one: &External| matches!(one.evidence, Evidence::Observed | Evidence::Router);
        let gone = self.0.extract_if(.., |one| of_network(one));
        gone.filter(|one| one.reachable == Some(true)).map(|one| one.address).collect()
    }

    /// Whether anybody reaches this node without a relay, as far as is known.
    pub(super) fn is_reachable(&self) -> bool {
        let direct = |one: &&External| one.evidence != Evidence::Relay;
        self.0.iter().filter(direct).any(|one| one.reachable == Some(true))
    }

    /// What does not lead here makes room, then what nobody knows of.
    fn add(&mut self, address: Multiaddr, evidence: Evidence, reachable: Option<bool>) -> bool {
        if self.0.len() >= EXTERNAL_ADDRESSES_MAX {
            let spare = |wanted| self.0.iter().position(|one| one.reachable == wanted);
            let sure = reachable == Some(true);
            match spare(Some(false)).or_else(|| spare(None).filter(|_| sure)) {
                Some(at) => drop(self.0.remove(at)),
                None => return false,
            }
        }
        self.0.push(External { address, evidence, reachable });
        true
    }
}

/// An address as it is kept: without the uplink and our identity.
pub(super) fn bare(address: &Multiaddr) -> Multiaddr {
    without_peer(&split_uplink(address).1)
}

/// Whether anybody could be reached at an address: a public IP address with a port.
fn is_worth(address: &Multiaddr) -> bool {
    let has_port =
        address.iter().any(|part| matches!(part, Part::Tcp(port) | Part::Udp(port) if port != 0));
    has_port && !is_circuit(address) && !is_radio(address) && ip(address).is_some_and(is_public)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_anybody_could_reach_is_worth_a_probe() {
        let mut externals = Externals::default();
        let peer = libp2p::PeerId::random();
        let circuit = format!("/ip4/45.10.0.1/tcp/1/p2p/{peer}/p2p-circuit");
        for text in [
            "/ip4/192.168.1.2/tcp/4001",
            "/ip4/100.64.0.1/udp/4001/quic-v1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip4/45.10.0.1",
            "/ip4/45.10.0.1/tcp/0",
            "/unix/ble:02:00:00:00:00:01",
            "/dns/a.example/tcp/1",
            &format!("/p2p/{peer}"),
            &circuit,
        ] {
            assert!(!externals.candidate(&address(text), Evidence::Observed), "{text}");
        }
        let good = address("/ip4/45.10.0.1/udp/4001/quic-v1");
        assert!(externals.candidate(&good, Evidence::Observed));
        assert!(!externals.candidate(&good, Evidence::Observed), "it is known");
    }

    #[test]
    fn another_network_has_other_addresses() {
        let mut externals = Externals::default();
        let [seen, led, fixed] = [1, 2, 3].map(|n| address(&format!("/ip4/45.10.0.{n}/tcp/1")));
        externals.candidate(&seen, Evidence::Observed);
        externals.tested(&led, Evidence::Router, true);
        externals.tested(&fixed, Evidence::Config, true);
        assert_eq!(externals.forget_network(), [led]);
        assert_eq!(externals.all().len(), 1);
    }

    #[test]
    fn a_relay_makes_nobody_reachable() {
        let mut externals = Externals::default();
        let good = address("/ip4/45.10.0.1/udp/4001/quic-v1");
        externals.tested(&address("/ip4/45.10.0.9/tcp/1/p2p-circuit"), Evidence::Relay, true);
        externals.candidate(&good, Evidence::Observed);
        assert!(!externals.is_reachable());
        externals.tested(&good, Evidence::Observed, true);
        assert!(externals.is_reachable());
        externals.tested(&good, Evidence::Observed, false);
        assert!(!externals.is_reachable());
        externals.expired(&good);
        assert_eq!(externals.all().len(), 1);
    }

    #[test]
    fn what_is_sure_is_kept_whatever_strangers_tell() {
        let mut externals = Externals::default();
        let sure = address("/ip4/45.10.0.1/tcp/1");
        externals.tested(&sure, Evidence::Config, true);
        for n in 0..2 * EXTERNAL_ADDRESSES_MAX {
            externals.candidate(&address(&format!("/ip4/45.10.1.{n}/tcp/1")), Evidence::Observed);
        }
        assert_eq!(externals.all().len(), EXTERNAL_ADDRESSES_MAX);
        let late = address("/ip4/45.10.2.1/tcp/1");
        externals.tested(&late, Evidence::Router, true);
        let has = |wanted: &Multiaddr| externals.all().iter().any(|one| one.address == *wanted);
        assert!(has(&sure) && has(&late));
    }
}
