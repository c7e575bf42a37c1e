//! A slot off the loop, with policies that answer what they are told to.

use pointsman_core::policy::Probation;
use pointsman_sdk::anomaly::{Finding, Metric, Remedy, Series, Severity};

use super::*;

/// Answers with this score, or fails.
#[derive(Debug)]
struct Fixed(Result<i32, Strike>);

impl Reputation for Fixed {
    fn fold(&mut self, _: &ReputationQuestion) -> Result<Standing, Strike> {
        self.0.map(|score| Standing { score, ..Standing::default() })
    }
}

/// Finds something in each series that it is shown, and in one that it is not.
#[derive(Debug)]
struct Liar;

impl Anomaly for Liar {
    fn inspect(&mut self, question: &AnomalyQuestion) -> Result<Vec<Finding>, Strike> {
        let subjects = question.window.iter().map(|series| series.subject).chain([99]);
        let finding = |subject| Finding {
            rule: 1,
            severity: Severity::Warn,
            metric: Metric::SrttUs as u32,
            subject,
            evidence: 1,
            remedy: Remedy::None,
        };
        Ok(subjects.map(finding).collect())
    }
}

struct Trial {
    slot: Slot<dyn Reputation>,
    now: Instant,
    told: Vec<Event>,
}

const PROBATION: Probation = Probation {
    us: 1_000_000,
    mean_cost_ns_max: u32::MAX,
    loop_permille: 0,
    slower_permille: 1_500,
};

impl Trial {
    /// The builtin answers with 1.
    fn new() -> Self {
        let builtin: Box<dyn Reputation> = Box::new(Fixed(Ok(1)));
        let slot = Slot::new(Role::Reputation, Some(builtin));
        Self { slot, now: Instant::now(), told: Vec::new() }
    }

    fn swap(&mut self, answer: Result<i32, Strike>, generation: u64, on: Option<Probation>) {
        let module: Box<dyn Reputation> = Box::new(Fixed(answer));
        let swap = Swap { module: Some(module), generation, probation: on };
        self.slot.swap(self.now, swap, &mut self.told);
    }

    /// Generation 1 proven, and generation 2, which answers so, on probation.
    fn on_probation(answer: Result<i32, Strike>, terms: Probation) -> Self {
        let mut trial = Self::new();
        trial.swap(Ok(10), 1, None);
        trial.swap(answer, 2, Some(terms));
        trial
    }

    fn ask(&mut self) -> Option<i32> {
        let answer = self.slot.ask(&ReputationQuestion::default(), &mut self.told);
        answer.map(|(standing, _)| standing.score)
    }

    fn later(&mut self, us: u64) {
        self.now += Duration::from_micros(us);
        self.slot.check(self.now, &mut self.told);
    }

    fn rolled_back(&self) -> Option<(u64, u64, Misconduct)> {
        self.told.iter().find_map(|event| {
            if let Event::RolledBack { generation, to, because, .. } = event {
                Some((*generation, *to, *because))
            } else {
                None
            }
        })
    }

    fn proven(&self) -> Option<u64> {
        self.told.iter().find_map(|event| {
            if let Event::Proven { generation, .. } = event { Some(*generation) } else { None }
        })
    }
}

#[test]
fn a_policy_that_fails_is_struck_and_the_builtin_answers_the_same_question() {
    for strike in [Strike::Trapped, Strike::TimedOut, Strike::Unavailable] {
        let mut trial = Trial::new();
        trial.swap(Err(strike), 1, None);
        assert_eq!(trial.ask(), Some(1));
        let seen = trial.slot.snapshot();
        assert_eq!((seen.strikes, seen.answered_by_builtin), (1, 1));
        assert_eq!(seen.last_strike, Some(strike));
        let struck = Event::Struck { role: Role::Reputation, strike, strikes: 1 };
        assert!(trial.told.contains(&struck), "{:?}", trial.told);
    }
}

#[test]
fn a_standing_out_of_range_counts_as_no_answer() {
    let mut trial = Trial::new();
    trial.swap(Ok(1_001), 1, None);
    assert_eq!(trial.ask(), Some(1));
    assert_eq!(trial.slot.snapshot().last_strike, Some(Strike::Invalid));
}

