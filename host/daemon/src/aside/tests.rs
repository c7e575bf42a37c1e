//! The thread as the loop sees it, with native policies.

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use pointsman_core::id::PeerId;
use pointsman_core::limits::ASIDE_FOLDS_MAX;
use pointsman_core::policy::{Answerer, Probation, Question, SelectorQuestion, Strike, Verdict};
use pointsman_engine::record::{Record, parse};
use pointsman_sdk::{Manifest, State, selector};

use super::*;
use crate::decision_log::segments;

const PATIENCE: Duration = Duration::from_secs(20);

/// A peer.
fn about(peer: u8) -> Subject {
    Subject::Peer(PeerId([peer; 32]))
}

/// Tells that it is asked, and fails once the gate is gone.
#[derive(Debug)]
struct Gated {
    asked: std_mpsc::Sender<()>,
    gate: std_mpsc::Receiver<()>,
}

impl Reputation for Gated {
    fn fold(&mut self, _: &ReputationQuestion) -> Result<Standing, Strike> {
        // Nobody may be left to be told.
        let _ = self.asked.send(());
        self.gate.recv().map_err(|_| Strike::Trapped)?;
        Err(Strike::Invalid)
    }
}

/// Answers with a score, or fails.
#[derive(Debug)]
struct Fixed(Result<i32, Strike>);

impl Reputation for Fixed {
    fn fold(&mut self, _: &ReputationQuestion) -> Result<Standing, Strike> {
        self.0.map(|score| Standing { score, ..Standing::default() })
    }
}

struct Aside {
    handle: AsideHandle,
    facts: mpsc::Receiver<AsideFact>,
    thread: JoinHandle<()>,
}

impl Aside {
    fn new(setup: AsideSetup) -> Self {
        let (handle, facts, thread) = start(setup).expect("a thread");
        Self { handle, facts, thread }
    }

    fn with_builtin(score: i32) -> Self {
        let builtin: Box<dyn Reputation> = Box::new(Fixed(Ok(score)));
        Self::new(AsideSetup { reputation: Some(builtin), ..AsideSetup::default() })
    }

    fn seat(&self, policy: impl Reputation + 'static, probation: Option<Probation>) {
        let module: Box<dyn Reputation> = Box::new(policy);
        self.handle.seat(Seat::Reputation(Swap { module: Some(module), generation: 2, probation }));
    }

    fn fold(&self, peer: u8) {
        self.handle.fold(about(peer), ReputationQuestion::default());
    }

    async fn next(&mut self) -> AsideFact {
        let next = tokio::time::timeout(PATIENCE, self.facts.recv()).await;
        next.expect("in time").expect("the thread runs")
    }

    /// The next standing, with all that happened until then.
    async fn stood(&mut self) -> (Subject, i32, Vec<Event>) {
        let mut happened = Vec::new();
        loop {
            match self.next().await {
                AsideFact::Stood { about, standing } => return (about, standing.score, happened),
                AsideFact::Happened(event) => happened.push(event),
                other @ (AsideFact::Found(_)
                | AsideFact::Answered(_)
                | AsideFact::Learned { .. }
                | AsideFact::LearnFailed { .. }) => panic!("{other:?}"),
            }
        }
    }

    async fn happened(&mut self, wanted: fn(&Event) -> bool) -> Event {
        loop {
            if let AsideFact::Happened(event) = self.next().await
                && wanted(&event)
            {
                return event;
            }
        }
    }

    fn end(self) {
        drop((self.handle, self.facts));
        self.thread.join().expect("it does not break");
    }
}

#[tokio::test]
async fn a_question_is_answered_with_whom_it_was_about() {
    let mut aside = Aside::with_builtin(7);
    aside.fold(3);
    let (peer, score, _) = aside.stood().await;
    assert_eq!((peer, score), (about(3), 7));
    assert_eq!(aside.handle.report().reputation.asked, 1);
    aside.end();
}

