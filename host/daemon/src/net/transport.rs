//! QUIC, TCP and Bluetooth together, as the swarm wants them.

use std::io;

use libp2p::PeerId;
use libp2p::core::Transport;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::identity::Keypair;

use super::bindings::Bindings;
use super::ble::{Ble, RadioPort};
use super::handshakes::Handshakes;
use super::quic::Quic;
use super::registry::Registry;
use super::tcp::Tcp;

/// The transport of a node: QUIC and TCP, each bound to the uplinks of the table, and the radios. It
/// registers every finished connection. An error only where no certificate can be made of
/// the key.
///
/// A dial's error is recognised by [`super::failure::dial_failure`].
pub fn transport(
    keypair: &Keypair,
    bindings: Bindings,
    registry: Registry,
    radios: Vec<RadioPort>,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let handshakes = Handshakes::default();
    let quic = Quic::new(keypair, bindings.clone(), registry.clone(), handshakes.clone())?;
    let tcp = Tcp::new(keypair, bindings.clone(), registry.clone(), handshakes)?;
    let by_ip = quic.or_transport(tcp);
    let by_ip = by_ip.map(|output, _| output.into_inner()).map_err(|error| error.into_inner());
    let either = by_ip.or_transport(Ble::new(keypair, bindings, registry, radios)?);
    Ok(either.map(|output, _| output.into_inner()).map_err(|error| error.into_inner()).boxed())
}