#[test]
fn a_finding_about_what_was_not_shown_counts_as_no_answer() {
    let mut slot: Slot<dyn Anomaly> = Slot::new(Role::Anomaly, None);
    let module: Box<dyn Anomaly> = Box::new(Liar);
    let mut told = Vec::new();
    slot.swap(Instant::now(), Swap::settled(module, 1), &mut told);
    let metric = Metric::SrttUs as u32;
    let series = Series { metric, subject: 5, step_ms: 1_000, samples: vec![1] };
    let question = AnomalyQuestion { now_ms: 1, window: vec![series] };
    assert_eq!(slot.ask(&question, &mut told), None);
    assert_eq!(slot.snapshot().last_strike, Some(Strike::Invalid));
}

#[test]
fn without_a_policy_the_builtin_answers_and_without_that_nobody() {
    let mut trial = Trial::new();
    assert_eq!(trial.ask(), Some(1));
    let none: Slot<dyn Reputation> = Slot::new(Role::Reputation, None);
    trial.slot = none;
    assert_eq!(trial.ask(), None);
    trial.swap(Ok(7), 1, None);
    assert_eq!(trial.ask(), Some(7));
}

#[test]
fn a_failure_on_probation_brings_the_policy_before_back() {
    let mut trial = Trial::on_probation(Err(Strike::Trapped), PROBATION);
    assert!(trial.slot.snapshot().on_probation);
    assert_eq!(trial.ask(), Some(1), "the builtin answers this one");
    assert_eq!(trial.rolled_back(), Some((2, 1, Misconduct::Struck(Strike::Trapped))));
    assert_eq!(trial.ask(), Some(10));
    assert_eq!(trial.slot.snapshot().generation, 1);
}

#[test]
fn one_that_is_being_rebuilt_is_not_brought_down_by_it() {
    let mut trial = Trial::on_probation(Err(Strike::Unavailable), PROBATION);
    trial.ask();
    assert_eq!(trial.rolled_back(), None);
}

#[test]
fn a_policy_whose_questions_cost_too_much_is_rolled_back() {
    let mut trial = Trial::on_probation(Ok(20), Probation { mean_cost_ns_max: 0, ..PROBATION });
    for _ in 0..8 {
        assert_eq!(trial.rolled_back(), None);
        trial.ask();
    }
    let because = trial.rolled_back().map(|(_, _, because)| because);
    assert!(matches!(because, Some(Misconduct::Dear { bound_ns: 0, .. })), "{because:?}");
    assert_eq!(trial.ask(), Some(10));
}

#[test]
fn cost_is_judged_at_the_end_where_there_were_few_questions() {
    let mut trial = Trial::on_probation(Ok(20), Probation { mean_cost_ns_max: 0, ..PROBATION });
    for _ in 0..2 {
        trial.ask();
    }
    trial.later(1_000_000);
    assert_eq!((trial.rolled_back(), trial.proven(), trial.slot.due()), (None, None, None));
    trial.ask();
    trial.later(0);
    assert!(trial.rolled_back().is_some());
}

/// Answers, and is late at some of its questions: by so long, or so late that it is stopped.
#[derive(Debug)]
struct Late {
    at: &'static [u32],
    by: Result<Duration, Strike>,
    asked: u32,
}

