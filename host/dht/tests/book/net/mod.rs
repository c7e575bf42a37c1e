//! Many phone books in one process, over libp2p's memory transport.
//!
//! Each has an address on the internet, in a /24 of its own; the route that it is given leads
//! there through memory. As the daemon does from identify, the harness tells each of the address
//! of whoever connects to it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::Transport as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{self, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId as Libp2p, Swarm, noise, yamux};
use pointsman_core::dht::contact::Contact;
use pointsman_core::id::PeerId;
use pointsman_dht::{Config, Dht, Event, QueryId, identity};
use tokio::sync::{mpsc, oneshot};

pub(crate) mod hostile;

pub(crate) const NETWORK: &str = "test";

/// Nothing that is waited for takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where everyone is.
pub(crate) type Places = Arc<Mutex<HashMap<Libp2p, Multiaddr>>>;

type Order = Box<dyn FnOnce(&mut Swarm<Dht>) + Send>;

/// What somebody waits for.
struct Hope {
    holds: Box<dyn FnMut(&mut Dht) -> bool + Send>,
    holds_now: Option<oneshot::Sender<()>>,
}

impl Hope {
    fn is_fulfilled(&mut self, dht: &mut Dht) -> bool {
        let fulfilled = (self.holds)(dht);
        if fulfilled && let Some(holds_now) = self.holds_now.take() {
            let _ = holds_now.send(());
        }
        fulfilled
    }
}

/// A phone book that runs.
pub(crate) struct Node {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    pub(crate) keypair: Keypair,
    orders: mpsc::UnboundedSender<Order>,
    hopes: mpsc::UnboundedSender<Hope>,
    events: mpsc::UnboundedReceiver<Event>,
    /// Events that were looked at and not wanted.
    pub(crate) seen: Vec<Event>,
}

impl Node {
    pub(crate) fn contact(&self) -> Contact {
        Contact { peer: self.peer, addresses: vec![self.address.to_string()] }
    }

    pub(crate) async fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Dht) -> T + Send + 'static,
    ) -> T {
        self.with_swarm(|swarm| what(swarm.behaviour_mut())).await
    }

    pub(crate) async fn with_swarm<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Swarm<Dht>) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = oneshot::channel();
        let order: Order = Box::new(move |swarm| {
            let _ = answer.send(what(swarm));
        });
        assert!(self.orders.send(order).is_ok(), "the node runs");
        answered.await.unwrap()
    }

    /// Waits for an event that this makes something of.
    pub(crate) async fn wait<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        self.wait_within(PATIENCE, &mut wanted).await.expect("it happens in time")
    }

    pub(crate) async fn wait_within<T>(
        &mut self,
        within: Duration,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> Option<T> {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the node runs");
                let wanted = wanted(&event);
                self.seen.push(event);
                if let Some(wanted) = wanted {
                    return wanted;
                }
            }
        };
        tokio::time::timeout(within, found).await.ok()
    }

    /// Looks for a peer; whether it was found, and how.
    pub(crate) async fn find(&mut self, peer: PeerId) -> Event {
        let query = self.with(move |dht| dht.find(peer)).await.unwrap();
        self.ended(query).await
    }

    pub(crate) async fn ended(&mut self, wanted: QueryId) -> Event {
        self.wait(|event| match event {
            Event::Found { query, .. }
            | Event::NotFound { query, .. }
            | Event::Crawled { query, .. }
                if *query == wanted =>
            {
                Some(event.clone())
            }
            _ => None,
        })
        .await
    }

    /// Waits until this holds of its phone book: it is looked at whenever something happened.
    pub(crate) async fn until(
        &self,
        what: &str,
        holds: impl FnMut(&mut Dht) -> bool + Send + 'static,
    ) {
        let (holds_now, held) = oneshot::channel();
        let hope = Hope { holds: Box::new(holds), holds_now: Some(holds_now) };
        assert!(self.hopes.send(hope).is_ok(), "the node runs");
        assert!(tokio::time::timeout(PATIENCE, held).await.is_ok(), "{what}");
    }
}

/// The address of the node with this number, in a /24 of its own.
pub(crate) fn place(number: usize) -> Multiaddr {
    let [_, _, b, c] = u32::try_from(number).unwrap().to_be_bytes();
    format!("/ip4/20.{b}.{c}.1/tcp/4001").parse().unwrap()
}

/// The way through memory to an address: the first two of its numbers, so one network each.
pub(crate) fn way(net: u32, address: &Multiaddr) -> Option<Multiaddr> {
    let mut parts = address.iter();
    let (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) = (parts.next(), parts.next()) else {
        return None;
    };
    let number = (u64::from(net) << 48) | (u64::from(u32::from(ip)) << 16) | u64::from(port);
    Some(Multiaddr::empty().with(Protocol::Memory(number)))
}

