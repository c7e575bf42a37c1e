//! The policies that came into one slot, as long as they may come back or be spoken of.
//!
//! A slot has a live policy and, while that must prove itself, the one that comes back if it
//! does not. Records of those before are kept for a while, because news of them may come late
//! and an operator may want one back; their code only as long as it may be needed.

use std::collections::BTreeMap;

use super::book::{Live, Now};
use super::candidate::Wish;
use super::history::{Cause, Entry, Turn};
use super::quarantine::Mark;
use super::seat::Seated;
use super::source::Code;
use super::trust::Admitted;
use crate::shell::journal::unix_ms;

/// Records of generations that may still come back, or that late news may be about.
const RECORDS_MAX: usize = 32;

/// A policy that came into a slot.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) live: Live,
    pub(crate) wish: Wish,
    pub(crate) mark: Mark,
    /// `None` once it can neither come back nor prove itself.
    pub(crate) code: Option<Code>,
    /// Why it may be loaded; `None` for a native policy.
    pub(super) admitted: Option<Admitted>,
    /// It did not prove itself.
    pub(super) failed: bool,
}

/// A slot.
#[derive(Debug)]
pub(super) struct Seat {
    live: u64,
    /// What comes back if the live one does not prove itself.
    before: Option<u64>,
    records: BTreeMap<u64, Record>,
    /// Somebody put it in by command: the config does not count until its keys are edited.
    pub(super) commanded: bool,
    /// What the config names.
    pub(super) configured: String,
    /// The candidate that answers beside it.
    pub(super) shadow: Option<Seated>,
}

impl Seat {
    /// With its first policy.
    pub(super) fn new(record: Record, configured: &str) -> Self {
        let live = record.live.generation;
        Self {
            live,
            before: None,
            commanded: record.wish.is_commanded(),
            records: BTreeMap::from([(live, record)]),
            configured: configured.to_owned(),
            shadow: None,
        }
    }

    /// Another policy came in. On probation, what has proven itself last stays warm.
    pub(super) fn enter(&mut self, record: Record, on_probation: bool) {
        self.before = on_probation.then(|| self.before.unwrap_or(self.live));
        self.live = record.live.generation;
        self.commanded = record.wish.is_commanded();
        self.records.insert(self.live, record);
        self.trim();
    }

    /// The code of the live one was read again. Gives its record where that told something new.
    pub(super) fn renew(&mut self, code: Code) -> Option<Record> {
        let record = self.records.get_mut(&self.live)?;
        let is_new = match (&record.code, &code) {
            (Some(Code::Wasm(old)), Code::Wasm(new)) => {
                old.digest == new.digest && old.origin != new.origin
            }
            (Some(_) | None, _) => false,
        };
        is_new.then(|| record.code = Some(code))?;
        Some(record.clone())
    }

    /// A policy outlived its probation. Gives its record, if it is known.
    pub(super) fn prove(&mut self, generation: u64) -> Option<Record> {
        if self.live == generation {
            self.before = None;
            self.trim();
        }
        self.records.get(&generation).cloned()
    }

    /// A policy gave way to the one before it, because it failed or because an operator wanted
    /// that one. Gives the record of the one that went, if it is known. Where something else is
    /// live by now, that stays.
    pub(super) fn give_way(&mut self, generation: u64, to: u64, failed: bool) -> Option<Record> {
        let gone = self.records.get_mut(&generation)?;
        gone.failed = failed;
        let gone = gone.clone();
        let was_commanded = gone.wish.is_commanded();
        if self.live == generation
            && let Some(back) = self.records.get_mut(&to)
        {
            back.live.from = Cause::Rollback;
            back.live.since_unix_ms = unix_ms();
            // Where the config's own policy failed, the config still counts: a mended file goes in.
            self.commanded = !failed || was_commanded && back.wish.is_commanded();
            self.live = to;
            self.before = None;
        }
        Some(gone)
    }

    /// A generation, if it is known.
    pub(super) fn record(&self, generation: u64) -> Option<&Record> {
        self.records.get(&generation)
    }

    /// What is live.
    pub(super) fn live(&self) -> Option<&Record> {
        self.records.get(&self.live)
    }

    /// Whether something is kept warm.
    pub(super) fn on_probation(&self) -> bool {
        self.before.is_some()
    }

    /// What was live before, of those that did not fail, whether it is warm or not.
    pub(super) fn earlier(&self) -> Option<&Record> {
        self.records.get(&self.before.or_else(|| self.previous())?)
    }

    /// The highest number that was given.
    pub(super) fn newest(&self) -> u64 {
        self.records.keys().next_back().copied().unwrap_or(0)
    }

    /// What is told of it.
    pub(super) fn now(&self) -> Option<Now> {
        let live = |generation| self.records.get(&generation).map(|one| one.live.clone());
        let now = live(self.live)?;
        let note = (self.commanded && now.seated.module != self.configured).then(|| {
            format!(
                "by command; config.toml names {}, which comes back with a restart or the next \
                 edit of [policy.{}]",
                self.configured,
                now.seated.role.name()
            )
        });
        Some(Now {
            live: now,
            before: self.before.and_then(live),
            configured: self.configured.clone(),
            note,
            shadow: self.shadow.clone(),
        })
    }

    fn previous(&self) -> Option<u64> {
        let mut before = self.records.range(..self.live).rev();
        before.find(|(_, record)| !record.failed).map(|(&number, _)| number)
    }