impl Reputation for Late {
    fn fold(&mut self, _: &ReputationQuestion) -> Result<Standing, Strike> {
        self.asked += 1;
        if self.at.contains(&self.asked) {
            let until = Instant::now() + self.by?;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
        Ok(Standing { score: 20, ..Standing::default() })
    }
}

/// On the terms of a node whose config says nothing.
fn by_default(policy: Late) -> Trial {
    let config = pointsman_core::config::Config::default();
    let (us, mean_us) = (config.policy.probation_us, config.reputation.mean_us);
    let probation = Probation { us, mean_cost_ns_max: mean_us * 1_000, ..PROBATION };
    let mut trial = Trial::on_probation(Ok(20), PROBATION);
    let module: Option<Box<dyn Reputation>> = Some(Box::new(policy));
    let swap = Swap { module, generation: 3, probation: Some(probation) };
    trial.slot.swap(trial.now, swap, &mut trial.told);
    trial
}

#[test]
fn a_policy_that_loses_the_processor_in_one_answer_outlives_its_probation() {
    for answers in [2, 3, 30] {
        for at in [&[1], &[2]] {
            let by = Ok(Duration::from_millis(20));
            let mut trial = by_default(Late { at, by, asked: 0 });
            for _ in 0..answers {
                assert_eq!(trial.ask(), Some(20));
            }
            trial.later(10_000_000);
            assert_eq!((trial.rolled_back(), trial.proven()), (None, Some(3)), "{answers}");
        }
    }
}

#[test]
fn one_dear_answer_alone_is_no_proof_of_anything() {
    let by = Ok(Duration::from_millis(20));
    let mut trial = by_default(Late { at: &[1], by, asked: 0 });
    trial.ask();
    trial.later(10_000_000);
    assert_eq!((trial.rolled_back(), trial.proven()), (None, None));
    trial.ask();
    trial.later(0);
    assert_eq!(trial.proven(), Some(3));
}

#[test]
fn two_answers_that_are_too_late_are_forgiven_and_a_third_is_not() {
    let by = Err(Strike::TimedOut);
    let mut trial = by_default(Late { at: &[2, 4, 9], by, asked: 0 });
    let answers: Vec<_> = (1..=8).filter_map(|_| trial.ask()).collect();
    assert_eq!(answers, [20, 1, 20, 1, 20, 20, 20, 20], "the builtin stands in");
    assert_eq!(trial.rolled_back(), None);
    trial.ask();
    let because = Misconduct::Struck(Strike::TimedOut);
    assert_eq!(trial.rolled_back(), Some((3, 1, because)));
}

#[test]
fn a_policy_that_is_late_as_often_as_not_has_not_proven_itself() {
    let mut trial = by_default(Late { at: &[1], by: Err(Strike::TimedOut), asked: 0 });
    trial.ask();
    trial.ask();
    trial.later(10_000_000);
    assert_eq!((trial.rolled_back(), trial.proven()), (None, None));
    trial.ask();
    trial.later(0);
    assert_eq!(trial.proven(), Some(3));
}

#[test]
fn what_a_question_costs_is_told_of_the_one_that_is_live() {
    let mut trial = Trial::on_probation(Ok(20), PROBATION);
    for _ in 0..8 {
        assert_eq!(trial.slot.snapshot().mean_cost_ns, None);
        trial.ask();
    }
    assert!(trial.slot.snapshot().mean_cost_ns.is_some());
    trial.slot.roll_back(Misconduct::Ordered, &mut trial.told);
    assert_eq!(trial.slot.snapshot().mean_cost_ns, None);
}

#[test]
fn a_policy_that_answers_to_the_end_has_proven_itself() {
    let mut trial = Trial::on_probation(Ok(20), PROBATION);
    trial.ask();
    trial.later(999_999);
    assert_eq!(trial.proven(), None);
    trial.later(1);
    assert_eq!(trial.proven(), Some(2));
    trial.slot.roll_back(Misconduct::Ordered, &mut trial.told);
    assert_eq!(trial.ask(), Some(20), "the one before was let go");
}

#[test]
fn a_policy_that_nobody_asked_has_proven_nothing() {
    let mut trial = Trial::on_probation(Ok(20), PROBATION);
    trial.later(5_000_000);
    assert_eq!((trial.proven(), trial.slot.due()), (None, None));
    trial.ask();
    assert!(trial.slot.due().is_some());
    trial.later(0);
    assert_eq!(trial.proven(), Some(2));
}

#[test]
fn an_operator_brings_back_the_last_one_that_was_proven() {
    let mut trial = Trial::on_probation(Ok(20), PROBATION);
    trial.swap(Ok(30), 3, Some(PROBATION));
    assert_eq!(trial.ask(), Some(30));
    trial.slot.roll_back(Misconduct::Ordered, &mut trial.told);
    assert_eq!(trial.rolled_back(), Some((3, 1, Misconduct::Ordered)));
    assert_eq!(trial.ask(), Some(10));
}
