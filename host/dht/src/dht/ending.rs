//! What is done when a query is over.

use pointsman_core::dht::contact::Contact;
use pointsman_core::dht::lookup::{Found, Outcome, Step};
use pointsman_core::dht::sybil;
use pointsman_core::id::{PeerId, Time};

use super::{Carrying, Dht, For};
use crate::event::{Event, QueryId};
use crate::query::{LookupQuery, Purpose, Query};
use crate::record::{Checked, key_of};
use crate::requests::{Outcome as Requested, RequestId, Via};
use crate::wire::Ask;

impl Dht {
    /// Ends a query, whether it is over or not, and what it still asks.
    pub(super) fn end(&mut self, id: QueryId) {
        let Some(query) = self.queries.remove(&id) else { return };
        let open = self.under_way.iter().filter(|(_, what)| **what == For::Query(id));
        let open: Vec<RequestId> = open.map(|(request, _)| *request).collect();
        for request in open {
            self.under_way.remove(&request);
            self.parts.requests.cancel(request);
        }
        self.backlog.retain(|(other, _)| *other != id);
        match query {
            Query::Lookup(query) => self.lookup_ended(id, *query),
            Query::Crawl(query) => {
                let (progress, state) = (query.crawl.progress(), query.crawl.export());
                self.tell(Event::Crawled { query: id, progress, state });
            }
        }
    }

    fn lookup_ended(&mut self, id: QueryId, mut query: LookupQuery) {
        let now = self.clock.now();
        for seen in query.told_at_end() {
            self.observe(seen.peer, None, seen.kind, 1, "told-of-nobody-real");
        }
        let trace = query.lookup.trace().to_vec();
        let Some(outcome) = query.lookup.outcome().cloned() else {
            return self.given_up(now, id, query.purpose, trace);
        };
        self.counts.lookups += 1;
        self.judge(&query, &outcome);
        match query.purpose {
            Purpose::Record(peer) => self.record_ended(id, peer, &query, &outcome, trace),
            Purpose::Peer(peer) => self.peer_ended(id, peer, outcome, trace),
            Purpose::Publish => self.carry_out(now, &outcome),
            Purpose::Sample => {
                let target = query.lookup.target();
                let closest = outcome.closest.iter().map(|contact| &contact.peer);
                self.sizes.note(now, &target, closest);
                self.size = self.sizes.estimate(now);
                self.round_ended(now, outcome.answered);
            }
            Purpose::Own | Purpose::Bucket(_) => self.round_ended(now, outcome.answered),
        }
    }

    /// It was cancelled.
    fn given_up(&mut self, now: Time, id: QueryId, purpose: Purpose, trace: Vec<Step>) {
        match purpose {
            Purpose::Record(peer) | Purpose::Peer(peer) => {
                self.tell(Event::NotFound { query: self.name(id), peer, trace });
            }
            Purpose::Publish => self.carried(now, 0),
            Purpose::Own | Purpose::Bucket(_) | Purpose::Sample => self.round_ended(now, 0),
        }
    }

    fn round_ended(&mut self, now: Time, answered: usize) {
        let deepest = self.deepest();
        self.rounds.ended(now, answered, self.roster.len(), deepest, &mut self.chance);
    }

    /// Whether those closest to the target were made to lie there.
    fn judge(&mut self, query: &LookupQuery, outcome: &Outcome) {
        let Some(size) = self.size else { return };
        let key = query.lookup.target();
        let closest = outcome.closest.iter().map(|contact| &contact.peer);
        if let Some(verdict) = sybil::judge(&key, closest, size.nodes)
            && verdict.is_suspicious()
        {
            self.tell(Event::SybilAlarm { key, score: verdict.score });
        }
    }

    fn record_ended(
        &mut self,
        id: QueryId,
        peer: PeerId,
        query: &LookupQuery,
        outcome: &Outcome,
        trace: Vec<Step>,
    ) {
        let found = match &outcome.found {
            Some(Found::Record { id, .. }) => query.record(*id).cloned(),
            Some(Found::Peer(_)) | None => None,
        };
        let record = self.newest(peer, found);
        match record {
            Some(record) => self.found(id, peer, Some(record), None, trace),
            // Perhaps it did not publish yet: then it may answer itself.
            None => {
                let next = self.look(Purpose::Peer(peer));
                self.renamed.insert(next, (self.name(id), trace));
                self.renamed.remove(&id);
            }
        }
    }

