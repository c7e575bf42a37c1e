//! The frames of an open link, both ways, with nothing of libp2p's handshakes.
//!
//! Writing goes by rank: whenever the muxer takes bytes, it gets those of the highest channel
//! that has any, so a full bulk channel delays an acknowledgement by one write at most. Each
//! channel has its own bounded buffer, so one that is stuck keeps no other from being read or
//! written.

use std::io;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use pointsman_core::frame::{self, Channel, Frame, FrameError};
use pointsman_sdk::selector::Class;

use super::datagrams::Datagrams;
use super::gauge::Gauge;
use super::mail::{LoopGone, Mail};
use super::queue::{LinkQueue, Signals};
use super::substream::Substream;

/// Writes in one turn, over all channels. Then the muxer must get its turn: it is what puts
/// bytes on the wire.
const WRITES_PER_TURN: usize = 64;

/// Reads of one channel in one turn.
const READS_PER_TURN: usize = 8;

/// Datagrams taken in one turn.
const DATAGRAMS_PER_TURN: usize = 256;

const REALTIME: Channel = Channel::Data(Class::Realtime);

/// All that moves the frames of one link.
#[derive(Debug)]
pub(super) struct Traffic<S> {
    substreams: [Substream<S>; Channel::ALL.len()],
    datagrams: Option<Datagrams>,
    queue: LinkQueue,
    mail: Mail,
    gauge: Gauge,
    staged: Vec<Frame>,
    deaf: bool,
}

