//! The phone book in the network task: who ordered what of it, and what is told of it.
//!
//! Whatever the crate `pointsman-dht` does, it does inside the swarm. Here is the desk in front of
//! it: lookups that the Node wants (their answers are sightings), lookups and crawls that an
//! operator ordered (their answers go to him), and what goes to the store. An operator who goes
//! away ends his crawl; what it found is kept, so that it can be taken up again.

mod asking;

use std::collections::BTreeMap;
use std::time::Instant;

use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, identify};
use pointsman_core::config::{DhtConfig, DhtMode};
use pointsman_core::dht::contact::{Contact, Scope};
use pointsman_core::dht::crawl::{CrawlState, Options};
use pointsman_core::dht::key::Key;
use pointsman_core::id::PeerId;
use pointsman_core::input::{Address, Source};
use pointsman_core::limits::PEERS_MAX;
use pointsman_core::reputation::Cause;
use pointsman_dht::record::{Capabilities, Reach};
use pointsman_dht::shelf::Shelved;
use pointsman_dht::{Dht, Event, QueryId, wire};
use pointsman_sdk::Transport;
use pointsman_sdk::reputation::Kind;

pub(super) use asking::{CrawlOrder, FindOrder, PhoneOrder};
pub use asking::{Crawling, Found, PhoneBook, PhoneError};

use super::api::{ListenAddress, NetFact};
use crate::identity;

/// What the phone book is started with.
#[derive(Clone, Debug)]
pub struct PhoneOptions {
    /// `[dht]`.
    pub config: DhtConfig,
    /// Peers from an earlier run.
    pub contacts: Vec<Contact>,
    /// Records of others, from an earlier run.
    pub records: Vec<Shelved>,
    /// The highest sequence of a record of ours in earlier runs.
    pub sequence: u64,
    /// The public half of the key that messages for this node are sealed with.
    pub sealing_key: [u8; 32],
    /// Whether this node relays connections of others.
    pub relays: bool,
}

/// Who waits for a query.
#[derive(Debug)]
enum Wait {
    /// The Node: what is found is a sighting.
    Node,
    Find(FindOrder, Instant),
    Crawl(CrawlOrder, Instant),
}

/// The desk.
#[derive(Debug)]
pub(super) struct Phone {
    scope: Scope,
    mode: DhtMode,
    protocol: libp2p::StreamProtocol,
    /// Whether others are known to reach this node.
    reachable: Option<bool>,
    waits: BTreeMap<QueryId, Wait>,
    /// Where the Node was told that peers are, so that it is told when they are there no more.
    sighted: BTreeMap<PeerId, Vec<Address>>,
    /// What the last crawl found that did not end by itself.
    crawled: Option<CrawlState>,
}

/// The phone book for a swarm, and the desk in front of it; nothing where it is not enabled.
pub(super) fn phone(
    network: &str,
    keypair: &Keypair,
    options: Option<PhoneOptions>,
) -> (Toggle<Dht>, Option<Phone>) {
    let Some(options) = options else { return (None.into(), None) };
    let scope = scope(&options.config);
    let mut config = pointsman_dht::Config::new(network, keypair.clone());
    config.scope = scope;
    config.bootstrap = bootstrap(&options.config);
    config.sequence_floor = options.sequence;
    config.sealing_key = options.sealing_key;
    config.capabilities =
        if options.relays { Capabilities::RELAY } else { Capabilities::default() };
    let Some(mut dht) = Dht::new(config) else { return (None.into(), None) };
    dht.remember(options.contacts);
    dht.restore(options.records);
    let mut phone = Phone {
        scope,
        mode: options.config.mode,
        protocol: wire::protocol(network),
        reachable: None,
        waits: BTreeMap::new(),
        sighted: BTreeMap::new(),
        crawled: None,
    };
    phone.serve(&mut dht);
    (Some(dht).into(), Some(phone))
}

fn scope(config: &DhtConfig) -> Scope {
    if config.private_addresses { Scope::Any } else { Scope::Public }
}

/// Peers to begin with; whoever configured them may name any address.
fn bootstrap(config: &DhtConfig) -> Vec<Contact> {
    let mut contacts: BTreeMap<PeerId, Vec<String>> = BTreeMap::new();
    for (address, peer) in &config.bootstrap {
        contacts.entry(*peer).or_default().push(address.text.clone());
    }
    contacts
        .into_iter()
        .map(|(peer, texts)| Contact::new(peer, texts.iter().map(String::as_str), Scope::Any))
        .collect()
}

