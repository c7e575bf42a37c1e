//! libp2p's own Kademlia, over the same transport, as it comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, GetClosestPeersError, GetClosestPeersOk, Mode, QueryResult};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::sync::{mpsc, oneshot};

use crate::net;

type Kad = kad::Behaviour<MemoryStore>;
type Answer = oneshot::Sender<bool>;

struct Node {
    peer: PeerId,
    orders: mpsc::UnboundedSender<(PeerId, Answer)>,
}

/// Nodes that know the first, and have bootstrapped.
pub(crate) struct Network {
    nodes: Vec<Node>,
}

impl Network {
    pub(crate) async fn build(count: usize) -> Self {
        let places: Arc<Mutex<HashMap<PeerId, Multiaddr>>> = Arc::default();
        let mut nodes: Vec<Node> = Vec::new();
        for number in 0..count {
            let first = nodes.first().map(|node| node.peer);
            nodes.push(start(number, first, &places));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // A bootstrap of the last, and of everyone once more, takes less than that.
        tokio::time::sleep(Duration::from_secs(15)).await;
        Self { nodes }
    }

    pub(crate) async fn lookups(&self, count: usize) -> (usize, Vec<Duration>) {
        let (mut found, mut took) = (0, Vec::new());
        for number in 0..count {
            let (from, to) = crate::pair(number, self.nodes.len());
            let (answer, answered) = oneshot::channel();
            let began = Instant::now();
            let _ = self.nodes[from].orders.send((self.nodes[to].peer, answer));
            found += usize::from(answered.await.unwrap_or(false));
            took.push(began.elapsed());
        }
        (found, took)
    }
}

fn start(
    number: usize,
    first: Option<PeerId>,
    places: &Arc<Mutex<HashMap<PeerId, Multiaddr>>>,
) -> Node {
    let keypair = Keypair::generate_ed25519();
    let peer = keypair.public().to_peer_id();
    let config = kad::Config::new(StreamProtocol::new("/plain/kad/1"));
    let mut kad = Kad::with_config(peer, MemoryStore::new(peer), config);
    kad.set_mode(Some(Mode::Server));
    let mut swarm = net::swarm(&keypair, kad);
    let address: Multiaddr = format!("/memory/{}", 77_000_000 + number).parse().unwrap();
    swarm.listen_on(address.clone()).unwrap();
    places.lock().unwrap().insert(peer, address);
    if let Some(first) = first {
        let place = places.lock().unwrap()[&first].clone();
        swarm.behaviour_mut().add_address(&first, place);
        let _ = swarm.behaviour_mut().bootstrap();
    }
    let (orders, mut queue) = mpsc::unbounded_channel::<(PeerId, Answer)>();
    let places = places.clone();
    tokio::spawn(async move {
        let mut waiting: HashMap<kad::QueryId, (PeerId, Answer)> = HashMap::new();
        loop {
            tokio::select! {
                order = queue.recv() => match order {
                    Some((target, answer)) => {
                        let id = swarm.behaviour_mut().get_closest_peers(target);
                        waiting.insert(id, (target, answer));
                    }
                    None => return,
                },
                event = swarm.select_next_some() => match event {
                    SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
                        id,
                        result: QueryResult::GetClosestPeers(result),
                        step,
                        ..
                    }) if step.last => {
                        let (Ok(GetClosestPeersOk { peers, .. })
                        | Err(GetClosestPeersError::Timeout { peers, .. })) = result;
                        if let Some((target, answer)) = waiting.remove(&id) {
                            let _ = answer.send(peers.iter().any(|info| info.peer_id == target));
                        }
                    }
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                        let place = places.lock().unwrap().get(&peer_id).cloned();
                        if let Some(place) = place {
                            swarm.behaviour_mut().add_address(&peer_id, place);
                        }
                    }
                    _ => {}
                },
            }
        }
    });
    Node { peer, orders }
}
