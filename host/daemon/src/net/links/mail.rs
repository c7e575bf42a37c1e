//! What a link's task tells the loop, and the batch that waits while the loop is busy.
//!
//! Frames are gathered while the channel to the loop has no room, and go over as one fact
//! when it has. Control and data are bounded apart: a batch full of data still takes control.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use pointsman_core::frame::{Channel, Frame, FrameError};
use pointsman_core::id::LinkId;
use pointsman_core::input::LinkSample;
use pointsman_core::limits;
use tokio_util::sync::PollSender;

use super::queue::weight;
use crate::net::LinkFact;

/// A piece below this size is copied out of the block that it was read in, so that whoever
/// keeps it does not keep the block.
const PIECE_COPIED_BELOW: usize = 4 << 10;

/// The way to the loop.
#[derive(Debug)]
pub(super) struct Mail {
    link: LinkId,
    loop_: PollSender<LinkFact>,
    up: Option<LinkFact>,
    batch: Batch,
    malformed: Option<FrameError>,
    measured: Option<LinkSample>,
}

/// The loop is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoopGone;

impl Mail {
    /// Begins with the fact that the link is up.
    pub(super) fn new(link: LinkId, loop_: PollSender<LinkFact>, up: LinkFact) -> Self {
        let batch = Batch::default();
        Self { link, loop_, up: Some(up), batch, malformed: None, measured: None }
    }

    /// Whether the loop has been told that the link is up.
    pub(super) fn is_announced(&self) -> bool {
        self.up.is_none()
    }

    /// Whether a frame of the channel may be taken.
    pub(super) fn has_room(&self, channel: Channel) -> bool {
        self.batch.has_room(channel)
    }

    pub(super) fn take(&mut self, channel: Channel, frame: Frame) {
        self.batch.push(channel, frame);
    }

    pub(super) fn malformed(&mut self, error: FrameError) {
        self.malformed = Some(error);
    }

    pub(super) fn measured(&mut self, sample: LinkSample) {
        self.measured = Some(sample);
    }

    /// Hands over what there is, until nothing is left.
    pub(super) fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LoopGone>> {
        while self.has_fact() {
            ready!(self.loop_.poll_reserve(cx)).map_err(|_| LoopGone)?;
            let Some(fact) = self.next_fact() else { break };
            self.loop_.send_item(fact).map_err(|_| LoopGone)?;
        }
        Poll::Ready(Ok(()))
    }

    fn has_fact(&self) -> bool {
        self.up.is_some()
            || !self.batch.is_empty()
            || self.malformed.is_some()
            || self.measured.is_some()
    }

    fn next_fact(&mut self) -> Option<LinkFact> {
        let link = self.link;
        if let Some(up) = self.up.take() {
            return Some(up);
        }
        if !self.batch.is_empty() {
            return Some(LinkFact::Received { link, frames: self.batch.drain() });
        }
        if let Some(error) = self.malformed.take() {
            return Some(LinkFact::Malformed { link, error });
        }
        self.measured.take().map(|sample| LinkFact::Measured { link, sample })
    }
}

/// Frames that arrived and are not handed over yet.
#[derive(Debug, Default)]
struct Batch {
    control: Vec<(Channel, Frame)>,
    data: Vec<(Channel, Frame)>,
    data_bytes: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.control.is_empty() && self.data.is_empty()
    }

    fn has_room(&self, channel: Channel) -> bool {
        match channel {
            Channel::Control => self.control.len() < limits::BATCH_CONTROL_MAX,
            Channel::Data(_) => self.data_bytes < limits::BATCH_BYTES_MAX,
        }
    }

    fn push(&mut self, channel: Channel, mut frame: Frame) {
        if let Frame::Data(data) = &mut frame
            && data.piece.len() < PIECE_COPIED_BELOW
        {
            data.piece = Bytes::copy_from_slice(&data.piece);
        }
        match channel {
            Channel::Control => self.control.push((channel, frame)),
            Channel::Data(_) => {
                self.data_bytes += weight(&frame);
                self.data.push((channel, frame));
            }
        }
    }

    /// Control first, but a farewell last: what was sent before it shall count.
    fn drain(&mut self) -> Vec<(Channel, Frame)> {
        let Self { mut control, mut data, .. } = core::mem::take(self);
        if control.is_empty() {
            return data;
        }
        let farewell = control.pop_if(|(_, frame)| matches!(frame, Frame::Bye(_)));
        control.append(&mut data);
        control.extend(farewell);
        control
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_core::frame::ByeCode;

    const BULK: Channel = Channel::ALL[3];

    #[test]
    fn a_batch_full_of_data_still_takes_control() {
        let mut batch = Batch::default();
        while batch.has_room(BULK) {
            batch.push(BULK, Frame::Unknown(65));
        }
        assert!(batch.has_room(Channel::Control));
        while batch.has_room(Channel::Control) {
            batch.push(Channel::Control, Frame::Unknown(65));
        }
        assert_eq!(batch.control.len(), limits::BATCH_CONTROL_MAX);
        assert!(batch.data_bytes < limits::BATCH_BYTES_MAX + limits::FRAME_BYTES_MAX);
        batch.drain();
        assert!(batch.is_empty() && batch.has_room(BULK));
    }

    #[test]
    fn control_goes_before_data_and_a_farewell_behind_it() {
        let mut batch = Batch::default();
        let (probe, bye) = (Frame::Probe { sequence: 1 }, Frame::Bye(ByeCode::Done));
        batch.push(BULK, Frame::Unknown(65));
        batch.push(Channel::Control, probe.clone());
        batch.push(Channel::Control, bye.clone());
        let order: Vec<_> = batch.drain().into_iter().map(|(_, frame)| frame).collect();
        assert_eq!(order, [probe, Frame::Unknown(65), bye]);
    }
}
