//! The slot: who answers, what is vetted, who comes back.

use pointsman_sdk::PathRow;
use pointsman_sdk::failover::{Event, Resend};

use super::*;
use crate::policy::question::empty_paths;
use crate::policy::{FailoverQuestion, Probation, SelectorQuestion};
use pointsman_sdk::failover::{Dialable, Verdict as FailoverVerdict};
use pointsman_sdk::path::flags;
use pointsman_sdk::selector::Verdict as SelectorVerdict;

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

fn by_module<V>(verdict: V) -> Answer<V> {
    Answer { verdict, strike: None, by: Answerer::Module }
}

fn by_builtin() -> Answer<SelectorVerdict> {
    Answer { verdict: builtin_answer(), strike: None, by: Answerer::Builtin }
}

fn instead_of(strike: Strike) -> Answer<SelectorVerdict> {
    let by = Answerer::InsteadOf(strike);
    Answer { verdict: builtin_answer(), strike: Some(strike), by }
}

#[test]
fn a_module_that_names_what_is_offered_is_obeyed() {
    let verdict = SelectorVerdict::duplicate(0b11).lease(3, 4).because(5);
    let (slot, answer) = ask(Ok(verdict.pack()));
    assert_eq!(answer, by_module(verdict));
    let seen = slot.snapshot();
    assert_eq!((seen.asked, seen.answered_by_builtin, seen.strikes), (1, 0, 0));
}

#[test]
fn a_failing_module_is_struck_and_the_builtin_answers_the_same_question() {
    let (slot, answer) = ask(Err(Strike::TimedOut));
    assert_eq!(answer, instead_of(Strike::TimedOut));
    let seen = slot.snapshot();
    assert_eq!((seen.strikes, seen.last_strike), (1, Some(Strike::TimedOut)));
    assert_eq!(seen.answered_by_builtin, 1);
}

#[test]
fn an_abstaining_module_is_not_struck() {
    let (slot, answer) = ask(Ok(SelectorVerdict::abstain().pack()));
    assert_eq!(answer, by_builtin());
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
        let wanted = instead_of(Strike::Invalid);
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
        assert_eq!(ask_failover(verdict), by_module(verdict));
    }
    let greedy = FailoverVerdict::Hedge { onto: 0b10, budget_bytes: 5_000, reason };
    let cut = FailoverVerdict::Hedge { onto: 0b10, budget_bytes: 1_000, reason };
    assert_eq!(ask_failover(greedy).verdict, cut);
}

/// A swap on probation for so many microseconds to a policy that sends on a path.
fn sends_on(path: usize, generation: u64, us: u64) -> Swap<dyn Selector> {
    let module = Box::new(Fixed(Ok(SelectorVerdict::send(path).pack())));
    let terms =
        Probation { us, mean_cost_ns_max: 250_000, loop_permille: 250, slower_permille: 1_500 };
    Swap { module: Some(module), generation, probation: Some(terms) }
}

#[test]
fn the_one_kept_warm_is_the_last_that_has_proven_itself_whatever_comes_meanwhile() {
    let mut slot = SelectorSlot::default();
    slot.install(Time(0), Swap { probation: None, ..sends_on(0, 1, 0) });
    for generation in 2..1_000 {
        slot.install(Time(generation), sends_on(1, generation, 10_000));
        assert_eq!(slot.prove(Time(generation + 9_999), None), None);
        assert_eq!(slot.ask(&question()).verdict, SelectorVerdict::send(1));
        assert_eq!(slot.ask_warm(&question()), Some(SelectorVerdict::send(0)));
    }
    assert_eq!(slot.roll_back(), Some((999, 1)));
    assert_eq!(slot.ask(&question()).verdict, SelectorVerdict::send(0));
    assert_eq!(slot.roll_back(), None);
}

#[test]
fn what_has_proven_itself_is_what_is_kept_warm_next() {
    let mut slot = SelectorSlot::default();
    slot.install(Time(0), sends_on(0, 1, 10));
    assert_eq!(slot.prove(Time(10), None), Some(1));
    assert_eq!(slot.roll_back(), None);
    slot.install(Time(20), sends_on(1, 2, 10));
    assert_eq!(slot.roll_back(), Some((2, 1)));
}

#[test]
fn a_module_that_learned_comes_back_to_its_own_generation_only() {
    let fresh = |path| Box::new(Fixed(Ok(SelectorVerdict::send(path).pack())));
    let mut slot = SelectorSlot::default();
    slot.install(Time(0), Swap { probation: None, ..sends_on(0, 1, 0) });
    slot.install(Time(1), sends_on(0, 2, 1_000));
    slot.learned(fresh(1), 1);
    slot.learned(fresh(1), 7);
    assert_eq!(slot.ask(&question()).verdict, SelectorVerdict::send(0));
    assert_eq!(slot.ask_warm(&question()), Some(SelectorVerdict::send(1)));
    slot.learned(fresh(1), 2);
    assert_eq!(slot.ask(&question()).verdict, SelectorVerdict::send(1));
    assert!(slot.snapshot().on_probation);
}

/// What comes of questions that cost so much each, for ten seconds.
fn costs(each_ns: u32, a_second: u64, terms: Probation) -> Option<(u64, Misconduct)> {
    let before = Tenant::<dyn Failover> { module: None, generation: 1 };
    let mut trial = Trial::new(Time(0), Time(0), terms, before);
    for tenth in 1..=100 {
        (0..a_second / 10).for_each(|_| trial.count(None));
        let now = Time(tenth * 100_000);
        if let Some(because) = trial.verdict_on_cost(now, each_ns) {
            return Some((now.0, because));
        }
    }
    None
}

#[test]
fn questions_may_take_so_much_of_each_second_and_no_more() {
    let terms = Probation {
        us: 10_000_000,
        mean_cost_ns_max: u32::MAX,
        loop_permille: 100,
        slower_permille: 0,
    };
    assert_eq!(costs(100_000, 1_000, terms), None);
    let dearer = Some((1_000_000, Misconduct::Greedy { permille: 101, bound_permille: 100 }));
    assert_eq!(costs(101_000, 1_000, terms), dearer);
    let oftener = Some((600_000, Misconduct::Greedy { permille: 120, bound_permille: 100 }));
    assert_eq!(costs(100_000, 2_000, terms), oftener);
    assert_eq!(costs(100_000, 2_000, Probation { loop_permille: 0, ..terms }), None);
}
