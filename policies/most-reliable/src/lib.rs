//! Sends where packets fail least: what is measured of a path, and what was learned of it.
//!
//! A packet fails that is lost, late, or given to a path that is down. Paths are graded by how
//! many of a thousand fail, each grade twice as many as the one before; better grades go first,
//! in a grade free paths before costly ones, then the earlier arrival. The path in use stays
//! until another fails half as often, so that shares which wobble move nothing.
//!
//! Measures see what happened just now. The longer memory is **learned**: how many outcomes of
//! each path were in time and how many were not, the older counting less. A learned share has
//! the weight of its outcomes beside the measured one, which weighs as much as sixteen.
//!
//! A realtime packet that would not arrive surely enough goes on a second path of another risk
//! group, too, within the budget, and only for peers whose standing is worth it.

use pointsman_sdk::estimate::{
    Candidate, Tier, candidates, in_use, known, last_resort, reason, together,
};
use pointsman_sdk::path::flags::PROBATION;
use pointsman_sdk::selector::{Class, Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Outcome, Path, Settings, State, UNKNOWN};

/// Surely enough only in two copies.
pub const COPIED: u16 = 16;

/// The schema of what is learned: records.
const SCHEMA: u32 = 1;
/// Paths that are remembered: those of a few peers, the latest first.
const RECORDS_MAX: usize = 32;
/// Outcomes after which a record is halved.
const OUTCOMES_MAX: u16 = 256;
/// What is assumed of a path that has carried nothing yet, in failures per million.
const NEW_FAILS_PPM: u64 = 50_000;

/// What became of packets on a path. In bytes: 4, 2 and 2, the least significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    path: u32,
    good: u16,
    bad: u16,
}

fn read(state: &State) -> Vec<Record> {
    let record = |b: &[u8]| Record {
        path: u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        good: u16::from_le_bytes([b[4], b[5]]),
        bad: u16::from_le_bytes([b[6], b[7]]),
    };
    state.bytes.chunks_exact(8).take(RECORDS_MAX).map(record).collect()
}

fn write(records: &[Record]) -> State {
    let bits = |r: &Record| u64::from(r.path) | u64::from(r.good) << 32 | u64::from(r.bad) << 48;
    let bytes = records.iter().flat_map(|record| bits(record).to_le_bytes()).collect();
    State { schema: SCHEMA, bytes }
}

/// The policy.
#[derive(Clone, Debug)]
pub struct MostReliable {
    target_permille: u64,
    copies_standing: i64,
    learned: Vec<Record>,
}

impl Default for MostReliable {
    fn default() -> Self {
        Self { target_permille: 990, copies_standing: 0, learned: Vec::new() }
    }
}

impl Selector for MostReliable {
    fn manifest() -> Manifest {
        let manifest = Manifest::new("most-reliable", env!("CARGO_PKG_VERSION")).with_settings(
            "target_permille: integer 0..=1000 = 990  realtime packets less sure than this go twice\n\
             copies_standing: integer -1000..=1000 = 0  standing from which a peer is worth copies\n",
        );
        let max_state_bytes = RECORDS_MAX as u32 * 8;
        Manifest { state_schema: SCHEMA, reads_schemas: vec![SCHEMA], max_state_bytes, ..manifest }
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["target_permille", "copies_standing"])?;
        *self = Self {
            target_permille: settings.integer("target_permille", 0..=1_000, 990)?.unsigned_abs(),
            copies_standing: settings.integer("copies_standing", -1_000..=1_000, 0)?,
            learned: Vec::new(),
        };
        Ok(())
    }

    fn restore(&mut self, learned: &State) -> Result<(), Fault> {
        self.learned = read(learned);
        if learned.schema == SCHEMA { Ok(()) } else { Err(Fault::BadState(learned.schema)) }
    }

    fn learn(before: Option<State>, seen: &[Outcome]) -> Option<State> {
        let mut records = before.as_ref().map(read).unwrap_or_default();
        for outcome in seen {
            let path = outcome.path;
            let at = records.iter().position(|record| record.path == path);
            let mut record = at.map_or(Record { path, good: 0, bad: 0 }, |at| records.remove(at));
            if record.good.max(record.bad) >= OUTCOMES_MAX {
                record = Record { path, good: record.good / 2, bad: record.bad / 2 };
            }
            let failed = outcome.late || outcome.ack_us == UNKNOWN;
            *(if failed { &mut record.bad } else { &mut record.good }) += 1;
            records.insert(0, record);
            records.truncate(RECORDS_MAX);
        }
        Some(write(&records))
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let field = candidates(question, |tier| tier != Tier::Suspect);
        let rank = |path: &&Candidate<'_>| {
            (self.grade(&path.path), path.tier.price(), path.tier, path.arrival_us)
        };
        let Some(best) = field.iter().min_by_key(rank) else { return last_resort(question) };
        let near = |path: &Candidate<'_>, grades: u32| {
            let is_good = self.grade(&path.path) <= self.grade(&best.path) + grades;
            path.has_room && is_good && path.tier.price() <= best.tier.price()
        };
        // A full path is left for one whose packets fail up to four times as often.
        let detours = field.iter().filter(|path| near(path, 2));
        let active = in_use(field.iter()).filter(|path| near(path, 1));
        let active = active.filter(|path| path.arrival_us / 2 <= best.arrival_us + 500);
        let detour = if best.has_room { None } else { detours.min_by_key(rank) };
        let chosen = active.or(detour).unwrap_or(best);
        if let Some(second) = self.second(question, chosen) {
            return Verdict::duplicate(1 << chosen.position | 1 << second).because(COPIED);
        }
        let is_best = chosen.position == best.position;
        chosen.send(if is_best { reason::BEST } else { reason::STICKY })
    }
}

