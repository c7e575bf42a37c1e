//! For the tests of a policy: questions with sensible defaults, random questions from a seed,
//! and what must hold of a policy whatever it is asked.
//!
//! The questions of `prove_*` are worse than any that a host asks: rows that are too short or
//! too long, more paths than a verdict can name, numbers that are 0, unknown or the largest.
//! A policy must answer all of them without a panic, equally when asked twice, and name only
//! what it was offered. The functions panic with the question where one does not hold.

use crate::anomaly::{Anomaly, Metric, Series};
use crate::failover::{self, Dialable, Event, Failover};
use crate::path::flags;
use crate::reputation::{Kind, Observation, Reputation, Standing};
use crate::selector::{self, Mode, Selector};
use crate::{Fault, Path, PathRow, Paths, Settings, UNKNOWN, Value};

/// Questions that each `prove_*` asks.
const QUESTIONS: u32 = 3_000;

/// Chance from a seed (a linear congruential generator, Knuth's MMIX).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next draw: all 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 33
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, end: u32) -> u32 {
        (self.draw() % u64::from(end)) as u32
    }

    /// A number as a row may hold it: ordinary ones of any size, and the extremes.
    pub fn number(&mut self) -> u32 {
        match self.below(8) {
            0 => 0,
            1 => UNKNOWN,
            2 => UNKNOWN - 1,
            3 => 1 + self.below(20),
            _ => 1 << self.below(32) | self.below(1_000),
        }
    }

    /// A list of up to 20 paths, of this version's stride mostly.
    pub fn paths(&mut self) -> Vec<u32> {
        let stride = if self.below(4) == 0 { 1 + self.below(40) } else { PathRow::STRIDE as u32 };
        let mut list = vec![stride];
        for _ in 0..self.below(20) {
            let start = list.len();
            list.extend((0..stride).map(|_| self.number()));
            if let Some(flags) = list.get_mut(start + 2) {
                *flags = if self.below(2) == 0 { flags::UP } else { self.below(256) };
            }
        }
        if self.below(8) == 0 {
            list.pop();
        }
        list
    }
}

/// The rows as the list of a question.
pub fn list_of(rows: &[PathRow]) -> Vec<u32> {
    let mut list = vec![PathRow::STRIDE as u32];
    rows.iter().for_each(|row| row.write(&mut list));
    list
}

/// A question about a packet of 1200 bytes that waits alone, for ever, in the realtime class.
pub fn selector_question(paths: &[u32]) -> selector::Question<'_> {
    selector::Question {
        now_us: 1_000_000,
        seed: 7,
        peer: 1,
        class: selector::Class::Realtime as u32,
        flags: 0,
        head_bytes: 1_200,
        head_age_us: 0,
        deadline_left_us: UNKNOWN,
        backlog_bytes: 1_200,
        backlog_above_bytes: 0,
        duplicate_budget_bytes: 0,
        tried_paths: 0,
        standing: 0,
        battery_permille: UNKNOWN,
        paths: Paths::new(paths),
    }
}

/// A question about the first path, where nothing is under way and no move was made.
pub fn failover_question<'a>(
    event: Event,
    paths: &'a [u32],
    dialables: &'a [u32],
) -> failover::Question<'a> {
    failover::Question {
        now_us: 1_000_000,
        seed: 7,
        peer: 1,
        event,
        at: 0,
        oldest_unacked_us: 0,
        unacked_bytes: [0; 3],
        misses: 0,
        others_progressed: 0,
        loop_lag_us: 0,
        moves_last_60s: 0,
        since_move_ms: UNKNOWN,
        deadline_min_us: UNKNOWN,
        hedge_budget_bytes: 0,
        store_left_kib: 0,
        paths: Paths::new(paths),
        dialables,
    }
}

/// Asks a selector.
pub fn prove_selector(policy: &impl Selector) {
    let mut chance = Chance::new(1);
    for _ in 0..QUESTIONS {
        let paths = chance.paths();
        let question = selector::Question {
            now_us: chance.draw(),
            seed: chance.draw(),
            class: chance.below(4),
            flags: chance.below(8),
            head_bytes: chance.number(),
            head_age_us: chance.number(),
            deadline_left_us: chance.number(),
            backlog_bytes: chance.number(),
            backlog_above_bytes: chance.number(),
            duplicate_budget_bytes: chance.number(),
            tried_paths: chance.number(),
            standing: chance.below(2_001) as i32 - 1_000,
            battery_permille: chance.number(),
            ..selector_question(&paths)
        };
        let verdict = policy.choose(&question);
        assert_eq!(verdict, policy.choose(&question), "asked twice: {question:?}");
        let names_paths = matches!(verdict.mode, Mode::Send | Mode::Stripe | Mode::Duplicate);
        let usable = |path: &Path<'_>| {
            path.flags() & (flags::UP | flags::MASKED | flags::DRAINING) == flags::UP
        };
        if names_paths {
            let offered = offered(question.paths, verdict.paths, usable);
            assert!(offered, "{verdict:?} to {question:?}");
        }
    }
}

