//! A lookup or a crawl with all that the shell has to know beside the core's: names for keys,
//! records by number, and which questions are under way.

use libp2p::Multiaddr;
use pointsman_core::dht::contact::Contact;
use pointsman_core::dht::crawl::Crawl;
use pointsman_core::dht::key::{Key, Preimages};
use pointsman_core::dht::lookup::{self, Lookup, Question, RecordFact, Why};
use pointsman_core::id::{PeerId, Time};
use pointsman_sdk::reputation::Kind;

use crate::record::{Checked, Refusal, Rules, SKEW_S_MAX};
use crate::requests::Failure;
use crate::wire::{Answer, Ask, Told};

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The record of a peer was ordered.
    Record(PeerId),
    /// There was none: the peer itself.
    Peer(PeerId),
    /// Where to publish our record.
    Publish,
    /// Our own surroundings.
    Own,
    /// A bucket of our table.
    Bucket(u32),
    /// A target that nobody chose, to see how many there are.
    Sample,
}

impl Purpose {
    /// Whether a record is looked for, or its place.
    pub(crate) fn is_about_a_record(self) -> bool {
        match self {
            Self::Record(_) | Self::Peer(_) | Self::Publish => true,
            Self::Own | Self::Bucket(_) | Self::Sample => false,
        }
    }
}

/// A question to put, with who is asked.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    /// Whom.
    pub(crate) peer: PeerId,
    /// Where.
    pub(crate) addresses: Vec<Multiaddr>,
    /// What.
    pub(crate) ask: Ask,
}

/// A lookup under way.
#[derive(Debug)]
pub(crate) struct LookupQuery {
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// The core's.
    pub(crate) lookup: Lookup,
    /// What the target is the hash of.
    name: Vec<u8>,
    records: Vec<Checked>,
}

impl LookupQuery {
    /// One for a name.
    pub(crate) fn new(purpose: Purpose, lookup: Lookup, name: Vec<u8>) -> Self {
        debug_assert_eq!(Key::of_bytes(&name), lookup.target());
        Self { purpose, lookup, name, records: Vec::new() }
    }

    /// The next question, if one is due.
    pub(crate) fn next(&mut self, now: Time, names: &mut Preimages) -> Option<Due> {
        loop {
            let due = self.lookup.next(now)?;
            let ask = match due.question {
                Question::Target => Some(self.ask_target()),
                Question::Beside { bits } => {
                    let name = names.find(&self.lookup.target(), bits);
                    name.map(|name| Ask::FindNode { key: name.to_vec() })
                }
            };
            match ask {
                Some(ask) => {
                    return Some(Due { peer: due.peer, addresses: parsed(&due.addresses), ask });
                }
                // Beyond what names can be found for.
                None => self.lookup.failed(now, &due.peer, Why::Refused),
            }
        }
    }

    fn ask_target(&self) -> Ask {
        let key = self.name.clone();
        match self.purpose {
            Purpose::Record(_) => Ask::GetValue { key },
            Purpose::Peer(_)
            | Purpose::Publish
            | Purpose::Own
            | Purpose::Bucket(_)
            | Purpose::Sample => Ask::FindNode { key },
        }
    }

    /// A peer answered; whom it told of was sifted. What to hold against it.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        peer: PeerId,
        told: &[Contact],
        value: Option<&[u8]>,
        rules: &Rules<'_>,
    ) -> Option<Refusal> {
        let (fact, refusal) = match value {
            Some(value) => self.judge(value, rules),
            None => (None, None),
        };
        self.lookup.answered(now, &peer, told, fact);
        refusal
    }

    fn judge(&mut self, value: &[u8], rules: &Rules<'_>) -> (Option<RecordFact>, Option<Refusal>) {
        if !matches!(self.purpose, Purpose::Record(_)) {
            return (None, None);
        }
        match rules.check(&self.name, value, None) {
            Ok(checked) => {
                let (sequence, id) = (checked.record.sequence, self.records.len() as u64);
                self.records.push(checked);
                (Some(RecordFact::Verified { sequence, id }), None)
            }
            // By its clock it may hold still.
            Err(Refusal::Expired) if self.was_valid(value, rules) => (None, None),
            Err(refusal) => (Some(RecordFact::Bad), Some(refusal)),
        }
    }

    fn was_valid(&self, value: &[u8], rules: &Rules<'_>) -> bool {
        let before = Rules { now_s: rules.now_s.saturating_sub(SKEW_S_MAX), ..*rules };
        before.check(&self.name, value, None).is_ok()
    }

    /// The record with a number.
    pub(crate) fn record(&self, id: u64) -> Option<&Checked> {
        self.records.get(usize::try_from(id).ok()?)
    }
}

