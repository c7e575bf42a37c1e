//! When a change is told: after it got quiet, or after a while of not getting quiet.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::print::Print;

/// So long nothing may change before a change is told: writers of small files are done by then.
const QUIET: Duration = Duration::from_millis(200);

/// So long a change waits at most to get quiet.
const RESTLESS: Duration = Duration::from_secs(5);

/// The files, with what was found there when it was told last.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    files: Vec<Watched>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// What is known to those who are told.
    told: Print,
    /// What was found last.
    found: Print,
}

/// A change that was not told yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Instant,
    /// Of the newest change.
    last: Instant,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Tell that these changed.
    Tell(Vec<PathBuf>),
    /// Look again then; `None`: when there is a reason.
    Wait(Option<Duration>),
}

impl Quiet {
    /// Watches these files: new ones as they are found now, the others as before.
    pub(super) fn set(&mut self, files: Vec<PathBuf>) {
        let mut before = std::mem::take(&mut self.files);
        for path in files {
            if self.files.iter().any(|file| file.path == path) {
                continue;
            }
            let known = before.iter().position(|file| file.path == path);
            self.files.push(known.map(|at| before.swap_remove(at)).unwrap_or_else(|| {
                let found = Print::of(&path);
                Watched { path, told: found.clone(), found }
            }));
        }
    }

    /// Their paths.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    /// Looks at all files.
    pub(super) fn look(&mut self, now: Instant) -> Next {
        self.look_with(now, |path| Print::of(path))
    }

    fn look_with(&mut self, now: Instant, print: impl Fn(&PathBuf) -> Print) -> Next {
        let mut is_restless = false;
        for file in &mut self.files {
            let found = print(&file.path);
            is_restless |= found != file.found;
            file.found = found;
        }
        if self.files.iter().all(|file| file.found == file.told) {
            // Whatever it was, it is as those who are told know it.
            self.waiting = None;
            return Next::Wait(None);
        }
        let waiting = self.waiting.get_or_insert(Waiting { since: now, last: now });
        if is_restless {
            waiting.last = now;
        }
        let due = (waiting.last + QUIET).min(waiting.since + RESTLESS);
        if now < due {
            return Next::Wait(Some(due - now));
        }
        self.waiting = None;
        let changed = self.files.iter_mut().filter(|file| file.found != file.told);
        Next::Tell(
            changed
                .map(|file| {
                    file.told = file.found.clone();
                    file.path.clone()
                })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    /// What is found at every path is a number, written as a kind of error.
    fn print(number: usize) -> Print {
        let kinds = [ErrorKind::Other, ErrorKind::TimedOut, ErrorKind::OutOfMemory];
        Print::Hidden(kinds[number % kinds.len()])
    }

    /// Two files in state 0.
    fn quiet() -> Quiet {
        let watched = |name: &str| Watched { path: name.into(), told: print(0), found: print(0) };
        Quiet { files: vec![watched("a"), watched("b")], waiting: None }
    }

    fn look(quiet: &mut Quiet, at: Instant, a: usize, b: usize) -> Next {
        quiet.look_with(at, |path| print(if path.as_os_str() == "a" { a } else { b }))
    }

    const MS: Duration = Duration::from_millis(1);

    fn wait(ms: u32) -> Next {
        Next::Wait(Some(ms * MS))
    }

    #[test]
    fn a_change_is_told_once_when_it_got_quiet() {
        let (mut quiet, begin) = (quiet(), Instant::now());
        assert_eq!(look(&mut quiet, begin, 0, 0), Next::Wait(None));
        assert_eq!(look(&mut quiet, begin, 1, 0), wait(200));
        assert_eq!(look(&mut quiet, begin + 150 * MS, 1, 1), wait(200));
        assert_eq!(look(&mut quiet, begin + 349 * MS, 1, 1), wait(1));
        let both = Next::Tell(vec!["a".into(), "b".into()]);
        assert_eq!(look(&mut quiet, begin + 350 * MS, 1, 1), both);
        assert_eq!(look(&mut quiet, begin + 351 * MS, 1, 1), Next::Wait(None));
    }

    #[test]
    fn what_never_gets_quiet_is_told_after_five_seconds() {
        let (mut quiet, begin) = (quiet(), Instant::now());
        for step in 0..50_u32 {
            let now = begin + step * 100 * MS;
            assert!(matches!(look(&mut quiet, now, 1 + step as usize % 2, 0), Next::Wait(Some(_))));
        }
        let told = look(&mut quiet, begin + 5_000 * MS, 1, 0);
        assert_eq!(told, Next::Tell(vec!["a".into()]));
    }

    #[test]
    fn a_change_that_is_taken_back_is_not_told() {
        let (mut quiet, begin) = (quiet(), Instant::now());
        assert_eq!(look(&mut quiet, begin, 1, 0), wait(200));
        assert_eq!(look(&mut quiet, begin + 100 * MS, 0, 0), Next::Wait(None));
        assert_eq!(look(&mut quiet, begin + 900 * MS, 0, 0), Next::Wait(None));
    }

    #[test]
    fn files_that_stay_keep_what_was_not_told_yet() {
        let (mut quiet, begin) = (quiet(), Instant::now());
        assert_eq!(look(&mut quiet, begin, 1, 0), wait(200));
        quiet.set(vec!["a".into(), "a".into(), "/nowhere/c".into()]);
        assert_eq!(quiet.files(), [PathBuf::from("a"), PathBuf::from("/nowhere/c")]);
        let found =
            |path: &PathBuf| if path.as_os_str() == "a" { print(1) } else { Print::of(path) };
        let told = quiet.look_with(begin + 200 * MS, found);
        assert_eq!(told, Next::Tell(vec!["a".into()]));
    }
}
