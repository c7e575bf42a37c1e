//! Lessons, with a policy that counts the late packets of its past.

use std::path::Path;

use pointsman_core::limits::OUTCOMES_PER_LESSON_MAX;
use pointsman_core::policy::{Policy, Selector, SelectorQuestion, Strike};
use pointsman_sdk::{Manifest, State};

use super::*;
use crate::aside::Learner;
use crate::aside::pupil::{FAILURES_MAX, LESSON_TIME};

/// A selector that holds for as long as it has learned; what it learned is how many were late.
#[derive(Debug)]
struct Counting(u8);

impl Selector for Counting {
    fn choose(&mut self, _: &SelectorQuestion) -> Result<u64, Strike> {
        Ok(u64::from(self.0))
    }
}

/// How the learner of [`Counting`] behaves.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Well,
    Traps,
    /// Learns more bytes than it said.
    Bloats,
    /// Learns what the policy does not take.
    Raves,
}

impl Learner for Manner {
    fn learn(&mut self, before: Option<State>, seen: &[Outcome]) -> Result<Option<State>, Strike> {
        let late = seen.iter().filter(|outcome| outcome.late).count();
        let before = before.map_or(0, |state| state.bytes[0]);
        let count = before + u8::try_from(late).expect("few");
        match self {
            Self::Well => Ok(Some(state(count))),
            Self::Traps => Err(Strike::Trapped),
            Self::Bloats => Ok(Some(State { schema: 1, bytes: vec![0; 9] })),
            Self::Raves => Ok(Some(state(255))),
        }
    }
}

fn state(count: u8) -> State {
    State { schema: 1, bytes: vec![count] }
}

fn manifest(name: &str) -> Manifest {
    Manifest { state_schema: 1, max_state_bytes: 8, ..Manifest::new(name, "1.0.0") }
}

fn seat(generation: u64, manner: Manner, learned: Option<State>) -> LearnerSeat {
    let remake = |learned: Option<&State>| match learned.map(|state| state.bytes[0]) {
        Some(255) => Err("255 is no count".to_owned()),
        count => Ok(Policy::Selector(Box::new(Counting(count.unwrap_or_default())))),
    };
    LearnerSeat {
        role: Role::Selector,
        generation,
        manifest: manifest("counting"),
        digest: "ab".repeat(32),
        learned,
        learner: Box::new(manner),
        remake: Box::new(remake),
    }
}

struct School {
    learning: Learning,
    now: Instant,
    facts: Vec<AsideFact>,
    next: u64,
}

impl School {
    fn new(folder: Option<&Path>) -> Self {
        let learning = Learning::new(folder.map(Path::to_owned));
        Self { learning, now: Instant::now(), facts: Vec::new(), next: 1 }
    }

    fn with(manner: Manner) -> Self {
        let mut school = Self::new(None);
        school.seat(1, manner);
        school
    }

    /// The first generation is in its slot for good, and each after it on probation.
    fn seat(&mut self, generation: u64, manner: Manner) {
        let learned = self.learned();
        let seat = seat(generation, manner, learned);
        self.learning.seat(Role::Selector, generation, Some(seat), generation > 1);
    }

    fn roll_back(&mut self, gone: u64, to: u64) {
        self.learning.rolled_back(self.now, Role::Selector, gone, to);
    }

    /// Decisions of a generation, each of which was late, and then enough time for a lesson.
    fn late(&mut self, count: usize, generation: u64) {
        for _ in 0..count {
            let (number, role) = (self.next, Role::Selector);
            self.next += 1;
            self.learning.take(self.now, Lesson::Decided { number, role, generation });
            let outcome = Outcome { decision: number, late: true, ..Outcome::default() };
            self.learning.take(self.now, Lesson::Outcome(outcome));
        }
        self.later();
    }

    fn later(&mut self) {
        self.now += LESSON_TIME;
        self.learning.work(self.now, &mut self.facts);
    }

    fn learned(&mut self) -> Option<State> {
        let shelf = Mutex::new(Shelf::default());
        self.learning.is_unshelved = true;
        self.learning.fill(&shelf);
        let shelf = shelf.into_inner().expect("whole");
        let learned = shelf.get(&Role::Selector).filter(|one| one.fits(&manifest("counting")));
        learned.map(|learned| learned.state.clone())
    }

