//! What is due: questions of queries, probes, rounds and records, and what came of each.

use pointsman_core::dht::contact::Contact;
use pointsman_core::dht::lookup::Why;
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;
use pointsman_core::subnet::Subnet;
use pointsman_sdk::reputation::Kind;

use super::{CACHE_PAUSE_US, Dht, EXPIRY_US, For, rules};
use crate::event::{Event, Observed, QueryId};
use crate::identity;
use crate::query::{Due, Purpose, Query, contact, why};
use crate::requests::{Busy, Outcome, Request, Via};
use crate::wire::{Answer, Ask};

impl Dht {
    /// Does all that is due now.
    pub(super) fn work(&mut self) {
        let now = self.clock.now();
        self.expire(now);
        self.begin_round(now);
        self.begin_publishing(now);
        let late = self
            .queries
            .iter()
            .filter(|(_, query)| query.deadline().is_some_and(|deadline| deadline <= now));
        self.touched.extend(late.map(|(id, _)| *id).collect::<Vec<_>>());
        self.clear_backlog();
        while let Some(id) = self.touched.pop_first() {
            self.drive(now, id);
        }
        self.begin_probes(now);
        self.hand_out_cache(now);
    }

    /// When there is something to do although nothing happened.
    pub(super) fn due(&self) -> Time {
        let queries = self.queries.values().filter_map(Query::deadline);
        let publishing = self.may_publish().then(|| self.publisher.due());
        queries
            .chain(self.rounds.due())
            .chain(publishing)
            .chain([self.expire_at])
            .min()
            .unwrap_or(self.expire_at)
    }

    fn expire(&mut self, now: Time) {
        if now < self.expire_at {
            return;
        }
        self.expire_at = now.after(EXPIRY_US);
        let now_s = self.clock.wall_s();
        self.parts.server.shelf().expire(now_s);
    }

    fn begin_round(&mut self, now: Time) {
        let nobody = self.roster.len() == 0 && self.seeds.len() == 0;
        let deepest = self.deepest();
        if self.rounds.due().is_none_or(|due| due > now) {
            return;
        }
        if let Some(purpose) = self.rounds.next(now, deepest) {
            if nobody {
                return self.rounds.ended(now, 0, 0, None, &mut self.chance);
            }
            self.counts.rounds += 1;
            self.look(purpose);
        }
    }

    pub(super) fn deepest(&self) -> Option<u32> {
        self.roster.buckets().keys().max().copied()
    }

    fn begin_publishing(&mut self, now: Time) {
        if !self.may_publish() || self.publisher.due() > now {
            return;
        }
        if let Some(checked) = self.publisher.next(now, self.clock.wall_ms()) {
            self.parts.server.shelf().set_own(&checked);
            self.look(Purpose::Publish);
        }
    }

    /// One at a time; see [`crate::publisher`] for when.
    fn may_publish(&self) -> bool {
        let runs = |query: &Query| query.purpose() == Some(Purpose::Publish);
        let is_time =
            self.rounds.is_settled() || (self.rounds.is_joined() && self.publisher.has_reach());
        self.publishes && is_time && self.carrying.is_none() && !self.queries.values().any(runs)
    }

    /// Puts the questions of a query that are due, and ends it where it is over.
    fn drive(&mut self, now: Time, id: QueryId) {
        let waiting = self.backlog.iter().any(|(other, _)| *other == id);
        while !waiting && self.parts.requests.room() > 0 {
            let Some(query) = self.queries.get_mut(&id) else { return };
            let Some(due) = query.next(now, &mut self.names) else { break };
            self.put(id, due);
        }
        let Some(query) = self.queries.get_mut(&id) else { return };
        if query.is_over() {
            return self.end(id);
        }
        if let Query::Crawl(crawl) = query
            && now.since(crawl.told_at) >= 1_000_000
        {
            crawl.told_at = now;
            let progress = crawl.crawl.progress();
            self.tell(Event::CrawlProgress { query: id, progress });
        }
    }

    fn put(&mut self, id: QueryId, due: Due) {
        if self.roster.is_shunned(&due.peer) {
            return self.not_asked(id, due.peer);
        }
        let request = self.request(due.peer, due.addresses.clone(), due.ask.clone(), Via::Any);
        match self.parts.requests.ask(request) {
            Ok(request) => {
                self.counts.asked += 1;
                self.under_way.insert(request, For::Query(id));
            }
            Err(Busy::Total | Busy::Peer) => self.backlog.push_back((id, due)),
            Err(Busy::NoPeer) => self.not_asked(id, due.peer),
        }
    }

    fn not_asked(&mut self, id: QueryId, peer: PeerId) {
        let now = self.clock.now();
        if let Some(query) = self.queries.get_mut(&id) {
            query.failed(now, peer, Why::Refused);
            self.touched.insert(id);
        }
    }

