//! Messages on their way: what waits and what is not acknowledged on the sender's side, what
//! is incomplete or out of order on the receiver's.
//!
//! Per peer and class there is an [`Outbox`] and an [`Inbox`]. A message has a number in its
//! class and session. The receiver hands each number to the application at most once, in
//! order where the message asks for it, and skips what the sender gave up. How much a sender
//! may have under way is granted by the receiver, so that what is held is bounded.

mod inbox;
mod outbox;

pub(crate) use inbox::{Inbox, Taken};
pub(crate) use outbox::{Head, Outbox};
