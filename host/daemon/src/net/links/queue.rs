//! What waits between the Node and a link's task, sorted by channel.
//!
//! One queue per link, made with the link and gone with the later of its two ends. It is
//! bounded apart for control and for data, so that neither keeps the other out, and the
//! link's task takes from it by channel, so that an acknowledgement never waits behind data.
//! The lock is held for a push or for the removal of a batch, never while waiting.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use pointsman_core::frame::{Channel, Frame};
use pointsman_core::limits;

/// Why a link did not take a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// So many frames wait already; the frame is dropped.
    #[error("the link's queue is full")]
    Full,
    /// The link is closed or being closed.
    #[error("the link is gone")]
    Gone,
}

/// Where the frames of one link go. Dropping it closes the link.
#[derive(Debug)]
pub struct LinkSender {
    shared: Arc<Mutex<Shared>>,
}

/// The end of the queue that the link's task holds.
#[derive(Debug)]
pub(super) struct LinkQueue {
    shared: Arc<Mutex<Shared>>,
}

/// What the link's task found besides frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signals {
    /// [`LinkSender`] was dropped: what waits is all that will ever come.
    pub(super) closing: bool,
    /// [`LinkSender::measure`] was called since the last time.
    pub(super) measure: bool,
}

#[derive(Debug, Default)]
struct Shared {
    frames: [VecDeque<Frame>; Channel::ALL.len()],
    signals: Signals,
    task_gone: bool,
    task: Option<Waker>,
}

/// Both ends of a new queue.
pub(super) fn queue() -> (LinkSender, LinkQueue) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    (LinkSender { shared: shared.clone() }, LinkQueue { shared })
}

impl LinkSender {
    /// Puts a frame behind those that wait for its channel, and returns at once. Up to
    /// [`limits::INFLIGHT_PACKETS_MAX`] frames of data wait, and of control what
    /// [`limits::LINK_QUEUE_FRAMES`] leaves.
    pub fn try_send(&self, (channel, frame): (Channel, Frame)) -> Result<(), SendError> {
        let mut shared = lock(&self.shared);
        if shared.task_gone {
            return Err(SendError::Gone);
        }
        if shared.is_full(channel) {
            return Err(SendError::Full);
        }
        shared.frames[channel.index()].push_back(frame);
        wake(shared);
        Ok(())
    }

    /// Asks for [`super::super::LinkFact::Measured`], which comes if the figures changed.
    pub fn measure(&self) {
        let mut shared = lock(&self.shared);
        shared.signals.measure = true;
        wake(shared);
    }

    /// Frames that wait here, of all channels: they are in no buffer of libp2p yet.
    pub fn waiting(&self) -> usize {
        lock(&self.shared).frames.iter().map(VecDeque::len).sum()
    }

    /// Closes the link once all that was sent before is written and the other side has read
    /// it, or after [`super::CLOSE_TIME_MAX`]. The same as dropping it. Answered by
    /// [`super::super::LinkFact::Down`].
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for LinkSender {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.signals.closing = true;
        wake(shared);
    }
}

impl LinkQueue {
    /// Moves waiting frames of a channel behind those in `out`, until these weigh `bytes` in
    /// all or none is left.
    pub(super) fn take(&self, channel: Channel, bytes: usize, out: &mut Vec<Frame>) {
        let mut shared = lock(&self.shared);
        let waiting = &mut shared.frames[channel.index()];
        let mut taken = 0;
        while taken < bytes
            && let Some(frame) = waiting.pop_front()
        {
            taken += weight(&frame);
            out.push(frame);
        }
    }

    /// Reads the signals, and has the task woken at the next frame or signal.
    pub(super) fn watch(&self, cx: &mut Context<'_>) -> Signals {
        let mut shared = lock(&self.shared);
        match &mut shared.task {
            Some(task) => task.clone_from(cx.waker()),
            None => shared.task = Some(cx.waker().clone()),
        }
        let signals = shared.signals;
        shared.signals.measure = false;
        signals
    }

