//! Finding a peer, a record or the nodes closest to a key, among nodes that may lie.
//!
//! A lookup begins with contacts of our own table and asks the closest it knows of for closer
//! ones, as Kademlia does. It is given what came of each question, and orders the next. It differs
//! from the textbook where replies are concerned:
//!
//! - **Paths.** The first contacts are dealt out to several paths (Baumgart and Mies, S/Kademlia,
//!   2007). A peer is asked on one path only, and what it says stays on that path: one liar leads
//!   one path astray. An older record is believed only if several paths know no newer one.
//! - **Doubt.** Who is named in a reply counts when it answered itself. If hardly anyone of a
//!   reply answers, the rest of it is asked last. So are more than a few contacts of one subnet.
//! - **The sweep.** Nodes whose keys were made to lie next to the target fill every honest reply
//!   about it, and hide the honest nodes that hold the record. So where the size of the network is
//!   known, everyone in the region that k nodes would fill is asked, however many are closer; and
//!   because they are not told of when asked for the target, peers are asked for what lies beside
//!   it, bucket by bucket (after SR-DHT-Store, arXiv 2505.01139).
//!
//! It ends when it found what it looked for, when nobody is left to ask, or at its bounds.
//! It is the business of the shell to check a record's signature, and that a peer that answered is
//! the one that it claims to be.

mod outcome;
mod path;
mod people;
mod question;
mod sweep;
mod timeout;
mod trace;

use std::collections::BTreeMap;

use pointsman_sdk::reputation::Kind;

pub use self::outcome::{Ended, Found, Observed, Outcome};
use self::path::{Path, Window};
use self::people::{People, State};
pub use self::question::{Ask, Goal, Options, Question, RecordFact, Why};
use self::timeout::Timeout;
pub use self::trace::{Step, StepResult};
use super::contact::Contact;
use super::key::{KEY_BITS, Key};
use crate::id::{PeerId, Time};
use crate::limits::{
    DHT_BUCKET_MAX, DHT_LOOKUP_ASKS_MAX, DHT_LOOKUP_PARALLEL_MAX, DHT_PATHS_MAX,
    DHT_REPLY_CONTACTS_MAX, DHT_REPLY_READ_MAX, DHT_SUBNET_PER_PATH_MAX,
};

/// A lookup takes no longer, in microseconds.
pub const LOOKUP_US_MAX: u64 = 60_000_000;

/// So many paths have to name the newest record before it is believed: with a fifth of the
/// nodes hostile, that all of three are is one in 125.
const AGREEMENT: usize = 3;

/// Contacts that were held back and are asked after all others.
const HELD_BACK_ASKS_MAX: u32 = 40;

/// A lookup under way.
#[derive(Clone, Debug)]
pub struct Lookup {
    own: PeerId,
    goal: Goal,
    target: Key,
    options: Options,
    /// First bits that the region shares with the target; `None` where the size is unknown.
    region_bits: Option<u32>,
    began: Time,
    people: People,
    paths: Vec<Path>,
    timeout: Timeout,
    /// The newest record of each path.
    records: BTreeMap<u8, (u64, u64)>,
    /// Questions that each level of the sweep was asked with.
    swept: BTreeMap<u32, u32>,
    held_back_asks: u32,
    steps: Vec<Step>,
    observed: Vec<Observed>,
    outcome: Option<Outcome>,
}

/// Which part of a lookup a question belongs to; each waits for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Walk,
    Sweep,
    HeldBack,
}

impl Lookup {
    /// Begins with contacts that answered us before: the closest of our table.
    pub fn new(
        now: Time,
        own: PeerId,
        goal: Goal,
        first: impl IntoIterator<Item = Contact>,
        options: Options,
    ) -> Self {
        let target = goal.target();
        let paths = options.paths.clamp(1, DHT_PATHS_MAX);
        let size = options.network_size.filter(|size| size.is_finite());
        let mut lookup = Self {
            own,
            goal,
            target,
            options,
            region_bits: size.map(sweep::region_bits),
            began: now,
            people: People::default(),
            paths: vec![Path::default(); paths],
            timeout: Timeout::default(),
            records: BTreeMap::new(),
            swept: BTreeMap::new(),
            held_back_asks: 0,
            steps: Vec::new(),
            observed: Vec::new(),
            outcome: None,
        };
        lookup.deal(first);
        lookup
    }

    /// The closest contact to one path, the next to the next, from a path that is drawn.
    fn deal(&mut self, first: impl IntoIterator<Item = Contact>) {
        let mut first: Vec<Contact> = first.into_iter().collect();
        first.sort_by_key(|contact| self.target.distance(&Key::of_peer(&contact.peer)));
        first.truncate(self.paths.len() * DHT_BUCKET_MAX);
        let offset = (self.options.seed % self.paths.len() as u64) as usize;
        for (at, contact) in first.into_iter().enumerate() {
            let path = (at + offset) % self.paths.len();
            self.hear(path, contact, None);
        }
    }