/// Why the traffic of a link stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// A substream broke.
    Broken(io::Error),
    /// Nobody is there to take the facts.
    LoopGone,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<LoopGone> for Stop {
    fn from(LoopGone: LoopGone) -> Self {
        Self::LoopGone
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Traffic<S> {
    pub(super) fn new(
        substreams: [Substream<S>; Channel::ALL.len()],
        datagrams: Option<Datagrams>,
        queue: LinkQueue,
        mail: Mail,
        gauge: Gauge,
    ) -> Self {
        Self { substreams, datagrams, queue, mail, gauge, staged: Vec::new(), deaf: false }
    }

    /// Whether the loop has been told that the link is up.
    pub(super) fn is_announced(&self) -> bool {
        self.mail.is_announced()
    }

    /// One turn: writes, reads and hands over what can be without waiting, and has the task
    /// woken when more can be.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Result<Signals, Stop> {
        let signals = self.queue.watch(cx);
        self.write(cx)?;
        self.receive(cx)?;
        self.measure(signals.measure, cx);
        self.deliver(cx)?;
        Ok(signals)
    }

    /// One turn of a link that we close: writes what is left, finishes, and waits for the
    /// other side to do the same. What still arrives is dropped.
    pub(super) fn turn_closing(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let _ = self.queue.watch(cx);
        self.write(cx)?;
        let finished = self.finish(cx)?;
        self.drain(cx)?;
        if finished && self.all_ended() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// One turn of a link that the other side closes: hands over what it still sends, drops
    /// what waits for it, and finishes after it.
    pub(super) fn turn_closed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        self.receive(cx)?;
        if !self.deliver(cx)? || !(self.all_ended() || self.deaf) {
            return Poll::Pending;
        }
        if self.finish(cx)? { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Whether the other side has finished any of its channels.
    pub(super) fn any_ended(&self) -> bool {
        self.substreams.iter().any(Substream::is_ended)
    }

    fn all_ended(&self) -> bool {
        self.substreams.iter().all(Substream::is_ended)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut writes = 0;
        while writes < WRITES_PER_TURN && self.write_highest(cx)? {
            writes += 1;
        }
        if writes > 0 {
            self.gauge.traffic();
        }
        if writes == WRITES_PER_TURN {
            cx.waker().wake_by_ref();
        }
        for substream in &mut self.substreams {
            if let Poll::Ready(flushed) = substream.poll_flush(cx) {
                flushed?;
            }
        }
        Ok(())
    }

    /// One write of the highest channel that can. False where none can.
    fn write_highest(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        for channel in Channel::ALL {
            self.encode(channel);
            if let Poll::Ready(written) = self.substreams[channel.index()].poll_write(cx)
                && written? > 0
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Encodes waiting frames of a channel while its buffer has room.
    fn encode(&mut self, channel: Channel) {
        let substream = &mut self.substreams[channel.index()];
        self.queue.take(channel, substream.room(), &mut self.staged);
        let mut datagrams = self.datagrams.as_mut().filter(|_| channel == REALTIME);
        for frame in self.staged.drain(..) {
            let sent = datagrams.as_mut().is_some_and(|datagrams| datagrams.send(&frame));
            if sent {
                self.gauge.traffic();
            } else {
                substream.put(&frame);
            }
        }
    }

    /// Ends the writing half of each channel for which nothing waits any more.
    fn finish(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut all = true;
        for channel in Channel::ALL {
            let substream = &mut self.substreams[channel.index()];
            all &= self.queue.is_empty(channel)
                && match substream.poll_finish(cx) {
                    Poll::Ready(finished) => finished.map(|()| true)?,
                    Poll::Pending => false,
                };
        }
        Ok(all)
    }

    /// Reads and hands over until there is nothing to read, or nowhere to put it.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        if self.deaf {
            return Ok(());
        }
        let mut more = self.read_datagrams(cx);
        for channel in Channel::ALL {
            more |= self.read(channel, cx)?;
        }
        // There may be more to read: go on at once if the loop took what there was.
        if self.deliver(cx)? && more {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Reads one channel. True where there may be more to read now.
    fn read(&mut self, channel: Channel, cx: &mut Context<'_>) -> Result<bool, Stop> {
        for _ in 0..READS_PER_TURN {
            if !self.take_frames(channel) {
                return Ok(!self.deaf);
            }
            match self.substreams[channel.index()].poll_read(cx) {
                Poll::Pending | Poll::Ready(Ok(0)) => return Ok(false),
                Poll::Ready(Ok(_)) => self.gauge.traffic(),
                Poll::Ready(Err(error)) => return Err(error.into()),
            }
        }
        self.take_frames(channel);
        Ok(true)
    }

    /// Takes the frames of a channel that were read. False where no more may be read.
    fn take_frames(&mut self, channel: Channel) -> bool {
        while self.mail.has_room(channel) && !self.deaf {
            match self.substreams[channel.index()].next_frame() {
                Ok(Some(frame)) => self.mail.take(channel, frame),
                Ok(None) => return true,
                Err(error) => self.malformed(error),
            }
        }
        false
    }

    /// Takes the datagrams that arrived. True where there may be more.
    fn read_datagrams(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..DATAGRAMS_PER_TURN {
            let Some(datagrams) = &mut self.datagrams else { return false };
            if !self.mail.has_room(REALTIME) {
                return true;
            }
            match datagrams.poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(None) => self.datagrams = None,
                Poll::Ready(Some(bytes)) => match frame::decode(bytes) {
                    Ok(frame) => self.mail.take(REALTIME, frame),
                    Err(error) => {
                        self.malformed(error);
                        return false;
                    }
                },
            }
            self.gauge.traffic();
        }
        true
    }

    /// From now on nothing is read: the bytes behind such a frame mean nothing.
    fn malformed(&mut self, error: FrameError) {
        self.deaf = true;
        self.mail.malformed(error);
    }

    /// Reads without keeping anything, to learn when the other side has finished.
    fn drain(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        for substream in &mut self.substreams {
            let mut reads = 0;
            while reads < READS_PER_TURN
                && let Poll::Ready(read) = substream.poll_skip(cx)
                && read? > 0
            {
                reads += 1;
            }
            if reads == READS_PER_TURN {
                cx.waker().wake_by_ref();
            }
        }
        Ok(())
    }

    fn measure(&mut self, demanded: bool, cx: &mut Context<'_>) {
        let due = self.gauge.poll(cx);
        let sample = if demanded { due.or_else(|| self.gauge.read()) } else { due };
        if let Some(sample) = sample {
            self.mail.measured(sample);
        }
    }

    /// Hands over what there is. True where nothing is left.
    fn deliver(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        match self.mail.poll_deliver(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(done) => Ok(done.map(|()| true)?),
        }
    }
}

#[cfg(test)]
mod tests;