    /// Each that waits is tried once.
    fn clear_backlog(&mut self) {
        for _ in 0..self.backlog.len() {
            let Some((id, due)) = self.backlog.pop_front() else { return };
            if self.queries.contains_key(&id) {
                self.put(id, due);
                self.touched.insert(id);
            }
        }
    }

    fn request(
        &self,
        peer: PeerId,
        addresses: Vec<libp2p::Multiaddr>,
        ask: Ask,
        via: Via,
    ) -> Request {
        Request { peer, addresses, ask, via, within: self.answer_within }
    }

    fn begin_probes(&mut self, now: Time) {
        while self.parts.requests.room() > limits::DHT_REQUESTS_MAX / 4
            && let Some(contact) = self.probes.next(now)
        {
            let ask = Ask::FindNode { key: identity::to_bytes(self.own).to_vec() };
            let addresses = crate::query::parsed(&contact.addresses);
            let request = self.request(contact.peer, addresses, ask, Via::Dial);
            match self.parts.requests.ask(request) {
                Ok(request) => {
                    self.counts.probes += 1;
                    self.under_way.insert(request, For::Probe);
                }
                Err(Busy::Total | Busy::Peer | Busy::NoPeer) => self.probes.done(),
            }
        }
    }

    fn hand_out_cache(&mut self, now: Time) {
        let (at, changes) = self.cached;
        if self.roster.changes() != changes && now.since(at) >= CACHE_PAUSE_US {
            self.cached = (now, self.roster.changes());
            self.tell(Event::Cache(self.roster.contacts()));
        }
    }

    /// A request came to an end.
    pub(super) fn came(&mut self, outcome: Outcome) {
        let now = self.clock.now();
        let Some(purpose) = self.under_way.remove(&outcome.id) else { return };
        self.note(now, &outcome);
        match purpose {
            For::Probe => self.probes.done(),
            For::Put => self.put_ended(&outcome),
            For::Check => self.check_ended(&outcome),
            For::Query(id) => self.came_to_query(now, id, outcome),
        }
    }

    /// What every answer says of the peer itself.
    fn note(&mut self, now: Time, outcome: &Outcome) {
        let (peer, server) = (outcome.peer, &mut self.parts.server);
        match (&outcome.result, &outcome.dialled) {
            (Ok(_), Some(at)) => {
                self.counts.answered += 1;
                self.seeds.note(&peer, true);
                self.roster.answered(now, server, peer, at);
                self.rounds.encourage(now);
            }
            (Ok(_), None) => {
                self.counts.answered += 1;
                self.roster.lives(now, server, peer);
                if !self.roster.has(&peer) && !outcome.addresses.is_empty() {
                    let told: Vec<String> =
                        outcome.addresses.iter().map(ToString::to_string).collect();
                    let told = told.iter().map(String::as_str);
                    self.probe(Contact::new(peer, told, self.scope));
                }
            }
            (Err(failure), _) => {
                self.counts.failed += 1;
                self.seeds.note(&peer, false);
                self.roster.failed(server, peer, *failure);
            }
        }
    }

    fn came_to_query(&mut self, now: Time, id: QueryId, outcome: Outcome) {
        let Outcome { peer, result, was_connected, addresses, .. } = outcome;
        let rules = rules(&self.network, self.scope, &self.clock);
        let Some(query) = self.queries.get_mut(&id) else { return };
        let seen = match result {
            Ok(mut answer) => {
                let told = sift(&self.roster, &mut answer);
                query.answered(now, peer, &told, &answer, &rules)
            }
            Err(failure) => query.failed(now, peer, why(failure, was_connected)),
        };
        self.touched.insert(id);
        let at = addresses.first().and_then(|address| Subnet::of(&address.to_string()));
        for (kind, why) in seen {
            self.observe(peer, at, kind, 1, why);
        }
    }

    /// Tells what a peer was seen to do.
    pub(super) fn observe(
        &mut self,
        peer: PeerId,
        at: Option<Subnet>,
        kind: Kind,
        weight: u32,
        why: &'static str,
    ) {
        let remote = identity::to_libp2p(peer).and_then(|peer| self.remotes.get(&peer));
        let subnet = remote.and_then(|(subnet, _)| *subnet);
        let subnet = subnet.or_else(|| self.roster.subnet(&peer)).or(at);
        self.tell(Event::Observed(Observed { peer, subnet, kind, weight, why }));
    }
}

/// Whom a reply tells of, without those who stand too low to be asked.
fn sift(roster: &crate::roster::Roster, answer: &mut Answer) -> Vec<Contact> {
    // More than any reply may have breaks the protocol; the core is to see that.
    let padding = answer.closer_told.min(limits::DHT_REPLY_READ_MAX + 1);
    let closer = std::mem::take(&mut answer.closer).into_iter();
    let mut told: Vec<Contact> =
        closer.map(contact).filter(|told| !roster.is_shunned(&told.peer)).collect();
    if padding > limits::DHT_REPLY_READ_MAX {
        let nobody = Contact { peer: PeerId([0; 32]), addresses: Vec::new() };
        told.resize(padding, nobody);
    }
    told
}
