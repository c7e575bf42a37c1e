//! The decision log: what policies decided and what became of it, in a bounded ring on disk.
//!
//! Decisions come from the loop through a bounded queue that drops, and counts, rather than
//! delays. A thread of its own writes them as the lines of [`pointsman_engine::record`] into
//! segments; when the ring is full, the oldest segment goes. Nothing is forced to the disk:
//! power loss may cost the last lines. Where the disk refuses, the log says so once and goes
//! on; a line that was half written is taken back.
//!
//! Beside the disk it keeps the newest questions of each role, for the trial of the next module.
//! The thread ends when the last handle is gone and everything that
//! waits is written.

mod ring;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pointsman_core::limits::{DECISIONS_QUEUED_MAX, QUESTIONS_KEPT_MAX, WINDOWS_KEPT_MAX};
use pointsman_core::policy::{Decision, Question, Role};
use pointsman_engine::record::{LINE_BYTES_MAX, Record, Run, line};
use pointsman_sdk::Outcome;

use ring::Ring;
pub(crate) use ring::segments;

/// Lines that are written at once.
const BATCH_MAX: usize = 256;

/// A handle to the log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DecisionLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    records: SyncSender<Record>,
    shared: Arc<Shared>,
}

/// What handles and the thread have in common.
#[derive(Debug, Default)]
struct Shared {
    mib: AtomicU32,
    every: AtomicU32,
    counts: Counters,
    /// The newest questions of each role, the oldest first.
    kept: Mutex<BTreeMap<Role, VecDeque<Question>>>,
}

#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
}

/// What the log counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines on disk, or no longer.
    pub written: u64,
    /// Decisions and outcomes that there was no time or no disk for.
    pub dropped: u64,
}

impl DecisionLog {
    /// Starts the log's thread. Segments are in `folder`, which is made with mode 0700 when
    /// the first line is written. See [`DecisionLog::set`] for the rest.
    pub fn start(folder: PathBuf, mib: u32, every: u32) -> std::io::Result<Self> {
        let (records, queued) = sync_channel(DECISIONS_QUEUED_MAX);
        let (mib, every) = (AtomicU32::new(mib), AtomicU32::new(every));
        let shared = Arc::new(Shared { mib, every, ..Shared::default() });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("decision-log".to_owned())
            .spawn(move || write_all(&queued, &thread, Ring::new(folder, run_line())))?;
        Ok(Self { inner: Arc::new(Inner { records, shared }) })
    }

    /// Records a decision, if it is one of those to record and there is time for it: never
    /// waits.
    pub fn decided(&self, decision: Decision) {
        if self.wants(decision.number) {
            self.queue(Record::Decision(Box::new(decision)));
        }
    }

    /// Records what became of one: never waits.
    pub fn outcome(&self, outcome: Outcome) {
        if self.wants(outcome.decision) {
            self.queue(Record::Outcome(outcome));
        }
    }

    /// Bounds what is on disk from now on, in MiB; 0: nothing is written, and what is there
    /// stays. Of the decisions that the Node tells, those are recorded whose number is a
    /// multiple of `every`, so that a shadow that wants them all does not fill the disk; 0:
    /// none.
    pub fn set(&self, mib: u32, every: u32) {
        self.inner.shared.mib.store(mib, Ordering::Relaxed);
        self.inner.shared.every.store(every, Ordering::Relaxed);
    }

    /// Whether the decision of this number is one of those to record.
    pub fn wants(&self, number: u64) -> bool {
        let every = self.inner.shared.every.load(Ordering::Relaxed);
        every > 0 && number.is_multiple_of(every.into())
    }

