//! Waiting for work that is done elsewhere: in a thread that may block, or in a task that must
//! come to its end even if nobody waits for it.

use tokio::task::{JoinHandle, spawn_blocking};

/// Does what blocks in a thread of its own.
pub(crate) async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(work)).await
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
