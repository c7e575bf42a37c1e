//! Policies that were rolled back, and for how long they stay out.
//!
//! A policy that did not prove itself may not come back for a while: a minute after the first
//! time, twice as long after each further one, a day at most. What counts is the code *with its
//! settings and bounds*: an edit of any is another policy. The list is kept in the state folder,
//! so that a restart does not forget it. A record stays after its time, because it tells that this
//! policy must prove itself even when the node starts; it goes when the policy has proven
//! itself, or when an operator insists.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pointsman_core::limits::QUARANTINED_MAX;
use pointsman_core::policy::Role;
use serde::{Deserialize, Serialize};

use super::state;

/// How long it stays out after the first time: long enough that a person who looks at the log
/// comes first.
const FIRST: Duration = Duration::from_secs(60);

/// How long at most: somebody who mends the network around it need not wait longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

const FILE_BYTES_MAX: usize = 1 << 20;

/// A policy as the quarantine knows it: what decides, and on which terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// SHA-256 of the module in hexadecimal, or `builtin:NAME`.
    pub(crate) code: String,
    /// SHA-256 of its settings and bounds.
    pub(crate) settings: String,
}

/// A policy that was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    role: String,
    mark: Mark,
    times: u32,
    until_unix_ms: u64,
    why: String,
}

/// Why a policy stays out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// For how long still.
    pub left: Duration,
    /// So often it was rolled back.
    pub times: u32,
    /// Why, the last time.
    pub why: String,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { left, times, why } = self;
        let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
        let left = left.as_secs().max(1);
        write!(f, "it was rolled back {times}, last because {why}, and stays out for {left} s")
    }
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    file: Option<PathBuf>,
    records: Vec<Record>,
}

impl Quarantine {
    /// What the file holds. One that can't be read counts as empty: a policy that comes back
    /// by mistake is rolled back again.
    pub(crate) fn open(file: &Path) -> Self {
        let read = state::read(file, FILE_BYTES_MAX).map_err(|error| error.to_string());
        let parsed = read.and_then(|bytes| match bytes {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            None => Ok(Vec::new()),
        });
        let records = parsed.unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), error, "the quarantine of policies is lost");
            Vec::new()
        });
        Self { file: Some(file.to_owned()), records }
    }

    /// Whether a policy stays out at this wall time, and why.
    pub(crate) fn held(&self, role: Role, mark: &Mark, unix_ms: u64) -> Option<Held> {
        let record = self.record(role, mark)?;
        // A clock that was set back keeps nobody out for longer than it was meant.
        let most = span(record.times);
        let left = Duration::from_millis(record.until_unix_ms.saturating_sub(unix_ms)).min(most);
        let held = Held { left, times: record.times, why: record.why.clone() };
        (!left.is_zero()).then_some(held)
    }

    /// Whether it was rolled back and has not proven itself since.
    pub(crate) fn doubts(&self, role: Role, mark: &Mark) -> bool {
        self.record(role, mark).is_some()
    }

    /// Keeps a policy out; tells for how long.
    pub(crate) fn hold(&mut self, role: Role, mark: &Mark, unix_ms: u64, why: &str) -> Duration {
        let times = self.record(role, mark).map_or(0, |record| record.times) + 1;
        self.records.retain(|record| !record.is(role, mark));
        if self.records.len() >= QUARANTINED_MAX {
            self.records.remove(0);
        }
        let left = span(times);
        let until_unix_ms = unix_ms.saturating_add(millis(left));
        let (role, mark, why) = (role.name().to_owned(), mark.clone(), why.to_owned());
        self.records.push(Record { role, mark, times, until_unix_ms, why });
        self.store();
        left
    }

    /// Forgets what a policy did.
    pub(crate) fn release(&mut self, role: Role, mark: &Mark) {
        let before = self.records.len();
        self.records.retain(|record| !record.is(role, mark));
        if self.records.len() != before {
            self.store();
        }
    }

    fn record(&self, role: Role, mark: &Mark) -> Option<&Record> {
        self.records.iter().find(|record| record.is(role, mark))
    }

    fn store(&self) {
        let Some(file) = &self.file else { return };
        let text = serde_json::to_vec_pretty(&self.records).map_err(std::io::Error::from);
        if let Err(error) = text.and_then(|text| state::write(file, &text)) {
            tracing::warn!(
                file = %file.display(), %error,
                "the quarantine of policies can't be kept on disk: a restart forgets it"
            );
        }
    }
}

