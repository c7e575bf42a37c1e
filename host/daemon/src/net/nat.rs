//! Ways in and out where there is no direct one: relays, holes in NATs, the router's help, and
//! finding out which addresses lead here.
//!
//! Most of it is libp2p's, each part behind a fence of its own below `nat/`: circuit relay v2
//! (client and server), DCUtR, AutoNAT v2 (client and server). Routers are asked by UPnP. `Nat` is
//! what the swarm sees. It takes no part in connections of radios, lets nobody outside know of uplinks, and
//! believes no address for being told: one counts as leading here when the config or the router
//! says so, when a relay does, or when somebody has dialled it.
//!
//! What a node has of it lives as long as the swarm. The dials that it wants for links go out
//! as `NatEvent::Dial`, because whether a connection is a link is not decided here.

mod behaviour;
mod circuits;
mod clients;
mod external;
mod fence;
mod parts;
mod probing;
mod punching;
mod reach;
mod relays;
mod router;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::transport::ListenerId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, ToSwarm};
use libp2p::{Multiaddr, PeerId, identify};
use pointsman_core::config::NatConfig;
use pointsman_core::input::{Address, DialFailure};
use pointsman_core::reputation::{Cause, Level};
use tokio::sync::watch;

use self::circuits::{Circuits, Halves};
use self::external::{Externals, bare};
use self::fence::Wish;
use self::parts::{PartEvent, Parts};
use self::probing::{Answering, Asking};
use self::punching::{PunchEvent, Punching};
use self::relays::{RelayEvent, Relays};
use self::router::{Router, RouterEvent};
use super::address::is_circuit;
use super::registry::Registry;
use super::secure::Security;
use super::subnets::is_public;
use super::ways::{Way, Ways};
use crate::identity;

pub use self::external::{Evidence, External};
pub(super) use self::fence::Fenced;
pub use self::reach::{NatCounts, Reach};
pub use self::relays::Reservation;

/// What the network task must do or know.
#[derive(Debug)]
pub(super) enum NatEvent {
    /// Dial this for a link: both ends of it punch a hole.
    Dial(DialOpts),
    /// The circuit of this connection, which was ordered, is not even tried.
    Unreached {
        /// Which.
        connection: ConnectionId,
        /// Why.
        failure: DialFailure,
        /// The same for people.
        text: String,
    },
    /// Routers forward nothing here any more: this node may stop.
    Left,
    /// A relay did this.
    Observed {
        /// Which.
        relay: PeerId,
        /// What.
        because: Cause,
    },
}

type Action = Wish<Nat>;

/// The behaviour.
pub(super) struct Nat {
    parts: Parts,
    externals: Externals,
    /// Whether addresses of our interfaces count as leading here.
    trusts_interfaces: bool,
    ways: Ways,
    /// The uplinks that lead out, as what is known of addresses goes for them.
    out: Vec<Way>,
    /// Whether routers may be asked.
    asks_routers: bool,
    /// Those that are, by our address in their network.
    routers: BTreeMap<Ipv4Addr, Router>,
    leaving: bool,
    listening: Vec<(ListenerId, Multiaddr)>,
    counts: NatCounts,
    reach: watch::Sender<Arc<Reach>>,
    actions: VecDeque<Action>,
}

/// Who this node is, for the parts.
pub(super) struct Identity {
    pub(super) me: PeerId,
    pub(super) security: Security,
}

impl Nat {
    /// The behaviour, and the transport for circuits, whose connections go into this registry.
    pub(super) fn new(
        identity: Identity,
        config: &NatConfig,
        ways: &Ways,
        registry: Registry,
        reach: watch::Sender<Arc<Reach>>,
    ) -> (Fenced<Self>, Circuits) {
        let Identity { me, security } = identity;
        let halves = Halves::new(me);
        let circuits = Circuits::new(halves.clone(), security, registry, ways.clone());
        let relays = || Fenced(Relays::new(halves, ways.clone(), relays_of(config)));
        let parts = Parts {
            relays: config.relay_client.then(relays).into(),
            server: config.relay_server.then(|| server::server(me, config.relay)).into(),
            punching: config.hole_punching.then(|| Fenced(Punching::new(me, ways.clone()))).into(),
            asking: config.probes.then(|| Fenced(Asking::new(ways.clone()))).into(),
            answering: config.probes.then(|| Fenced(Answering::new())).into(),
        };
        let mut nat = Self {
            parts,
            externals: Externals::default(),
            trusts_interfaces: config.relay_server,
            ways: ways.clone(),
            out: Vec::new(),
            asks_routers: config.upnp,
            routers: BTreeMap::new(),
            leaving: false,
            listening: Vec::new(),
            counts: NatCounts::default(),
            reach,
            actions: VecDeque::new(),
        };
        for address in config.external_addresses.iter().filter_map(parsed) {
            nat.leads_here(address, Evidence::Config);
        }
        nat.changed();
        (Fenced(nat), circuits)
    }