    /// Takes a contact into a path. Whether it is new to the lookup.
    fn hear(&mut self, path: usize, contact: Contact, teller: Option<PeerId>) -> bool {
        if contact.peer == self.own {
            return false;
        }
        let (peer, is_new) = (contact.peer, !self.people.has(&contact.peer));
        let distance = self.people.hear(&self.target, contact);
        let dropped = self.paths[path].take(distance, peer, teller, &self.people);
        if let Some((distance, peer)) = dropped
            && !self.paths.iter().any(|path| path.has(&distance))
        {
            self.people.forget(&peer);
        }
        is_new
    }

    /// The key that is walked towards.
    pub fn target(&self) -> Key {
        self.target
    }

    /// What it is for.
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// The next question to ask, if one is due. To be called until there is none, after each
    /// fact and at [`Lookup::deadline`].
    pub fn next(&mut self, now: Time) -> Option<Ask> {
        self.expire(now);
        if self.outcome.is_some() {
            return None;
        }
        if now.since(self.began) >= LOOKUP_US_MAX {
            self.end(now, Ended::OutOfTime);
            return None;
        }
        let parallel = self.options.parallel.clamp(1, DHT_LOOKUP_PARALLEL_MAX);
        if self.people.under_way() >= parallel {
            return None;
        }
        let spent = self.steps.len() >= DHT_LOOKUP_ASKS_MAX;
        let pick = if spent { None } else { self.pick() };
        match pick {
            Some((stage, path, peer, question)) => self.ask(now, stage, path, peer, question),
            None if self.people.under_way() > 0 => None,
            None => {
                let ended = if spent { Ended::OutOfQuestions } else { Ended::Exhausted };
                self.end(now, ended);
                None
            }
        }
    }

    /// When [`Lookup::next`] wants to be called although nothing happened.
    pub fn deadline(&self) -> Option<Time> {
        if self.outcome.is_some() {
            return None;
        }
        let end = self.began.after(LOOKUP_US_MAX);
        Some(self.people.due().map_or(end, |due| due.min(end)))
    }

    fn expire(&mut self, now: Time) {
        for (peer, step) in self.people.expire(now) {
            self.steps[step].result = StepResult::Late;
            self.blame_teller(&peer);
        }
    }

    fn pick(&self) -> Option<(Stage, usize, PeerId, Question)> {
        let walk = || self.walk(false).map(|(path, peer)| (Stage::Walk, path, peer));
        let target = |(stage, path, peer)| (stage, path, peer, Question::Target);
        if let Some(pick) = walk() {
            return Some(target(pick));
        }
        if self.people.under_way_in(Stage::Walk) > 0 {
            return None;
        }
        if let Some((path, peer, bits)) = self.sweep() {
            return Some((Stage::Sweep, path, peer, Question::Beside { bits }));
        }
        if self.people.under_way_in(Stage::Sweep) > 0 || self.held_back_asks >= HELD_BACK_ASKS_MAX {
            return None;
        }
        self.walk(true).map(|(path, peer)| target((Stage::HeldBack, path, peer)))
    }

    /// The closest that was not asked, of the path with the fewest questions under way.
    fn walk(&self, held_back: bool) -> Option<(usize, PeerId)> {
        let window = Window {
            live: DHT_BUCKET_MAX,
            region_bits: self.region_bits.unwrap_or(KEY_BITS),
            subnet: DHT_SUBNET_PER_PATH_MAX,
            held_back,
        };
        let mut order: Vec<usize> = (0..self.paths.len()).collect();
        order.sort_by_key(|&path| self.people.under_way_on(path as u8));
        let next = |path: usize| Some((path, self.paths[path].next(&self.people, &window)?));
        order.into_iter().find_map(next)
    }

    fn ask(
        &mut self,
        now: Time,
        stage: Stage,
        path: usize,
        peer: PeerId,
        question: Question,
    ) -> Option<Ask> {
        let told_by = self.paths[path].teller(&self.people.get(&peer)?.distance);
        let due = now.after(self.timeout.after_us());
        let step = self.steps.len();
        let known = self.people.ask(&peer, State::Asked { stage, path: path as u8, due, step })?;
        if stage != Stage::Sweep {
            known.told_by = told_by;
        }
        if let Question::Beside { bits } = question {
            known.swept |= 1 << bits;
            *self.swept.entry(bits).or_default() += 1;
        }
        self.held_back_asks += u32::from(stage == Stage::HeldBack);
        let addresses = known.contact.addresses.clone();
        let distance_bits = known.distance.bits();
        let path = path as u8;
        let result = StepResult::Waiting;
        self.steps.push(Step { at: now, path, peer, told_by, distance_bits, question, result });
        Some(Ask { peer, addresses, path, question })
    }

