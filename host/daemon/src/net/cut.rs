//! A switch that silently blackholes an uplink, for tests, the demo and people who rehearse
//! failures.
//!
//! A cut direction loses everything and tells nobody, as a dead path does: QUIC datagrams
//! vanish; TCP reads and writes wait. It ends when the switch is set back; what waited then
//! goes on, and what was dropped meanwhile is retransmitted by its protocol. A TCP socket
//! that is closed while its way out is cut is kept aside until the cut ends, because the
//! kernel would tell the peer.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use pointsman_core::limits::LINKS_MAX;

/// The switch of one uplink: one flag per direction.
#[derive(Default)]
pub struct Cut {
    inbound: AtomicBool,
    outbound: AtomicBool,
    waiting: Mutex<Vec<Weak<Waiting>>>,
    kept: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// The tasks of one connection that wait for a cut to end.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    inbound: AtomicWaker,
    outbound: AtomicWaker,
}

impl Cut {
    /// Whether what arrives is lost.
    pub fn inbound(&self) -> bool {
        self.inbound.load(Ordering::SeqCst)
    }

    /// Whether what is sent is lost.
    pub fn outbound(&self) -> bool {
        self.outbound.load(Ordering::SeqCst)
    }

    /// Sets whether what arrives is lost.
    pub fn set_inbound(&self, lost: bool) {
        self.inbound.store(lost, Ordering::SeqCst);
        if !lost {
            for waiting in lock(&self.waiting).iter().filter_map(Weak::upgrade) {
                waiting.inbound.wake();
            }
        }
    }

    /// Sets whether what is sent is lost.
    pub fn set_outbound(&self, lost: bool) {
        self.outbound.store(lost, Ordering::SeqCst);
        if lost {
            return;
        }
        lock(&self.kept).clear();
        for waiting in lock(&self.waiting).iter().filter_map(Weak::upgrade) {
            waiting.outbound.wake();
        }
    }

    /// A place to wait in. It is forgotten when it is dropped.
    pub(super) fn wait(&self) -> Arc<Waiting> {
        let place = Arc::new(Waiting::default());
        let mut waiting = lock(&self.waiting);
        waiting.retain(|other| other.strong_count() > 0);
        waiting.push(Arc::downgrade(&place));
        place
    }

    /// Ready as soon as what arrives is not lost.
    pub(super) fn poll_inbound(&self, place: &Waiting, cx: &Context<'_>) -> Poll<()> {
        poll(&self.inbound, &place.inbound, cx)
    }

    /// Ready as soon as what is sent is not lost.
    pub(super) fn poll_outbound(&self, place: &Waiting, cx: &Context<'_>) -> Poll<()> {
        poll(&self.outbound, &place.outbound, cx)
    }

    /// Keeps a socket open until the way out is whole again. Beyond as many as there may be
    /// links it is closed instead.
    pub(super) fn keep(&self, socket: impl Any + Send) {
        let mut kept = lock(&self.kept);
        if kept.len() < LINKS_MAX && self.outbound() {
            kept.push(Box::new(socket));
        }
    }
}

fn poll(lost: &AtomicBool, waker: &AtomicWaker, cx: &Context<'_>) -> Poll<()> {
    if !lost.load(Ordering::SeqCst) {
        return Poll::Ready(());
    }
    waker.register(cx.waker());
    if lost.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(()) }
}

/// A lock whose data stay whole when a holder panics: every change under it is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cut")
            .field("inbound", &self.inbound())
            .field("outbound", &self.outbound())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker;

    use super::*;

    #[test]
    fn each_direction_is_lost_by_itself() {
        let cut = Cut::default();
        let place = cut.wait();
        let waker = noop_waker();
        let cx = Context::from_waker(&waker);
        cut.set_outbound(true);
        assert_eq!(cut.poll_outbound(&place, &cx), Poll::Pending);
        assert_eq!(cut.poll_inbound(&place, &cx), Poll::Ready(()));
        cut.set_outbound(false);
        assert_eq!(cut.poll_outbound(&place, &cx), Poll::Ready(()));
    }

    #[test]
    fn places_of_the_dead_are_forgotten() {
        let cut = Cut::default();
        for _ in 0..100 {
            drop(cut.wait());
        }
        let kept = cut.wait();
        assert_eq!(lock(&cut.waiting).len(), 1);
        drop(kept);
    }

    #[test]
    fn a_socket_is_kept_until_the_way_out_is_whole() {
        let cut = Cut::default();
        let socket = Arc::new(());
        cut.set_outbound(true);
        cut.keep(Arc::clone(&socket));
        assert_eq!(Arc::strong_count(&socket), 2);
        cut.set_outbound(false);
        assert_eq!(Arc::strong_count(&socket), 1);
        cut.keep(Arc::clone(&socket));
        assert_eq!(Arc::strong_count(&socket), 1);
    }
}
