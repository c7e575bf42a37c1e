//! The phone book as one behaviour of a swarm.
//!
//! It joins by asking the peers that it was given ([`crate::seeds`]), fills its table with those
//! who answer ([`crate::roster`]), keeps it fresh ([`crate::rounds`]), publishes its own record
//! ([`crate::publisher`]), and between these carries out what it is ordered: [`Dht::find`] and
//! [`Dht::crawl`]. All of that asks through [`crate::requests`], and tells by [`Event`]s. What it
//! knows is gone with it, but for what [`Event::Cache`] and [`Dht::shelved`] hand out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, PeerId as Libp2p};
use pointsman_core::dht::contact::{Contact, Scope};
use pointsman_core::dht::crawl::{self, Crawl, CrawlState};
use pointsman_core::dht::key::{Key, Preimages};
use pointsman_core::dht::lookup::{self, Goal, Lookup};
use pointsman_core::dht::size::{Size, Sizes};
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;
use pointsman_core::subnet::Subnet;
use tokio::time::{Instant, Sleep};

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::event::{Event, QueryId};
use crate::identity;
use crate::intake::Intake;
use crate::probes::Probes;
use crate::publisher::{Publisher, Terms};
use crate::query::{CrawlQuery, Due, LookupQuery, Purpose, Query};
use crate::record::{Reach, Rules, key_of};
use crate::requests::{RequestId, Requests};
use crate::roster::Roster;
use crate::rounds::{Rounds, Waits};
use crate::seeds::{Seeds, Source};
use crate::server::Server;
use crate::shelf::{Shelf, Shelved};
use crate::status::{Counts, QueryStatus, Status};
use crate::wire;

mod asking;
mod behaviour;
mod ending;
mod serving;

/// Contacts of each path that a lookup begins with.
const FIRST_PER_PATH: usize = 20;

/// A table with fewer is helped with seeds.
const TABLE_SMALL: usize = 20;

/// Neighbours that every lookup begins with, whoever is in the table.
const NEIGHBOURS: usize = 3;

/// Between two times that peers are handed out to be remembered, in microseconds.
const CACHE_PAUSE_US: u64 = 30_000_000;

/// How often what expired is looked for, in microseconds.
const EXPIRY_US: u64 = 60_000_000;

/// There are too many lookups and crawls under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many lookups and crawls are under way: try again when one is over")]
pub struct TooMany;

/// What a request under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Query(QueryId),
    Probe,
    Put,
    /// Who confirmed our record is asked for it.
    Check,
}

/// Our record on its way to those who keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Carrying {
    under_way: usize,
    stored: usize,
    sequence: u64,
}

/// The two behaviours below ours. libp2p joins them.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Below")]
struct Parts {
    server: Server,
    requests: Requests,
}

#[derive(Debug)]
enum Below {
    Server(crate::server::Served),
    Requests(Box<crate::requests::Outcome>),
}

impl From<crate::server::Served> for Below {
    fn from(served: crate::server::Served) -> Self {
        Self::Server(served)
    }
}

impl From<crate::requests::Outcome> for Below {
    fn from(outcome: crate::requests::Outcome) -> Self {
        Self::Requests(Box::new(outcome))
    }
}

/// The phone book.
pub struct Dht {
    own: PeerId,
    network: String,
    scope: Scope,
    clock: Clock,
    answer_within: Duration,
    publishes: bool,
    parts: Parts,
    chance: Chance,
    names: Preimages,
    roster: Roster,
    seeds: Seeds,
    probes: Probes,
    intake: Intake,
    sizes: Sizes,
    size: Option<Size>,
    rounds: Rounds,
    publisher: Publisher,
    carrying: Option<Carrying>,
    queries: BTreeMap<QueryId, Query>,
    next_query: u64,
    /// Lookups that go on for another: under which name it was ordered, and what it asked.
    renamed: BTreeMap<QueryId, (QueryId, Vec<lookup::Step>)>,
    /// To be looked at because something happened to them.
    touched: BTreeSet<QueryId>,
    under_way: BTreeMap<RequestId, For>,
    /// Questions that found no place among the requests yet.
    backlog: VecDeque<(QueryId, Due)>,
    /// Where peers are connected from: bounded by connections.
    remotes: BTreeMap<Libp2p, (Option<Subnet>, u32)>,
    events: VecDeque<Event>,
    counts: Counts,
    cached: (Time, u64),
    expire_at: Time,
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl fmt::Debug for Dht {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dht")
            .field("own", &self.own)
            .field("network", &self.network)
            .field("table", &self.roster.len())
            .field("queries", &self.queries.len())
            .finish_non_exhaustive()
    }
}

