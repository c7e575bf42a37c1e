//! Messages that arrived, until the application takes them.
//!
//! The loop puts them in, a batch at a time; listeners take them out. A message goes to exactly
//! one listener: the oldest whose filter it passes. Without any it waits, and so does what a
//! listener leaves behind when it is dropped. What waits here was granted as credit to its
//! sender, and is granted anew only when a listener took it: that bounds it.
//!
//! It never loses a message and never delivers one twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pointsman_core::id::PeerId;
use pointsman_core::output::Delivery;
use pointsman_sdk::selector::Class;
use tokio::sync::Notify;

/// Which messages a listener takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only from this peer; `None` for any.
    pub peer: Option<PeerId>,
    /// Only of this class; `None` for any.
    pub class: Option<Class>,
}

impl Filter {
    /// Whether it lets a message pass.
    pub fn passes(&self, delivery: &Delivery) -> bool {
        self.peer.is_none_or(|peer| peer == delivery.peer)
            && self.class.is_none_or(|class| class == delivery.class)
    }
}

/// How many messages wait, and for whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Listeners that are registered.
    pub listeners: usize,
    /// Messages that wait for some listener to come.
    pub unclaimed: usize,
    /// Messages that a listener has not taken yet.
    pub claimed: usize,
}

/// The letter boxes of one node.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    state: Mutex<State>,
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    boxes: Vec<LetterBox>,
    unclaimed: VecDeque<Delivery>,
    consumed: BTreeMap<(PeerId, Class), Taken>,
    next: u64,
    closed: bool,
}

/// What listeners took of one peer and class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) messages: u32,
    /// Of payload.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
struct LetterBox {
    number: u64,
    filter: Filter,
    letters: VecDeque<Delivery>,
    arrived: Arc<Notify>,
}

impl Mail {
    /// Registers a listener. It gets first what waited for one like it.
    pub(crate) fn listen(self: &Arc<Self>, filter: Filter) -> Receiver {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let (letters, unclaimed) =
            std::mem::take(&mut state.unclaimed).into_iter().partition(|one| filter.passes(one));
        state.unclaimed = unclaimed;
        let arrived = Arc::new(Notify::new());
        state.boxes.push(LetterBox { number, filter, letters, arrived: Arc::clone(&arrived) });
        Receiver { mail: Arc::clone(self), number, arrived }
    }

    /// Puts messages into the boxes, and leaves the batch empty.
    pub(crate) fn deliver(&self, batch: &mut Vec<Delivery>) {
        if batch.is_empty() {
            return;
        }
        let mut state = self.lock();
        for delivery in batch.drain(..) {
            state.put(delivery);
        }
    }

    /// What was taken since the last call, by peer and class.
    pub(crate) fn consumed(&self) -> BTreeMap<(PeerId, Class), Taken> {
        std::mem::take(&mut self.lock().consumed)
    }

    /// Waits until [`Mail::consumed`] has something to say. May wake for nothing.
    pub(crate) async fn taken(&self) {
        self.taken.notified().await;
    }

