//! Bytes that are no row: whatever they are, reading them ends, with a row within its bounds or
//! an error.

use pointsman_core::address::ADDRESS_BYTES_MAX;
use pointsman_core::id::PeerId;
use pointsman_core::input::Address;
use pointsman_core::limits::{
    STORE_ADDRESSES_PER_PEER_MAX, STORE_REASONS_MAX, STORE_RECORD_BYTES_MAX,
    STORE_RECORD_KEY_BYTES_MAX, STORE_VALUE_BYTES_MAX,
};
use pointsman_sdk::reputation::{Kind, Standing};

use super::Row;
use super::peer::{KnownAddress, Origin, Peer};
use super::record::Record;
use super::standing::{KINDS, PeerStanding, Reason, SubnetStanding, Track};
use super::value::Value;
use crate::tables::Table;
use crate::worth::Worth;
use pointsman_core::subnet::Subnet;

/// Rows of random bytes that are read of each kind.
const ROUNDS: u64 = 20_000;

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    fn bytes(&mut self, length_max: usize) -> Vec<u8> {
        (0..self.below(length_max + 1)).map(|_| self.roll() as u8).collect()
    }

    /// Some bytes changed, left out, put in, or cut off.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 if !bytes.is_empty() => bytes[at] = self.roll() as u8,
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(at, self.roll() as u8),
                _ => bytes.truncate(at),
            }
        }
    }
}

fn peer() -> Peer {
    let address = |port: u16| KnownAddress {
        address: Address::parse(&format!("/ip4/192.0.2.7/udp/{port}/quic-v1")).unwrap(),
        origin: Origin::Dht,
        success_unix_ms: Some(u64::from(port)),
        seen_unix_ms: 2,
        failures: 3,
    };
    Peer { id: PeerId([7; 32]), addresses: (1..=8).map(address).collect() }
}

fn track() -> Track {
    let reason = |kind| Reason { kind, weight: 1, at_unix_ms: 2, text: "seen".to_owned() };
    Track {
        standing: Standing { score: -5, a: 1, b: 2, c: 3, updated_ms: 4 },
        seen: [9; KINDS],
        reasons: Kind::ALL.map(reason).to_vec(),
    }
}

fn record() -> Record {
    let source = Some(Subnet::V6([1, 2, 3, 4, 5, 6]));
    let (key, value) = (vec![1; 32], vec![2; 300]);
    Record { key, value, publisher: PeerId([3; 32]), sequence: 4, expires_unix_s: 5, source }
}

/// Reads nonsense, damaged rows and beginnings of rows as rows of this kind, and writes anew what
/// comes of it: that must be read as the same.
fn read_nonsense<R: Row + Clone + PartialEq + std::fmt::Debug>(
    row: &R,
    is_bounded: fn(&R) -> bool,
) {
    let mut dice = Dice(R::TABLE as u64);
    let mut read = 0;
    let whole = row.to_bytes();
    for round in 0..ROUNDS {
        let (mut key, mut bytes) = (row.key().to_vec(), whole.clone());
        match round % 4 {
            0 => bytes = dice.bytes(400),
            1 => bytes = [&[1 + dice.below(2) as u8], dice.bytes(400).as_slice()].concat(),
            2 => dice.damage(&mut bytes),
            _ => dice.damage(&mut key),
        }
        let _ = Worth::of(R::TABLE, &key, &bytes);
        if let Ok((found, _)) = R::from_bytes(&key, &bytes) {
            assert!(is_bounded(&found), "{found:?}");
            let again = R::from_bytes(found.key(), &found.to_bytes());
            assert_eq!(again.map(|(row, _)| row.to_bytes()), Ok(found.to_bytes()));
            read += 1;
        }
    }
    assert!(read > 0, "no damage was small enough");
    for length in 0..whole.len() {
        assert!(R::from_bytes(row.key(), &whole[..length]).is_err(), "{length} bytes");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert!(R::from_bytes(row.key(), &longer).is_err());
}

fn is_bounded_track(track: &Track) -> bool {
    track.reasons.len() <= STORE_REASONS_MAX
        && (Standing::SCORE_MIN..=Standing::SCORE_MAX).contains(&track.standing.score)
}

#[test]
fn nonsense_is_no_peer() {
    read_nonsense(&peer(), |peer| {
        peer.addresses.len() <= STORE_ADDRESSES_PER_PEER_MAX
            && peer.addresses.iter().all(|known| known.address.text.len() <= ADDRESS_BYTES_MAX)
    });
}

#[test]
fn nonsense_is_no_standing_of_a_peer() {
    let row = PeerStanding { id: PeerId([7; 32]), track: track() };
    read_nonsense(&row, |row| is_bounded_track(&row.track));
}

#[test]
fn nonsense_is_no_standing_of_a_subnet() {
    let row = SubnetStanding { subnet: Subnet::V4([1, 2, 3]), track: track() };
    read_nonsense(&row, |row| is_bounded_track(&row.track));
}

#[test]
fn nonsense_is_no_record() {
    read_nonsense(&record(), |record| {
        record.value.len() <= STORE_RECORD_BYTES_MAX
            && record.key.len() <= STORE_RECORD_KEY_BYTES_MAX
    });
}

#[test]
fn nonsense_is_no_value() {
    let row = Value { name: "crawl".to_owned(), bytes: vec![1; 200] };
    read_nonsense(&row, |row| row.bytes.len() <= STORE_VALUE_BYTES_MAX);
}

#[test]
fn a_row_of_a_later_program_is_read_as_far_as_it_is_known() {
    let mut bytes = record().to_bytes();
    bytes[0] += 1;
    bytes.extend(b"fields that are not known here");
    assert_eq!(Record::from_bytes(&record().key, &bytes), Ok((record(), 0)));
}

#[test]
fn what_can_t_be_read_is_worth_nothing() {
    for table in Table::ALL {
        assert_eq!(Worth::of(table, &[], &[]), Worth::NONE);
    }
}
