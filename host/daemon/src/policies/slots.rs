//! What is in the slots, and every way in and out of them.
//!
//! Whoever holds the node's setup holds this, so there is one change at a time. A change is
//! prepared here off the loop ([`Slots::prepare`]), ordered to the loop by the caller, and
//! entered here once the loop has it ([`Slots::entered`]). What the loop does by itself, at the
//! end of a probation, is entered by [`Slots::proven`] and [`Slots::rolled_back`], which may come
//! late: by then something else may be live.
//!
//! A policy that a command put in stays until the next edit of its slot's keys in the config, or
//! a restart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pointsman_core::config::{Config, PolicyConfig, PolicyRules};
use pointsman_core::policy::{Policy, Probation, Question, Role, Swap};
use pointsman_sdk::Manifest;

use super::Policies;
use super::book::{Book, Live};
use super::candidate::{About, Candidate, Ready, Tools, Wish, distrust};
use super::history::{Cause, Entry, Turn};
use super::kept::Kept;
use super::quarantine::{Held, Mark};
use super::seat::{SeatError, Seated, Steps};
use super::source::module_text;
use super::tenancy::{Record, Seat};
use super::trust::{Admitted, Rules, Trust, TrustError};
use crate::aside::{self, AsideHandle, LearnerSeat};
use crate::shell::Placed;
use crate::shell::journal::unix_ms;
use crate::tasks::{in_background, off_loop};

/// The parts of a node that fill its slots.
#[derive(Debug)]
pub(crate) struct Slots {
    policies: Arc<Policies>,
    /// The state folder.
    folder: PathBuf,
    pub(crate) book: Arc<Book>,
    /// Asks those that are not in line, and has the others learn.
    aside: AsideHandle,
    kept: Kept,
    seats: BTreeMap<Role, Seat>,
}

/// What a wish came to.
#[derive(Debug)]
pub(crate) enum Found {
    /// The very same policy is live on the same terms.
    Same(Box<Candidate>),
    /// It stays out until its quarantine ends.
    Held(Held),
    /// It may take the slot.
    Ready(Box<Ready>),
}

/// A policy that is out of this room's hands, on its way into its slot.
#[derive(Debug)]
pub(crate) struct Leaving {
    policy: Policy,
    learner: Option<LearnerSeat>,
    generation: u64,
    pub(crate) probation: Option<Probation>,
    record: Record,
    steps: Steps,
}

impl Slots {
    /// Empty slots, and what earlier runs left in the state folder.
    pub(crate) fn open(policies: Arc<Policies>, aside: AsideHandle, folder: &Path) -> Self {
        Self {
            policies,
            folder: folder.to_owned(),
            book: Arc::new(Book::open(folder)),
            aside,
            kept: Kept::new(folder.join("policies")),
            seats: BTreeMap::new(),
        }
    }

    /// Reads, admits, builds and tries a candidate. Touches nothing but the history, where it
    /// is refused.
    pub(crate) async fn prepare(
        &self,
        wish: Wish,
        config: &Config,
        recorded: Vec<Question>,
    ) -> Result<Found, SeatError> {
        let told = wish.clone();
        match off_loop(move || Candidate::find(wish)).await {
            Ok(candidate) => self.prepare_found(candidate, config, recorded).await,
            Err(error) => {
                self.refused(&told, &error).await;
                Err(error)
            }
        }
    }

    /// The same with code that was read before.
    pub(crate) async fn prepare_found(
        &self,
        candidate: Candidate,
        config: &Config,
        recorded: Vec<Question>,
    ) -> Result<Found, SeatError> {
        let told = candidate.wish.clone();
        let result = self.go(candidate, config, recorded).await;
        if let Err(error) = &result {
            self.refused(&told, error).await;
        }
        result
    }

    async fn go(
        &self,
        candidate: Candidate,
        config: &Config,
        recorded: Vec<Question>,
    ) -> Result<Found, SeatError> {
        let role = candidate.wish.role;
        let trust = Trust::new(&Rules::of(config), &self.folder).map_err(|e| distrust(role, &e))?;
        let vouch = move || candidate.trusted(&trust).map(|candidate| (candidate, trust));
        let (candidate, trust) = off_loop(vouch).await?;
        if self.is_live(&candidate) {
            return Ok(Found::Same(Box::new(candidate)));
        }
        if !candidate.wish.force
            && let Some(held) = self.book.held(role, &candidate.mark)
        {
            return Ok(Found::Held(held));
        }
        let (policies, aside) = (Arc::clone(&self.policies), self.aside.clone());
        let build = move || {
            let learned = |manifest: &Manifest| {
                let learned = aside.learned(role).filter(|learned| learned.fits(manifest));
                learned.map(|learned| learned.state)
            };
            let tools = Tools {
                policies: &policies,
                trust: &trust,
                recorded: &recorded,
                learned: &learned,
            };
            candidate.build(&tools)
        };
        Ok(Found::Ready(Box::new(in_background(build).await?)))
    }