    /// Lets go of what can't come back: code first, then the oldest records.
    fn trim(&mut self) {
        let kept = [Some(self.live), self.before, self.previous()];
        let is_kept = |number: u64| kept.contains(&Some(number));
        for (&number, record) in &mut self.records {
            if !is_kept(number) {
                record.code = None;
            }
        }
        let surplus = self.records.len().saturating_sub(RECORDS_MAX);
        let numbers = self.records.keys().copied().filter(|&number| !is_kept(number));
        for number in numbers.take(surplus).collect::<Vec<_>>() {
            self.records.remove(&number);
        }
    }
}

impl Record {
    /// As an entry of the history.
    pub(super) fn entry(&self, outcome: Turn, why: Option<&str>) -> Entry {
        let Live { generation, seated, .. } = &self.live;
        Entry {
            at_unix_ms: unix_ms(),
            role: seated.role.name().to_owned(),
            outcome,
            generation: Some(*generation),
            name: seated.name.clone(),
            version: seated.version.clone(),
            digest: seated.digest.clone(),
            module: seated.module.clone(),
            from: self.wish.from,
            who: self.wish.who.clone(),
            why: why.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use pointsman_core::config::Config;
    use pointsman_core::policy::Role;

    use super::super::seat::Kind;
    use super::super::source::Wasm;
    use super::super::trust::Origin;
    use super::*;

    fn record(generation: u64, from: Cause) -> Record {
        let seated = Seated {
            role: Role::Selector,
            module: format!("{generation}.wasm"),
            kind: Kind::File,
            name: "by-hand".to_owned(),
            version: "1.0.0".to_owned(),
            digest: Some("00".repeat(32)),
            note: None,
        };
        let wish = Wish {
            role: Role::Selector,
            config: Config::default().selector,
            folder: PathBuf::new(),
            from,
            who: "node".to_owned(),
            force: false,
            allow_downgrade: false,
        };
        let mark = Mark { code: generation.to_string(), settings: String::new() };
        let code = Some(Code::Native { name: "by-hand".to_owned(), note: None });
        let live = Live { generation, seated, from, since_unix_ms: 0 };
        Record { live, wish, mark, code, admitted: None, failed: false }
    }

    fn slot(probations: &[bool]) -> Seat {
        let mut seat = Seat::new(record(1, Cause::Start), "1.wasm");
        for (number, &on_probation) in (2..).zip(probations) {
            seat.enter(record(number, Cause::Command), on_probation);
        }
        seat
    }

    fn numbers(seat: &Seat) -> (u64, Option<u64>) {
        let now = seat.now().unwrap();
        (now.live.generation, now.before.map(|before| before.generation))
    }

    #[test]
    fn what_proved_itself_last_stays_warm_whatever_comes_and_goes() {
        let mut seat = slot(&[true, true, true]);
        assert_eq!(numbers(&seat), (4, Some(1)));
        seat.give_way(4, 1, true);
        assert_eq!(numbers(&seat), (1, None));
        assert!(!seat.commanded, "what is back is what the config names");
    }

    #[test]
    fn late_news_of_a_policy_that_is_live_no_more_changes_nothing() {
        let mut seat = slot(&[true, true]);
        assert!(seat.prove(2).is_some());
        assert_eq!(numbers(&seat), (3, Some(1)));
        seat.give_way(2, 1, true);
        assert_eq!(numbers(&seat), (3, Some(1)));
        assert!(seat.give_way(99, 1, true).is_none());
    }

    #[test]
    fn what_failed_is_nothing_to_go_back_to() {
        let mut seat = slot(&[true]);
        seat.give_way(2, 1, true);
        seat.enter(record(3, Cause::Command), true);
        seat.prove(3);
        assert_eq!(seat.earlier().unwrap().live.generation, 1);
    }

    #[test]
    fn after_a_failure_of_what_the_config_names_its_next_edit_counts() {
        let mut seat = slot(&[false]);
        assert!(seat.commanded);
        seat.enter(record(3, Cause::File), true);
        seat.give_way(3, 2, true);
        assert_eq!((numbers(&seat), seat.commanded), ((2, None), false));
        seat.enter(record(4, Cause::Command), true);
        seat.give_way(4, 2, true);
        assert!(seat.commanded, "both were put in by command");
    }

    #[test]
    fn a_loop_of_swaps_keeps_few_records_and_less_code() {
        let mut seat = slot(&[true; 1000]);
        assert!(seat.records.len() <= RECORDS_MAX);
        assert_eq!(numbers(&seat), (1001, Some(1)));
        assert!(seat.records.values().filter(|record| record.code.is_some()).count() <= 3);
        seat.give_way(1001, 1, true);
        assert_eq!(numbers(&seat), (1, None));
    }

    #[test]
    fn what_is_live_takes_over_a_signature_that_came_later() {
        let folder = tempfile::tempdir().unwrap();
        let code = |digest: &str| {
            let origin = Some(Origin::read(&folder.path().join("1.wasm")));
            let (bytes, digest) = (Arc::from(*b"code"), digest.to_owned());
            Code::Wasm(Wasm { bytes, digest, kind: Kind::File, twin: None, origin })
        };
        let first = Record { code: Some(code("aa")), ..record(1, Cause::Start) };
        let mut seat = Seat::new(first, "1.wasm");
        assert!(seat.renew(code("aa")).is_none(), "nothing is new");
        std::fs::write(folder.path().join("1.wasm.minisig"), "signed").unwrap();
        assert!(seat.renew(code("bb")).is_none(), "other code says nothing about this one");
        assert!(seat.renew(code("aa")).is_some());
        assert!(seat.renew(code("aa")).is_none(), "it is known by now");
    }

    #[test]
    fn an_operator_s_choice_is_said_to_differ_from_the_config() {
        let seat = slot(&[true]);
        let note = seat.now().unwrap().note.unwrap();
        assert!(note.contains("config.toml names 1.wasm"), "{note}");
        assert_eq!(slot(&[]).now().unwrap().note, None);
    }
}