    /// What the policies that were made anew learned, with their generations.
    fn made(&mut self) -> Vec<(u64, u64)> {
        let question = SelectorQuestion::default();
        let mut made = Vec::new();
        for fact in &mut self.facts {
            if let AsideFact::Learned { policy: Policy::Selector(policy), generation } = fact {
                made.push((*generation, policy.choose(&question).expect("answers")));
            }
        }
        made
    }

    fn failures(&self) -> Vec<&str> {
        let mut failures = Vec::new();
        for fact in &self.facts {
            if let AsideFact::LearnFailed { why, .. } = fact {
                failures.push(why.as_str());
            }
        }
        failures
    }
}

#[test]
fn outcomes_are_learned_from_and_the_policy_is_made_anew_with_that() {
    let mut school = School::with(Manner::Well);
    school.late(3, 1);
    assert_eq!(school.made(), [(1, 3)]);
    assert_eq!(school.learned(), Some(state(3)));
    school.late(2, 1);
    assert_eq!(school.made(), [(1, 3), (1, 5)]);
    school.later();
    assert_eq!(school.made().len(), 2, "nothing new was learned");
}

#[test]
fn outcomes_wait_for_a_second_or_until_there_are_many() {
    let mut school = School::with(Manner::Well);
    let due = |school: &School| school.learning.due(school.now);
    assert_eq!(due(&school), None);
    for number in 1..=OUTCOMES_PER_LESSON_MAX as u64 {
        assert!(!school.learning.is_full());
        let role = Role::Selector;
        school.learning.take(school.now, Lesson::Decided { number, role, generation: 1 });
        let outcome = Outcome { decision: number, ..Outcome::default() };
        school.learning.take(school.now, Lesson::Outcome(outcome));
        assert!(due(&school).is_some());
    }
    assert!(school.learning.is_full());
    school.learning.work(school.now, &mut school.facts);
    assert_eq!(school.learning.tally.lessons, 1);
    assert!(!school.learning.is_full());
}

#[test]
fn outcomes_of_other_generations_and_of_unknown_decisions_teach_nothing() {
    let mut school = School::with(Manner::Well);
    school.late(1, 7);
    school.learning.take(school.now, Lesson::Outcome(Outcome::default()));
    school.later();
    assert_eq!((school.learning.tally.unknown, school.learning.tally.lessons), (2, 0));
}

#[test]
fn decisions_whose_outcomes_never_come_are_forgotten() {
    let mut school = School::with(Manner::Well);
    for number in 0..2 * DECISIONS_AWAITED_MAX as u64 {
        let role = Role::Selector;
        school.learning.take(school.now, Lesson::Decided { number, role, generation: 1 });
    }
    assert_eq!(school.learning.awaited.len(), DECISIONS_AWAITED_MAX);
}

#[test]
fn a_learner_that_fails_again_and_again_is_let_be() {
    let mut school = School::with(Manner::Traps);
    for _ in 0..5 {
        school.late(1, 1);
    }
    let failures = school.failures();
    assert_eq!(failures.len(), FAILURES_MAX as usize);
    assert_eq!(failures[2], "it trapped; it learns no more");
    assert!(school.made().is_empty());
}

#[test]
fn a_state_that_is_too_large_is_not_kept() {
    let mut school = School::with(Manner::Bloats);
    school.late(1, 1);
    assert_eq!(school.failures(), ["its verdict was invalid"]);
    assert_eq!(school.learned(), None);
}

#[test]
fn a_state_that_the_policy_itself_refuses_is_forgotten() {
    let mut school = School::with(Manner::Well);
    school.late(2, 1);
    school.seat(2, Manner::Raves);
    school.late(1, 2);
    assert_eq!(school.failures(), ["255 is no count"]);
    assert_eq!(school.learned(), Some(state(2)));
}

#[test]
fn a_generation_that_is_brought_back_has_what_it_had_learned() {
    let mut school = School::with(Manner::Well);
    school.late(2, 1);
    school.seat(2, Manner::Well);
    school.late(3, 2);
    assert_eq!(school.learned(), Some(state(5)), "it takes over");
    school.roll_back(2, 1);
    assert_eq!(school.learned(), Some(state(2)));
    school.late(1, 1);
    assert_eq!((school.learned(), school.made().last()), (Some(state(3)), Some(&(1, 3))));
}

#[test]
fn one_before_that_learned_nothing_gets_back_what_was_kept() {
    let mut school = School::with(Manner::Well);
    school.late(2, 1);
    school.learning.seat(Role::Selector, 2, None, false);
    assert!(!school.learning.is_on());
    school.seat(3, Manner::Well);
    school.late(4, 3);
    school.roll_back(3, 2);
    assert_eq!((school.learning.is_on(), school.learned()), (false, Some(state(2))));
}

