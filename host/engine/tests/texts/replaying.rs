//! Recorded decisions through a candidate.

use pointsman_core::policy::{
    Decision, Failover, FailoverQuestion, Policy, Question, Role, Selector, SelectorQuestion,
    Strike,
};
use pointsman_engine::record::{Record, line, parse};
use pointsman_engine::replay::{Difference, EXAMPLES_MAX, replay};
use pointsman_sdk::failover;
use pointsman_sdk::selector::Verdict;

use crate::samples::{answered, failover_question, native, paths, selector_question};

/// Answers every question with this.
#[derive(Clone, Debug)]
struct Always<V>(Result<V, Strike>);

impl Selector for Always<Verdict> {
    fn choose(&mut self, _: &SelectorQuestion) -> Result<u64, Strike> {
        self.0.map(Verdict::pack)
    }
}

impl Failover for Always<failover::Verdict> {
    fn decide(&mut self, _: &FailoverQuestion) -> Result<failover::Verdict, Strike> {
        self.0
    }
}

fn selector(answer: Result<Verdict, Strike>) -> Policy {
    Policy::Selector(Box::new(Always(answer)))
}

/// What fastest-first and standby answered to many questions, written and read again.
fn recorded() -> Vec<Record> {
    let choices = (1..=60_u32).map(|number| {
        let mut question = selector_question(1_000 * number);
        question.paths = paths(&[20, 80 - number, 15 + number % 7]);
        answered(number.into(), Question::Selector(question))
    });
    let moves = (100..110).map(|number| answered(number, Question::Failover(failover_question())));
    let decisions = choices.chain(moves).map(|decision| Record::Decision(Box::new(decision)));
    decisions.map(|record| parse(&line(&record)).unwrap()).collect()
}

#[test]
fn what_a_policy_answered_it_answers_again() {
    let seen = replay(&mut native(Role::Selector), recorded());
    assert_eq!((seen.questions, seen.equal, seen.skipped), (60, 60, 10));
    assert_eq!((seen.different, seen.strikes(), seen.differ_permille()), (0, 0, 0));
    assert!(seen.differences.is_empty() && seen.examples.is_empty());
    assert!(seen.cost.p50_ns <= seen.cost.p99_ns && seen.cost.p99_ns <= seen.cost.max_ns);
    let seen = replay(&mut native(Role::Failover), recorded());
    assert_eq!((seen.questions, seen.equal, seen.skipped), (10, 10, 60));
}

#[test]
fn a_candidate_that_differs_is_told_how_and_how_often_with_examples() {
    let seen = replay(&mut selector(Ok(Verdict::send(1).because(9))), recorded());
    assert_eq!(seen.questions, 60);
    assert_eq!(seen.differ_permille(), (seen.different * 1000).div_ceil(60) as u32);
    assert!(seen.different > 0 && seen.equal == 0);
    assert_eq!(seen.differences[&Difference::Reason], 60);
    assert!(seen.differences[&Difference::Lease] > 0);
    assert!(!seen.differences.contains_key(&Difference::Hold));
    assert_eq!(seen.examples.len(), EXAMPLES_MAX);
    let example = &seen.examples[0];
    assert_eq!(example.number, 1);
    assert!(example.was.starts_with("{ mode = \"send\", paths = [2]"), "{}", example.was);
    assert!(example.would.starts_with("{ mode = \"send\", paths = [1]"), "{}", example.would);
    assert!(example.question.contains("\"head_bytes\":1000"), "{}", example.question);
}

#[test]
fn another_reason_alone_decides_nothing_otherwise() {
    let Record::Decision(first) = recorded().swap_remove(0) else { panic!("a decision") };
    let Decision { verdict: pointsman_core::policy::Verdict::Selector(verdict), .. } = *first
    else {
        panic!("a selector's")
    };
    let other = verdict.because(verdict.reason + 1);
    let seen = replay(&mut selector(Ok(other)), [recorded().swap_remove(0)]);
    assert_eq!((seen.questions, seen.equal, seen.different), (1, 0, 0));
    assert_eq!(seen.differences.into_iter().collect::<Vec<_>>(), [(Difference::Reason, 1)]);
}

#[test]
fn where_a_candidate_abstains_or_fails_its_builtin_answers_and_both_are_counted() {
    let seen = replay(&mut selector(Ok(Verdict::abstain())), recorded());
    assert_eq!((seen.equal, seen.abstained, seen.strikes()), (60, 60, 0));
    let seen = replay(&mut selector(Err(Strike::Trapped)), recorded());
    assert_eq!((seen.equal, seen.abstained), (60, 0));
    assert_eq!(seen.strikes[&Strike::Trapped], 60);
    assert_eq!(seen.examples[0].strike, Some(Strike::Trapped));
    let absurd = replay(&mut selector(Ok(Verdict::send(9))), recorded());
    assert_eq!(absurd.strikes[&Strike::Invalid], 60);
}

#[test]
fn a_failover_policy_differs_in_what_it_does() {
    let probe = failover::Verdict::Probe { paths: 1, reason: 0 };
    let mut policy = Policy::Failover(Box::new(Always(Ok(probe))));
    let seen = replay(&mut policy, recorded());
    assert_eq!((seen.questions, seen.different), (10, 10));
    assert_eq!(seen.differences[&Difference::Mode], 10);
}
