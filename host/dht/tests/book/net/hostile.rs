//! Nodes that answer whatever a test wants.

use std::sync::Arc;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId as Libp2p, Swarm};
use pointsman_core::dht::contact::Contact;
use pointsman_core::id::PeerId;
use pointsman_dht::{identity, wire};
use prost::Message as _;

use super::{NETWORK, Net, swarm};

/// A peer in a reply.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WirePeer {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) addresses: Vec<Vec<u8>>,
}

impl WirePeer {
    pub(crate) fn new(peer: PeerId, addresses: &[Multiaddr]) -> Self {
        let addresses = addresses.iter().map(Multiaddr::to_vec).collect();
        Self { id: identity::to_bytes(peer).to_vec(), addresses }
    }
}

/// A record in a message.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WireRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// Kademlia's message.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WireMessage {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) key: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(crate) record: Option<WireRecord>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) closer: Vec<WirePeer>,
}

/// What a hostile node answers; nothing where it is `None`.
pub(crate) type Answers = Arc<dyn Fn(&WireMessage) -> Option<Vec<u8>> + Send + Sync>;

/// The frame of a message.
pub(crate) fn frame(message: &WireMessage) -> Vec<u8> {
    message.encode_length_delimited_to_vec()
}

pub(crate) struct Hostile {
    pub(crate) peer: PeerId,
    pub(crate) keypair: Keypair,
    pub(crate) address: Multiaddr,
}

impl Hostile {
    pub(crate) fn contact(&self) -> Contact {
        Contact { peer: self.peer, addresses: vec![self.address.to_string()] }
    }
}

/// A swarm that opens and takes streams by hand, at a place of its own.
pub(crate) fn bare(net: &mut Net) -> (Swarm<libp2p_stream::Behaviour>, Hostile) {
    let keypair = Keypair::generate_ed25519();
    let address = net.place();
    let mut swarm = swarm(&keypair, libp2p_stream::Behaviour::new());
    net.listen(&mut swarm, &address);
    let peer = identity::from_libp2p(swarm.local_peer_id()).unwrap();
    (swarm, Hostile { peer, keypair, address })
}

/// A node that answers so, for as long as the test runs.
pub(crate) fn serve(net: &mut Net, answers: Answers) -> Hostile {
    let (swarm, hostile) = bare(net);
    run(swarm, answers);
    hostile
}

/// Lets a swarm answer so.
pub(crate) fn run(mut swarm: Swarm<libp2p_stream::Behaviour>, answers: Answers) {
    let mut control = swarm.behaviour().new_control();
    let mut incoming = control.accept(wire::protocol(NETWORK)).unwrap();
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    tokio::spawn(async move {
        while let Some((_, mut stream)) = incoming.next().await {
            let answers = answers.clone();
            tokio::spawn(async move {
                let bytes = wire::read_frame(&mut stream).await.ok()?;
                let message = WireMessage::decode(bytes).ok()?;
                let answer = answers(&message)?;
                stream.write_all(&answer).await.ok()?;
                stream.close().await.ok()
            });
        }
    });
}

/// Asks a node by hand, over a connection that is there.
pub(crate) async fn ask(
    control: &mut libp2p_stream::Control,
    peer: Libp2p,
    message: &WireMessage,
) -> Option<WireMessage> {
    let mut stream = control.open_stream(peer, wire::protocol(NETWORK)).await.ok()?;
    stream.write_all(&frame(message)).await.ok()?;
    stream.close().await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    WireMessage::decode_length_delimited(&bytes[..]).ok()
}
