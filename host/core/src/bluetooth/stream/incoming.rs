//! What a frame does to a stream.

use super::greeting::Connection;
use super::receiver::{Arrival, Receiver};
use super::wire::{Ack, Frame};
use super::{Carrier, Reason, ResetCode, State, Stream};
use crate::id::Time;

impl Stream {
    /// Whether the frame made sense.
    pub(super) fn take(&mut self, now: Time, carrier: Carrier, tag: u16, frame: Frame<'_>) -> bool {
        match frame {
            Frame::Open { version, l2cap, nonce, window } => {
                let connection = Connection { tag, nonce };
                self.opened(now, connection, version, l2cap, window)
            }
            Frame::Accept { version, key, start, window, psm } => {
                self.greeting.is_answer(version, key) && self.accepted(now, start, window, psm)
            }
            Frame::Reset { key, code } => {
                let ours = self.greeting.connection().is_some_and(|ours| ours.key() == key);
                if ours && self.is_alive() {
                    self.end(State::Broken(Reason::Reset(code)));
                }
                ours
            }
            Frame::Join { nonce } => self.joined(now, carrier, nonce),
            Frame::Data { offset, ack, bytes } => {
                self.confirmed(carrier) && self.data(now, offset, ack, bytes)
            }
            Frame::Ack(ack) => self.confirmed(carrier) && self.acknowledged(now, ack),
            Frame::Close { offset } => self.confirmed(carrier) && self.close(now, offset),
        }
    }

    fn opened(
        &mut self,
        now: Time,
        connection: Connection,
        version: u8,
        l2cap: bool,
        window: u16,
    ) -> bool {
        match self.greeting.opened(now, connection, version, l2cap) {
            None => false,
            Some(Err(code)) => {
                self.reset(code, Reason::Reset(code));
                true
            }
            Some(Ok(first)) => {
                if first {
                    self.receiver = Some(Receiver::new(connection.key()));
                    self.sender.begin(window);
                }
                true
            }
        }
    }

    fn accepted(&mut self, now: Time, start: u32, window: u16, psm: u16) -> bool {
        if self.state == State::Opening {
            self.state = State::Open;
            self.receiver = Some(Receiver::new(start));
            self.sender.begin(window);
            if psm != 0 && self.greeting.wants_l2cap() {
                self.carriers.offered(now, psm);
            }
        }
        // This is what tells the peripheral that it was heard.
        if let Some(receiver) = &mut self.receiver {
            receiver.owe(now);
        }
        true
    }

    fn joined(&mut self, now: Time, carrier: Carrier, nonce: u64) -> bool {
        let ours = self.greeting.connection().is_some_and(|ours| ours.nonce == nonce);
        if !ours || self.greeting.is_central() || carrier != Carrier::L2cap {
            return false;
        }
        self.carriers.entered();
        if let Some(receiver) = &mut self.receiver {
            receiver.owe(now);
        }
        self.confirmed(carrier)
    }

    /// Whether frames of the flow make sense, now that one came over this carrier.
    fn confirmed(&mut self, carrier: Carrier) -> bool {
        if self.receiver.is_none() {
            return false;
        }
        if carrier == Carrier::L2cap {
            if self.greeting.is_central() {
                self.carriers.entered();
            } else if !self.carriers.is_entered() {
                return false;
            }
        }
        if self.state == State::Opening {
            self.state = State::Open;
            self.greeting.done();
        }
        true
    }

    fn data(&mut self, now: Time, offset: u32, ack: Option<Ack>, bytes: &[u8]) -> bool {
        let useful = ack.is_some_and(|ack| self.acknowledged(now, ack));
        let arrival = self.receiver.as_mut().map(|receiver| receiver.data(now, offset, bytes));
        arrival.is_some_and(|arrival| self.count(arrival)) || useful
    }

    fn close(&mut self, now: Time, offset: u32) -> bool {
        let arrival = self.receiver.as_mut().map(|receiver| receiver.close(now, offset));
        arrival.is_some_and(|arrival| self.count(arrival))
    }

    fn acknowledged(&mut self, now: Time, ack: Ack) -> bool {
        let proof = self.sender.acknowledged(now, ack);
        if let Some(Some((carrier, value_bytes))) = proof {
            self.carriers.proven(carrier, value_bytes);
        }
        proof.is_some()
    }

    fn count(&mut self, arrival: Arrival) -> bool {
        match arrival {
            Arrival::Useful => {}
            Arrival::Known => self.counts.duplicates += 1,
            Arrival::Early => self.counts.early += 1,
            Arrival::Stray => return false,
            Arrival::Overrun => self.reset(ResetCode::Overrun, Reason::Overrun),
        }
        true
    }
}