impl Record {
    fn is(&self, role: Role, mark: &Mark) -> bool {
        self.role == role.name() && self.mark == *mark
    }
}

/// How long a policy stays out that was rolled back so often.
fn span(times: u32) -> Duration {
    let doublings = times.saturating_sub(1).min(16);
    (FIRST * (1 << doublings)).min(LONGEST)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn mark(code: &str) -> Mark {
        Mark { code: code.to_owned(), settings: String::new() }
    }

    fn left_ms(list: &Quarantine, code: &str, now: u64) -> Option<u64> {
        list.held(Role::Selector, &mark(code), now).map(|held| millis(held.left))
    }

    #[test]
    fn it_lasts_a_minute_and_doubles_up_to_a_day() {
        let mut list = Quarantine::default();
        let spans: Vec<_> = (0..14)
            .map(|_| list.hold(Role::Selector, &mark("bad"), 0, "it trapped").as_secs() / 60)
            .collect();
        assert_eq!(spans, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440, 1440]);
    }

    #[test]
    fn it_ends_by_itself_and_the_doubt_stays() {
        let mut list = Quarantine::default();
        list.hold(Role::Selector, &mark("bad"), 1_000, "it trapped");
        assert_eq!(left_ms(&list, "bad", 1_000), Some(MINUTE));
        assert_eq!(left_ms(&list, "bad", MINUTE), Some(1_000));
        assert_eq!(left_ms(&list, "bad", MINUTE + 1_000), None);
        assert!(list.doubts(Role::Selector, &mark("bad")));
        list.release(Role::Selector, &mark("bad"));
        assert!(!list.doubts(Role::Selector, &mark("bad")));
    }

    #[test]
    fn another_slot_other_code_and_other_settings_are_free() {
        let mut list = Quarantine::default();
        list.hold(Role::Selector, &mark("bad"), 0, "it trapped");
        assert_eq!(left_ms(&list, "good", 0), None);
        assert_eq!(list.held(Role::Failover, &mark("bad"), 0), None);
        let other = Mark { settings: "other".to_owned(), ..mark("bad") };
        assert_eq!(list.held(Role::Selector, &other, 0), None);
    }

    #[test]
    fn a_restart_does_not_forget() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quarantine.json");
        Quarantine::open(&file).hold(Role::Selector, &mark("bad"), 0, "it trapped");
        let again = Quarantine::open(&file);
        let held = again.held(Role::Selector, &mark("bad"), 0).unwrap();
        assert_eq!((held.times, held.why.as_str()), (1, "it trapped"));
    }

    #[test]
    fn a_damaged_file_counts_as_empty_and_a_clock_set_back_keeps_nobody_longer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quarantine.json");
        std::fs::write(&file, "[{]").unwrap();
        let mut list = Quarantine::open(&file);
        list.hold(Role::Selector, &mark("bad"), 100 * MINUTE, "it trapped");
        assert_eq!(left_ms(&list, "bad", 0), Some(MINUTE));
    }

    #[test]
    fn the_list_is_bounded_and_the_oldest_goes_first() {
        let mut list = Quarantine::default();
        for number in 0..=QUARANTINED_MAX {
            list.hold(Role::Selector, &mark(&number.to_string()), 0, "it trapped");
        }
        assert_eq!(left_ms(&list, "0", 0), None);
        assert_eq!(left_ms(&list, "1", 0), Some(MINUTE));
        assert_eq!(list.records.len(), QUARANTINED_MAX);
    }
}