impl Dht {
    /// One that is no server yet. `None` where the key is no Ed25519 key.
    pub fn new(config: Config) -> Option<Self> {
        let libp2p = config.keypair.public().to_peer_id();
        let own = identity::from_libp2p(&libp2p)?;
        let protocol = wire::protocol(&config.network);
        let clock = config.clock.clone();
        let now = clock.now();
        let mut chance = Chance::default();
        let mut seeds = Seeds::default();
        for contact in &config.bootstrap {
            seeds.take(contact.clone(), Source::Config);
        }
        let parts = Parts {
            server: Server::new(libp2p, protocol.clone(), Shelf::new(own), clock.clone()),
            requests: Requests::new(libp2p, protocol, config.route.clone()),
        };
        Some(Self {
            own,
            network: config.network.clone(),
            scope: config.scope,
            answer_within: config.answer_within,
            publishes: config.publishes,
            parts,
            names: Preimages::default(),
            roster: Roster::new(own, config.scope),
            seeds,
            probes: Probes::default(),
            intake: Intake::default(),
            sizes: Sizes::default(),
            size: None,
            rounds: Rounds::new(now, waits(&config), &mut chance),
            publisher: Publisher::new(terms(own, &config), config.sequence_floor),
            carrying: None,
            queries: BTreeMap::new(),
            next_query: 0,
            renamed: BTreeMap::new(),
            touched: BTreeSet::new(),
            under_way: BTreeMap::new(),
            backlog: VecDeque::new(),
            remotes: BTreeMap::new(),
            events: VecDeque::new(),
            counts: Counts::default(),
            cached: (now, 0),
            expire_at: now,
            alarm: None,
            chance,
            clock,
        })
    }

    /// Looks for a peer: its record, and where there is none, the peer itself.
    pub fn find(&mut self, peer: PeerId) -> Result<QueryId, TooMany> {
        self.check_room()?;
        self.counts.finds += 1;
        Ok(self.look(Purpose::Record(peer)))
    }

    /// Reads the tables of all nodes.
    pub fn crawl(&mut self, options: crawl::Options) -> Result<QueryId, TooMany> {
        self.check_room()?;
        let mut first = self.roster.contacts();
        first.extend(self.seeds.pick(FIRST_PER_PATH));
        let crawl = Crawl::new(self.own, first, options);
        let query = CrawlQuery { crawl, told_at: self.clock.now() };
        Ok(self.begin(Query::Crawl(Box::new(query))))
    }

    /// Takes up an earlier crawl where it was: whoever was read is not read again.
    pub fn resume_crawl(
        &mut self,
        state: CrawlState,
        options: crawl::Options,
    ) -> Result<QueryId, TooMany> {
        self.check_room()?;
        let crawl = Crawl::resume(self.own, &state, options);
        let query = CrawlQuery { crawl, told_at: self.clock.now() };
        Ok(self.begin(Query::Crawl(Box::new(query))))
    }

    /// Ends a lookup or a crawl: it is told as not found, or with what it got.
    pub fn cancel(&mut self, query: QueryId) {
        let goes_on = self.renamed.iter().find(|(_, (name, _))| *name == query);
        self.end(goes_on.map_or(query, |(id, _)| *id));
    }

    /// Tells of a peer that says it can be reached at these addresses: it is asked there.
    pub fn heard(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        let texts: Vec<String> = addresses.iter().map(Multiaddr::to_string).collect();
        let contact = Contact::new(peer, texts.iter().map(String::as_str), self.scope);
        self.probe(contact);
    }

