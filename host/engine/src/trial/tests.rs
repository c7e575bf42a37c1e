//! Native policies of every kind of fault on trial.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pointsman_core::policy::{
    Anomaly, AnomalyQuestion, Failover, FailoverQuestion, Reputation, ReputationQuestion, Selector,
    SelectorQuestion, builtin,
};
use pointsman_sdk::Settings;
use pointsman_sdk::anomaly::{Finding, Remedy, Severity};
use pointsman_sdk::failover::{Resend, Verdict as Moved};
use pointsman_sdk::reputation::Standing;
use pointsman_sdk::selector::Verdict as Chosen;

use super::*;

type Make = Box<dyn FnMut(Option<&State>) -> Result<Policy, LoadError>>;
type Learn = fn(Option<State>, &[Outcome]) -> Result<Option<State>, Strike>;

/// A candidate made of functions.
struct Native {
    manifest: Manifest,
    role: Role,
    make: Make,
    learn: Learn,
}

impl Candidate for Native {
    fn role(&self) -> Role {
        self.role
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn fresh(&mut self, learned: Option<&State>) -> Result<Policy, LoadError> {
        (self.make)(learned)
    }

    fn learner(&mut self) -> Result<Learner, LoadError> {
        Ok(Box::new(self.learn))
    }
}

/// A policy of some role whose answers a function makes, which may keep a number.
struct Made<F>(u32, F);

impl<F> core::fmt::Debug for Made<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Made")
    }
}

impl<F: Fn(&mut u32, &SelectorQuestion) -> Result<Chosen, Strike> + Send> Selector for Made<F> {
    fn choose(&mut self, question: &SelectorQuestion) -> Result<u64, Strike> {
        self.1(&mut self.0, question).map(Chosen::pack)
    }
}

impl<F: Fn(&FailoverQuestion) -> Moved + Send> Failover for Made<F> {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<Moved, Strike> {
        Ok(self.1(question))
    }
}

impl<F: Fn(&ReputationQuestion) -> Standing + Send> Reputation for Made<F> {
    fn fold(&mut self, question: &ReputationQuestion) -> Result<Standing, Strike> {
        Ok(self.1(question))
    }
}

impl<F: Fn(&AnomalyQuestion) -> Vec<Finding> + Send> Anomaly for Made<F> {
    fn inspect(&mut self, question: &AnomalyQuestion) -> Result<Vec<Finding>, Strike> {
        Ok(self.1(question))
    }
}

fn native(role: Role, mut make: impl FnMut() -> Policy + 'static) -> Native {
    Native {
        manifest: Manifest::new("made", "1.0.0"),
        role,
        make: Box::new(move |_| Ok(make())),
        learn: |before, _| Ok(before),
    }
}

fn selector<F>(answer: F) -> Native
where
    F: Fn(&mut u32, &SelectorQuestion) -> Result<Chosen, Strike> + Copy + Send + 'static,
{
    native(Role::Selector, move || Policy::Selector(Box::new(Made(0, answer))))
}

/// Sends on the first path that may be named, else holds.
fn first_sound(question: &SelectorQuestion) -> Chosen {
    let mut paths = question.view().paths.iter();
    paths.position(|path| path.is_sound()).map_or(Chosen::hold(100), Chosen::send)
}

fn tried(mut candidate: Native) -> Result<Trial, TrialError> {
    run(&mut candidate, &[])
}

fn refused(candidate: Native) -> String {
    tried(candidate).expect_err("it must not pass").to_string()
}

#[test]
fn the_shipped_policies_pass_natively() {
    let fastest =
        || Policy::Selector(builtin::selector("fastest-first", &Settings::default()).unwrap());
    let passed = tried(native(Role::Selector, fastest)).expect("it is pure");
    assert!(passed.questions > 100 && passed.answers == 3 * passed.questions as u64);
    assert!(passed.worst_ns >= passed.mean_ns && passed.learned_bytes.is_none());
    let standby = || Policy::Failover(builtin::failover("standby", &Settings::default()).unwrap());
    let passed = tried(native(Role::Failover, standby)).expect("it is pure");
    assert!(passed.questions > 100, "{passed:?}");
}