#[test]
fn one_that_has_proven_itself_has_no_way_back() {
    let mut school = School::with(Manner::Well);
    school.seat(2, Manner::Well);
    school.learning.proven(Role::Selector, 2);
    school.late(1, 2);
    school.roll_back(2, 1);
    assert!(!school.learning.is_on(), "its learner was let go");
}

#[test]
fn the_proven_one_comes_back_after_ten_that_were_not() {
    let mut school = School::with(Manner::Well);
    school.late(2, 1);
    for generation in 2..=11 {
        school.seat(generation, Manner::Well);
        school.late(1, generation);
        assert!(school.learning.desks[&Role::Selector].earlier.len() <= 2, "few are kept");
    }
    assert_eq!(school.learned(), Some(state(12)));
    school.roll_back(11, 1);
    assert_eq!(school.learned(), Some(state(2)));
    school.late(1, 1);
    assert_eq!((school.learned(), school.made().last()), (Some(state(3)), Some(&(1, 3))));
}

#[test]
fn one_that_is_on_its_way_learns_although_the_one_before_it_is_rolled_back() {
    let mut school = School::with(Manner::Well);
    school.late(1, 1);
    school.seat(2, Manner::Well);
    school.seat(3, Manner::Well);
    school.roll_back(2, 1);
    school.late(4, 3);
    assert_eq!(school.made().last(), Some(&(3, 5)));
    school.roll_back(3, 1);
    assert_eq!(school.learned(), Some(state(1)));
    assert!(school.learning.is_on(), "and so does the one that is back");
}

#[test]
fn one_that_proves_itself_while_the_next_is_on_its_way_comes_back() {
    let mut school = School::with(Manner::Well);
    school.seat(2, Manner::Well);
    school.late(3, 2);
    school.seat(3, Manner::Well);
    school.learning.proven(Role::Selector, 2);
    school.late(1, 3);
    school.seat(4, Manner::Well);
    school.roll_back(4, 2);
    assert_eq!(school.learned(), Some(state(3)));
    school.late(2, 2);
    assert_eq!(school.made().last(), Some(&(2, 5)));
}

#[test]
fn what_was_learned_survives_a_restart_for_the_policy_that_learned_it() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let mut school = School::new(Some(folder.path()));
    school.seat(1, Manner::Well);
    school.late(4, 1);
    school.learning.finish(school.now);
    let mut next = School::new(Some(folder.path()));
    assert_eq!(next.learned(), Some(state(4)));
}

#[test]
fn what_was_learned_fits_the_next_version_that_reads_it_and_no_other_policy() {
    let (name, digest) = ("counting".to_owned(), "ab".repeat(32));
    let learned = Learned { name, digest, state: state(4) };
    let newer = Manifest { state_schema: 2, reads_schemas: vec![1], ..manifest("counting") };
    assert!(learned.fits(&manifest("counting")) && learned.fits(&newer));
    let unread = Manifest { state_schema: 2, ..manifest("counting") };
    let tiny = Manifest { max_state_bytes: 0, ..manifest("counting") };
    for other in [manifest("another"), unread, tiny] {
        assert!(!learned.fits(&other), "{other:?}");
    }
}

#[test]
fn a_roll_back_puts_the_state_of_before_on_disk() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let mut school = School::new(Some(folder.path()));
    school.seat(1, Manner::Well);
    school.late(1, 1);
    school.seat(2, Manner::Well);
    school.late(6, 2);
    school.roll_back(2, 1);
    school.learning.finish(school.now);
    assert_eq!(School::new(Some(folder.path())).learned(), Some(state(1)));
}

#[test]
fn a_damaged_checkpoint_is_as_none_and_is_kept_aside() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = checkpoint::file(folder.path(), Role::Selector);
    std::fs::write(&path, "{\"format\":1").expect("written");
    assert_eq!(School::new(Some(folder.path())).learned(), None);
    assert!(path.with_extension("damaged").exists() && !path.exists());
}

#[test]
fn the_disk_is_written_at_times_and_not_for_each_lesson() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let mut school = School::new(Some(folder.path()));
    school.seat(1, Manner::Well);
    for _ in 0..20 {
        school.late(1, 1);
    }
    let checkpoints = school.learning.tally.checkpoints;
    assert!((1..=3).contains(&checkpoints), "{checkpoints} in 20 s");
}