    /// A peer answered what it was asked. `told` is the reply's, as it came: whoever this node
    /// can't use is dropped here. An answer that comes late is as good, one that nobody asked for
    /// is ignored.
    pub fn answered(
        &mut self,
        now: Time,
        peer: &PeerId,
        told: &[Contact],
        record: Option<RecordFact>,
    ) {
        let Some((path, step)) = self.people.answered(peer) else { return };
        if self.outcome.is_some() {
            return;
        }
        let took_us = now.since(self.steps[step].at);
        self.timeout.took(took_us);
        let is_bad = record == Some(RecordFact::Bad) || told.len() > DHT_REPLY_READ_MAX;
        let kind = if is_bad { Kind::Invalid } else { Kind::Served };
        self.observed.push(Observed { peer: *peer, kind });
        if let Some(teller) = self.people.get(peer).and_then(|known| known.told_by) {
            self.people.credit(&teller);
        }
        let (usable, new) =
            if record == Some(RecordFact::Bad) { (0, 0) } else { self.listen(path, peer, told) };
        self.steps[step].result = StepResult::Answered { took_us, usable, new, record };
        if let Some(RecordFact::Verified { sequence, id }) = record {
            let kept = self.records.entry(path).or_insert((sequence, id));
            *kept = (*kept).max((sequence, id));
        }
        if self.goal == Goal::Peer(*peer) || self.agree() {
            self.end(now, Ended::Found);
        }
    }

    /// Takes from a reply what can be used; how much that was, and how much was new.
    fn listen(&mut self, path: u8, teller: &PeerId, told: &[Contact]) -> (u32, u32) {
        let (mut usable, mut new) = (0, 0);
        for contact in told.iter().take(DHT_REPLY_READ_MAX) {
            let kept = contact.kept(self.options.scope);
            if kept.addresses.is_empty() || kept.peer == *teller || kept.peer == self.own {
                continue;
            }
            usable += 1;
            new += u32::from(self.hear(usize::from(path), kept, Some(*teller)));
            if usable as usize == DHT_REPLY_CONTACTS_MAX {
                break;
            }
        }
        (usable, new)
    }

    /// A peer gave no answer.
    pub fn failed(&mut self, now: Time, peer: &PeerId, why: Why) {
        let Some((step, was_late)) = self.people.failed(peer) else { return };
        if self.outcome.is_some() {
            return;
        }
        let took_us = now.since(self.steps[step].at);
        let is_own = self.steps[step].told_by.is_none();
        self.steps[step].result = StepResult::Failed { took_us, why };
        let kind = match why {
            // Who told us of it may have told us wrong addresses: no fault of its own.
            Why::Unreachable => is_own.then_some(Kind::Timeout),
            Why::Silent => Some(Kind::Timeout),
            Why::Refused => None,
            Why::Invalid => Some(Kind::Invalid),
        };
        self.observed.extend(kind.map(|kind| Observed { peer: *peer, kind }));
        if !was_late {
            self.blame_teller(peer);
        }
    }

    fn blame_teller(&mut self, peer: &PeerId) {
        if let Some(teller) = self.people.get(peer).and_then(|known| known.told_by) {
            self.people.blame(&teller);
        }
    }

    /// The newest record, and how many paths brought it.
    fn newest(&self) -> Option<(u64, u64, usize)> {
        let &(sequence, id) = self.records.values().max()?;
        let paths = self.records.values().filter(|&&(other, _)| other == sequence).count();
        Some((sequence, id, paths))
    }

    fn agree(&self) -> bool {
        let needed = AGREEMENT.min(self.paths.len());
        self.goal.wants_record() && self.newest().is_some_and(|(_, _, paths)| paths >= needed)
    }

    fn end(&mut self, now: Time, ended: Ended) {
        let found = self.found();
        let ended = if found.is_some() { Ended::Found } else { ended };
        let doubted = self.people.doubted();
        self.observed.extend(doubted.map(|peer| Observed { peer, kind: Kind::Timeout }));
        let (answered, failed) = self.people.counts();
        self.outcome = Some(Outcome {
            found,
            closest: self.people.closest(self.region_bits.unwrap_or(KEY_BITS)),
            ended,
            asked: self.steps.len(),
            answered,
            failed,
            took_us: now.since(self.began),
        });
    }

    fn found(&self) -> Option<Found> {
        if let Goal::Peer(peer) = self.goal
            && let Some(known) = self.people.get(&peer)
            && known.answered
        {
            return Some(Found::Peer(known.contact.clone()));
        }
        let (sequence, id, paths) = self.newest().filter(|_| self.goal.wants_record())?;
        Some(Found::Record { sequence, id, paths })
    }

    /// What came of it, once it is over.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The way it took so far: every question, in the order in which they were asked.
    pub fn trace(&self) -> &[Step] {
        &self.steps
    }

    /// What peers were seen to do since this was called last.
    pub fn observed(&mut self) -> Vec<Observed> {
        std::mem::take(&mut self.observed)
    }
}