    /// The newer of what was found and what is kept here: nobody takes us back.
    fn newest(&mut self, peer: PeerId, found: Option<Checked>) -> Option<Checked> {
        let Some(kept) = self.parts.server.shelf().value(&peer).map(<[u8]>::to_vec) else {
            return found;
        };
        let rules = super::rules(&self.network, self.scope, &self.clock);
        let newest = found.as_ref().map(|checked| checked.record.sequence);
        rules.check(&key_of(peer), &kept, newest).ok().or(found)
    }

    fn peer_ended(&mut self, id: QueryId, peer: PeerId, outcome: Outcome, trace: Vec<Step>) {
        match outcome.found {
            Some(Found::Peer(contact)) => self.found(id, peer, None, Some(contact), trace),
            Some(Found::Record { .. }) | None => {
                let (query, trace) = self.whole(id, trace);
                self.tell(Event::NotFound { query, peer, trace });
            }
        }
    }

    fn found(
        &mut self,
        id: QueryId,
        peer: PeerId,
        record: Option<Checked>,
        contact: Option<Contact>,
        trace: Vec<Step>,
    ) {
        self.counts.found += 1;
        let (query, trace) = self.whole(id, trace);
        self.tell(Event::Found { query, peer, record, contact, trace });
    }

    /// Under which name a query was ordered.
    fn name(&self, id: QueryId) -> QueryId {
        self.renamed.get(&id).map_or(id, |(name, _)| *name)
    }

    /// The same, with the questions of both lookups.
    fn whole(&mut self, id: QueryId, trace: Vec<Step>) -> (QueryId, Vec<Step>) {
        match self.renamed.remove(&id) {
            Some((name, mut before)) => {
                before.extend(trace);
                (name, before)
            }
            None => (id, trace),
        }
    }

    /// Brings our record to all who should keep it.
    fn carry_out(&mut self, now: Time, outcome: &Outcome) {
        let Some(checked) = self.publisher.record().cloned() else { return };
        let sequence = checked.record.sequence;
        let (key, value) = (key_of(self.own), checked.envelope);
        let mut carrying = Carrying { sequence, ..Carrying::default() };
        for contact in &outcome.closest {
            let ask = Ask::PutValue { key: key.clone(), value: value.clone() };
            let addresses = crate::query::parsed(&contact.addresses);
            let request = self.put_request(contact.peer, addresses, ask);
            if let Ok(request) = self.parts.requests.ask(request) {
                self.under_way.insert(request, For::Put);
                carrying.under_way += 1;
            }
        }
        if carrying.under_way == 0 {
            self.carried(now, 0);
        } else {
            self.carrying = Some(carrying);
        }
    }

    fn carried(&mut self, now: Time, stored: usize) {
        let was_filled = self.rounds.is_settled();
        self.publisher.carried(now, stored, was_filled, &mut self.chance);
    }

    fn put_request(
        &self,
        peer: PeerId,
        addresses: Vec<libp2p::Multiaddr>,
        ask: Ask,
    ) -> crate::requests::Request {
        let within = self.answer_within;
        crate::requests::Request { peer, addresses, ask, via: Via::Any, within }
    }

    /// One confirmed our record, or did not. Every node confirms what it gets, so who did is asked
    /// for it.
    pub(super) fn put_ended(&mut self, outcome: &Requested) {
        let ask = Ask::GetValue { key: key_of(self.own) };
        let request = self.put_request(outcome.peer, outcome.addresses.clone(), ask);
        let check = outcome.result.as_ref().ok().map(|_| self.parts.requests.ask(request));
        match check {
            Some(Ok(check)) => drop(self.under_way.insert(check, For::Check)),
            Some(Err(_)) | None => self.checked(false),
        }
    }

    /// One gave our record back, or did not.
    pub(super) fn check_ended(&mut self, outcome: &Requested) {
        let value = outcome.result.as_ref().ok().and_then(|answer| answer.value.as_ref());
        let ours = self.publisher.record().map(|checked| &checked.envelope);
        self.checked(value.is_some() && value == ours);
    }

    /// It is known whether one more keeps our record.
    fn checked(&mut self, is_kept: bool) {
        let Some(carrying) = &mut self.carrying else { return };
        carrying.under_way -= 1;
        carrying.stored += usize::from(is_kept);
        if carrying.under_way > 0 {
            return;
        }
        let Carrying { stored, sequence, .. } = *carrying;
        self.carrying = None;
        self.carried(self.clock.now(), stored);
        self.tell(Event::Published { sequence, stored });
    }
}