#[test]
fn what_abstains_everywhere_passes_and_is_counted() {
    let passed = tried(selector(|_, _| Ok(Chosen::abstain()))).expect("it may abstain");
    assert_eq!(passed.abstained, passed.questions);
}

#[test]
fn a_counter_between_questions_shows_in_another_order() {
    let said = refused(selector(|count, question| {
        *count += 1;
        let verdict = first_sound(question);
        Ok(if *count > 300 { verdict.because(9) } else { verdict })
    }));
    assert!(said.contains("when it is asked again in another order"), "{said}");
    assert!(said.contains("it keeps something between questions"), "{said}");
}

#[test]
fn what_only_the_first_question_leaves_behind_shows_on_a_fresh_instance() {
    let said = refused(selector(|first, question| {
        if *first == 0 {
            *first = question.head_bytes.max(1);
        }
        Ok(first_sound(question).because(*first as u16))
    }));
    assert!(said.contains("when it is asked on a fresh instance"), "{said}");
}

#[test]
fn a_random_answer_is_told_with_the_question_and_both_answers() {
    let calls = Arc::new(AtomicU32::new(0));
    let said = refused(native(Role::Reputation, move || {
        let calls = Arc::clone(&calls);
        Policy::Reputation(Box::new(Made(0, move |_: &ReputationQuestion| Standing {
            a: calls.fetch_add(1, Ordering::Relaxed),
            ..Standing::default()
        })))
    }));
    assert!(said.starts_with("asked about "), "{said}");
    assert!(said.contains("it answers Standing {") && said.contains("and Standing {"), "{said}");
}

#[test]
fn a_path_that_was_not_offered_is_told_with_the_question_and_the_rule() {
    let said = refused(selector(|_, _| Ok(Chosen::send(0))));
    assert!(said.starts_with("asked about no paths, a packet that is realtime"), "{said}");
    assert!(said.contains("up and not masked"), "{said}");
    let moves = |_: &FailoverQuestion| Moved::Move { onto: 1, resend: Resend::None, reason: 0 };
    let said = refused(native(Role::Failover, move || Policy::Failover(Box::new(Made(0, moves)))));
    assert!(said.contains("move or hedge onto paths that are up"), "{said}");
}

#[test]
fn a_score_out_of_range_and_a_finding_about_nothing_are_refused() {
    let fold = |_: &ReputationQuestion| Standing { score: 1_001, ..Standing::default() };
    let said =
        refused(native(Role::Reputation, move || Policy::Reputation(Box::new(Made(0, fold)))));
    assert!(said.contains("a score goes from -1000 to 1000"), "{said}");
    let inspect = |question: &AnomalyQuestion| {
        let subject = question.window.first().map_or(0, |series| series.subject ^ 1);
        let (severity, remedy) = (Severity::Note, Remedy::None);
        vec![Finding { rule: 1, severity, metric: 0, subject, evidence: 0, remedy }]
    };
    let said = refused(native(Role::Anomaly, move || Policy::Anomaly(Box::new(Made(0, inspect)))));
    assert!(said.contains("of a metric and a subject that the question shows"), "{said}");
}

#[test]
fn a_trap_is_told_at_once_and_a_timeout_only_when_it_comes_again() {
    let said = refused(selector(|_, question| match question.standing {
        1_000 => Err(Strike::Trapped),
        _ => Ok(first_sound(question)),
    }));
    assert!(said.starts_with("asked about the best standing (asked in order), it fails"), "{said}");
    let busy = Arc::new(AtomicU32::new(0));
    let rarely = move || {
        let busy = Arc::clone(&busy);
        let answer = move |_: &mut u32, question: &SelectorQuestion| {
            let count = busy.fetch_add(1, Ordering::Relaxed);
            if count.is_multiple_of(7) { Err(Strike::TimedOut) } else { Ok(first_sound(question)) }
        };
        Policy::Selector(Box::new(Made(0, answer)))
    };
    let passed = tried(native(Role::Selector, rarely)).expect("the machine was busy");
    assert!(passed.answers > 3 * passed.questions as u64);
    let said = refused(selector(|_, _| Err(Strike::TimedOut)));
    assert!(said.contains("it ran over its time; every answer must be there"), "{said}");
}