    /// Tells of a peer on the local network. Its addresses may be private whatever the scope.
    pub fn sighted(&mut self, contact: &Contact) {
        self.take_seed(contact.kept(Scope::Any), Source::Lan);
    }

    /// Tells of peers from an earlier life.
    pub fn remember(&mut self, contacts: impl IntoIterator<Item = Contact>) {
        for contact in contacts {
            self.take_seed(contact.kept(self.scope), Source::Cache);
        }
    }

    /// Whether others can reach this node: only then does it serve.
    pub fn set_reachable(&mut self, reachable: bool) {
        self.parts.server.serve(reachable);
    }

    /// Where others can reach this node: what its record says. What is not for the public is
    /// left out.
    pub fn set_reach(&mut self, reach: Vec<Reach>) {
        self.publisher.reachable_at(reach);
    }

    /// How far a peer is trusted: see [`pointsman_sdk::reputation::Standing::score`].
    pub fn set_standing(&mut self, peer: PeerId, score: i32) {
        self.roster.stood(&mut self.parts.server, peer, score);
    }

    /// Everyone in the table: a way in later.
    pub fn contacts(&self) -> Vec<Contact> {
        self.roster.contacts()
    }

    /// All records that are kept for others.
    pub fn shelved(&mut self) -> Vec<Shelved> {
        self.parts.server.shelf().shelved().collect()
    }

