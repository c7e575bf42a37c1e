//! The settings of quinn, and what is wire-compatible about them: TLS 1.3 with libp2p's
//! certificates and ALPN `libp2p`, QUIC version 1, bidirectional streams only.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use libp2p::identity::Keypair;
use pointsman_core::limits::{PENDING_INBOUND_MAX, SUBSTREAMS_PER_LINK_MAX};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ClientConfig, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};

/// A connection that nothing was heard of for so long is closed. The Node notices far
/// earlier; this only cleans up. Below 0.5 s connections die on a busy machine.
const IDLE_MAX_MS: u32 = 10_000;

/// An idle connection is kept open, and its NAT mapping with it, by a packet so often. A third
/// of the idle time, so that two may be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// What the round-trip time is taken for before it is measured. quinn's 333 ms makes the
/// first retransmission of a handshake wait a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);

/// What a peer may send on one stream before we read it, in bytes: 100 MB/s at 50 ms.
const STREAM_WINDOW_BYTES: u32 = 5 << 20;

/// What a peer may send on all streams before we read it, and what we keep unacknowledged, in
/// bytes. With as many links as allowed this bounds memory only together with the limit on
/// resident memory, which refuses further links.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Datagrams that wait to be read; older ones are dropped.
const DATAGRAMS_RECEIVED_BYTES: usize = 64 << 10;

/// Datagrams that wait to be sent; older ones are dropped. Small: a datagram that waits is a
/// datagram that comes too late.
const DATAGRAMS_SENT_BYTES: usize = 32 << 10;

/// Bytes kept of connection attempts before they are accepted or refused, in total.
const INCOMING_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) client: ClientConfig,
    pub(super) server: ServerConfig,
    pub(super) endpoint: EndpointConfig,
}

impl Config {
    pub(super) fn new(keypair: &Keypair) -> std::io::Result<Self> {
        let wrong = std::io::Error::other::<Box<dyn std::error::Error + Send + Sync>>;
        let client = libp2p::tls::make_client_config(keypair, None).map_err(|e| wrong(e.into()))?;
        let server = libp2p::tls::make_server_config(keypair).map_err(|e| wrong(e.into()))?;
        let client = QuicClientConfig::try_from(client).map_err(|e| wrong(e.into()))?;
        let server = QuicServerConfig::try_from(server).map_err(|e| wrong(e.into()))?;
        let transport = Arc::new(transport());
        let mut client = ClientConfig::new(Arc::new(client));
        client.transport_config(Arc::clone(&transport));
        let mut server = ServerConfig::with_crypto(Arc::new(server));
        server
            .transport_config(transport)
            .migration(false)
            .max_incoming(PENDING_INBOUND_MAX as usize)
            .incoming_buffer_size(INCOMING_BYTES / 16)
            .incoming_buffer_size_total(INCOMING_BYTES);
        Ok(Self { client, server, endpoint: endpoint(keypair) })
    }
}

fn transport() -> TransportConfig {
    let streams = u32::try_from(SUBSTREAMS_PER_LINK_MAX).expect("the limit is small");
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MAX_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(CONNECTION_WINDOW_BYTES.into())
        .datagram_receive_buffer_size(Some(DATAGRAMS_RECEIVED_BYTES))
        .datagram_send_buffer_size(DATAGRAMS_SENT_BYTES)
        .allow_spin(false);
    transport
}

/// With a reset key that comes from the identity, a node that restarted tells its peers at
/// once that their connections are gone, instead of leaving them to time out.
fn endpoint(keypair: &Keypair) -> EndpointConfig {
    let mut config = match keypair.derive_secret(b"pointsman quic stateless reset") {
        Some(secret) => EndpointConfig::new(Arc::new(ResetKey::new(&secret))),
        None => EndpointConfig::default(),
    };
    config.supported_versions(vec![1]);
    config
}

/// Signs stateless resets. quinn implements its trait for the keys of one cryptographic
/// library only, chosen by the features of everything in the build; with a type of our own it
/// does not matter what else a program that embeds pointsman brings along.
struct ResetKey(hmac::Key);

impl ResetKey {
    fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(hmac::sign(&self.0, data).as_ref());
    }

    fn signature_len(&self) -> usize {
        hmac::HMAC_SHA256.digest_algorithm().output_len()
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        hmac::verify(&self.0, data, signature).map_err(|_| CryptoError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_key_knows_its_own_signatures_only() {
        let key = ResetKey::new(b"one");
        let mut signature = vec![0; key.signature_len()];
        key.sign(b"connection", &mut signature);
        assert!(key.verify(b"connection", &signature).is_ok());
        assert!(key.verify(b"another", &signature).is_err());
        assert!(ResetKey::new(b"two").verify(b"connection", &signature).is_err());
    }
}
