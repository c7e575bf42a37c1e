//! The thread that writes, so that nobody else waits for the disk.
//!
//! **Life.** Changes are handed over and wait, at most one for each row: a newer one takes the
//! place of the older. The first are written at once, later ones when the period since the last
//! write is over, or when so many wait that there soon is no room. What could not be written waits
//! on, below what is newer, until the next period. At the end all is written that waits.
//!
//! **Limits.** [`STORE_CHANGES_MAX`] rows wait; a batch for which there is no room is refused as a
//! whole, with an error. An error of the disk is told once, until it works again or fails
//! otherwise.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pointsman_core::limits::STORE_CHANGES_MAX;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Store, Written};

/// From so many changes on they don't wait for the end of the period.
const CHANGES_URGENT: usize = STORE_CHANGES_MAX / 2;

/// What the thread has to tell.
#[derive(Debug)]
pub enum Notice {
    /// A batch is on the disk.
    Saved(Written),
    /// Nothing can be written. What should be waits, and is tried again.
    Failing(Arc<StoreError>),
    /// So much waits that changes are refused. Told once, until something is written.
    Behind {
        /// Rows that wait.
        waiting: usize,
    },
}

/// There is no room for these changes: the disk can't keep up. None of them is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} changes wait for the disk of the store; {refused} more were refused")]
pub struct Behind {
    /// Rows that wait.
    pub waiting: usize,
    /// Rows that were refused.
    pub refused: usize,
}

/// Writes changes to a store. Dropping it is like [`Writer::close`], but tells nobody of an error.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Batch,
    /// Rows that are being written, and wait again if that fails.
    under_way: usize,
    refused: u64,
    is_closing: bool,
}

impl Queue {
    fn len(&self) -> usize {
        self.waiting.len() + self.under_way
    }
}

impl Writer {
    /// Takes the store. Its changes are written once in a period at most, unless too many wait;
    /// `tell` is called on the thread that writes.
    pub fn start(
        store: Store,
        period: Duration,
        tell: impl FnMut(Notice) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let desk = Desk {
            store,
            shared: Arc::clone(&shared),
            period,
            tell: Box::new(tell),
            written_at: None,
            failing: None,
            refused_known: 0,
            is_behind: false,
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || desk.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands over changes. This never waits for the disk.
    pub fn save(&self, batch: Batch) -> Result<(), Behind> {
        let mut queue = self.shared.lock();
        let (waiting, added) = (queue.len(), batch.len());
        if waiting.saturating_add(added) > STORE_CHANGES_MAX {
            queue.refused += added as u64;
            drop(queue);
            self.shared.changed.notify_one();
            return Err(Behind { waiting, refused: added });
        }
        queue.waiting.append(batch);
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Rows that wait for the disk, or are on their way to it.
    pub fn waiting(&self) -> usize {
        self.shared.lock().len()
    }

    /// Rows that were refused so far.
    pub fn refused(&self) -> u64 {
        self.shared.lock().refused
    }

    /// Writes what waits and closes the store; tells why it could not. This waits for the disk.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_one();
        let died = |_| Err(StoreError::Io(io::Error::other("the thread of the store died")));
        thread.join().unwrap_or_else(died)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!("the store is not up to date: {error}");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's own.
struct Desk {
    store: Store,
    shared: Arc<Shared>,
    period: Duration,
    tell: Box<dyn FnMut(Notice) + Send>,
    /// When it was written, or tried to, last.
    written_at: Option<Instant>,
    /// The error that was told last, while it lasts.
    failing: Option<Arc<StoreError>>,
    /// Refusals that need not be told any more.
    refused_known: u64,
    is_behind: bool,
}

/// What wakes the thread.
enum Wake {
    Write(Batch),
    Refused { waiting: usize },
    Close(Batch),
}

impl Desk {
    fn run(mut self) -> Result<(), StoreError> {
        loop {
            match self.wait() {
                Wake::Write(batch) => self.write(batch),
                Wake::Refused { waiting } => (self.tell)(Notice::Behind { waiting }),
                Wake::Close(batch) => {
                    if !batch.is_empty() {
                        let written = self.store.write(&batch)?;
                        (self.tell)(Notice::Saved(written));
                    }
                    return self.store.close();
                }
            }
        }
    }

    fn wait(&mut self) -> Wake {
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.lock();
        loop {
            if queue.is_closing {
                return Wake::Close(std::mem::take(&mut queue.waiting));
            }
            if self.notices_refusals(&queue) {
                return Wake::Refused { waiting: queue.len() };
            }
            let left = self.time_left(&queue);
            if left.is_some_and(|left| left.is_zero()) {
                let batch = std::mem::take(&mut queue.waiting);
                queue.under_way = batch.len();
                return Wake::Write(batch);
            }
            queue = match left {
                None => shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = shared.changed.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Whether there are new refusals, and none were told since something was written.
    fn notices_refusals(&mut self, queue: &Queue) -> bool {
        let is_news = !self.is_behind && queue.refused > self.refused_known;
        self.is_behind |= is_news;
        is_news
    }

    /// How long what waits has to; `None` where nothing does.
    fn time_left(&self, queue: &Queue) -> Option<Duration> {
        if queue.waiting.is_empty() {
            return None;
        }
        let is_urgent = queue.waiting.len() >= CHANGES_URGENT && self.failing.is_none();
        let since = self.written_at.filter(|_| !is_urgent).map(|at| at.elapsed());
        Some(since.map_or(Duration::ZERO, |since| self.period.saturating_sub(since)))
    }

    fn write(&mut self, batch: Batch) {
        let result = self.store.write(&batch);
        self.written_at = Some(Instant::now());
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.lock();
        queue.under_way = 0;
        match result {
            Ok(written) => {
                if std::mem::take(&mut self.is_behind) {
                    self.refused_known = queue.refused;
                }
                drop(queue);
                self.failing = None;
                (self.tell)(Notice::Saved(written));
            }
            Err(error) => {
                let newer = std::mem::replace(&mut queue.waiting, batch);
                queue.waiting.append(newer);
                drop(queue);
                self.fail(error);
            }
        }
    }

    /// Tells an error, unless it is the one that was told already.
    fn fail(&mut self, error: StoreError) {
        if !self.failing.as_ref().is_some_and(|told| told.is_like(&error)) {
            let error = Arc::new(error);
            self.failing = Some(Arc::clone(&error));
            (self.tell)(Notice::Failing(error));
        }
    }
}