    /// The newest questions of a role, the oldest first.
    pub fn recent(&self, role: Role) -> Vec<Question> {
        let kept = self.inner.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&role).into_iter().flatten().cloned().collect()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let counts = &self.inner.shared.counts;
        Counts {
            written: counts.written.load(Ordering::Relaxed),
            dropped: counts.dropped.load(Ordering::Relaxed),
        }
    }

    fn queue(&self, record: Record) {
        if self.inner.records.try_send(record).is_err() {
            self.inner.shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Keeps the question of a decision.
    fn keep(&self, record: &Record) {
        let Record::Decision(decision) = record else { return };
        let role = decision.question.role();
        let most = match role {
            Role::Selector | Role::Failover | Role::Reputation => QUESTIONS_KEPT_MAX,
            Role::Anomaly => WINDOWS_KEPT_MAX,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = kept.entry(role).or_default();
        if ring.len() >= most {
            ring.pop_front();
        }
        ring.push_back(decision.question.clone());
    }
}

/// The first line of every segment.
fn run_line() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let started_unix_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let pointsman = env!("CARGO_PKG_VERSION").to_owned();
    line(&Record::Run(Run { started_unix_ms, pointsman }))
}

/// Writes until nobody is left who could record anything.
fn write_all(queued: &Receiver<Record>, shared: &Shared, mut ring: Ring) {
    while let Ok(first) = queued.recv() {
        let mib = shared.mib.load(Ordering::Relaxed);
        let rest = queued.try_iter().take(BATCH_MAX - 1);
        let mut lines = Vec::with_capacity(BATCH_MAX);
        let mut total = 0;
        for record in std::iter::once(first).chain(rest) {
            shared.keep(&record);
            if mib > 0 {
                total += 1;
                // A longer one could not be read again.
                lines.extend(Some(line(&record)).filter(|line| line.len() <= LINE_BYTES_MAX));
            }
        }
        let written = if mib == 0 { 0 } else { ring.write(&lines, u64::from(mib) << 20) };
        shared.counts.written.fetch_add(written, Ordering::Relaxed);
        shared.counts.dropped.fetch_add(total - written, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use pointsman_core::policy::question::empty_paths;
    use pointsman_core::policy::{Answerer, SelectorQuestion, Verdict};
    use pointsman_engine::record::parse;
    use pointsman_sdk::selector;

    use super::*;

    /// Nothing that is waited for here takes so long on any machine that works.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn decision(number: u64) -> Decision {
        let paths = empty_paths();
        let question = SelectorQuestion { seed: number, paths, ..SelectorQuestion::default() };
        Decision {
            number,
            generation: 1,
            question: Question::Selector(question),
            verdict: Verdict::Selector(selector::Verdict::store()),
            by: Answerer::Builtin,
        }
    }

    fn until(log: &DecisionLog, holds: impl Fn(&DecisionLog) -> bool) {
        let begun = Instant::now();
        while !holds(log) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", log.counts());
            std::thread::yield_now();
        }
    }

    fn read(folder: &std::path::Path) -> Vec<Record> {
        let segments = segments(folder).unwrap_or_default();
        let text = segments.iter().map(|one| std::fs::read_to_string(&one.path).expect("text"));
        text.collect::<String>().lines().map(|line| parse(line).expect("a record")).collect()
    }

    #[test]
    fn decisions_and_outcomes_are_written_behind_the_line_of_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = DecisionLog::start(folder.path().to_owned(), 1, 2).expect("a thread");
        (1..=10).for_each(|number| log.decided(decision(number)));
        let outcome = |decision| Outcome { decision, path: 1, ..Outcome::default() };
        log.outcome(outcome(4));
        log.outcome(outcome(5));
        until(&log, |log| log.counts().written == 6);
        let records = read(folder.path());
        let Some((Record::Run(run), rest)) = records.split_first() else { panic!("a run") };
        assert!(run.started_unix_ms > 0 && run.pointsman == env!("CARGO_PKG_VERSION"));
        let decided = |number| Record::Decision(Box::new(decision(number)));
        let mut wanted: Vec<_> = [2, 4, 6, 8, 10].map(decided).into();
        wanted.push(Record::Outcome(outcome(4)));
        assert_eq!(rest, wanted);
        assert_eq!(log.counts(), Counts { written: 6, dropped: 0 });
    }

    #[test]
    fn the_newest_questions_are_kept_though_nothing_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = DecisionLog::start(folder.path().join("none"), 0, 1).expect("a thread");
        let many = QUESTIONS_KEPT_MAX as u64 + 7;
        (1..=many).for_each(|number| log.decided(decision(number)));
        let last = decision(many).question;
        until(&log, |log| log.recent(Role::Selector).last() == Some(&last));
        let recent = log.recent(Role::Selector);
        assert_eq!((recent.len(), &recent[0]), (QUESTIONS_KEPT_MAX, &decision(8).question));
        assert!(log.recent(Role::Failover).is_empty());
        assert!(!folder.path().join("none").exists());
    }

    #[test]
    fn what_there_is_no_time_for_is_dropped_and_counted_and_nothing_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = DecisionLog::start(folder.path().to_owned(), 1, 1).expect("a thread");
        let many = 8 * DECISIONS_QUEUED_MAX as u64;
        (1..=many).for_each(|number| log.decided(decision(number)));
        until(&log, |log| log.counts().written + log.counts().dropped == many);
    }
}
