//! When a link's protocol is asked what it measures: while there is traffic, and on demand.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pointsman_core::input::LinkSample;
use tokio::time::Sleep;

/// The time from the first traffic to the sample that covers it. Ten samples a second follow
/// a congestion window closely enough, and cost a system call each.
const PERIOD: Duration = Duration::from_millis(100);

/// Samples one link.
pub(super) struct Gauge {
    sample: Box<dyn Fn() -> LinkSample + Send>,
    last: Option<LinkSample>,
    due: Option<Pin<Box<Sleep>>>,
}

impl Gauge {
    pub(super) fn new(sample: Box<dyn Fn() -> LinkSample + Send>) -> Self {
        Self { sample, last: None, due: None }
    }

    /// There was traffic: a sample is due in a while, unless one is already.
    pub(super) fn traffic(&mut self) {
        if self.due.is_none() {
            self.due = Some(Box::pin(tokio::time::sleep(PERIOD)));
        }
    }

    /// A sample now, if it differs from the last one.
    pub(super) fn read(&mut self) -> Option<LinkSample> {
        let sample = (self.sample)();
        (self.last.replace(sample) != Some(sample)).then_some(sample)
    }

    /// The sample that is due, if it differs from the last one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<LinkSample> {
        let due = self.due.as_mut()?;
        match due.as_mut().poll(cx) {
            Poll::Pending => None,
            Poll::Ready(()) => {
                self.due = None;
                self.read()
            }
        }
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").field("last", &self.last).finish_non_exhaustive()
    }
}
