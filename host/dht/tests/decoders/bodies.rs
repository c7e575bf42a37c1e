//! What holds of every decoder of the phone book, whatever bytes it gets. The fuzz targets in
//! `host/dht/fuzz/` and the tests beside this file run the same.

use futures::executor::block_on;
use libp2p::core::SignedEnvelope;
use libp2p::identity::Keypair;
use pointsman_core::dht::contact::Scope;
use pointsman_core::limits;
use pointsman_dht::identity;
use pointsman_dht::record::{LIFETIME_S_MAX, Rules, SKEW_S_MAX, key_of, peer_of};
use pointsman_dht::wire::{Answer, Ask, InvalidAnswer, read_frame};

/// When it is, in seconds since 1970.
pub(crate) const NOW_S: u64 = 1_800_000_000;

/// The network.
pub(crate) const NETWORK: &str = "fuzz";

/// Bytes of a record's name.
pub(crate) const KEY_BYTES: usize = 16 + 38;

/// Who signs the records.
pub(crate) fn keypair() -> Keypair {
    Keypair::ed25519_from_bytes([7; 32]).expect("32 bytes are a key")
}

/// What a node may be asked, under one name.
pub(crate) fn asks() -> [Ask; 3] {
    let key = vec![1; KEY_BYTES];
    [
        Ask::FindNode { key: key.clone() },
        Ask::GetValue { key: key.clone() },
        Ask::PutValue { key, value: vec![2; 9] },
    ]
}

/// Bytes answer at most one kind of question, and nothing in an answer exceeds its bound.
pub(crate) fn answer(bytes: &[u8]) {
    let mut answered = 0;
    for ask in asks() {
        let answer = match Answer::read(&ask, bytes.to_vec().into()) {
            Ok(answer) => answer,
            Err(InvalidAnswer::Malformed | InvalidAnswer::Other) => continue,
        };
        answered += 1;
        let looked_at = answer.closer_told.min(limits::DHT_REPLY_READ_MAX);
        assert_eq!(answer.closer.len() + answer.unreadable, looked_at);
        for (at, told) in answer.closer.iter().enumerate() {
            assert!(told.addresses.len() <= limits::DHT_ADDRESSES_READ_MAX);
            assert!(answer.closer[..at].iter().all(|other| other.peer != told.peer));
            let long = |bytes: usize| bytes > limits::DHT_ADDRESS_BYTES_MAX;
            assert!(!told.addresses.iter().any(|address| long(address.to_vec().len())));
        }
    }
    assert!(answered <= 1);
}

/// A frame is what its length says and no longer than any may be; how it arrives does not matter.
pub(crate) fn frame(bytes: &[u8]) {
    let mut whole = bytes;
    let read = block_on(read_frame(&mut whole));
    if let Ok(body) = &read {
        assert!(body.len() <= limits::DHT_FRAME_BYTES_MAX);
        let used = bytes.len() - whole.len();
        assert!(bytes[..used].ends_with(body) && used - body.len() <= 4);
        answer(body);
    }
    let mut slow = Dribble(bytes);
    assert_eq!(block_on(read_frame(&mut slow)).ok(), read.ok());
}

/// One byte at a time.
struct Dribble<'a>(&'a [u8]);

impl futures::AsyncRead for Dribble<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let one = buffer.len().min(1);
        std::pin::Pin::new(&mut self.0).poll_read(cx, &mut buffer[..one])
    }
}

/// The first bytes are a record's name, the rest is the record.
pub(crate) fn record(bytes: &[u8]) {
    let (key, value) = bytes.split_at(bytes.len().min(KEY_BYTES));
    if let Some(peer) = peer_of(key) {
        assert_eq!(key_of(peer), key);
        assert_eq!(identity::from_bytes(&identity::to_bytes(peer)), Some(peer));
    }
    believe(key, value);
}

/// The bytes are what the record's own peer signed: it may still lie.
pub(crate) fn payload(bytes: &[u8]) {
    let (domain, kind) = ("pointsman-peer-record".to_owned(), b"/pointsman/peer-record/1");
    let signed = SignedEnvelope::new(&keypair(), domain, kind.to_vec(), bytes.to_vec());
    let envelope = signed.expect("the key signs anything").into_protobuf_encoding();
    let own = identity::from_libp2p(&keypair().public().to_peer_id()).expect("an Ed25519 key");
    believe(&key_of(own), &envelope);
}

/// What is believed holds to every rule, for ever, and is written as it was read.
fn believe(key: &[u8], value: &[u8]) {
    for scope in [Scope::Public, Scope::Any] {
        let rules = Rules { network: NETWORK, scope, now_s: NOW_S };
        let Ok(checked) = rules.check(key, value, None) else { continue };
        let record = &checked.record;
        assert_eq!(checked.envelope, value);
        assert!(value.len() <= limits::DHT_RECORD_BYTES_MAX);
        assert_eq!((key_of(record.peer), record.network.as_str()), (key.to_vec(), NETWORK));
        assert!(record.expires_s > NOW_S && record.issued_s <= NOW_S + SKEW_S_MAX);
        assert!(record.expires_s - record.issued_s <= LIFETIME_S_MAX);
        assert!(record.reach.len() <= limits::DHT_RECORD_ADDRESSES_MAX);
        let newer = Some(record.sequence + 1);
        assert!(rules.check(key, value, newer).is_err(), "nobody takes us back");
        let again = record.clone().sign(&keypair()).expect("the key signs anything");
        if identity::from_libp2p(&keypair().public().to_peer_id()) == Some(record.peer) {
            assert_eq!(rules.check(key, &again.envelope, None), Ok(again.clone()));
            assert_eq!(&again.record, record);
        }
    }
}
