//! A slot: the live module of a role, and the builtin that answers whenever it does not.
//!
//! A slot lives as long as the Node; modules come and go in it between two questions. It
//! never lets a verdict out that was not vetted, and never leaves a question unanswered: what
//! the module does not answer, the builtin does, in the same call.

use pointsman_sdk::failover::{Dialable, Verdict as FailoverVerdict};
use pointsman_sdk::path::flags;
use pointsman_sdk::selector::{Mode, Verdict as SelectorVerdict};
use pointsman_sdk::{Path, Paths};

use super::{Failover, FailoverQuestion, Selector, SelectorQuestion, Strike, builtin};
use crate::snapshot::SlotSnapshot;

/// How long a packet is held when not even the builtin has an answer, in microseconds: long
/// enough not to spin, short enough not to be felt.
const HOLD_US: u32 = 10_000;

/// A vetted answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<V> {
    /// The verdict: only what the question offered.
    pub verdict: V,
    /// Why the builtin answered in the module's stead; `None` when the module answered, when
    /// there is none, or when it abstained.
    pub strike: Option<Strike>,
}

/// The selector's slot.
#[derive(Debug)]
pub struct SelectorSlot {
    module: Option<Box<dyn Selector>>,
    builtin: Box<dyn Selector>,
    count: Count,
}

impl Default for SelectorSlot {
    fn default() -> Self {
        Self::new(builtin::default_selector())
    }
}

impl SelectorSlot {
    /// Without a module, and with this builtin.
    pub fn new(builtin: Box<dyn Selector>) -> Self {
        Self { module: None, builtin, count: Count::default() }
    }

    /// Puts a module in, or takes it out; gives back the one before.
    pub fn swap(&mut self, module: Option<Box<dyn Selector>>) -> Option<Box<dyn Selector>> {
        core::mem::replace(&mut self.module, module)
    }

    /// Has another native policy answer where the module does not; gives back the one before.
    pub fn swap_builtin(&mut self, builtin: Box<dyn Selector>) -> Box<dyn Selector> {
        core::mem::replace(&mut self.builtin, builtin)
    }

    /// Asks the module; the builtin answers the same question where it fails or abstains, and
    /// where that has no answer either the packet is held for 10 ms.
    pub fn ask(&mut self, question: &SelectorQuestion) -> Answer<SelectorVerdict> {
        let vetted =
            |policy: &mut Box<dyn Selector>| policy.choose(question).and_then(|v| vet(question, v));
        let first = self.module.as_mut().map(vetted);
        self.count.outcome(first, || {
            let second = vetted(&mut self.builtin).ok().flatten();
            second.unwrap_or(SelectorVerdict::hold(HOLD_US))
        })
    }

    /// What it counted.
    pub fn snapshot(&self) -> SlotSnapshot {
        self.count.snapshot(self.module.is_some())
    }
}

/// The failover policy's slot.
#[derive(Debug)]
pub struct FailoverSlot {
    module: Option<Box<dyn Failover>>,
    builtin: Box<dyn Failover>,
    count: Count,
}

impl Default for FailoverSlot {
    fn default() -> Self {
        Self::new(builtin::default_failover())
    }
}

impl FailoverSlot {
    /// Without a module, and with this builtin.
    pub fn new(builtin: Box<dyn Failover>) -> Self {
        Self { module: None, builtin, count: Count::default() }
    }

    /// Puts a module in, or takes it out; gives back the one before.
    pub fn swap(&mut self, module: Option<Box<dyn Failover>>) -> Option<Box<dyn Failover>> {
        core::mem::replace(&mut self.module, module)
    }

    /// Has another native policy answer where the module does not; gives back the one before.
    pub fn swap_builtin(&mut self, builtin: Box<dyn Failover>) -> Box<dyn Failover> {
        core::mem::replace(&mut self.builtin, builtin)
    }

    /// Asks the module; the builtin answers the same question where it fails or abstains, and
    /// where that has no answer either everything stays as it is.
    pub fn ask(&mut self, question: &FailoverQuestion) -> Answer<FailoverVerdict> {
        let vetted = |policy: &mut Box<dyn Failover>| {
            policy.decide(question).and_then(|v| vet_failover(question, v))
        };
        let first = self.module.as_mut().map(vetted);
        self.count.outcome(first, || {
            let second = vetted(&mut self.builtin).ok().flatten();
            second.unwrap_or(FailoverVerdict::Stay { reason: 0 })
        })
    }

    /// What it counted.
    pub fn snapshot(&self) -> SlotSnapshot {
        self.count.snapshot(self.module.is_some())
    }
}

#[derive(Debug, Default)]
struct Count {
    asked: u64,
    answered_by_builtin: u64,
    strikes: u64,
    last_strike: Option<Strike>,
}

