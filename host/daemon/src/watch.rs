//! Notices that files changed: the config, and the modules that it names.
//!
//! What counts is what is found at a path, not what the system says happened: its hints only
//! make us look. So an atomic rename, a file that is deleted and made anew, a symbolic link
//! that leads elsewhere and whatever editors do all come out the same. The *folders* on the way
//! to a file are watched, because a watch of the file itself would stay with what was replaced.
//!
//! A change is told once, when it has been quiet for 200 ms; where it does not get quiet, every
//! 5 s. Where the system has no more watches to give, that is said once, and the files are
//! looked at every 2 s. A thread does it, because a file system may take its time. It ends when
//! the [`Watch`] is dropped. It never reads a file: whoever is told does.

mod folders;
mod print;
mod quiet;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher};
use tokio::sync::mpsc;

use folders::Folders;
use quiet::{Next, Quiet};

/// After a hint, others are waited for so long: a burst of thousands costs a few looks.
const BURST: Duration = Duration::from_millis(10);

/// How often it is looked without any hint. Network file systems give none, and neither does
/// a folder far above that gets another name.
const UNASKED: Duration = Duration::from_secs(10);

/// The same where some folder can't be watched.
const POLL: Duration = Duration::from_secs(2);

/// Files that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Their paths as they were given, in the order in which they were given.
    pub files: Vec<PathBuf>,
}

/// Keeps the watch going; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    files: Mutex<Quiet>,
    stop: AtomicBool,
    /// One hint is as good as a thousand.
    hint: SyncSender<()>,
}

impl Watch {
    /// Watches these files, whether they are there or not. What is found now is not told, so
    /// start the watch before reading the files. Where nobody takes what is told, changes add
    /// up into one.
    pub fn start(files: Vec<PathBuf>) -> io::Result<(Self, mpsc::Receiver<Changed>)> {
        Self::start_with(files, notify::recommended_watcher)
    }

    fn start_with(
        files: Vec<PathBuf>,
        watcher: impl FnOnce(Handler) -> notify::Result<RecommendedWatcher>,
    ) -> io::Result<(Self, mpsc::Receiver<Changed>)> {
        let (hint, hints) = sync_channel(1);
        let (tell, told) = mpsc::channel(1);
        let mut quiet = Quiet::default();
        quiet.set(files);
        let shared =
            Arc::new(Shared { files: Mutex::new(quiet), stop: AtomicBool::new(false), hint });
        let folders = Folders::new(watcher(Handler(shared.hint.clone())));
        let thread = Thread { shared: Arc::clone(&shared), folders, hints, tell };
        Builder::new().name("file-watch".into()).spawn(move || thread.run())?;
        Ok((Self { shared }, told))
    }

    /// Watches these files from now on. Those that were watched before stay as they are; of new
    /// ones, what is found now is not told.
    pub fn set(&self, files: Vec<PathBuf>) {
        self.shared.files().set(files);
        self.shared.wake();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
    }
}

impl Shared {
    fn files(&self) -> std::sync::MutexGuard<'_, Quiet> {
        // Its state is whole between any two statements that could panic.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Full means that there is a hint already.
        let _ = self.hint.try_send(());
    }
}

/// Turns what the system says into a hint.
#[derive(Debug)]
struct Handler(SyncSender<()>);

impl notify::EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        if event.as_ref().map_or(true, |event| is_change(event.kind)) {
            let _ = self.0.try_send(());
        }
    }
}

/// Opening and reading change nothing; we do it ourselves.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

struct Thread {
    shared: Arc<Shared>,
    folders: Folders,
    hints: Receiver<()>,
    tell: mpsc::Sender<Changed>,
}

impl Thread {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::SeqCst) && !self.tell.is_closed() {
            let files = self.shared.files().files();
            let is_watched = self.folders.watch(&files);
            let next = self.shared.files().look(Instant::now());
            match next {
                Next::Tell(files) => {
                    if self.tell.blocking_send(Changed { files }).is_err() {
                        return;
                    }
                }
                Next::Wait(Some(time)) => self.wait(time),
                Next::Wait(None) => self.wait(if is_watched { UNASKED } else { POLL }),
            }
        }
    }

    /// Until there is a hint, or so long. A hint while a change waits to get quiet makes us look
    /// earlier, and no harm.
    fn wait(&self, time: Duration) {
        match self.hints.recv_timeout(time) {
            Ok(()) => std::thread::sleep(BURST),
            // Disconnected can't be: we hold a sender ourselves.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

#[cfg(test)]
mod tests;
