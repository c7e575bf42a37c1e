//! One connection's side of the links behaviour: it lives in the connection's own task.
//!
//! It opens (or accepts) the four substreams, then runs `Traffic` until either side closes.
//! Until a channel is opened the connection is a guest: others may use it, and this handler
//! does not keep it open. It never waits for the behaviour: frames and facts have their own way around it, and the
//! few events for it are told at once.
//!
//! Closing in good order: whoever closes writes what is left and finishes all its channels.
//! The other side reads to their ends, hands that over, and finishes its own. Only then is
//! the connection closed, because QUIC drops what was not acknowledged when it closes.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, Stream, SubstreamProtocol};
use pointsman_core::frame::Channel;
use pointsman_core::input::{DownReason, NewLink, Transport};
use pointsman_core::limits::RADIO_WRITE_BYTES_MAX;
use tokio::time::Sleep;
use tokio_util::sync::PollSender;

use super::datagrams::Datagrams;
use super::gauge::Gauge;
use super::mail::Mail;
use super::protocol::{Offer, Protocols};
use super::queue::queue;
use super::substream::Substream;
use super::traffic::{Stop, Traffic};
use super::{CLOSE_TIME_MAX, OPEN_TIME_MAX, Wire};
use crate::net::LinkFact;

/// What a link is made of, should the connection become one.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) new: NewLink,
    pub(super) wire: Wire,
    pub(super) loop_: PollSender<LinkFact>,
}

/// This side's part in making a link of a connection.
#[derive(Debug)]
pub(super) enum Part {
    /// It dialled for a link, and opens the channels.
    Opens(Assignment),
    /// The other side may open them.
    Waits(Assignment),
    /// It never becomes a link.
    Never,
}

/// What the behaviour is told of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The loop has got [`LinkFact::Up`].
    Announced,
    /// One side began to close it.
    Ending(DownReason),
    /// It is finished with and the connection can be closed. The text is for people.
    Ended(String),
}

/// The links behaviour's handler of one connection.
#[derive(Debug)]
pub struct Handler {
    /// The channels that the other side may open.
    accepts: &'static [Channel],
    protocols: Protocols,
    phase: Phase,
    announced: bool,
}

type Event = ConnectionHandlerEvent<Offer, (), Told>;

#[derive(Debug)]
enum Phase {
    /// No channel was opened; with what a link would be made of, where it can become one.
    Guest(Option<Box<Assignment>>),
    Opening(Box<Opening>),
    Open(Box<Traffic<Stream>>),
    /// Closing, on our order or after the other side.
    Ending(Box<Traffic<Stream>>, DownReason, Pin<Box<Sleep>>),
    Ended,
}

/// The substreams so far.
#[derive(Debug)]
struct Opening {
    assignment: Assignment,
    streams: [Option<Stream>; Channel::ALL.len()],
    /// Those that are to be asked for.
    unasked: std::slice::Iter<'static, Channel>,
    failed: Option<String>,
    deadline: Pin<Box<Sleep>>,
}

impl Handler {
    pub(super) fn new(part: Part, protocols: Protocols) -> Self {
        let (accepts, phase): (&[Channel], _) = match part {
            Part::Opens(assignment) => {
                (&[], Phase::Opening(Box::new(Opening::new(assignment, &Channel::ALL))))
            }
            Part::Waits(assignment) => (&Channel::ALL, Phase::Guest(Some(Box::new(assignment)))),
            Part::Never => (&[], Phase::Guest(None)),
        };
        Self { accepts, protocols, phase, announced: false }
    }

    /// Takes a substream. One that is not expected (a channel that there is already, or after
    /// the close) is refused by being dropped.
    fn opened(&mut self, channel: Channel, mut stream: Stream) {
        stream.ignore_for_keep_alive();
        if let Phase::Guest(assignment) = &mut self.phase
            && let Some(assignment) = assignment.take()
        {
            self.phase = Phase::Opening(Box::new(Opening::new(*assignment, &[])));
        }
        match &mut self.phase {
            Phase::Opening(opening) => {
                opening.streams[channel.index()].get_or_insert(stream);
            }
            Phase::Guest(_) | Phase::Open(_) | Phase::Ending(..) | Phase::Ended => drop(stream),
        }
    }

    fn failed(&mut self, text: String) {
        if let Phase::Opening(opening) = &mut self.phase {
            opening.failed = Some(text);
        }
    }

