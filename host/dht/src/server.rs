//! Answering others: libp2p's Kademlia, held to that.
//!
//! It answers from its table and its shelf, and does nothing else. Left alone it would also dial
//! whomever it hears of, ask them, enter and drop peers as connections come and go, and fill its
//! table while that is small. So it is told of no connection and no address but when a connection
//! is gone, what it wants to dial is not dialled, and the queries that it starts end at once; a
//! test holds it to this. Its table changes by [`Server::admit`] and [`Server::remove`] only.
//!
//! It can't be told to leave a request unanswered. But what its handlers bring passes through
//! here, and that tells who asks; libp2p's own events don't. Who asks more than his bucket allows
//! gets no answer, loses his connections, and for a while is not let in again.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::task::{Context, Poll};

use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::kad::{self, BucketInserts, InboundRequest, Mode, RoutingUpdate, StoreInserts};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, StreamProtocol,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId as Libp2p};
use pointsman_core::id::Time;
use pointsman_core::limits;

use crate::clock::Clock;
use crate::quota::{Quota, Rate};
use crate::shelf::Shelf;

/// What a peer may ask: a crawler's sixteen questions ten times over, then ten in a second.
const QUESTIONS: Rate = Rate { burst: 200, refill_us: 100_000 };

/// How long one who asked too much is not let in, in microseconds.
const SHUT_OUT_US: u64 = 60_000_000;

/// What others asked, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServedCounts {
    /// FIND_NODE, answered.
    pub find_node: u64,
    /// GET_VALUE, answered.
    pub get_value: u64,
    /// PUT_VALUE, answered; what became of the records is counted where they are judged.
    pub put_value: u64,
    /// Anything about providers, of which there are none here.
    pub providers: u64,
    /// Questions that went unanswered because the peer asked too many.
    pub flooded: u64,
    /// Connections that were not let in after a flood.
    pub shut_out: u64,
}

/// What happens at the server.
#[derive(Debug)]
pub enum Served {
    /// A peer brought a record.
    Put {
        /// Who.
        from: Libp2p,
        /// The record's name.
        key: Vec<u8>,
        /// The record.
        value: Vec<u8>,
    },
    /// A peer asked too much. Its connections are being closed.
    Flood(Libp2p),
}

/// The connection was refused because its peer asked too much a while ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer asked too much, and is not let in for a while")]
pub struct ShutOut;

/// The server.
pub struct Server {
    kad: kad::Behaviour<Shelf>,
    clock: Clock,
    questions: Quota<Libp2p>,
    /// Until when.
    shut_out: BTreeMap<Libp2p, Time>,
    counts: ServedCounts,
    waiting: VecDeque<ToSwarm<Served, THandlerInEvent<kad::Behaviour<Shelf>>>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Server {
    /// A server that does not serve yet.
    pub fn new(own: Libp2p, protocol: StreamProtocol, shelf: Shelf, clock: Clock) -> Self {
        let mut config = kad::Config::new(protocol);
        config
            .set_kbucket_inserts(BucketInserts::Manual)
            .set_record_filtering(StoreInserts::FilterBoth)
            .set_record_ttl(None)
            .set_provider_record_ttl(None)
            .set_replication_interval(None)
            .set_publication_interval(None)
            .set_provider_publication_interval(None)
            .set_periodic_bootstrap_interval(None)
            .set_caching(kad::Caching::Disabled)
            .set_max_packet_size(limits::DHT_REQUEST_BYTES_MAX);
        let mut kad = kad::Behaviour::with_config(own, shelf, config);
        kad.set_mode(Some(Mode::Client));
        Self {
            kad,
            clock,
            questions: Quota::new(QUESTIONS, limits::DHT_QUOTA_NAMES_MAX),
            shut_out: BTreeMap::new(),
            counts: ServedCounts::default(),
            waiting: VecDeque::new(),
        }
    }

    /// Whether it answers. Connections that are there learn of it too.
    pub fn serve(&mut self, serves: bool) {
        if self.serves() != serves {
            self.kad.set_mode(Some(if serves { Mode::Server } else { Mode::Client }));
        }
    }

    /// Whether it answers.
    pub fn serves(&self) -> bool {
        self.kad.mode() == Mode::Server
    }

    /// Enters a peer into the table, with these addresses and no others. The table must have
    /// room: whoever decides keeps no more in a bucket than libp2p does.
    pub fn admit(&mut self, peer: &Libp2p, addresses: &[Multiaddr]) -> bool {
        self.kad.remove_peer(peer);
        let mut is_in = false;
        for address in addresses {
            is_in |= self.kad.add_address(peer, address.clone()) == RoutingUpdate::Success;
        }
        is_in
    }

    /// Removes a peer from the table.
    pub fn remove(&mut self, peer: &Libp2p) {
        self.kad.remove_peer(peer);
    }

    /// Who is in the table, with addresses.
    pub fn table(&mut self) -> Vec<(Libp2p, Vec<Multiaddr>)> {
        let entries = self.kad.kbuckets().flat_map(|bucket| {
            let entry = |at: usize| {
                let entry = bucket.iter().nth(at)?;
                Some((*entry.node.key.preimage(), entry.node.value.iter().cloned().collect()))
            };
            (0..bucket.num_entries()).filter_map(entry).collect::<Vec<_>>()
        });
        entries.collect()
    }

    /// The records that are kept for others.
    pub fn shelf(&mut self) -> &mut Shelf {
        self.kad.store_mut()
    }

    /// Since the start.
    pub fn counts(&self) -> ServedCounts {
        self.counts
    }

    fn check(&mut self, peer: &Libp2p) -> Result<(), ConnectionDenied> {
        let now = self.clock.now();
        self.shut_out.retain(|_, until| *until > now);
        if self.shut_out.contains_key(peer) {
            self.counts.shut_out += 1;
            return Err(ConnectionDenied::new(ShutOut));
        }
        Ok(())
    }

    fn flooded(&mut self, peer: Libp2p) {
        self.counts.flooded += 1;
        // What is still under way of the same flood needs no second sentence.
        if self.shut_out.contains_key(&peer) {
            return;
        }
        if self.shut_out.len() >= limits::DHT_QUOTA_NAMES_MAX {
            self.shut_out.pop_first();
        }
        self.shut_out.insert(peer, self.clock.now().after(SHUT_OUT_US));
        self.waiting.push_back(ToSwarm::GenerateEvent(Served::Flood(peer)));
        self.waiting.push_back(ToSwarm::CloseConnection {
            peer_id: peer,
            connection: CloseConnection::All,
        });
    }

    /// Counts a question, and whether it is to be answered.
    fn admits(&mut self, peer: Libp2p, asked: Asked) -> bool {
        let count = match asked {
            Asked::FindNode => &mut self.counts.find_node,
            Asked::GetValue => &mut self.counts.get_value,
            Asked::PutValue => &mut self.counts.put_value,
            Asked::Providers => &mut self.counts.providers,
            Asked::Nothing => return false,
        };
        if self.questions.take(self.clock.now(), peer) {
            *count += 1;
            return true;
        }
        self.flooded(peer);
        false
    }

    /// Ends what Kademlia started by itself. Whether there was anything.
    fn end_queries(&mut self) -> bool {
        self.kad.iter_queries_mut().map(|mut query| query.finish()).count() > 0
    }
}

/// What a handler of Kademlia's brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    FindNode,
    GetValue,
    PutValue,
    Providers,
    /// News of the connection, or an answer to a question that we never put.
    Nothing,
}