#[tokio::test]
async fn a_policy_that_takes_its_time_costs_questions_and_never_the_one_who_asks() {
    let ((open, gate), (asked, is_asked)) = (std_mpsc::channel(), std_mpsc::channel());
    let mut aside = Aside::with_builtin(3);
    aside.seat(Gated { asked, gate }, None);
    aside.fold(0);
    is_asked.recv_timeout(PATIENCE).expect("it is asked");
    for peer in 0..2 * ASIDE_FOLDS_MAX as u32 {
        aside.fold((peer % 256) as u8);
    }
    assert_eq!(aside.handle.report().dropped, ASIDE_FOLDS_MAX as u64);
    drop(open);
    let (peer, score, _) = aside.stood().await;
    assert_eq!((peer, score), (about(0), 3), "the builtin answers what it could not");
    aside.end();
}

#[tokio::test]
async fn on_probation_a_failing_policy_is_rolled_back_and_all_of_it_is_told() {
    let mut aside = Aside::with_builtin(1);
    let probation = Probation {
        us: 60_000_000,
        mean_cost_ns_max: u32::MAX,
        loop_permille: 0,
        slower_permille: 1_500,
    };
    aside.seat(Fixed(Err(Strike::Trapped)), Some(probation));
    aside.fold(1);
    let event = aside.happened(|event| matches!(event, Event::RolledBack { .. })).await;
    assert!(matches!(event, Event::RolledBack { generation: 2, to: 0, .. }), "{event:?}");
    let report = aside.handle.report();
    assert_eq!((report.reputation.strikes, report.reputation.has_module), (1, false));
    aside.end();
}

#[tokio::test]
async fn an_operator_can_bring_the_policy_before_back() {
    let mut aside = Aside::with_builtin(1);
    let probation = Probation {
        us: 60_000_000,
        mean_cost_ns_max: u32::MAX,
        loop_permille: 0,
        slower_permille: 1_500,
    };
    aside.seat(Fixed(Ok(9)), Some(probation));
    aside.fold(1);
    assert_eq!(aside.stood().await.1, 9);
    let back = aside.handle.roll_back(Role::Reputation).await;
    assert!(matches!(back, Some((_, 0))), "{back:?}");
    aside.happened(|event| matches!(event, Event::RolledBack { .. })).await;
    assert_eq!(Some(aside.handle.report().newest[0]), back.map(|(gone, _)| gone));
    aside.fold(1);
    assert_eq!(aside.stood().await.1, 1);
    assert_eq!(aside.handle.roll_back(Role::Reputation).await, None, "nothing is warm");
    assert_eq!(aside.handle.roll_back(Role::Selector).await, None, "that slot is the Node's");
    aside.end();
}

#[tokio::test]
async fn questions_that_nobody_answers_are_counted() {
    let aside = Aside::new(AsideSetup::default());
    aside.handle.inspect(AnomalyQuestion::default());
    aside.fold(1);
    aside.handle.close();
    let Aside { handle, thread, .. } = aside;
    thread.join().expect("it does not break");
    assert_eq!(handle.report().unanswered, 2);
}

/// Learns how many outcomes there were.
#[derive(Debug)]
struct Counter;

impl Learner for Counter {
    fn learn(&mut self, before: Option<State>, seen: &[Outcome]) -> Result<Option<State>, Strike> {
        let before = before.map_or(0, |state| state.bytes[0]);
        let count = before + u8::try_from(seen.len()).map_err(|_| Strike::Invalid)?;
        Ok(Some(State { schema: 1, bytes: vec![count] }))
    }
}

/// A selector that answers with what it learned.
#[derive(Debug)]
struct Answering(u8);

impl pointsman_core::policy::Selector for Answering {
    fn choose(&mut self, _: &SelectorQuestion) -> Result<u64, Strike> {
        Ok(u64::from(self.0))
    }
}

