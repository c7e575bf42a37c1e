//! What travels between two phone books: Kademlia's messages as libp2p's specification of
//! `kad-dht` has them, each behind its length as a varint.
//!
//! libp2p's Kademlia answers others; what is here asks, and reads the answers. An answer is a
//! stranger's word: a frame has at most [`limits::DHT_FRAME_BYTES_MAX`] bytes, only the first
//! [`limits::DHT_REPLY_READ_MAX`] contacts in it are looked at, and of each only the
//! first [`limits::DHT_ADDRESSES_READ_MAX`] addresses. What can't be read is left out and
//! counted; nothing here panics.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _};
use libp2p::{Multiaddr, StreamProtocol};
use pointsman_core::id::PeerId;
use pointsman_core::limits;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::identity;

/// The type of a message, as the specification numbers them.
const PUT_VALUE: i32 = 0;
const GET_VALUE: i32 = 1;
const FIND_NODE: i32 = 4;

/// Bytes of a varint that tells a frame's length: 2^28 is far beyond any.
const LENGTH_BYTES_MAX: usize = 4;

/// The protocol of a network's phone book. Bytes of the name other than letters, digits, `-`,
/// `_` and `.` are written as `~` and two hexadecimal digits, so that different names stay
/// different.
pub fn protocol(network: &str) -> StreamProtocol {
    let mut plain = String::with_capacity(network.len());
    for byte in network.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => plain.push(byte.into()),
            other => plain.push_str(&format!("~{other:02x}")),
        }
    }
    StreamProtocol::try_from_owned(format!("/pointsman/{plain}/kad/1"))
        .expect("it begins with a slash")
}

/// A question to one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whom do you know nearest to this key?
    FindNode {
        /// Anything: Kademlia compares its SHA-256.
        key: Vec<u8>,
    },
    /// What do you keep under this key, and whom do you know nearest to it?
    GetValue {
        /// The key.
        key: Vec<u8>,
    },
    /// Keep this under that key.
    PutValue {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
}

impl Ask {
    /// Its bytes on a stream.
    pub fn to_frame(&self) -> Vec<u8> {
        let message = match self {
            Self::FindNode { key } => Message { kind: FIND_NODE, key: key.clone(), ..base() },
            Self::GetValue { key } => Message { kind: GET_VALUE, key: key.clone(), ..base() },
            Self::PutValue { key, value } => {
                let record = Record { key: key.clone(), value: value.clone() };
                Message { kind: PUT_VALUE, key: key.clone(), record: Some(record) }
            }
        };
        message.encode_length_delimited_to_vec()
    }

    fn kind(&self) -> i32 {
        match self {
            Self::FindNode { .. } => FIND_NODE,
            Self::GetValue { .. } => GET_VALUE,
            Self::PutValue { .. } => PUT_VALUE,
        }
    }

    fn key(&self) -> &[u8] {
        match self {
            Self::FindNode { key } | Self::GetValue { key } | Self::PutValue { key, .. } => key,
        }
    }
}

/// What a peer answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The peers that it knows nearest to the key, as it says.
    pub closer: Vec<Told>,
    /// How many it told, looked at or not.
    pub closer_told: usize,
    /// How many of those looked at name no peer, or repeat one.
    pub unreadable: usize,
    /// What it keeps under the key.
    pub value: Option<Vec<u8>>,
}

/// A peer that another told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub peer: PeerId,
    /// Where, as it says.
    pub addresses: Vec<Multiaddr>,
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidAnswer {
    /// No message of the protocol.
    #[error("not a message of the protocol")]
    Malformed,
    /// An answer to something else.
    #[error("an answer to another question")]
    Other,
}

impl Answer {
    /// Reads the answer to a question.
    pub fn read(ask: &Ask, bytes: Bytes) -> Result<Self, InvalidAnswer> {
        let reply = Reply::decode(bytes).map_err(|_| InvalidAnswer::Malformed)?;
        if reply.kind != ask.kind() {
            return Err(InvalidAnswer::Other);
        }
        let value = match reply.record {
            Some(record) if record.key == ask.key() => Some(record.value),
            Some(_) => return Err(InvalidAnswer::Other),
            None => None,
        };
        let mut answer = Self { closer_told: reply.closer.len(), value, ..Self::default() };
        for bytes in reply.closer.into_iter().take(limits::DHT_REPLY_READ_MAX) {
            match Told::read(bytes) {
                Some(told) if answer.closer.iter().all(|other| other.peer != told.peer) => {
                    answer.closer.push(told);
                }
                Some(_) | None => answer.unreadable += 1,
            }
        }
        Ok(answer)
    }
}

impl Told {
    fn read(bytes: Bytes) -> Option<Self> {
        let contact = Contact::decode(bytes).ok()?;
        let peer = identity::from_bytes(&contact.peer)?;
        let addresses = contact.addresses.into_iter().take(limits::DHT_ADDRESSES_READ_MAX);
        Some(Self { peer, addresses: addresses.filter_map(|bytes| address(&bytes)).collect() })
    }
}

/// An address without the peer that may be named at its end.
fn address(bytes: &[u8]) -> Option<Multiaddr> {
    if bytes.len() > limits::DHT_ADDRESS_BYTES_MAX {
        return None;
    }
    let address = Multiaddr::try_from(bytes.to_vec()).ok()?;
    Some(identity::without_peer(&address))
}

/// Reads one frame: its length, then its bytes.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut length = 0_usize;
    for at in 0..LENGTH_BYTES_MAX {
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 0x7F) << (7 * at);
        if byte[0] & 0x80 == 0 {
            return read_body(stream, length).await;
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a frame's length is no varint"))
}

