//! Messages on their way into the loop, and the way back of their fates.
//!
//! An application sends by a [`Ticket`] each, or, at a high rate, through a [`Sender`] with a
//! window, whose fates come back in batches. The loop keeps who waits in [`Waiters`] until the
//! Node told the last fate of the message; a waiter that is left when the loop ends learns
//! [`Stopped`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pointsman_core::id::{PeerId, Token};
use pointsman_core::output::Fate;
use pointsman_sdk::selector::Class;
use tokio::sync::{Notify, mpsc, watch};

/// A message as an application hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// To whom.
    pub peer: PeerId,
    /// How urgent.
    pub class: Class,
    /// Whether it must arrive after what was sent before it in its class.
    pub ordered: bool,
    /// How long it is worth something; `None`: what the config says for its class.
    pub ttl: Option<Duration>,
    /// What: 1 to [`pointsman_core::limits::MESSAGE_BYTES_MAX`] bytes.
    pub payload: Bytes,
}

impl Message {
    /// An unordered message that lives as long as the config says.
    pub fn new(peer: PeerId, class: Class, payload: Bytes) -> Self {
        Self { peer, class, ordered: false, ttl: None, payload }
    }
}

/// The node stopped before the message met its fate: it may or may not have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Whether a fate is the last one of its message.
pub fn is_final(fate: Fate) -> bool {
    match fate {
        Fate::Queued => false,
        Fate::Delivered { .. } | Fate::Expired | Fate::Refused(_) => true,
    }
}

/// What an application holds while its message is under way. Dropping it changes nothing for
/// the message.
#[derive(Debug)]
pub struct Ticket {
    fates: watch::Receiver<Option<Fate>>,
}

impl Ticket {
    /// The first fate: `Queued` where the message was taken, or its end.
    pub async fn first(&mut self) -> Result<Fate, Stopped> {
        self.until(|_| true).await
    }

    /// The last fate: delivered, expired or refused.
    pub async fn last(mut self) -> Result<Fate, Stopped> {
        self.until(is_final).await
    }

    async fn until(&mut self, enough: impl Fn(Fate) -> bool) -> Result<Fate, Stopped> {
        let fate = self.fates.wait_for(|fate| fate.is_some_and(&enough)).await;
        fate.ok().and_then(|fate| *fate).ok_or(Stopped)
    }
}

/// A message on its way into the loop.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) message: Message,
    pub(crate) waiter: Waiter,
}

/// Who waits for the fate of a message.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A ticket.
    Ticket(watch::Sender<Option<Fate>>),
    /// A sender with a window, and what it calls the message.
    Lane(Arc<Lane>, u64),
}

impl Waiter {
    /// A waiter and its ticket.
    pub(crate) fn ticket() -> (Self, Ticket) {
        let (sender, fates) = watch::channel(None);
        (Self::Ticket(sender), Ticket { fates })
    }
}

/// Where the fates of one [`Sender`] gather.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<LaneState>,
    told: Notify,
}

#[derive(Debug, Default)]
struct LaneState {
    fates: Vec<(u64, Fate)>,
    closed: bool,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a message was not handed over; it comes back.
#[derive(Debug, thiserror::Error)]
pub enum TrySendError {
    /// The window is full: take fates first.
    #[error("the window is full")]
    WindowFull(Message),
    /// The loop has more to do than it can take now.
    #[error("the node is busy")]
    Busy(Message),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped(Message),
}

/// Sends at a high rate: at most `window` messages are without a taken fate at any time.
#[derive(Debug)]
pub struct Sender {
    submissions: mpsc::Sender<Submission>,
    lane: Arc<Lane>,
    window: usize,
    open: usize,
    next: u64,
}

impl Sender {
    pub(crate) fn new(submissions: mpsc::Sender<Submission>, window: usize) -> Self {
        Self { submissions, lane: Arc::default(), window: window.max(1), open: 0, next: 0 }
    }

    /// How many messages may still be sent before fates must be taken.
    pub fn room(&self) -> usize {
        self.window - self.open
    }

    /// Hands a message over, and returns what its fate will be told under: 0, 1, 2, …
    pub fn try_send(&mut self, message: Message) -> Result<u64, TrySendError> {
        if self.room() == 0 {
            return Err(TrySendError::WindowFull(message));
        }
        let number = self.next;
        let waiter = Waiter::Lane(Arc::clone(&self.lane), number);
        match self.submissions.try_send(Submission { message, waiter }) {
            Ok(()) => {
                self.next += 1;
                self.open += 1;
                Ok(number)
            }
            Err(mpsc::error::TrySendError::Full(back)) => Err(TrySendError::Busy(back.message)),
            Err(mpsc::error::TrySendError::Closed(back)) => {
                Err(TrySendError::Stopped(back.message))
            }
        }
    }

    /// Waits until the loop takes messages again, after [`TrySendError::Busy`].
    pub async fn ready(&self) -> Result<(), Stopped> {
        self.submissions.reserve().await.map(drop).map_err(|_| Stopped)
    }

