//! Bytes to begin with: what honest nodes send.

use pointsman_dht::identity;
use pointsman_dht::record::{Capabilities, PeerRecord, Reach, key_of};
use pointsman_dht::wire::Ask;
use pointsman_sdk::Transport;
use prost::Message as _;

use crate::bodies::{KEY_BYTES, NETWORK, NOW_S, asks, keypair};

/// An answer on the wire.
#[derive(Clone, PartialEq, prost::Message)]
struct Reply {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(message, optional, tag = "3")]
    record: Option<Record>,
    #[prost(message, repeated, tag = "8")]
    closer: Vec<Contact>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Contact {
    #[prost(bytes = "vec", tag = "1")]
    peer: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    addresses: Vec<Vec<u8>>,
}

/// Answers to each kind of question.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let contact = |number: u8| Contact {
        peer: identity::to_bytes(pointsman_core::id::PeerId([number; 32])).to_vec(),
        addresses: ["/ip4/20.9.9.9/udp/4001/quic-v1", "/ip6/2a00::1/tcp/4001"]
            .map(|text| address(text).to_vec())
            .to_vec(),
    };
    let closer: Vec<Contact> = (1..4).map(contact).collect();
    let record = Some(Record { key: vec![1; KEY_BYTES], value: envelope() });
    let found = Reply { kind: 1, record: record.clone(), closer: closer.clone() };
    let near = Reply { kind: 4, record: None, closer };
    let kept = Reply { kind: 0, record, closer: Vec::new() };
    [found, near, kept].map(|reply| reply.encode_to_vec()).to_vec()
}

/// Whole frames: questions, and an answer.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = asks().iter().map(Ask::to_frame).collect();
    let answer = answers().swap_remove(0);
    let mut length = Vec::new();
    prost::encode_length_delimiter(answer.len(), &mut length).expect("a vector grows");
    frames.push([length, answer].concat());
    frames
}

/// A record behind its name.
pub(crate) fn records() -> Vec<Vec<u8>> {
    vec![[key_of(record().peer), envelope()].concat()]
}

/// What is signed in one.
pub(crate) fn payloads() -> Vec<Vec<u8>> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Envelope {
        #[prost(bytes = "vec", tag = "3")]
        payload: Vec<u8>,
    }
    vec![Envelope::decode(&envelope()[..]).expect("it was just made").payload]
}

fn address(text: &str) -> libp2p::Multiaddr {
    text.parse().expect("an address")
}

fn record() -> PeerRecord {
    let reach = |transport, text| Reach { transport, address: address(text) };
    PeerRecord {
        peer: identity::from_libp2p(&keypair().public().to_peer_id()).expect("an Ed25519 key"),
        network: NETWORK.to_owned(),
        sequence: NOW_S * 1000,
        issued_s: NOW_S,
        expires_s: NOW_S + 3600,
        reach: vec![
            reach(Transport::Internet, "/ip4/20.9.9.9/udp/4001/quic-v1"),
            reach(Transport::Internet, "/ip6/2a00:1450::1/tcp/4001"),
        ],
        capabilities: Capabilities::RELAY,
        sealing_key: [5; 32],
    }
}

fn envelope() -> Vec<u8> {
    record().sign(&keypair()).expect("the key signs anything").envelope
}