async fn read_body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Bytes> {
    if length > limits::DHT_FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame longer than any may be"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes.into())
}

fn base() -> Message {
    Message::default()
}

/// A message that we send.
#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    record: Option<Record>,
}

/// A message that we read. Contacts stay bytes until they are looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct Reply {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(message, optional, tag = "3")]
    record: Option<Record>,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    closer: Vec<Bytes>,
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
    #[prost(bytes = "bytes", tag = "1")]
    peer: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    addresses: Vec<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(seed: u8, addresses: &[&str]) -> Contact {
        let peer = identity::to_libp2p(PeerId([seed; 32]));
        let bytes = |text: &&str| text.parse::<Multiaddr>().unwrap().to_vec().into();
        Contact {
            peer: peer.unwrap().to_bytes().into(),
            addresses: addresses.iter().map(bytes).collect(),
        }
    }

    fn reply(kind: i32, contacts: impl IntoIterator<Item = Contact>) -> Bytes {
        let closer = contacts.into_iter().map(|contact| contact.encode_to_vec().into()).collect();
        Reply { kind, record: None, closer }.encode_to_vec().into()
    }

    /// Seeds whose 32 bytes are a point on the curve, so that libp2p takes them for a key.
    fn seeds() -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|&seed| identity::to_libp2p(PeerId([seed; 32])).is_some())
    }

    const ASK: Ask = Ask::FindNode { key: Vec::new() };

    #[test]
    fn the_protocol_is_named_after_its_network() {
        assert_eq!(protocol("bitcraps").as_ref(), "/pointsman/bitcraps/kad/1");
        let names = ["a b", "a-b", "a/b", "a~20b", "ä", ""];
        let mut plain: Vec<_> = names.iter().map(|name| protocol(name).to_string()).collect();
        plain.sort();
        plain.dedup();
        assert_eq!(plain.len(), names.len());
    }

    #[test]
    fn a_contact_is_read_with_its_addresses_and_without_its_name_at_their_end() {
        let seed = seeds().next().unwrap();
        let peer = identity::to_libp2p(PeerId([seed; 32])).unwrap();
        let named = format!("/ip4/192.0.2.1/tcp/1/p2p/{peer}");
        let bytes = reply(FIND_NODE, [contact(seed, &[&named, "/ip6/2001:db8::1/tcp/1"])]);
        let answer = Answer::read(&ASK, bytes).unwrap();
        let texts: Vec<_> = answer.closer[0].addresses.iter().map(Multiaddr::to_string).collect();
        assert_eq!(answer.closer[0].peer, PeerId([seed; 32]));
        assert_eq!(texts, ["/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/1"]);
    }

    #[test]
    fn of_ten_thousand_contacts_only_the_first_are_looked_at() {
        let empty = Contact { peer: Bytes::new(), addresses: Vec::new() };
        let many = seeds().take(20).map(|seed| contact(seed, &[]));
        let answer = Answer::read(&ASK, reply(FIND_NODE, many.chain(vec![empty; 10_000]))).unwrap();
        assert_eq!((answer.closer.len(), answer.closer_told), (20, 10_020));
        assert_eq!(answer.unreadable, limits::DHT_REPLY_READ_MAX - 20);
    }

    #[test]
    fn a_peer_that_is_told_twice_counts_once() {
        let seed = seeds().next().unwrap();
        let answer =
            Answer::read(&ASK, reply(FIND_NODE, [contact(seed, &[]), contact(seed, &[])])).unwrap();
        assert_eq!((answer.closer.len(), answer.unreadable), (1, 1));
    }

    #[test]
    fn of_a_contact_only_the_first_addresses_are_read() {
        let seed = seeds().next().unwrap();
        let texts: Vec<_> = (1..200).map(|port| format!("/ip4/192.0.2.1/tcp/{port}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let answer = Answer::read(&ASK, reply(FIND_NODE, [contact(seed, &texts)])).unwrap();
        assert_eq!(answer.closer[0].addresses.len(), limits::DHT_ADDRESSES_READ_MAX);
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        assert_eq!(Answer::read(&ASK, reply(GET_VALUE, [])), Err(InvalidAnswer::Other));
        let ask = Ask::GetValue { key: vec![1] };
        let record = Some(Record { key: vec![2], value: vec![3] });
        let bytes = Reply { kind: GET_VALUE, record, closer: Vec::new() }.encode_to_vec();
        assert_eq!(Answer::read(&ask, bytes.into()), Err(InvalidAnswer::Other));
    }

    #[test]
    fn a_value_comes_back_as_it_was_put() {
        let put = Ask::PutValue { key: vec![1; 54], value: vec![7; 300] };
        let frame = put.to_frame();
        let body = futures::executor::block_on(read_frame(&mut &frame[..])).unwrap();
        let answer = Answer::read(&put, body).unwrap();
        assert_eq!(answer.value, Some(vec![7; 300]));
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_take_a_long_frame() {
        let mut state = 1_u64;
        for length in 0..3_000 {
            let bytes: Vec<u8> = (0..length % 200)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            let _ = Answer::read(&ASK, bytes.clone().into());
            let _ = futures::executor::block_on(read_frame(&mut &bytes[..]));
        }
        for head in [&[0xFF; 9][..], &[0xFF, 0xFF, 0xFF, 0x7F]] {
            let error = futures::executor::block_on(read_frame(&mut &*head)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