    /// Whether the very same code is live with the same settings and bounds.
    fn is_live(&self, candidate: &Candidate) -> bool {
        self.live(candidate.wish.role).is_some_and(|live| live.mark == candidate.mark)
    }

    /// Gives a policy its number and its probation: at the start, and without a policy to come
    /// back, there is none.
    pub(crate) fn leave(&self, ready: Ready, rules: &PolicyRules) -> Leaving {
        let Ready { candidate, policy, about } = ready;
        let Candidate { wish, code, mark, steps } = candidate;
        let About { seated, learner, admitted } = about;
        let role = wish.role;
        let generation = self.next_generation(role);
        let us = rules.probation_us;
        let mean_cost_ns_max = wish.config.mean_us.saturating_mul(1000);
        let watched = us > 0 && self.seats.contains_key(&role);
        let probation = watched.then_some(Probation {
            us,
            mean_cost_ns_max,
            loop_permille: rules.loop_permille,
            slower_permille: rules.slower_permille,
        });
        let live = Live { generation, seated, from: wish.from, since_unix_ms: unix_ms() };
        let record = Record { live, wish, mark, code: Some(code), admitted, failed: false };
        Leaving { policy, learner, generation, probation, record, steps }
    }

    /// Hands a policy to whoever asks it off the loop, and beside one that is asked in line
    /// whatever learns for it. What is asked in line comes back, for the loop.
    pub(crate) fn send_off(&self, leaving: Leaving) -> (Option<Placed>, Record, Steps) {
        let Leaving { policy, learner, generation, probation, record, steps } = leaving;
        let role = policy.role();
        let placed = match policy {
            Policy::Selector(module) => {
                self.teach(role, generation, learner, probation.is_some());
                Some(Placed::Selector(Swap { module: Some(module), generation, probation }))
            }
            Policy::Failover(module) => {
                self.teach(role, generation, learner, probation.is_some());
                Some(Placed::Failover(Swap { module: Some(module), generation, probation }))
            }
            Policy::Reputation(module) => {
                let swap = Swap { module: Some(module), generation, probation };
                self.aside.seat(aside::Seat::Reputation(swap));
                None
            }
            Policy::Anomaly(module) => {
                let swap = Swap { module: Some(module), generation, probation };
                self.aside.seat(aside::Seat::Anomaly(swap));
                None
            }
        };
        (placed, record, steps)
    }

    fn teach(&self, role: Role, generation: u64, learner: Option<LearnerSeat>, on_probation: bool) {
        self.aside.seat(match learner {
            Some(learner) => {
                let seat = Box::new(LearnerSeat { generation, ..learner });
                aside::Seat::Learner { seat, on_probation }
            }
            None => aside::Seat::NoLearner { role, generation, on_probation },
        });
    }

    fn next_generation(&self, role: Role) -> u64 {
        let newest = self.seats.get(&role).map_or(0, Seat::newest);
        self.book.generation(role).max(newest) + 1
    }

    /// The loop has it: enters it.
    pub(crate) async fn entered(&mut self, record: Record, on_probation: bool, configured: &str) {
        let role = record.live.seated.role;
        let stands_in = record.wish.from == Cause::Start && record.wish.force;
        if record.wish.force {
            self.release(role, record.mark.clone()).await;
        }
        self.write(record.entry(Turn::Live, None)).await;
        if !on_probation && !stands_in {
            self.keep(role, record.clone()).await;
        }
        match self.seats.get_mut(&role) {
            Some(seat) => seat.enter(record, on_probation),
            None => {
                self.seats.insert(role, Seat::new(record, configured));
            }
        }
        self.show(role);
    }

    /// The very code that is live was read again: it may have another signature by now, which
    /// speaks for it from now on.
    pub(crate) async fn renewed(&mut self, candidate: Candidate) {
        let Candidate { wish, code, .. } = candidate;
        let role = wish.role;
        let Some(seat) = self.seats.get_mut(&role) else { return };
        if let Some(record) = seat.renew(code)
            && !seat.on_probation()
        {
            self.keep(role, record).await;
        }
    }

    /// What is live, if it may stay where a config demands other signatures.
    pub(crate) async fn still_trusted(
        &self,
        role: Role,
        config: &Config,
    ) -> Result<Option<Candidate>, SeatError> {
        let live = self.live(role).cloned();
        let Some(Record { live, wish, code: Some(code), .. }) = live else { return Ok(None) };
        let trust = Trust::new(&Rules::of(config), &self.folder).map_err(|e| distrust(role, &e))?;
        let candidate = Candidate::of(wish, code, Steps::default());
        let vouched = off_loop(move || candidate.trusted(&trust)).await;
        vouched.map(Some).map_err(|error| {
            let title = live.seated.title();
            let message = format!("{title} is live and would not be trusted: {}", error.message);
            SeatError { message, ..error }
        })
    }

    /// A policy outlived its probation.
    pub(crate) async fn proven(&mut self, role: Role, generation: u64) {
        let seat = self.seats.get_mut(&role);
        let Some(record) = seat.and_then(|seat| seat.prove(generation)) else { return };
        self.show(role);
        self.release(role, record.mark.clone()).await;
        self.write(record.entry(Turn::Proven, None)).await;
        self.keep(role, record).await;
    }