impl Phone {
    /// An edited config took effect.
    pub(super) fn configured(&mut self, dht: &mut Dht, config: &DhtConfig) {
        self.mode = config.mode;
        self.serve(dht);
        dht.remember(bootstrap(config));
    }

    /// Within one site everybody is taken to be reachable until the contrary is known.
    fn serve(&mut self, dht: &mut Dht) {
        let serves = match self.mode {
            DhtMode::Client => false,
            DhtMode::Server => true,
            DhtMode::Auto => self.reachable.unwrap_or(self.scope == Scope::Any),
        };
        dht.set_reachable(serves);
    }

    /// Where others reach this node changed, as far as is known.
    pub(super) fn reached(
        &mut self,
        dht: &mut Dht,
        reachable: Option<bool>,
        leading_here: &[Multiaddr],
        listening: &[ListenAddress],
    ) {
        self.reachable = reachable;
        self.serve(dht);
        let own = listening.iter().filter_map(|one| one.address.text.parse().ok());
        let mut all: Vec<Multiaddr> = leading_here.iter().cloned().chain(own).collect();
        all.sort();
        all.dedup();
        dht.set_reach(all.into_iter().map(reach).collect());
    }

    /// The Node wants a peer looked up.
    pub(super) fn seek(&mut self, dht: &mut Dht, peer: PeerId) {
        match dht.find(peer) {
            Ok(query) => drop(self.waits.insert(query, Wait::Node)),
            // The Node asks again.
            Err(error) => tracing::debug!(%peer, %error, "not looked up"),
        }
    }

    /// A peer said of itself where it is and what it speaks.
    pub(super) fn identified(
        &mut self,
        dht: &mut Dht,
        peer: libp2p::PeerId,
        info: &identify::Info,
    ) {
        let Some(peer) = identity::from_libp2p(&peer) else { return };
        if info.protocols.contains(&self.protocol) {
            dht.heard(peer, &info.listen_addrs);
        }
    }

    /// A peer was sighted on the local network.
    pub(super) fn sighted_near(dht: &mut Dht, peer: PeerId, address: &Address) {
        dht.sighted(&Contact::new(peer, [address.text.as_str()], Scope::Any));
    }

    pub(super) fn order(&mut self, dht: &mut Dht, order: PhoneOrder) {
        let now = Instant::now();
        match order {
            PhoneOrder::Status(reply) => drop(reply.send(dht.status())),
            PhoneOrder::Shelved(reply) => drop(reply.send(dht.shelved())),
            PhoneOrder::Find(order) => match dht.find(order.peer) {
                Ok(query) => drop(self.waits.insert(query, Wait::Find(order, now))),
                Err(busy) => drop(order.reply.send(Err(busy.into()))),
            },
            PhoneOrder::Crawl(order) => self.crawl(dht, order, now),
        }
    }

    fn crawl(&mut self, dht: &mut Dht, order: CrawlOrder, now: Instant) {
        let options = Options { scope: self.scope, parallel: order.parallel, ..Options::default() };
        let earlier = self.crawled.take().filter(|_| order.resume);
        let begun = match earlier {
            Some(state) => dht.resume_crawl(state, options),
            None => dht.crawl(options),
        };
        match begun {
            Ok(query) => drop(self.waits.insert(query, Wait::Crawl(order, now))),
            Err(busy) => drop(order.news.try_send(Err(busy.into()))),
        }
    }