    /// Whether no frame waits for a channel.
    pub(super) fn is_empty(&self, channel: Channel) -> bool {
        lock(&self.shared).frames[channel.index()].is_empty()
    }
}

impl Drop for LinkQueue {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.task_gone = true;
        shared.frames = Default::default();
    }
}

impl Shared {
    fn is_full(&self, channel: Channel) -> bool {
        match channel {
            Channel::Control => {
                let most = limits::LINK_QUEUE_FRAMES - limits::INFLIGHT_PACKETS_MAX;
                self.frames[channel.index()].len() >= most
            }
            Channel::Data(_) => {
                let waiting: usize = self.frames[1..].iter().map(VecDeque::len).sum();
                waiting >= limits::INFLIGHT_PACKETS_MAX
            }
        }
    }
}

/// About how many bytes a frame takes encoded.
pub(super) fn weight(frame: &Frame) -> usize {
    match frame {
        Frame::Data(data) => FIELDS_BYTES + data.piece.len(),
        Frame::Ack(ack) => FIELDS_BYTES + ack.ranges.len() * RANGE_BYTES,
        Frame::Hearsay(words) => FIELDS_BYTES + words.len() * WORD_BYTES,
        Frame::Hello(_)
        | Frame::Probe { .. }
        | Frame::Credit { .. }
        | Frame::Bye(_)
        | Frame::Floor { .. }
        | Frame::Unknown(_) => FIELDS_BYTES,
    }
}

/// What the fields of a frame take besides its piece and ranges, about.
const FIELDS_BYTES: usize = 64;
/// What one range of an acknowledgement takes, about.
const RANGE_BYTES: usize = 4;

/// What one word of hearsay takes, at most.
const WORD_BYTES: usize = 35;

/// Nothing panics while it holds the lock, so a poisoned one is as good as another.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the task, if it waits, after the lock is released.
fn wake(mut shared: MutexGuard<'_, Shared>) {
    let task = shared.task.take();
    drop(shared);
    if let Some(task) = task {
        task.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALTIME: Channel = Channel::ALL[1];
    const BULK: Channel = Channel::ALL[3];

    fn probe(sequence: u64) -> Frame {
        Frame::Probe { sequence }
    }

    #[test]
    fn a_queue_full_of_data_still_takes_control() {
        let (sender, queue) = queue();
        for n in 0..limits::INFLIGHT_PACKETS_MAX as u64 {
            let channel = if n % 2 == 0 { BULK } else { REALTIME };
            assert_eq!(sender.try_send((channel, probe(n))), Ok(()));
        }
        assert_eq!(sender.try_send((BULK, probe(0))), Err(SendError::Full));
        assert_eq!(sender.try_send((Channel::Control, probe(1))), Ok(()));
        let mut out = Vec::new();
        queue.take(BULK, 1, &mut out);
        assert_eq!(out, [probe(0)]);
        assert_eq!(sender.try_send((REALTIME, probe(0))), Ok(()));
    }

    #[test]
    fn frames_of_a_channel_come_out_in_order_in_whatever_portions() {
        let (sender, queue) = queue();
        let mut out = Vec::new();
        for n in 0..10 {
            sender.try_send((BULK, probe(n))).expect("there is room");
        }
        for frames in [3, 1, 100, 100] {
            queue.take(BULK, frames * FIELDS_BYTES, &mut out);
        }
        assert_eq!(out, (0..10).map(probe).collect::<Vec<_>>());
        assert!(queue.is_empty(BULK));
    }

    #[test]
    fn a_dropped_sender_is_noticed_and_a_dropped_task_is_told() {
        let (sender, queue) = queue();
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(queue.watch(&mut cx), Signals::default());
        sender.measure();
        assert!(queue.watch(&mut cx).measure);
        assert!(!queue.watch(&mut cx).measure);
        sender.close();
        assert!(queue.watch(&mut cx).closing);

        let (sender, queue) = super::queue();
        drop(queue);
        assert_eq!(sender.try_send((BULK, probe(1))), Err(SendError::Gone));
    }
}
