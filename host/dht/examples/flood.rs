//! A million records from generated keys against one shelf: who is still there afterwards?
//!
//! `cargo run --release -p pointsman-dht --example flood -- [PUTS]`

#![allow(clippy::print_stdout, reason = "a measurement prints")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::identity::{Keypair, ed25519};
use pointsman_core::dht::contact::Scope;
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;
use pointsman_core::subnet::Subnet;
use pointsman_dht::identity;
use pointsman_dht::intake::{Declined, Intake, Put};
use pointsman_dht::record::{Capabilities, PeerRecord, Refusal, Rules, key_of};
use pointsman_dht::shelf::{Kept, Shelf};

const NOW_S: u64 = 1_800_000_000;
const RULES: Rules<'static> = Rules { network: "flood", scope: Scope::Public, now_s: NOW_S };

/// Peers that publish what is theirs, each in a subnet of its own.
const HONEST: u64 = 1_000;

/// Subnets that the flood comes from, and peers in each.
const SUBNETS: u64 = 256;
const PEERS_PER_SUBNET: u64 = 64;

/// Between two records of the flood, in microseconds.
const PUT_EVERY_US: u64 = 1_000;

struct Record {
    peer: PeerId,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What nobody chose, from a number.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn signed(number: u64) -> Record {
    let mut secret = [0; 32];
    for (at, part) in secret.chunks_mut(8).enumerate() {
        part.copy_from_slice(&mixed(number.wrapping_mul(4) + at as u64 + 1).to_be_bytes());
    }
    let secret = ed25519::SecretKey::try_from_bytes(secret).expect("32 bytes");
    let keypair: Keypair = ed25519::Keypair::from(secret).into();
    let peer = identity::from_libp2p(&keypair.public().to_peer_id()).expect("Ed25519");
    let record = PeerRecord {
        peer,
        network: "flood".to_owned(),
        sequence: NOW_S * 1000,
        issued_s: NOW_S,
        expires_s: NOW_S + 3600,
        reach: Vec::new(),
        capabilities: Capabilities::default(),
        sealing_key: [1; 32],
    };
    let value = record.sign(&keypair).expect("it signs").envelope;
    Record { peer, key: key_of(peer), value }
}

fn subnet(number: u64) -> Option<Subnet> {
    let [.., a, b, c] = number.to_be_bytes();
    Some(Subnet::V4([20 + a, b, c]))
}

/// Which of four floods a record belongs to: well signed, badly signed, expired, no record.
fn spoil(number: u64, record: &mut Record) {
    match number % 8 {
        5 => {
            let last = record.value.len() - 1;
            record.value[last] ^= 1;
        }
        6 => record.key = key_of(PeerId([7; 32])),
        7 => record.value.truncate(40),
        _ => {}
    }
}

#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<&'static str, (u64, Duration)>,
    bytes_max: usize,
    records_max: usize,
}

fn outcome(result: Result<Kept, Declined>) -> &'static str {
    match result {
        Ok(Kept::New) => "kept",
        Ok(Kept::Newer | Kept::Same) => "kept already",
        Ok(Kept::Full) => "checked, no room",
        Err(Declined::TooMany) => "not looked at",
        Err(Declined::Refused(Refusal::Signature)) => "refused: signature",
        Err(Declined::Refused(_)) => "refused before the signature",
    }
}

fn main() {
    let puts: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let own = signed(u64::MAX / 8).peer;
    let (mut intake, mut shelf) = (Intake::default(), Shelf::new(own));
    let mut tally = Tally::default();
    let mut honest = Vec::new();
    for number in 0..puts {
        let now = Time(1_000_000 + number * PUT_EVERY_US);
        // The honest come before the flood, and all the while.
        if number % (puts / HONEST).max(1) == 0 && (honest.len() as u64) < HONEST {
            let record = signed((1 << 40) + number);
            let at = honest.len() as u64;
            let put = Put {
                from: record.peer,
                subnet: subnet(0x40_0000 + at),
                key: &record.key,
                value: &record.value,
            };
            let _ = intake.put(now, &RULES, &mut shelf, &put);
            honest.push(record.peer);
        }
        let mut record = signed(number);
        spoil(number, &mut record);
        let from_subnet = number % SUBNETS;
        let from = PeerId([(mixed(number) % PEERS_PER_SUBNET) as u8; 32]);
        let mut from = from;
        from.0[0] = from_subnet as u8;
        let put = Put { from, subnet: subnet(from_subnet), key: &record.key, value: &record.value };
        let began = Instant::now();
        let result = intake.put(now, &RULES, &mut shelf, &put);
        let took = began.elapsed();
        let entry = tally.outcomes.entry(outcome(result)).or_default();
        entry.0 += 1;
        entry.1 += took;
        tally.records_max = tally.records_max.max(shelf.count());
    }
    tally.bytes_max = tally.bytes_max.max(shelf.bytes());
    report(puts, &tally, &shelf, &honest);
}

fn report(puts: u64, tally: &Tally, shelf: &Shelf, honest: &[PeerId]) {
    println!("{puts} records from {SUBNETS} subnets, {PEERS_PER_SUBNET} peers in each");
    for (what, (count, took)) in &tally.outcomes {
        let each = took.as_secs_f64() * 1e6 / *count as f64;
        println!("  {what:<30} {count:>9}   {each:>7.1} us each");
    }
    let survived = honest.iter().filter(|peer| shelf.sequence(peer).is_some()).count();
    println!(
        "records kept: {} (at most {}, bound {})",
        shelf.count(),
        tally.records_max,
        limits::DHT_RECORDS_MAX
    );
    println!("bytes kept: {}", tally.bytes_max);
    println!("honest records: {survived} of {} are there", honest.len());
    assert_eq!(survived, honest.len(), "an honest record was driven out");
    assert!(tally.records_max <= limits::DHT_RECORDS_MAX, "the bound was broken");
}
