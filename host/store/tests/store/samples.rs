//! Rows to write, and stores to write them to.

use pointsman_core::address::ADDRESS_BYTES_MAX;
use pointsman_core::id::PeerId;
use pointsman_core::input::Address;
use pointsman_core::subnet::Subnet;
use pointsman_sdk::reputation::{Kind, Standing};
use pointsman_store::{
    Batch, KnownAddress, MemoryDisk, Opened, Origin, Peer, PeerStanding, Reason, Record, Store,
    SubnetStanding, Track, Value,
};

pub(crate) fn id(n: u64) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    PeerId(bytes)
}

/// A peer in a subnet of its own, up to 65 536 of them.
pub(crate) fn peer(n: u64, success_unix_ms: Option<u64>) -> Peer {
    peer_at(
        n,
        &format!("/ip4/10.{}.{}.7/udp/4001/quic-v1", n / 256 % 256, n % 256),
        success_unix_ms,
    )
}

pub(crate) fn peer_at(n: u64, address: &str, success_unix_ms: Option<u64>) -> Peer {
    assert!(address.len() <= ADDRESS_BYTES_MAX);
    let address = Address::parse(address).unwrap();
    let origin = if success_unix_ms.is_some() { Origin::Observed } else { Origin::Dht };
    let known =
        KnownAddress { address, origin, success_unix_ms, seen_unix_ms: 1_000 + n, failures: 0 };
    Peer { id: id(n), addresses: vec![known] }
}

pub(crate) fn track(score: i32) -> Track {
    let reason =
        Reason { kind: Kind::Served, weight: 1, at_unix_ms: 5, text: "a lookup".to_owned() };
    Track {
        standing: Standing { score, a: 1, b: 2, c: 3, updated_ms: 4 },
        seen: [1, 0, 0, 0, 2, 0, 0],
        reasons: vec![reason],
    }
}

pub(crate) fn standing(n: u64, score: i32) -> PeerStanding {
    PeerStanding { id: id(n), track: track(score) }
}

pub(crate) fn subnet(n: u16, score: i32) -> SubnetStanding {
    let [a, b] = n.to_be_bytes();
    SubnetStanding { subnet: Subnet::V4([10, a, b]), track: track(score) }
}

pub(crate) fn record(n: u64, expires_unix_s: u64) -> Record {
    Record {
        key: n.to_be_bytes().to_vec(),
        value: vec![7; 400],
        publisher: id(n),
        sequence: n,
        expires_unix_s,
        source: Some(Subnet::V4([192, 0, 2])),
    }
}

pub(crate) fn value(name: &str, bytes: &[u8]) -> Value {
    Value { name: name.to_owned(), bytes: bytes.to_vec() }
}

pub(crate) fn batch(fill: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::new();
    fill(&mut batch);
    batch
}

/// A batch with a row for each table.
pub(crate) fn a_row_of_each(n: u64) -> Batch {
    batch(|batch| {
        batch.put_peer(&peer(n, Some(n)));
        batch.put_standing(&standing(n, 10));
        batch.put_subnet(&subnet(n as u16, -10));
        batch.put_record(&record(n, 100)).unwrap();
        batch.put_value(&value("n", &n.to_be_bytes())).unwrap();
    })
}

pub(crate) fn open_on(disk: &MemoryDisk) -> (Store, Opened) {
    let disk = disk.clone();
    Store::open_on(move || Ok(disk.backend())).unwrap()
}

pub(crate) fn value_of(store: &Store, name: &str) -> Option<Vec<u8>> {
    let values = store.load_values().unwrap().rows;
    values.into_iter().find(|value| value.name == name).map(|value| value.bytes)
}