impl Count {
    /// Counts what the module did, if there is one, and asks the builtin where that is no
    /// verdict.
    fn outcome<V>(
        &mut self,
        module: Option<Result<Option<V>, Strike>>,
        builtin: impl FnOnce() -> V,
    ) -> Answer<V> {
        self.asked += 1;
        let strike = match module {
            None => None,
            Some(Ok(Some(verdict))) => return Answer { verdict, strike: None },
            Some(Ok(None)) => {
                self.answered_by_builtin += 1;
                None
            }
            Some(Err(strike)) => {
                self.answered_by_builtin += 1;
                self.strikes += 1;
                self.last_strike = Some(strike);
                Some(strike)
            }
        };
        Answer { verdict: builtin(), strike }
    }

    fn snapshot(&self, has_module: bool) -> SlotSnapshot {
        SlotSnapshot {
            has_module,
            asked: self.asked,
            answered_by_builtin: self.answered_by_builtin,
            strikes: self.strikes,
            last_strike: self.last_strike,
            generation: 0,
            on_probation: false,
        }
    }
}

/// The verdict if it names only what was offered; `None` where it abstains.
pub(super) fn vet(
    question: &SelectorQuestion,
    bits: u64,
) -> Result<Option<SelectorVerdict>, Strike> {
    let verdict = SelectorVerdict::unpack(bits).map_err(|_| Strike::Invalid)?;
    let usable = |path: Path<'_>| path.flags() & (flags::UP | flags::MASKED) == flags::UP;
    match verdict.mode {
        Mode::Abstain => Ok(None),
        Mode::Send | Mode::Stripe | Mode::Duplicate => {
            let offered = is_offered(Paths::new(&question.paths), verdict.paths, usable);
            if offered { Ok(Some(verdict)) } else { Err(Strike::Invalid) }
        }
        Mode::Hold | Mode::Store | Mode::Expire => {
            Ok(Some(SelectorVerdict { paths: 0, ..verdict }))
        }
    }
}

/// The verdict if it names only what was offered, a hedge cut to its budget; `None` where it
/// abstains.
pub(super) fn vet_failover(
    question: &FailoverQuestion,
    verdict: FailoverVerdict,
) -> Result<Option<FailoverVerdict>, Strike> {
    use FailoverVerdict::{Abstain, Close, Dial, Hedge, Move, Probe, Stay, Store};
    let paths = Paths::new(&question.paths);
    let is_fine = match verdict {
        Abstain => return Ok(None),
        Stay { .. } | Store => true,
        Hedge { onto, .. } | Move { onto, .. } => is_offered(paths, onto, |path| path.is_up()),
        Probe { paths: set, .. } => is_offered(paths, set, |_| true),
        Dial(id) => Dialable::read(&question.dialables).any(|dial| dial.id == id),
        Close(position) => paths.at(position as usize).is_some(),
    };
    let vetted = if let Hedge { onto, budget_bytes, reason } = verdict {
        let budget_bytes = budget_bytes.min(question.hedge_budget_bytes);
        Hedge { onto, budget_bytes, reason }
    } else {
        verdict
    };
    is_fine.then_some(Some(vetted)).ok_or(Strike::Invalid)
}

/// Whether a set names at least one path, and none that is not there or not usable.
fn is_offered(paths: Paths<'_>, set: u16, usable: impl Fn(Path<'_>) -> bool) -> bool {
    let named = |position: &usize| set >> position & 1 == 1;
    set != 0 && (0..16).filter(named).all(|position| paths.at(position).is_some_and(&usable))
}

#[cfg(test)]
mod tests {
    use pointsman_sdk::PathRow;
    use pointsman_sdk::failover::{Event, Resend};

    use super::*;
    use crate::policy::question::empty_paths;

    /// Answers what it is told to.
    #[derive(Debug)]
    struct Fixed<A>(A);

    impl Selector for Fixed<Result<u64, Strike>> {
        fn choose(&mut self, _: &SelectorQuestion) -> Result<u64, Strike> {
            self.0
        }
    }

    impl Failover for Fixed<Result<FailoverVerdict, Strike>> {
        fn decide(&mut self, _: &FailoverQuestion) -> Result<FailoverVerdict, Strike> {
            self.0
        }
    }

    /// Paths 0 and 1 are up, 2 is masked, 3 is down.
    fn paths() -> Vec<u32> {
        let mut list = empty_paths();
        for flags in [flags::UP, flags::UP, flags::UP | flags::MASKED, 0] {
            PathRow { flags, srtt_us: 9_000, ..PathRow::default() }.write(&mut list);
        }
        list
    }

    fn question() -> SelectorQuestion {
        SelectorQuestion { head_bytes: 100, paths: paths(), ..SelectorQuestion::default() }
    }

    fn failover_question() -> FailoverQuestion {
        let mut dialables = vec![Dialable::STRIDE as u32];
        Dialable { id: 9, transport: 3, uplink: 1, setup_ms: 1, success_ppm: 1, price_per_mib: 0 }
            .write(&mut dialables);
        FailoverQuestion {
            now_us: 0,
            seed: 0,
            peer: 0,
            event: Event::Suspect,
            at: 0,
            oldest_unacked_us: 0,
            unacked_bytes: [0; 3],
            misses: 0,
            others_progressed: 0,
            loop_lag_us: 0,
            moves_last_60s: 0,
            since_move_ms: 0,
            deadline_min_us: 0,
            hedge_budget_bytes: 1_000,
            store_left_kib: 0,
            paths: paths(),
            dialables,
        }
    }