    /// Makes a circuit to the peer of these options, through the relay that the address names.
    /// Where it is not even tried, [`NatEvent::Unreached`] tells so.
    pub(super) fn connect(&mut self, address: &Multiaddr, uplink: &str, options: DialOpts) {
        match self.parts.relays.as_mut() {
            Some(relays) => relays.connect(address, uplink, options),
            None => {
                let connection = options.connection_id();
                let text = "nat.relay_client is false".to_owned();
                let failure = DialFailure::Limited;
                let event = NatEvent::Unreached { connection, failure, text };
                self.actions.push_back(ToSwarm::GenerateEvent(event));
            }
        }
    }

    /// The uplinks changed. With others that lead out, what others saw and the router promised
    /// is true no more.
    pub(super) fn uplinks_changed(&mut self) {
        let out = self.ways.out();
        if out != self.out {
            self.out = out;
            self.forget_network();
            self.ask_routers();
            self.changed();
        }
        if let Some(relays) = self.parts.relays.as_mut() {
            relays.uplinks_changed();
        }
    }

    fn forget_network(&mut self) {
        for gone in self.externals.forget_network() {
            self.actions.push_back(ToSwarm::ExternalAddrExpired(gone));
        }
        if let Some(asking) = self.parts.asking.as_mut() {
            asking.begin_anew();
        }
    }

    /// Looks for routers to ask on networks of the kind that have one. One that was asked
    /// before goes on as it did.
    fn ask_routers(&mut self) {
        let out = self.out.iter().filter(|way| self.asks_routers && !way.metered);
        let behind: BTreeMap<_, _> = out.flat_map(Way::networks_v4).collect();
        let is_private = |ip: &Ipv4Addr| !is_public(IpAddr::V4(*ip));
        self.routers.retain(|here, _| behind.contains_key(here));
        for (here, bits) in behind.into_iter().filter(|(here, _)| is_private(here)) {
            self.routers.entry(here).or_insert_with(|| Router::start(here, bits));
        }
        self.tell_routers();
        let still: Vec<_> = self.routers.values().flat_map(Router::forwards).cloned().collect();
        for address in still {
            self.leads_here(address, Evidence::Router);
        }
    }

    fn tell_routers(&self) {
        for (here, router) in &self.routers {
            router.listening(*here, self.listening.iter().map(|(_, address)| address));
        }
    }

    /// Has routers take back what they forward here. [`NatEvent::Left`] tells when they have.
    pub(super) fn leave(&mut self) {
        self.asks_routers = false;
        self.leaving = true;
        self.routers.values_mut().for_each(Router::leave);
    }