/// A crawl under way.
#[derive(Debug)]
pub(crate) struct CrawlQuery {
    /// The core's.
    pub(crate) crawl: Crawl,
    /// When its progress was told last.
    pub(crate) told_at: Time,
}

impl CrawlQuery {
    /// The next question, if one is due.
    pub(crate) fn next(&mut self, now: Time, names: &mut Preimages) -> Option<Due> {
        loop {
            let due = self.crawl.next(now)?;
            let Some(name) = names.find(&Key::of_peer(&due.peer), due.bits) else {
                self.crawl.failed(now, &due.peer);
                continue;
            };
            let ask = Ask::FindNode { key: name.to_vec() };
            return Some(Due { peer: due.peer, addresses: parsed(&due.addresses), ask });
        }
    }
}

/// Anything that asks.
#[derive(Debug)]
pub(crate) enum Query {
    /// A lookup.
    Lookup(Box<LookupQuery>),
    /// A crawl.
    Crawl(Box<CrawlQuery>),
}

impl Query {
    /// The next question, if one is due.
    pub(crate) fn next(&mut self, now: Time, names: &mut Preimages) -> Option<Due> {
        match self {
            Self::Lookup(query) => query.next(now, names),
            Self::Crawl(query) => query.next(now, names),
        }
    }

    /// When it wants to be looked at although nothing happened.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match self {
            Self::Lookup(query) => query.lookup.deadline(),
            Self::Crawl(query) => query.crawl.deadline(),
        }
    }

    /// What a lookup is for.
    pub(crate) fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Lookup(query) => Some(query.purpose),
            Self::Crawl(_) => None,
        }
    }

    /// Whether nobody ordered it.
    pub(crate) fn is_own(&self) -> bool {
        match self.purpose() {
            Some(Purpose::Publish | Purpose::Own | Purpose::Bucket(_) | Purpose::Sample) => true,
            Some(Purpose::Record(_) | Purpose::Peer(_)) | None => false,
        }
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Lookup(query) => query.lookup.outcome().is_some(),
            Self::Crawl(query) => query.crawl.is_over(),
        }
    }

    /// A peer answered. What is to be held against it, and for it.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        peer: PeerId,
        told: &[Contact],
        answer: &Answer,
        rules: &Rules<'_>,
    ) -> Vec<(Kind, &'static str)> {
        match self {
            Self::Lookup(query) => {
                let value = answer.value.as_deref();
                let refusal = query.answered(now, peer, told, value, rules);
                query.told(peer, refusal.map(Refusal::name))
            }
            Self::Crawl(query) => {
                query.crawl.answered(now, &peer, told);
                vec![(Kind::Served, "answered-crawl")]
            }
        }
    }

    /// A peer did not answer. What is to be held against it.
    pub(crate) fn failed(
        &mut self,
        now: Time,
        peer: PeerId,
        why: Why,
    ) -> Vec<(Kind, &'static str)> {
        match self {
            Self::Lookup(query) => {
                query.lookup.failed(now, &peer, why);
                query.told(peer, None)
            }
            Self::Crawl(query) => {
                query.crawl.failed(now, &peer);
                Vec::new()
            }
        }
    }
}

impl LookupQuery {
    /// What the core saw of this peer, in words.
    fn told(&mut self, peer: PeerId, refusal: Option<&'static str>) -> Vec<(Kind, &'static str)> {
        let seen = self.lookup.observed();
        let own = seen.into_iter().filter(|seen| seen.peer == peer);
        own.map(|seen| (seen.kind, refusal.unwrap_or(in_words(seen.kind)))).collect()
    }

    /// What the core saw of peers when the lookup ended.
    pub(crate) fn told_at_end(&mut self) -> Vec<lookup::Observed> {
        self.lookup.observed()
    }
}

fn in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Served | Kind::Ack | Kind::Relayed => "answered-lookup",
        Kind::Timeout => "no-answer",
        Kind::Invalid => "invalid-answer",
        Kind::Refused => "refused",
        Kind::Spam => "spam",
    }
}

/// What the core is to make of a request that failed.
pub(crate) fn why(failure: Failure, was_connected: bool) -> Why {
    match failure {
        Failure::NoAddress | Failure::Dial | Failure::WrongPeer => Why::Unreachable,
        Failure::Timeout | Failure::Closed if was_connected => Why::Silent,
        Failure::Timeout | Failure::Closed => Why::Unreachable,
        Failure::Unsupported | Failure::Cancelled => Why::Refused,
        Failure::Invalid(_) => Why::Invalid,
    }
}

/// What a reply tells, as the core takes it.
pub(crate) fn contact(told: Told) -> Contact {
    let addresses = told.addresses.iter().map(Multiaddr::to_string).collect();
    Contact { peer: told.peer, addresses }
}

/// Those addresses that libp2p can read.
pub(crate) fn parsed(texts: &[String]) -> Vec<Multiaddr> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