impl MostReliable {
    /// Packets of a million that fail on a path.
    fn fails_ppm(&self, path: &Path<'_>) -> u64 {
        let share = |ppm: u32| u64::from(ppm.min(1_000_000));
        let up = share(known(path.reliability_ppm(), 1_000_000));
        let in_time = 1_000_000 - share(known(path.late_ppm(), 0));
        let arrives = 1_000_000 - share(known(path.loss_ppm(), 0));
        let measured = 1_000_000 - up * in_time / 1_000_000 * arrives / 1_000_000;
        let record = self.learned.iter().find(|record| record.path == path.id());
        let (good, bad) = record.map_or((0, 0), |r| (u64::from(r.good), u64::from(r.bad)));
        let fails = (measured * 16 + bad * 1_000_000) / (16 + good + bad);
        if path.flags() & PROBATION == 0 { fails } else { fails.max(NEW_FAILS_PPM) }
    }

    /// 0 for less than one failure in a thousand; each grade further is twice as many.
    fn grade(&self, path: &Path<'_>) -> u32 {
        (self.fails_ppm(path) / 1_000 + 1).ilog2()
    }

    /// The path that gets a copy, where one is worth it.
    fn second(&self, question: &Question<'_>, first: &Candidate<'_>) -> Option<usize> {
        let is_sure = 1_000_000 - self.fails_ppm(&first.path) >= self.target_permille * 1_000;
        let is_worth_it = question.class == Class::Realtime as u32
            && question.duplicate_budget_bytes >= question.head_bytes
            && i64::from(question.standing) >= self.copies_standing;
        let others = candidates(question, |tier| tier != Tier::Suspect && is_worth_it && !is_sure);
        let apart = others.iter().filter(|path| path.position != first.position && path.has_room);
        let apart = apart.filter(|path| !together(&path.path, &first.path));
        let best = apart.min_by_key(|path| (self.fails_ppm(&path.path), path.arrival_us));
        best.map(|path| path.position)
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(MostReliable);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_selector(&MostReliable::default());
        let refused = [("target_permille", Integer(1_001)), ("colour", Integer(1))];
        harness::prove_refused(|settings| MostReliable::default().configure(settings), &refused);
    }

    #[test]
    fn what_it_learned_is_bounded_and_comes_back() {
        let seen: Vec<Outcome> = (0..100)
            .map(|n| Outcome { path: n % 40, late: n == 99, ..Outcome::default() })
            .collect();
        let state = MostReliable::learn(None, &seen).expect("it learns");
        assert_eq!(state.bytes[..12], [19, 0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0]);
        let mut policy = MostReliable::default();
        policy.restore(&state).expect("its own schema");
        assert_eq!((policy.learned.len(), write(&policy.learned)), (RECORDS_MAX, state));
        assert!(policy.restore(&State { schema: 2, bytes: Vec::new() }).is_err());
    }
}