/// Nodes that can reach each other.
pub(crate) struct Net {
    pub(crate) number: u32,
    pub(crate) places: Places,
    next: usize,
}

impl Default for Net {
    fn default() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NETS: AtomicU32 = AtomicU32::new(1);
        Self { number: NETS.fetch_add(1, Ordering::Relaxed), places: Places::default(), next: 256 }
    }
}

impl Net {
    pub(crate) fn config(&self, keypair: &Keypair) -> Config {
        let net = self.number;
        Config {
            route: Arc::new(move |address| way(net, address).into_iter().collect()),
            retry: Duration::from_millis(50),
            retry_max: Duration::from_millis(400),
            stagger: Duration::from_millis(20),
            refresh: Duration::from_secs(2),
            issue_pause: Duration::from_millis(100),
            answer_within: Duration::from_secs(10),
            ..Config::new(NETWORK, keypair.clone())
        }
    }

    pub(crate) fn place(&mut self) -> Multiaddr {
        self.next += 1;
        place(self.next)
    }

    /// One more node, that can be reached and knows these.
    pub(crate) fn node(&mut self, bootstrap: &[Contact]) -> Node {
        self.node_with(|config| config.bootstrap = bootstrap.to_vec())
    }

    pub(crate) fn node_with(&mut self, change: impl FnOnce(&mut Config)) -> Node {
        let address = self.place();
        self.node_at(&address, change)
    }

    pub(crate) fn node_at(
        &mut self,
        address: &Multiaddr,
        change: impl FnOnce(&mut Config),
    ) -> Node {
        let keypair = Keypair::generate_ed25519();
        let mut config = self.config(&keypair);
        change(&mut config);
        let mut dht = Dht::new(config).expect("an Ed25519 key");
        dht.set_reachable(true);
        let mut swarm = swarm(&keypair, dht);
        self.listen(&mut swarm, address);
        run(swarm, keypair, address.clone(), self.places.clone())
    }

    pub(crate) fn listen<B: NetworkBehaviour>(&self, swarm: &mut Swarm<B>, address: &Multiaddr) {
        swarm.listen_on(way(self.number, address).unwrap()).unwrap();
        self.places.lock().unwrap().insert(*swarm.local_peer_id(), address.clone());
    }
}

pub(crate) fn swarm<B: NetworkBehaviour>(keypair: &Keypair, behaviour: B) -> Swarm<B> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let config = swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(Duration::from_secs(5));
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

fn run(mut swarm: Swarm<Dht>, keypair: Keypair, address: Multiaddr, places: Places) -> Node {
    let (orders, mut order_queue) = mpsc::unbounded_channel::<Order>();
    let (hopes, mut hope_queue) = mpsc::unbounded_channel::<Hope>();
    let (told, events) = mpsc::unbounded_channel();
    let peer = identity::from_libp2p(swarm.local_peer_id()).unwrap();
    tokio::spawn(async move {
        let mut hoped: Vec<Hope> = Vec::new();
        loop {
            tokio::select! {
                hope = hope_queue.recv() => hoped.extend(hope),
                order = order_queue.recv() => match order {
                    Some(order) => order(&mut swarm),
                    None => return,
                },
                event = poll_fn(|cx| {
                    let polled = swarm.poll_next_unpin(cx);
                    hoped.retain_mut(|hope| !hope.is_fulfilled(swarm.behaviour_mut()));
                    polled
                }) => match event.expect("a swarm has no end") {
                    SwarmEvent::Behaviour(event) => {
                        let _ = told.send(event);
                    }
                    SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. }
                        if endpoint.is_listener() =>
                    {
                        let place = places.lock().unwrap().get(&peer_id).cloned();
                        let peer = identity::from_libp2p(&peer_id);
                        if let (Some(place), Some(peer)) = (place, peer) {
                            swarm.behaviour_mut().heard(peer, &[place]);
                        }
                    }
                    _ => {}
                },
            }
        }
    });
    Node { peer, address, keypair, orders, hopes, events, seen: Vec::new() }
}

/// So many nodes that know the first; once everyone has joined.
pub(crate) async fn network(net: &mut Net, count: usize) -> Vec<Node> {
    let first = net.node(&[]);
    let contact = first.contact();
    let mut nodes = vec![first];
    for _ in 1..count {
        nodes.push(net.node(std::slice::from_ref(&contact)));
    }
    for node in &nodes {
        node.until("everyone joins", |dht| dht.status().joined).await;
    }
    nodes
}