    /// A policy did not, and what was there before is back: because it failed, and then it is
    /// quarantined, or because an operator wanted the one before.
    pub(crate) async fn rolled_back(
        &mut self,
        role: Role,
        generation: u64,
        to: u64,
        why: &str,
        failed: bool,
    ) -> Option<RolledBack> {
        let seat = self.seats.get_mut(&role)?;
        let gone = seat.give_way(generation, to, failed)?;
        let back = seat.record(to).map(|record| record.live.clone());
        self.show(role);
        let held = if failed { Some(self.hold(role, gone.mark.clone(), why).await) } else { None };
        self.write(gone.entry(Turn::RolledBack, Some(why))).await;
        Some(RolledBack { gone: gone.live, back, held })
    }

    /// What is live.
    pub(crate) fn live(&self, role: Role) -> Option<&Record> {
        self.seats.get(&role)?.live()
    }

    /// What was live before, whether it is warm or not.
    pub(crate) fn before(&self, role: Role) -> Option<&Record> {
        self.seats.get(&role)?.earlier()
    }

    /// Whether the one before is warm.
    pub(crate) fn on_probation(&self, role: Role) -> bool {
        self.seats.get(&role).is_some_and(Seat::on_probation)
    }

    /// Whether a command put it in, so that the config does not count meanwhile.
    pub(crate) fn commanded(&self, role: Role) -> bool {
        self.seats.get(&role).is_some_and(|seat| seat.commanded)
    }

    /// Whether a policy was rolled back and has not proven itself since.
    pub(crate) fn doubts(&self, role: Role, mark: &Mark) -> bool {
        self.book.doubts(role, mark)
    }

    /// The policy that proved itself last.
    pub(crate) fn kept(&self, role: Role) -> Option<PolicyConfig> {
        self.kept.find(role)
    }

    /// The config names this from now on, and counts again.
    pub(crate) fn configured(&mut self, role: Role, config: &PolicyConfig) {
        if let Some(seat) = self.seats.get_mut(&role) {
            seat.configured = module_text(&config.module);
            seat.commanded = false;
        }
        self.show(role);
    }

    /// A candidate answers beside the live one, or does so no more.
    pub(crate) fn shadowed(&mut self, role: Role, shadow: Option<Seated>) {
        if let Some(seat) = self.seats.get_mut(&role) {
            seat.shadow = shadow;
        }
        self.show(role);
    }

    fn show(&self, role: Role) {
        if let Some(now) = self.seats.get(&role).and_then(Seat::now) {
            self.book.show(now);
        }
    }

    /// A policy proved itself, or needs no proof: its version forbids older ones, and it is what
    /// a later start may fall back to.
    async fn keep(&self, role: Role, record: Record) {
        let Record { wish, code: Some(code), admitted, .. } = record else { return };
        let (folder, kept) = (self.folder.clone(), self.kept.clone());
        let remember = move || admitted.map_or(Ok(()), |one| remember(&one, &folder));
        if let Err(error) = off_loop(remember).await {
            tracing::warn!(role = role.name(), %error, "an older version may come back one day");
        }
        if let Err(error) = off_loop(move || kept.keep(role, &wish.config, &code)).await {
            tracing::warn!(
                role = role.name(), %error,
                "the proven policy can't be copied to the state folder: no start can fall back to it"
            );
        }
    }

    async fn refused(&self, wish: &Wish, error: &SeatError) {
        self.write(Entry {
            at_unix_ms: unix_ms(),
            role: wish.role.name().to_owned(),
            outcome: Turn::Refused,
            generation: None,
            name: String::new(),
            version: String::new(),
            digest: None,
            module: module_text(&wish.config.module),
            from: wish.from,
            who: wish.who.clone(),
            why: Some(format!("{}: {}", error.step, error.message)),
        })
        .await;
    }

    async fn write(&self, entry: Entry) {
        let book = Arc::clone(&self.book);
        off_loop(move || book.add(entry)).await;
    }

    async fn hold(&self, role: Role, mark: Mark, why: &str) -> Duration {
        let (book, why) = (Arc::clone(&self.book), why.to_owned());
        off_loop(move || book.hold(role, &mark, &why)).await
    }

    async fn release(&self, role: Role, mark: Mark) {
        let book = Arc::clone(&self.book);
        off_loop(move || book.release(role, &mark)).await;
    }
}

/// What a rollback did.
#[derive(Clone, Debug)]
pub(crate) struct RolledBack {
    pub(crate) gone: Live,
    /// `None` where it is no longer known.
    pub(crate) back: Option<Live>,
    /// For how long the one that is gone stays out.
    pub(crate) held: Option<Duration>,
}

/// A version that has proven itself forbids older ones.
fn remember(admitted: &Admitted, folder: &Path) -> Result<(), TrustError> {
    Trust::new(&Rules::default(), folder)?.went_live(admitted)
}
