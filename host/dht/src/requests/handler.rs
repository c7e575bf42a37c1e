//! The requests on one connection: each opens a substream, says its question, reads the answer
//! and is done.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::task::{Context, Poll};

use futures::stream::FuturesUnordered;
use futures::{AsyncWriteExt as _, FutureExt as _, StreamExt as _, future::BoxFuture};
use libp2p::core::upgrade::{DeniedUpgrade, NegotiationError, ReadyUpgrade};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};
use tokio::time::Instant;

use super::{Failure, RequestId};
use crate::wire::{Answer, Ask, InvalidAnswer, read_frame};

/// A request on its way through a connection.
#[derive(Debug)]
pub struct Job {
    pub(super) id: RequestId,
    pub(super) ask: Ask,
    pub(super) deadline: Instant,
}

/// What came of a job.
#[derive(Debug)]
pub struct Exchanged {
    pub(super) id: RequestId,
    pub(super) result: Result<Answer, Failure>,
}

/// The requests on one connection. How many there can be is bounded by the behaviour.
pub struct Handler {
    protocol: StreamProtocol,
    /// No substream was asked for them yet.
    fresh: VecDeque<Job>,
    /// A substream was asked for each. Which of them gets which does not matter.
    waiting: VecDeque<Job>,
    exchanges: FuturesUnordered<BoxFuture<'static, Exchanged>>,
    done: VecDeque<Exchanged>,
}

impl Handler {
    pub(super) fn new(protocol: StreamProtocol) -> Self {
        Self {
            protocol,
            fresh: VecDeque::new(),
            waiting: VecDeque::new(),
            exchanges: FuturesUnordered::new(),
            done: VecDeque::new(),
        }
    }

    fn opened(&mut self, stream: Stream) {
        if let Some(job) = self.waiting.pop_front() {
            self.exchanges.push(exchange(stream, job).boxed());
        }
    }

    fn not_opened(&mut self, error: &StreamUpgradeError<Infallible>) {
        let Some(job) = self.waiting.pop_front() else { return };
        let failure = match error {
            StreamUpgradeError::Timeout => Failure::Timeout,
            StreamUpgradeError::NegotiationFailed => Failure::Unsupported,
            StreamUpgradeError::Io(_) => Failure::Closed,
            StreamUpgradeError::Apply(never) => match *never {},
        };
        self.done.push_back(Exchanged { id: job.id, result: Err(failure) });
    }
}

async fn exchange(stream: Stream, job: Job) -> Exchanged {
    let Job { id, ask, deadline } = job;
    let result = tokio::time::timeout_at(deadline, talk(stream, &ask)).await;
    Exchanged { id, result: result.unwrap_or(Err(Failure::Timeout)) }
}

async fn talk(mut stream: Stream, ask: &Ask) -> Result<Answer, Failure> {
    let asked = async {
        stream.write_all(&ask.to_frame()).await?;
        stream.close().await?;
        read_frame(&mut stream).await
    };
    match asked.await {
        Ok(bytes) => Ok(Answer::read(ask, bytes)?),
        Err(error) => Err(of_io(&error)),
    }
}

/// The negotiation is lazy: that a peer doesn't speak the protocol shows when its answer is
/// awaited.
fn of_io(error: &io::Error) -> Failure {
    let negotiation = error.get_ref().and_then(|inner| inner.downcast_ref::<NegotiationError>());
    if matches!(negotiation, Some(NegotiationError::Failed)) {
        Failure::Unsupported
    } else if error.kind() == io::ErrorKind::InvalidData {
        Failure::Invalid(InvalidAnswer::Malformed)
    } else {
        Failure::Closed
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Job;
    type ToBehaviour = Exchanged;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn connection_keep_alive(&self) -> bool {
        !(self.fresh.is_empty() && self.waiting.is_empty() && self.exchanges.is_empty())
    }

    fn on_behaviour_event(&mut self, job: Job) {
        self.fresh.push_back(job);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Exchanged>> {
        if let Some(done) = self.done.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(done));
        }
        if let Some(job) = self.fresh.pop_front() {
            let left = job.deadline.saturating_duration_since(Instant::now());
            let upgrade = ReadyUpgrade::new(self.protocol.clone());
            self.waiting.push_back(job);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(upgrade, ()).with_timeout(left),
            });
        }
        match self.exchanges.poll_next_unpin(cx) {
            Poll::Ready(Some(done)) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(done)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, DeniedUpgrade, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(opened) => self.opened(opened.protocol),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.not_opened(&error);
            }
            // What the remote opens is denied, and addresses don't matter.
            _ => {}
        }
    }
}
