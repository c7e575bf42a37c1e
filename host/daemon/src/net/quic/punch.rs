//! Dialling in the listener's role, for DCUtR: both sides of two NATs open their own NAT by
//! sending, and one of them waits to be connected to.
//!
//! Protocol: <https://github.com/libp2p/specs/blob/master/relay/DCUtR.md>, section on QUIC:
//! random bytes every 10 to 200 ms, until the other's connection arrives.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::AsyncUdpSocket;
use quinn::udp::Transmit;

use super::socket::CutSocket;
use crate::clock;

/// Sends random datagrams until it is dropped.
pub(super) async fn punch(socket: &CutSocket, destination: SocketAddr) -> Infallible {
    loop {
        let mut contents = [0; 64];
        clock::fill_random(&mut contents);
        let datagram = Transmit {
            destination,
            ecn: None,
            contents: &contents,
            segment_size: None,
            src_ip: None,
        };
        if let Err(error) = socket.try_send(&datagram) {
            tracing::debug!(%destination, %error, "a hole-punching datagram was not sent");
        }
        tokio::time::sleep(Duration::from_millis(10 + clock::random_u64() % 191)).await;
    }
}
