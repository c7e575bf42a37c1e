//! QUIC and TCP together, as the swarm wants them.

use std::io;

use libp2p::PeerId;
use libp2p::core::Transport;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::identity::Keypair;

use super::bindings::Bindings;
use super::handshakes::Handshakes;
use super::quic::Quic;
use super::registry::Registry;
use super::tcp::Tcp;

/// The transport of a node: QUIC and TCP, each bound to the uplinks of the table. It
/// registers every finished connection. An error only where no certificate can be made of
/// the key.
///
/// A dial's error is recognised by [`super::failure::dial_failure`].
pub fn transport(
    keypair: &Keypair,
    bindings: Bindings,
    registry: Registry,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let handshakes = Handshakes::default();
    let quic = Quic::new(keypair, bindings.clone(), registry.clone(), handshakes.clone())?;
    let tcp = Tcp::new(keypair, bindings, registry, handshakes)?;
    let either = quic.or_transport(tcp);
    Ok(either.map(|output, _| output.into_inner()).map_err(|error| error.into_inner()).boxed())
}