    /// Goes on as far as it can, and tells what the behaviour must know.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            match &mut self.phase {
                Phase::Guest(_) => return Poll::Pending,
                Phase::Opening(opening) => {
                    if let Some(protocol) = opening.next_request(&self.protocols) {
                        return Poll::Ready(Event::OutboundSubstreamRequest { protocol });
                    }
                    match opening.poll_traffic(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(traffic)) => self.phase = Phase::Open(Box::new(traffic)),
                        Poll::Ready(Err(text)) => return self.end(text),
                    }
                }
                Phase::Open(traffic) => {
                    let turn = traffic.turn(cx);
                    if !self.announced && traffic.is_announced() {
                        self.announced = true;
                        cx.waker().wake_by_ref();
                        return tell(Told::Announced);
                    }
                    let reason = match turn {
                        Ok(signals) if signals.closing => DownReason::Ordered,
                        Ok(_) if traffic.any_ended() => DownReason::Closed,
                        Ok(_) => return Poll::Pending,
                        Err(stop) => return self.stop(stop),
                    };
                    return self.begin_end(reason);
                }
                Phase::Ending(traffic, reason, deadline) => {
                    if deadline.as_mut().poll(cx).is_ready() {
                        return self.end("not all was written in time".into());
                    }
                    let turn = match reason {
                        DownReason::Ordered => traffic.turn_closing(cx),
                        DownReason::Closed | DownReason::Broken => traffic.turn_closed(cx),
                    };
                    return match turn {
                        Poll::Pending => Poll::Pending,
                        Poll::Ready(Ok(())) => self.end("closed in good order".into()),
                        Poll::Ready(Err(stop)) => self.stop(stop),
                    };
                }
                Phase::Ended => return Poll::Pending,
            }
        }
    }

    fn begin_end(&mut self, reason: DownReason) -> Poll<Event> {
        if let Phase::Open(traffic) = std::mem::replace(&mut self.phase, Phase::Ended) {
            let deadline = Box::pin(tokio::time::sleep(CLOSE_TIME_MAX));
            self.phase = Phase::Ending(traffic, reason, deadline);
        }
        tell(Told::Ending(reason))
    }

    fn stop(&mut self, stop: Stop) -> Poll<Event> {
        self.end(match stop {
            Stop::Broken(error) => error.to_string(),
            Stop::LoopGone => "this node ends".to_owned(),
        })
    }

    fn end(&mut self, text: String) -> Poll<Event> {
        self.phase = Phase::Ended;
        tell(Told::Ended(text))
    }
}

fn tell(told: Told) -> Poll<Event> {
    Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told))
}

impl Opening {
    /// With these channels to be opened by this side.
    fn new(assignment: Assignment, ours: &'static [Channel]) -> Self {
        Self {
            assignment,
            streams: Default::default(),
            unasked: ours.iter(),
            failed: None,
            deadline: Box::pin(tokio::time::sleep(OPEN_TIME_MAX)),
        }
    }

    /// The next substream to ask for, on the side that opens them.
    fn next_request(&mut self, protocols: &Protocols) -> Option<SubstreamProtocol<Offer>> {
        let channel = *self.unasked.next()?;
        Some(SubstreamProtocol::new(protocols.offer(&[channel]), ()))
    }

    /// The link's traffic, once all substreams are there.
    fn poll_traffic(&mut self, cx: &mut Context<'_>) -> Poll<Result<Traffic<Stream>, String>> {
        if let Some(text) = self.failed.take() {
            return Poll::Ready(Err(text));
        }
        if self.streams.iter().all(Option::is_some) {
            return Poll::Ready(Ok(self.traffic()));
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err("its channels were not opened in time".into())),
        }
    }

    fn traffic(&mut self) -> Traffic<Stream> {
        let streams = std::mem::take(&mut self.streams);
        let Assignment { new, wire, loop_ } = &mut self.assignment;
        let is_radio = new.transport == Transport::Bluetooth;
        let most = if is_radio { RADIO_WRITE_BYTES_MAX } else { usize::MAX };
        let opened = |stream: Option<Stream>| stream.expect("all of them are there");
        let substreams = streams.map(|stream| Substream::new(opened(stream), most));
        let (sender, queue) = queue();
        let up = LinkFact::Up { new: new.clone(), sender };
        let mail = Mail::new(new.link, loop_.clone(), up);
        let sample = std::mem::replace(&mut wire.sample, Box::new(Default::default));
        let datagrams = wire.datagrams.take().map(Datagrams::new);
        Traffic::new(substreams, datagrams, queue, mail, Gauge::new(sample))
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Told;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    /// The same from beginning to end: identify tells the peer about every change.
    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(self.protocols.offer(self.accepts), ())
    }

    fn connection_keep_alive(&self) -> bool {
        !matches!(self.phase, Phase::Guest(_))
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (channel, stream),
                ..
            })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (channel, stream),
                ..
            }) => self.opened(channel, stream),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.failed(format!("a channel could not be opened: {error}"));
            }
            // Addresses and protocols of others; the enum is open.
            _ => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.step(cx)
    }
}