    /// Facts for the loop from what the phone book tells.
    pub(super) fn happened(&mut self, dht: &mut Dht, event: Event) -> Vec<NetFact> {
        match event {
            Event::Found { query, peer, record, contact, trace } => {
                let texts = contact.iter().flat_map(|contact| contact.addresses.clone());
                let reach = record.iter().flat_map(|checked| &checked.record.reach);
                let mut addresses: Vec<String> =
                    reach.map(|one| one.address.to_string()).chain(texts).collect();
                addresses.dedup();
                let found = Found { peer, addresses, record, trace, took: Default::default() };
                self.found(query, found)
            }
            Event::NotFound { query, peer, trace } => {
                let (addresses, record) = Default::default();
                self.found(
                    query,
                    Found { peer, addresses, record, trace, took: Default::default() },
                )
            }
            Event::CrawlProgress { query, progress } => {
                if let Some(Wait::Crawl(order, since)) = self.waits.get(&query) {
                    let news = Crawling { progress, elapsed: since.elapsed(), state: None };
                    // One who is slow to read is told of the next second.
                    let _ = order.news.try_send(Ok(news));
                    if order.news.is_closed() {
                        dht.cancel(query);
                    }
                }
                Vec::new()
            }
            Event::Crawled { query, progress, state } => {
                if let Some(Wait::Crawl(order, since)) = self.waits.remove(&query) {
                    let elapsed = since.elapsed();
                    self.crawled = order.news.is_closed().then(|| state.clone());
                    let news = Crawling { progress, elapsed, state: Some(state) };
                    tokio::spawn(async move { order.news.send(Ok(news)).await });
                }
                Vec::new()
            }
            Event::Observed(seen) => vec![NetFact::Observed {
                peer: seen.peer,
                because: cause(seen.kind, seen.why),
                weight: seen.weight,
            }],
            Event::SybilAlarm { key, score } => vec![NetFact::Crowded { key: hex(&key), score }],
            Event::Cache(contacts) => vec![NetFact::Met(contacts)],
            Event::Published { sequence, stored } => {
                tracing::debug!(sequence, stored, "the own record is published");
                vec![NetFact::Published { sequence, stored }]
            }
        }
    }

    fn found(&mut self, query: QueryId, found: Found) -> Vec<NetFact> {
        match self.waits.remove(&query) {
            Some(Wait::Find(order, since)) => {
                let _ = order.reply.send(Ok(Found { took: since.elapsed(), ..found }));
                Vec::new()
            }
            Some(Wait::Node) => self.sight(&found),
            Some(Wait::Crawl(..)) | None => Vec::new(),
        }
    }

    /// What the Node is told of a peer that it wants: what is new, and what is so no more.
    fn sight(&mut self, found: &Found) -> Vec<NetFact> {
        let (peer, source) = (found.peer, Source::Dht);
        if found.addresses.is_empty() {
            return Vec::new();
        }
        let parsed = found.addresses.iter().filter_map(|text| Address::parse(text).ok());
        let now: Vec<Address> = parsed.collect();
        if self.sighted.len() >= PEERS_MAX {
            self.sighted.pop_first();
        }
        let before = self.sighted.insert(peer, now.clone()).unwrap_or_default();
        let gone = before.into_iter().filter(|old| !now.contains(old));
        let gone = gone.map(|address| NetFact::Unsighted { peer, address, source });
        let mut facts: Vec<NetFact> = gone.collect();
        facts.extend(now.into_iter().map(|address| NetFact::Sighted { peer, address, source }));
        facts
    }
}

/// An address with the transport that it is over, as a record tells it.
fn reach(address: Multiaddr) -> Reach {
    let relayed =
        address.iter().any(|part| matches!(part, libp2p::multiaddr::Protocol::P2pCircuit));
    let transport = if relayed { Transport::Relay } else { Transport::Internet };
    Reach { transport, address }
}

fn hex(key: &Key) -> String {
    key.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The Node's word for what the phone book saw.
fn cause(kind: Kind, why: &str) -> Cause {
    match why {
        "flood-of-questions" => Cause::FindFlood,
        "too-many-records" => Cause::PutFlood,
        "record-too-long" => Cause::Oversized,
        "record-from-the-future" => Cause::FutureRecord,
        "record-rolled-back" => Cause::RolledBackRecord,
        "record-of-another-peer" | "record-signature" => Cause::ForeignSignature,
        "record-addresses" => Cause::TooManyAddresses,
        "record-scope" => Cause::InwardAddresses,
        "told-of-nobody-real" => Cause::LyingReply,
        _ => match kind {
            Kind::Ack | Kind::Served | Kind::Relayed => Cause::QueryAnswered,
            Kind::Timeout => Cause::QueryUnanswered,
            Kind::Refused => Cause::QueryRefused,
            Kind::Invalid => Cause::BadRecord,
            Kind::Spam => Cause::FindFlood,
        },
    }
}