    /// Takes back what [`Dht::shelved`] handed out. Each is checked as if it came from a stranger;
    /// how many were taken.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = Shelved>) -> usize {
        let rules = rules(&self.network, self.scope, &self.clock);
        let shelf = self.parts.server.shelf();
        shelf.expire(rules.now_s);
        let taken = rows.into_iter().filter(|row| {
            let checked = rules.check(&row.key, &row.value, None).ok();
            // It counts as its own peer's, so that its subnet is the one that it had.
            checked.is_some_and(|checked| {
                shelf.keep(&checked, checked.record.peer, row.subnet).is_ok()
            })
        });
        taken.count()
    }

    /// Who is in the routing table.
    pub fn table(&self) -> Vec<Contact> {
        self.roster.contacts()
    }

    /// Who is in the table that libp2p serves: the same, or something is wrong.
    pub fn served_table(&mut self) -> Vec<(Libp2p, Vec<Multiaddr>)> {
        self.parts.server.table()
    }

    /// How it is.
    pub fn status(&mut self) -> Status {
        let now = self.clock.now();
        let own = self.publisher.record();
        Status {
            serves: self.parts.server.serves(),
            joined: self.rounds.is_joined(),
            join_failures: self.rounds.failures(),
            next_round_in_ms: self.rounds.due().map(|due| due.since(now) / 1000),
            seeds: self.seeds.len(),
            probes: self.probes.len(),
            buckets: self.roster.buckets(),
            records: self.parts.server.shelf().count(),
            record_bytes: self.parts.server.shelf().bytes(),
            size: self.size,
            own_sequence: own.map(|checked| checked.record.sequence),
            own_expires_s: own.map(|checked| checked.record.expires_s),
            own_stored: self.publisher.stored(),
            queries: self.queries.iter().map(|(id, query)| QueryStatus::of(*id, query)).collect(),
            requests: self.parts.requests.under_way(),
            counts: self.counts,
            served: self.parts.server.counts(),
            intake: self.intake.counts(),
        }
    }

    fn check_room(&self) -> Result<(), TooMany> {
        // Our own rounds are few, and always have room.
        let own = self.queries.values().filter(|query| query.is_own()).count();
        if self.queries.len() - own < limits::DHT_QUERIES_MAX { Ok(()) } else { Err(TooMany) }
    }

    fn take_seed(&mut self, contact: Contact, source: Source) {
        if contact.peer != self.own {
            self.seeds.take(contact, source);
            self.rounds.encourage(self.clock.now());
        }
    }

    /// Lines a peer up to be asked whether it is where it is said to be.
    fn probe(&mut self, contact: Contact) {
        let is_known = self.roster.has(&contact.peer) || contact.peer == self.own;
        let is_useful = !is_known && self.roster.has_room_for(&contact.peer);
        if is_useful && !self.roster.is_shunned(&contact.peer) {
            self.probes.push(self.clock.now(), contact);
        }
    }

    /// Begins a lookup.
    fn look(&mut self, purpose: Purpose) -> QueryId {
        let name = self.name_of(purpose);
        let target = Key::of_bytes(&name);
        let goal = match purpose {
            Purpose::Record(_) => Goal::Record(target),
            Purpose::Peer(peer) => Goal::Peer(peer),
            Purpose::Publish | Purpose::Own | Purpose::Bucket(_) | Purpose::Sample => {
                Goal::Closest(target)
            }
        };
        let options = lookup::Options {
            scope: self.scope,
            paths: purpose.paths(),
            // Only where somebody's record is at stake is it worth asking everyone around.
            network_size: self.size.map(|size| size.nodes).filter(|_| purpose.is_about_a_record()),
            seed: self.chance.next(),
            ..lookup::Options::default()
        };
        let first = self.first(&target, options.paths);
        let lookup = Lookup::new(self.clock.now(), self.own, goal, first, options);
        self.begin(Query::Lookup(Box::new(LookupQuery::new(purpose, lookup, name))))
    }

    fn name_of(&mut self, purpose: Purpose) -> Vec<u8> {
        match purpose {
            Purpose::Record(peer) => key_of(peer),
            Purpose::Peer(peer) => identity::to_bytes(peer).to_vec(),
            Purpose::Publish => key_of(self.own),
            Purpose::Own => identity::to_bytes(self.own).to_vec(),
            Purpose::Sample => self.chance.name(),
            Purpose::Bucket(bits) => {
                let name = self.names.find(&Key::of_peer(&self.own), bits);
                name.map_or_else(|| self.chance.name(), |name| name.to_vec())
            }
        }
    }

    /// Whom a lookup begins with.
    fn first(&mut self, target: &Key, paths: usize) -> Vec<Contact> {
        let mut first = self.roster.closest(target, paths * FIRST_PER_PATH);
        let mut others = self.seeds.neighbours(NEIGHBOURS);
        if first.len() < TABLE_SMALL {
            others.extend(self.seeds.pick(FIRST_PER_PATH));
        }
        let known: BTreeSet<PeerId> = first.iter().map(|contact| contact.peer).collect();
        others.retain(|contact| !known.contains(&contact.peer));
        others.sort_by_key(|contact| contact.peer);
        others.dedup_by_key(|contact| contact.peer);
        first.extend(others);
        first.retain(|contact| !self.roster.is_shunned(&contact.peer));
        first
    }

    fn begin(&mut self, query: Query) -> QueryId {
        let id = QueryId(self.next_query);
        self.next_query += 1;
        self.queries.insert(id, query);
        self.touched.insert(id);
        id
    }

    /// Tells something, unless too much waits to be told: what was ordered is told always.
    fn tell(&mut self, event: Event) {
        let is_owed = match event {
            Event::Found { .. } | Event::NotFound { .. } | Event::Crawled { .. } => true,
            Event::CrawlProgress { .. }
            | Event::Observed(_)
            | Event::SybilAlarm { .. }
            | Event::Cache(_)
            | Event::Published { .. } => false,
        };
        if is_owed || self.events.len() < limits::DHT_EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.counts.events_dropped += 1;
        }
    }
}

fn rules<'a>(network: &'a str, scope: Scope, clock: &Clock) -> Rules<'a> {
    Rules { network, scope, now_s: clock.wall_s() }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn waits(config: &Config) -> Waits {
    Waits {
        retry_us: us(config.retry),
        retry_us_max: us(config.retry_max),
        stagger_us: us(config.stagger),
        refresh_us: us(config.refresh),
    }
}

fn terms(peer: PeerId, config: &Config) -> Terms {
    Terms {
        peer,
        keypair: config.keypair.clone(),
        network: config.network.clone(),
        scope: config.scope,
        lifetime_s: config.record_lifetime.as_secs().min(crate::record::LIFETIME_S_MAX),
        republish_us: us(config.republish),
        issue_pause_us: us(config.issue_pause),
        capabilities: config.capabilities,
        sealing_key: config.sealing_key,
    }
}