    fn ask(answer: Result<u64, Strike>) -> (SelectorSlot, Answer<SelectorVerdict>) {
        let mut slot = SelectorSlot::default();
        slot.swap(Some(Box::new(Fixed(answer))));
        let answer = slot.ask(&question());
        (slot, answer)
    }

    fn ask_failover(verdict: FailoverVerdict) -> Answer<FailoverVerdict> {
        let mut slot = FailoverSlot::default();
        slot.swap(Some(Box::new(Fixed(Ok(verdict)))));
        slot.ask(&failover_question())
    }

    fn builtin_answer() -> SelectorVerdict {
        SelectorSlot::default().ask(&question()).verdict
    }

    #[test]
    fn a_module_that_names_what_is_offered_is_obeyed() {
        let verdict = SelectorVerdict::duplicate(0b11).lease(3, 4).because(5);
        let (slot, answer) = ask(Ok(verdict.pack()));
        assert_eq!(answer, Answer { verdict, strike: None });
        let seen = slot.snapshot();
        assert_eq!((seen.asked, seen.answered_by_builtin, seen.strikes), (1, 0, 0));
    }

    #[test]
    fn a_failing_module_is_struck_and_the_builtin_answers_the_same_question() {
        let (slot, answer) = ask(Err(Strike::TimedOut));
        assert_eq!(answer, Answer { verdict: builtin_answer(), strike: Some(Strike::TimedOut) });
        let seen = slot.snapshot();
        assert_eq!((seen.strikes, seen.last_strike), (1, Some(Strike::TimedOut)));
        assert_eq!(seen.answered_by_builtin, 1);
    }

    #[test]
    fn an_abstaining_module_is_not_struck() {
        let (slot, answer) = ask(Ok(SelectorVerdict::abstain().pack()));
        assert_eq!(answer, Answer { verdict: builtin_answer(), strike: None });
        assert_eq!((slot.snapshot().strikes, slot.snapshot().answered_by_builtin), (0, 1));
    }

    #[test]
    fn a_selector_may_name_nothing_but_paths_that_are_up_and_in_use() {
        let absurd = [
            u64::MAX,
            7,
            SelectorVerdict::stripe(0).pack(),
            SelectorVerdict::send(2).pack(),
            SelectorVerdict::send(3).pack(),
            SelectorVerdict::send(4).pack(),
            SelectorVerdict::stripe(0b101).pack(),
        ];
        for bits in absurd {
            let answer = ask(Ok(bits)).1;
            let wanted = Answer { verdict: builtin_answer(), strike: Some(Strike::Invalid) };
            assert_eq!(answer, wanted, "{bits:#x}");
        }
    }

    #[test]
    fn without_any_answer_a_packet_is_held_and_traffic_stays() {
        let mut slot = SelectorSlot::new(Box::new(Fixed(Err(Strike::Trapped))));
        assert_eq!(slot.ask(&question()).verdict, SelectorVerdict::hold(10_000));
        let mut slot = FailoverSlot::new(Box::new(Fixed(Ok(FailoverVerdict::Abstain))));
        assert_eq!(slot.ask(&failover_question()).verdict, FailoverVerdict::Stay { reason: 0 });
    }

    #[test]
    fn a_failover_policy_may_name_nothing_that_was_not_offered() {
        let (resend, reason) = (Resend::None, 1);
        let absurd = [
            FailoverVerdict::Move { onto: 0, resend, reason },
            FailoverVerdict::Move { onto: 0b1000, resend, reason },
            FailoverVerdict::Move { onto: 0b1_0000, resend, reason },
            FailoverVerdict::Hedge { onto: u16::MAX, budget_bytes: 1, reason },
            FailoverVerdict::Probe { paths: 0b1_0000, reason },
            FailoverVerdict::Dial(8),
            FailoverVerdict::Close(4),
        ];
        for verdict in absurd {
            assert_eq!(ask_failover(verdict).strike, Some(Strike::Invalid), "{verdict:?}");
        }
    }

    #[test]
    fn a_failover_policy_is_obeyed_within_the_offer_and_the_budget() {
        let (resend, reason) = (Resend::Urgent, 1);
        let fine = [
            FailoverVerdict::Move { onto: 0b110, resend, reason },
            FailoverVerdict::Probe { paths: 0b1000, reason },
            FailoverVerdict::Dial(9),
            FailoverVerdict::Close(3),
            FailoverVerdict::Store,
        ];
        for verdict in fine {
            assert_eq!(ask_failover(verdict), Answer { verdict, strike: None });
        }
        let greedy = FailoverVerdict::Hedge { onto: 0b10, budget_bytes: 5_000, reason };
        let cut = FailoverVerdict::Hedge { onto: 0b10, budget_bytes: 1_000, reason };
        assert_eq!(ask_failover(greedy).verdict, cut);
    }
}