impl Asked {
    /// libp2p does not show this type's variants, but every such event says its name.
    fn of(event: &impl fmt::Debug) -> Self {
        let mut name = Name::default();
        // The name is all that fits: the rest is refused, and ends the writing.
        let _ = write!(name, "{event:?}");
        match name.as_str() {
            "FindNodeReq" => Self::FindNode,
            "GetRecord" => Self::GetValue,
            "PutRecord" => Self::PutValue,
            "GetProvidersReq" | "AddProvider" => Self::Providers,
            _ => Self::Nothing,
        }
    }
}

/// The first word that is written to it.
#[derive(Default)]
struct Name {
    bytes: [u8; 24],
    length: usize,
}

impl Name {
    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if !byte.is_ascii_alphanumeric() || self.length == self.bytes.len() {
                return Err(fmt::Error);
            }
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

impl NetworkBehaviour for Server {
    type ConnectionHandler = THandler<kad::Behaviour<Shelf>>;
    type ToSwarm = Served;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Libp2p,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        self.kad.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Libp2p,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(_) = event {
            self.kad.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: Libp2p,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if self.admits(peer, Asked::of(&event)) {
            self.kad.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(waiting) = self.waiting.pop_front() {
                return Poll::Ready(waiting);
            }
            let polled = self.kad.poll(cx);
            let ended = self.end_queries();
            match polled {
                Poll::Ready(ToSwarm::GenerateEvent(kad::Event::InboundRequest {
                    request: InboundRequest::PutRecord { source, record: Some(record), .. },
                })) => {
                    let (key, value) = (record.key.to_vec(), record.value);
                    return Poll::Ready(ToSwarm::GenerateEvent(Served::Put {
                        from: source,
                        key,
                        value,
                    }));
                }
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event }) => {
                    return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event });
                }
                // Everything else it does by itself, and all of that is ours to do.
                Poll::Ready(_) => {}
                Poll::Pending if ended => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_event_is_read_and_nothing_of_what_it_carries() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "read through its name alone")]
        enum Event {
            FindNodeReq { key: Vec<u8> },
            ProtocolConfirmed,
        }
        assert_eq!(Asked::of(&Event::FindNodeReq { key: vec![1; 9999] }), Asked::FindNode);
        assert_eq!(Asked::of(&Event::ProtocolConfirmed), Asked::Nothing);
        assert_eq!(Asked::of(&"a text with quotes"), Asked::Nothing);
    }
}