    /// No more messages will come: listeners end when their boxes are empty.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for letter_box in &state.boxes {
            letter_box.arrived.notify_one();
        }
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> Waiting {
        let state = self.lock();
        Waiting {
            listeners: state.boxes.len(),
            unclaimed: state.unclaimed.len(),
            claimed: state.boxes.iter().map(|letter_box| letter_box.letters.len()).sum(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, delivery: Delivery) {
        match self.boxes.iter_mut().find(|letter_box| letter_box.filter.passes(&delivery)) {
            None => self.unclaimed.push_back(delivery),
            Some(letter_box) => {
                if letter_box.letters.is_empty() {
                    letter_box.arrived.notify_one();
                }
                letter_box.letters.push_back(delivery);
            }
        }
    }

    /// Moves up to `most` messages out of a box, and notes that they are consumed.
    fn take(&mut self, number: u64, most: usize, into: &mut Vec<Delivery>) -> usize {
        let Some(at) = self.boxes.iter().position(|letter_box| letter_box.number == number) else {
            return 0;
        };
        let letters = &mut self.boxes[at].letters;
        let count = letters.len().min(most);
        for delivery in letters.drain(..count) {
            let taken = self.consumed.entry((delivery.peer, delivery.class)).or_default();
            taken.messages += 1;
            taken.bytes += delivery.payload.len() as u64;
            into.push(delivery);
        }
        count
    }
}

/// A listener's end. Dropping it hands back what it did not take.
#[derive(Debug)]
pub struct Receiver {
    mail: Arc<Mail>,
    number: u64,
    arrived: Arc<Notify>,
}

impl Receiver {
    /// The next message; `None` once the node has stopped and everything was taken.
    pub async fn recv(&mut self) -> Option<Delivery> {
        let mut one = Vec::with_capacity(1);
        self.recv_many(&mut one, 1).await;
        one.pop()
    }

    /// Waits for messages and appends up to `most` of them, which is how many it returns; 0
    /// once the node has stopped and everything was taken. Taking them lets their senders
    /// send more.
    pub async fn recv_many(&mut self, into: &mut Vec<Delivery>, most: usize) -> usize {
        loop {
            let (count, closed) = {
                let mut state = self.mail.lock();
                (state.take(self.number, most.max(1), into), state.closed)
            };
            if count > 0 {
                self.mail.taken.notify_one();
                return count;
            }
            if closed {
                return 0;
            }
            self.arrived.notified().await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.mail.lock();
        let Some(at) = state.boxes.iter().position(|one| one.number == self.number) else {
            return;
        };
        let left = state.boxes.remove(at).letters;
        for delivery in left {
            state.put(delivery);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn letter(peer: u8, class: Class, number: u64) -> Delivery {
        let payload = Bytes::from_static(b"seven");
        Delivery { peer: PeerId([peer; 32]), class, number, session: 1, payload }
    }

    #[tokio::test]
    async fn a_message_waits_for_the_first_listener_that_wants_it() {
        let mail = Arc::new(Mail::default());
        mail.deliver(&mut vec![letter(1, Class::Bulk, 1), letter(2, Class::Bulk, 1)]);
        let mut second = mail.listen(Filter { peer: Some(PeerId([2; 32])), class: None });
        assert_eq!(second.recv().await.map(|one| one.peer), Some(PeerId([2; 32])));
        assert_eq!(mail.waiting(), Waiting { listeners: 1, unclaimed: 1, claimed: 0 });
    }

    #[tokio::test]
    async fn only_what_was_taken_counts_as_consumed() {
        let mail = Arc::new(Mail::default());
        let mut all = mail.listen(Filter::default());
        mail.deliver(&mut vec![letter(1, Class::Bulk, 1), letter(1, Class::Bulk, 2)]);
        assert!(mail.consumed().is_empty());
        all.recv().await.expect("two wait");
        mail.taken().await;
        let taken = Taken { messages: 1, bytes: 5 };
        assert_eq!(mail.consumed(), BTreeMap::from([((PeerId([1; 32]), Class::Bulk), taken)]));
        assert!(mail.consumed().is_empty());
    }

    #[tokio::test]
    async fn what_a_listener_leaves_goes_to_the_next_one() {
        let mail = Arc::new(Mail::default());
        let first = mail.listen(Filter::default());
        mail.deliver(&mut vec![letter(1, Class::Bulk, 1), letter(1, Class::Realtime, 1)]);
        let mut bulk = mail.listen(Filter { peer: None, class: Some(Class::Bulk) });
        drop(first);
        assert_eq!(bulk.recv().await.map(|one| one.class), Some(Class::Bulk));
        assert_eq!(mail.waiting().unclaimed, 1);
    }

    #[tokio::test]
    async fn a_stopped_node_ends_its_listeners_after_the_last_message() {
        let mail = Arc::new(Mail::default());
        let mut all = mail.listen(Filter::default());
        mail.deliver(&mut vec![letter(1, Class::Bulk, 1)]);
        mail.close();
        assert!(all.recv().await.is_some());
        assert!(all.recv().await.is_none());
    }
}