    /// Waits for last fates and appends them, each with the number of its message. Taking
    /// them makes room in the window.
    pub async fn fates(&mut self, into: &mut Vec<(u64, Fate)>) -> Result<usize, Stopped> {
        loop {
            {
                let mut state = self.lane.lock();
                let count = state.fates.len();
                if count > 0 {
                    into.append(&mut state.fates);
                    self.open -= count;
                    return Ok(count);
                }
                if state.closed {
                    return Err(Stopped);
                }
            }
            tokio::select! {
                () = self.lane.told.notified() => {}
                () = self.submissions.closed() => self.lane.lock().closed = true,
            }
        }
    }
}

/// Who waits for what, by token. The loop's own.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Slot>,
    free: Vec<u32>,
    told: Vec<Arc<Lane>>,
}

#[derive(Debug)]
struct Slot {
    turn: u32,
    waiter: Option<Waiter>,
}

impl Waiters {
    /// Keeps a waiter under a token that was not used before.
    pub(crate) fn add(&mut self, waiter: Waiter) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { turn: 0, waiter: None });
            u32::try_from(self.slots.len() - 1).expect("fewer messages than 2^32 are in memory")
        });
        let slot = &mut self.slots[index as usize];
        slot.turn = slot.turn.wrapping_add(1);
        slot.waiter = Some(waiter);
        Token(u64::from(slot.turn) << 32 | u64::from(index))
    }

    /// Tells a fate. False where nobody waits under that token.
    pub(crate) fn tell(&mut self, token: Token, fate: Fate) -> bool {
        let index = (token.0 & u64::from(u32::MAX)) as u32;
        let turn = (token.0 >> 32) as u32;
        let slot = self.slots.get_mut(index as usize).filter(|slot| slot.turn == turn);
        let Some(waiter) = slot.and_then(|slot| slot.waiter.take()) else { return false };
        match waiter {
            Waiter::Ticket(ref ticket) => {
                ticket.send_replace(Some(fate));
            }
            Waiter::Lane(ref lane, number) if is_final(fate) => self.note(lane, number, fate),
            Waiter::Lane(..) => {}
        }
        if is_final(fate) {
            self.free.push(index);
        } else {
            self.slots[index as usize].waiter = Some(waiter);
        }
        true
    }

    /// Messages without a last fate.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Wakes the senders that have fates to take: once a batch, not once a message.
    pub(crate) fn wake(&mut self) {
        for lane in self.told.drain(..) {
            lane.told.notify_one();
        }
    }

    fn note(&mut self, lane: &Arc<Lane>, number: u64, fate: Fate) {
        let mut state = lane.lock();
        if state.fates.is_empty() {
            self.told.push(Arc::clone(lane));
        }
        state.fates.push((number, fate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERED: Fate = Fate::Delivered { took_us: 5 };

    fn message() -> Message {
        Message::new(PeerId([1; 32]), Class::Bulk, Bytes::from_static(b"x"))
    }

    #[tokio::test]
    async fn a_ticket_tells_queued_first_and_the_end_last() {
        let mut waiters = Waiters::default();
        let (waiter, mut ticket) = Waiter::ticket();
        let token = waiters.add(waiter);
        assert!(waiters.tell(token, Fate::Queued));
        assert_eq!(ticket.first().await, Ok(Fate::Queued));
        assert!(waiters.tell(token, DELIVERED));
        assert_eq!(ticket.last().await, Ok(DELIVERED));
        assert_eq!(waiters.len(), 0);
    }

    #[tokio::test]
    async fn a_ticket_of_a_loop_that_ended_says_stopped() {
        let (waiter, ticket) = Waiter::ticket();
        drop(waiter);
        assert_eq!(ticket.last().await, Err(Stopped));
    }

    #[test]
    fn a_token_is_never_told_twice_nor_given_out_again() {
        let mut waiters = Waiters::default();
        let first = waiters.add(Waiter::ticket().0);
        assert!(waiters.tell(first, Fate::Expired));
        let second = waiters.add(Waiter::ticket().0);
        assert_ne!(first, second);
        assert!(!waiters.tell(first, Fate::Expired));
    }

    #[tokio::test]
    async fn a_full_window_gives_the_message_back_until_fates_are_taken() {
        let (submissions, mut inbox) = mpsc::channel(8);
        let mut sender = Sender::new(submissions, 1);
        let mut waiters = Waiters::default();
        assert_eq!(sender.try_send(message()).ok(), Some(0));
        assert!(matches!(sender.try_send(message()), Err(TrySendError::WindowFull(_))));
        let token = waiters.add(inbox.recv().await.expect("one was sent").waiter);
        waiters.tell(token, Fate::Queued);
        waiters.tell(token, DELIVERED);
        waiters.wake();
        let mut fates = Vec::new();
        assert_eq!(sender.fates(&mut fates).await, Ok(1));
        assert_eq!(fates, [(0, DELIVERED)]);
        assert_eq!(sender.try_send(message()).ok(), Some(1));
    }

    #[tokio::test]
    async fn a_sender_of_a_stopped_node_learns_it() {
        let (submissions, inbox) = mpsc::channel(8);
        let mut sender = Sender::new(submissions, 4);
        assert_eq!(sender.try_send(message()).ok(), Some(0));
        drop(inbox);
        assert_eq!(sender.fates(&mut Vec::new()).await, Err(Stopped));
        assert!(matches!(sender.try_send(message()), Err(TrySendError::Stopped(_))));
    }
}
