//! A bare libp2p stream: a swarm with nothing but `libp2p-stream`.

use anyhow::Context;
use futures::{AsyncReadExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm, noise, tcp, yamux};

use super::stream::{receive, send};
use super::{Measured, Work};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/pointsman-bench/1");

/// The receiver listens on `listen` and prints where; the sender dials `to`.
pub(crate) async fn end(listen: &str, to: Option<&str>, work: Work) -> anyhow::Result<Measured> {
    let swarm = build()?;
    match to {
        None => receiver(swarm, listen.parse()?, work).await,
        Some(to) => sender(swarm, to.parse()?, work).await,
    }
}

type Streams = Swarm<libp2p_stream::Behaviour>;

fn build() -> anyhow::Result<Streams> {
    let swarm = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_quic()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())?
        .build();
    Ok(swarm)
}

async fn receiver(mut swarm: Streams, listen: Multiaddr, work: Work) -> anyhow::Result<Measured> {
    let mut incoming = swarm.behaviour().new_control().accept(PROTOCOL)?;
    swarm.listen_on(listen)?;
    let me = *swarm.local_peer_id();
    tokio::spawn(async move {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                println!("{}", address.with(Protocol::P2p(me)));
            }
        }
    });
    let (_, stream) = incoming.next().await.context("the swarm ended")?;
    let (reader, writer) = stream.split();
    receive(reader, writer, work).await
}

async fn sender(mut swarm: Streams, to: Multiaddr, work: Work) -> anyhow::Result<Measured> {
    let Some(Protocol::P2p(peer)) = to.iter().last() else {
        anyhow::bail!("{to} does not name its peer");
    };
    let mut control = swarm.behaviour().new_control();
    swarm.dial(to)?;
    loop {
        let event = swarm.select_next_some().await;
        if let SwarmEvent::OutgoingConnectionError { error, .. } = event {
            return Err(error.into());
        } else if let SwarmEvent::ConnectionEstablished { .. } = event {
            break;
        }
    }
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let (reader, writer) = control.open_stream(peer, PROTOCOL).await?.split();
    send(reader, writer, work).await
}
