//! Messages and their fates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pointsman_core::id::PeerId;
use pointsman_core::output::{Delivery, Fate, Refusal};
use serde::{Deserialize, Serialize};

use super::hex64;

/// What became of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FateView {
    /// `queued`, `delivered`, `expired` or `refused`.
    pub fate: String,
    /// Why it was refused, as one word; otherwise `null`.
    pub refusal: Option<String>,
    /// From hand-over to acknowledgement, in microseconds; `null` unless delivered.
    pub took_us: Option<u64>,
    /// The peer, in full.
    pub peer: String,
    /// Bytes of payload.
    pub bytes: u64,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// From whom, as proven.
    pub peer: String,
    /// `realtime`, `interactive` or `bulk`.
    pub class: String,
    /// Its number in its class and the sender's session.
    pub number: u64,
    /// The sender's session, in hexadecimal.
    pub session: String,
    /// Bytes of payload.
    pub bytes: u64,
    /// The payload where it is UTF-8; otherwise `null`.
    pub text: Option<String>,
    /// The payload in base64 (RFC 4648, section 4) where it is not UTF-8; otherwise `null`.
    pub base64: Option<String>,
}

/// How far a measurement is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadView {
    /// The peer, in full.
    pub peer: String,
    /// Messages to send.
    pub count: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages that the peer's node has.
    pub delivered: u64,
    /// Messages that expired.
    pub expired: u64,
    /// Messages that were not taken.
    pub refused: u64,
    /// Payload of the delivered ones.
    pub bytes_delivered: u64,
    /// Since the first message.
    pub elapsed_us: u64,
    /// From hand-over to acknowledgement: median; `null` before the first.
    pub took_us_p50: Option<u64>,
    /// 99th percentile.
    pub took_us_p99: Option<u64>,
    /// The longest.
    pub took_us_max: Option<u64>,
}

/// A message that arrived, for JSON.
pub fn delivery(delivery: &Delivery) -> DeliveryView {
    let text = std::str::from_utf8(&delivery.payload).ok().map(str::to_owned);
    let base64 = match text {
        Some(_) => None,
        None => Some(STANDARD.encode(&delivery.payload)),
    };
    DeliveryView {
        peer: delivery.peer.to_string(),
        class: delivery.class.name().to_owned(),
        number: delivery.number,
        session: hex64(delivery.session),
        bytes: delivery.payload.len() as u64,
        text,
        base64,
    }
}

/// A fate, for JSON.
pub fn fate(fate: Fate, peer: &PeerId, bytes: usize) -> FateView {
    let (name, refusal, took_us) = match fate {
        Fate::Queued => ("queued", None, None),
        Fate::Delivered { took_us } => ("delivered", None, Some(took_us)),
        Fate::Expired => ("expired", None, None),
        Fate::Refused(refusal) => ("refused", Some(refusal_name(refusal).to_owned()), None),
    };
    let (fate, peer, bytes) = (name.to_owned(), peer.to_string(), bytes as u64);
    FateView { fate, refusal, took_us, peer, bytes }
}

fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::QueueFull => "queue-full",
        Refusal::NodeFull => "node-full",
        Refusal::TooLarge => "too-large",
        Refusal::NotAllowed => "not-allowed",
        Refusal::TooManyPeers => "too-many-peers",
        Refusal::Empty => "empty",
    }
}
