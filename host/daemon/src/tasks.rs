//! Waiting for work that is done elsewhere: in a thread that may block, or in a task that must
//! come to its end even if nobody waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

/// Does what blocks in a thread of its own.
pub(crate) async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(work)).await
}

/// How much less urgent than packets the loading of a policy is: a tenth of the loop's weight,
/// where both want the same processor (sched(7)).
#[cfg(target_os = "linux")]
const BACKGROUND_NICE: i32 = 10;

/// Does what takes its time in a thread of its own that gives way to packets. Children that it
/// starts give way too. Where the system has no thread left, it takes a place among the others.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = oneshot::channel();
    let work = Arc::new(Mutex::new(Some(work)));
    let theirs = Arc::clone(&work);
    let yielding = move || {
        // On Linux this is of the calling thread alone, which ends with the work. Where it can't
        // be lowered, the work is done all the same.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::nice(BACKGROUND_NICE);
        let Some(work) = take(&theirs) else { return };
        // Nobody may be waiting any more.
        let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
    };
    let thread = std::thread::Builder::new().name("policy-load".to_owned());
    if thread.spawn(yielding).is_err()
        && let Some(work) = take(&work)
    {
        return off_loop(work).await;
    }
    match result.await {
        Ok(Ok(given)) => given,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => std::future::pending().await,
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What a task gave; its panic goes on here. Where the runtime ends before the task began,
/// whoever waits ends with it.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}