/// Asks a failover policy.
pub fn prove_failover(policy: &impl Failover) {
    let mut chance = Chance::new(2);
    for _ in 0..QUESTIONS {
        let paths = chance.paths();
        let mut dialables = vec![Dialable::STRIDE as u32];
        dialables.extend((0..chance.below(20)).map(|_| chance.number()));
        let event = Event::ALL[chance.below(Event::ALL.len() as u32) as usize];
        let question = failover::Question {
            at: if chance.below(4) == 0 { chance.number() } else { chance.below(20) },
            oldest_unacked_us: chance.number(),
            unacked_bytes: [chance.number(), chance.number(), chance.number()],
            misses: chance.number(),
            others_progressed: chance.number(),
            loop_lag_us: chance.number(),
            moves_last_60s: chance.number(),
            since_move_ms: chance.number(),
            deadline_min_us: chance.number(),
            hedge_budget_bytes: chance.number(),
            store_left_kib: chance.number(),
            ..failover_question(event, &paths, &dialables)
        };
        let verdict = policy.decide(&question);
        assert_eq!(verdict, policy.decide(&question), "asked twice: {question:?}");
        use failover::Verdict::{Abstain, Close, Dial, Hedge, Move, Probe, Stay, Store};
        let is_fine = match verdict {
            Hedge { onto, .. } | Move { onto, .. } => {
                offered(question.paths, onto, |path| path.is_up())
            }
            Probe { paths, .. } => offered(question.paths, paths, |_| true),
            Dial(id) => Dialable::read(&dialables).any(|dial| dial.id == id),
            Close(at) => question.paths.at(at as usize).is_some(),
            Stay { .. } | Store | Abstain => true,
        };
        assert!(is_fine, "{verdict:?} to {question:?}");
    }
}

/// Asks a reputation policy, each time about the standing that it gave last.
pub fn prove_reputation(policy: &impl Reputation) {
    let mut chance = Chance::new(3);
    let mut was = Standing::default();
    for _ in 0..QUESTIONS {
        let now_ms = was.updated_ms.saturating_add(u64::from(chance.number()));
        let seen: Vec<Observation> = (0..chance.below(6))
            .map(|_| Observation {
                kind: Kind::ALL[chance.below(Kind::ALL.len() as u32) as usize],
                weight: chance.number(),
                at_ms: now_ms.saturating_sub(u64::from(chance.number())),
            })
            .collect();
        let standing = policy.fold(now_ms, &was, &seen);
        assert_eq!(standing, policy.fold(now_ms, &was, &seen), "asked twice");
        let range = Standing::SCORE_MIN..=Standing::SCORE_MAX;
        assert!(range.contains(&standing.score), "{standing:?} after {seen:?}");
        was = match chance.below(8) {
            0 => {
                Standing { a: chance.number(), b: chance.number(), c: chance.number(), ..standing }
            }
            _ => standing,
        };
    }
}

/// Asks an anomaly policy.
pub fn prove_anomaly(policy: &impl Anomaly) {
    let mut chance = Chance::new(4);
    for _ in 0..QUESTIONS {
        let window: Vec<Series> = (0..chance.below(6))
            .map(|subject| Series {
                metric: chance.below(Metric::ALL.len() as u32 + 2),
                subject,
                step_ms: chance.number(),
                samples: (0..chance.below(61)).map(|_| sample(&mut chance)).collect(),
            })
            .collect();
        let findings = policy.inspect(chance.draw(), &window);
        assert_eq!(findings, policy.inspect(0, &window), "time alone changes what is found");
        for finding in findings {
            let of = |series: &Series| {
                (series.metric, series.subject) == (finding.metric, finding.subject)
            };
            let known = Metric::from_number(finding.metric).is_some();
            assert!(known && window.iter().any(of), "{finding:?} of {window:?}");
        }
    }
}

fn sample(chance: &mut Chance) -> i64 {
    match chance.below(8) {
        0 => -1,
        1 => i64::MAX,
        2 => i64::MIN,
        _ => i64::from(chance.number()),
    }
}

/// Settings from keys and values.
pub fn settings(entries: &[(&str, Value)]) -> Settings {
    Settings::new(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

/// Each of these settings alone must be refused by its name.
pub fn prove_refused(
    mut configure: impl FnMut(&Settings) -> Result<(), Fault>,
    refused: &[(&str, Value)],
) {
    for (key, value) in refused {
        let fault = configure(&settings(&[(key, value.clone())]));
        let named = matches!(&fault, Err(Fault::BadSetting { key: found, .. }) if found == key);
        assert!(named, "{key} = {value:?}: {fault:?}");
    }
}

/// Whether a set names at least one path, and none that is not there or not usable.
fn offered(paths: Paths<'_>, set: u16, usable: impl Fn(&Path<'_>) -> bool) -> bool {
    let named = |position: &usize| set >> position & 1 == 1;
    set != 0 && (0..16).filter(named).all(|at| paths.at(at).is_some_and(|path| usable(&path)))
}