#[test]
fn recorded_questions_of_the_role_are_asked_too() {
    let never = SelectorQuestion { peer: 77, ..SelectorQuestion::default() };
    let other = Question::Anomaly(AnomalyQuestion::default());
    let recorded = [other, Question::Selector(never)];
    let mut candidate = selector(|_, question| match question.peer {
        77 => Err(Strike::Trapped),
        _ => Ok(first_sound(question)),
    });
    let said = run(&mut candidate, &recorded).expect_err("it traps on the recorded one");
    assert!(said.to_string().starts_with("asked about recorded question 2"), "{said}");
}

#[test]
fn a_trial_is_bounded_in_time() {
    let mut candidate = selector(|_, question| Ok(first_sound(question)));
    let said = within(&mut candidate, &[], Duration::ZERO).expect_err("there was no time");
    assert!(matches!(said, TrialError::TooSlow { answers: 0, .. }), "{said}");
}

/// A policy that learns so.
fn learner(learn: Learn) -> Native {
    let manifest = Manifest {
        state_schema: 3,
        reads_schemas: vec![3],
        max_state_bytes: 16,
        ..Manifest::new("made", "1.0.0")
    };
    Native { manifest, learn, ..selector(|_, question| Ok(first_sound(question))) }
}

fn counted(before: Option<State>, seen: &[Outcome]) -> Result<Option<State>, Strike> {
    let old = before.and_then(|state| state.bytes.first().copied()).unwrap_or_default();
    let late = seen.iter().filter(|outcome| outcome.late).count() as u8;
    Ok(Some(State { schema: 3, bytes: vec![old.saturating_add(late)] }))
}

#[test]
fn a_policy_that_learns_is_asked_with_what_it_learned() {
    let passed = tried(learner(counted)).expect("it learns well");
    assert_eq!(passed.learned_bytes, Some(1));
    assert_eq!(passed.answers, 7 * passed.questions as u64);
    let said = refused(Native {
        make: Box::new(|learned| {
            let last = learned.map_or(0, |state| u32::from(state.bytes[0]));
            Ok(Policy::Selector(Box::new(Made(last, |last: &mut u32, question: &_| {
                if *last > 0 { Err(Strike::Trapped) } else { Ok(first_sound(question)) }
            }))))
        }),
        ..learner(counted)
    });
    assert!(said.contains("(asked with what it learned), it fails: it trapped"), "{said}");
}

#[test]
fn a_state_that_is_not_as_announced_is_refused() {
    let cases: [(Learn, &str); 3] = [
        (|_, _| Ok(Some(State { schema: 4, bytes: vec![] })), "of schema 4, and the manifest says"),
        (|_, _| Ok(Some(State { schema: 3, bytes: vec![0; 17] })), "17 bytes, and the manifest"),
        (|_, _| Err(Strike::Exhausted), "`learn` fails: it ran out of memory"),
    ];
    for (learn, wanted) in cases {
        let said = refused(learner(learn));
        assert!(said.contains(wanted), "{said}");
    }
    let said = refused(Native { learn: counted, ..selector(|_, q| Ok(first_sound(q))) });
    assert!(said.contains("the manifest says that the policy learns nothing"), "{said}");
}

#[test]
fn learning_that_differs_between_equal_outcomes_is_refused() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let said = refused(learner(|_, _| {
        let bytes = vec![1, 2, CALLS.fetch_add(1, Ordering::Relaxed) as u8];
        Ok(Some(State { schema: 3, bytes }))
    }));
    assert!(said.contains("states that differ from byte 2 on"), "{said}");
}

#[test]
fn a_state_that_its_own_policy_does_not_take_is_refused() {
    let said = refused(Native {
        make: Box::new(|learned| match learned {
            Some(state) => {
                let why = format!("it cannot read state of schema {}", state.schema);
                Err(LoadError::Refused { name: "made".into(), why })
            }
            None => Ok(Policy::Selector(Box::new(Made(0, |_: &mut u32, question: &_| {
                Ok(first_sound(question))
            })))),
        }),
        ..learner(counted)
    });
    assert!(said.contains("does not take over the state that its own `learn` gave"), "{said}");
}