    /// Hears what routers did; whether all of them are left, where that is wanted.
    fn poll_routers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut news = Vec::new();
        self.routers.retain(|_, router| {
            loop {
                match router.poll(cx) {
                    Poll::Ready(Some(event)) => news.push(event),
                    Poll::Ready(None) => return false,
                    Poll::Pending => return true,
                }
            }
        });
        for event in news {
            self.router_did(event);
        }
        let has_left = self.leaving && self.routers.is_empty();
        self.leaving &= !has_left;
        has_left
    }

    /// What a router says is true until others find the contrary.
    fn router_did(&mut self, event: RouterEvent) {
        match event {
            RouterEvent::Forwards(address) => {
                self.candidate(&address, Evidence::Router);
                self.leads_here(address, Evidence::Router);
            }
            RouterEvent::ForwardsNoMore(address) => {
                self.externals.expired(&address);
                self.actions.push_back(ToSwarm::ExternalAddrExpired(address));
                self.changed();
            }
        }
    }

    /// A peer is treated so from now on: it may relay.
    pub(super) fn stood(&mut self, peer: PeerId, level: Level) {
        if let Some(relays) = self.parts.relays.as_mut() {
            relays.stood(peer, level);
        }
    }

    /// What a peer says of itself on a connection.
    pub(super) fn identified(&mut self, connection: ConnectionId, info: &identify::Info) {
        if let Some(relays) = self.parts.relays.as_mut() {
            relays.identified(connection, info);
        }
    }

    /// A peer sees this node at an address.
    pub(super) fn observed(&mut self, address: &Multiaddr) {
        self.candidate(&bare(address), Evidence::Observed);
    }

    fn candidate(&mut self, address: &Multiaddr, evidence: Evidence) {
        if !self.externals.candidate(address, evidence) {
            return;
        }
        if let Some(punching) = self.parts.punching.as_mut() {
            punching.candidate(address);
        }
        if let Some(asking) = self.parts.asking.as_mut() {
            asking.candidate(address);
        }
        self.changed();
    }

    /// An address of one of our interfaces.
    fn listening(&mut self, address: &Multiaddr) {
        let address = bare(address);
        self.candidate(&address, Evidence::Interface);
        let is_candidate = self.externals.all().iter().any(|one| one.address == address);
        if is_candidate && self.trusts_interfaces {
            self.leads_here(address, Evidence::Interface);
        }
    }

    /// An address leads here, without that anybody had to try.
    fn leads_here(&mut self, address: Multiaddr, evidence: Evidence) {
        self.externals.tested(&address, evidence, true);
        self.actions.push_back(ToSwarm::ExternalAddrConfirmed(address));
        self.changed();
    }

    fn listening_no_more(&mut self, address: &Multiaddr) {
        let address = bare(address);
        let found = self.externals.all().iter().find(|one| one.address == address);
        if found.is_some_and(|one| one.evidence == Evidence::Interface) {
            self.externals.expired(&address);
            self.actions.push_back(ToSwarm::ExternalAddrExpired(address));
            self.changed();
        }
    }

    /// A part found out that an address leads here; who it was, its form tells.
    fn confirmed(&mut self, address: &Multiaddr) -> Multiaddr {
        let address = bare(address);
        let evidence = if is_circuit(&address) { Evidence::Relay } else { Evidence::Observed };
        self.externals.tried(&address, evidence, true);
        self.changed();
        address
    }

    fn happened(&mut self, event: PartEvent) -> Option<NatEvent> {
        let event = match event {
            PartEvent::Relays(RelayEvent::Unreached { connection, failure, text }) => {
                Some(NatEvent::Unreached { connection, failure, text })
            }
            PartEvent::Relays(RelayEvent::Observed { relay, because }) => {
                tracing::debug!(%relay, "a relay {}", because.sentence());
                Some(NatEvent::Observed { relay, because })
            }
            PartEvent::Relays(RelayEvent::Changed) => None,
            PartEvent::Server(event) => {
                self.counts.relay(&event);
                None
            }
            PartEvent::Punching(PunchEvent::Dial(options)) => {
                self.counts.punches += 1;
                Some(NatEvent::Dial(options))
            }
            PartEvent::Punching(PunchEvent::Made) => {
                self.counts.punched += 1;
                None
            }
            PartEvent::Punching(PunchEvent::GivenUp) => {
                self.counts.punches_given_up += 1;
                None
            }
            PartEvent::Asking(event) => {
                let reachable = event.result.is_ok();
                self.externals.tried(&bare(&event.tested_addr), Evidence::Observed, reachable);
                self.counts.probes += 1;
                self.counts.probe_bytes += event.bytes_sent as u64;
                None
            }
            PartEvent::Answering(event) => {
                let reachable = event.result.is_ok();
                tracing::debug!(peer = %event.client, reachable, "tried an address of a peer");
                self.counts.answers += 1;
                None
            }
        };
        self.changed();
        event
    }

    /// Tells what is so now, and asks for reservations where they are needed.
    fn changed(&mut self) {
        let wanted = !self.externals.is_reachable();
        let relays = self.parts.relays.as_mut();
        let reservations = relays.map_or_else(Vec::new, |relays| {
            relays.want(wanted);
            relays.reservations().to_vec()
        });
        let externals = self.externals.all().to_vec();
        let reach = Reach { externals, reservations, counts: self.counts };
        self.reach.send_if_modified(|told| {
            let is_news = **told != reach;
            if is_news {
                *told = Arc::new(reach);
            }
            is_news
        });
    }
}

fn parsed(address: &Address) -> Option<Multiaddr> {
    address.text.parse().ok()
}

fn relays_of(config: &NatConfig) -> Vec<(PeerId, Multiaddr)> {
    let relay = |(address, peer): &(Address, pointsman_core::id::PeerId)| {
        Some((identity::to_libp2p(*peer)?, parsed(address)?))
    };
    config.relays.iter().filter_map(relay).collect()
}