fn learner(generation: u64) -> LearnerSeat {
    let learned = |state: Option<&State>| state.map_or(0, |state| state.bytes[0]);
    LearnerSeat {
        role: Role::Selector,
        generation,
        manifest: manifest(),
        digest: "ab".repeat(32),
        learned: None,
        learner: Box::new(Counter),
        remake: Box::new(move |s| Ok(Policy::Selector(Box::new(Answering(learned(s)))))),
    }
}

fn manifest() -> Manifest {
    Manifest { state_schema: 1, max_state_bytes: 4, ..Manifest::new("counter", "1.0.0") }
}

fn decision(number: u64, generation: u64) -> Decision {
    let verdict = Verdict::Selector(selector::Verdict::send(0));
    let question = Question::Selector(SelectorQuestion::default());
    let by = pointsman_core::policy::Answerer::Module;
    Decision { number, generation, question, verdict, by }
}

#[tokio::test]
async fn what_became_of_decisions_comes_back_as_a_policy_that_learned_it() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let setup = || AsideSetup { folder: Some(folder.path().to_owned()), ..AsideSetup::default() };
    let mut aside = Aside::new(setup());
    let seat = Box::new(learner(4));
    aside.handle.seat(Seat::Learner { seat, on_probation: false });
    // The seat is taken before the outcomes that follow it are looked at.
    while !aside.handle.shared.learns.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    for number in 1..=5 {
        aside.handle.decided(&decision(number, 4));
        aside.handle.outcome(Outcome { decision: number, ..Outcome::default() });
    }
    let AsideFact::Learned { policy: Policy::Selector(mut policy), generation } =
        aside.next().await
    else {
        panic!("something else came first")
    };
    assert_eq!(generation, 4);
    assert_eq!(policy.choose(&SelectorQuestion::default()), Ok(5));
    let state = State { schema: 1, bytes: vec![5] };
    let learned = aside.handle.learned(Role::Selector).filter(|one| one.fits(&manifest()));
    assert_eq!(learned.map(|learned| learned.state), Some(state.clone()));
    aside.end();

    let again = Aside::new(setup());
    let learned = again.handle.learned(Role::Selector);
    assert_eq!(learned.map(|learned| learned.state), Some(state));
    again.end();
}

#[tokio::test]
async fn answers_are_recorded_with_who_gave_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = DecisionLog::start(folder.path().to_owned(), 1, 1).expect("a thread");
    let builtin: Box<dyn Reputation> = Box::new(Fixed(Ok(5)));
    let setup =
        AsideSetup { reputation: Some(builtin), log: Some(log.clone()), ..AsideSetup::default() };
    let mut aside = Aside::new(setup);
    aside.fold(1);
    aside.stood().await;
    for (peer, module) in [(2, Ok(7)), (3, Err(Strike::Trapped))] {
        aside.seat(Fixed(module), None);
        aside.fold(peer);
        aside.stood().await;
    }
    let begun = std::time::Instant::now();
    while log.counts().written < 3 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", log.counts());
        tokio::task::yield_now().await;
    }
    let segments = segments(folder.path()).expect("a log");
    let text = std::fs::read_to_string(&segments[0].path).expect("text");
    let decisions = text.lines().filter_map(|line| match parse(line) {
        Ok(Record::Decision(decision)) => Some((decision.verdict, decision.by, decision.number)),
        Ok(Record::Run(_) | Record::Outcome(_)) => None,
        Err(error) => panic!("{error}"),
    });
    let stood = |score| Verdict::Reputation(Standing { score, ..Standing::default() });
    let first = 1 << 52;
    assert_eq!(
        decisions.collect::<Vec<_>>(),
        [
            (stood(5), Answerer::Builtin, first + 1),
            (stood(7), Answerer::Module, first + 2),
            (stood(5), Answerer::InsteadOf(Strike::Trapped), first + 3),
        ]
    );
    aside.end();
}
