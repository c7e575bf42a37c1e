//! Records by the thousand, from generated keys. The example `flood` does it by the million.

use libp2p::identity::Keypair;
use pointsman_core::dht::contact::Scope;
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;
use pointsman_core::subnet::Subnet;
use pointsman_dht::identity;
use pointsman_dht::intake::{Declined, Intake, Put};
use pointsman_dht::record::{Capabilities, PeerRecord, Rules, key_of};
use pointsman_dht::shelf::{Kept, Shelf};

const NOW_S: u64 = 1_800_000_000;
const RULES: Rules<'static> = Rules { network: "flood", scope: Scope::Public, now_s: NOW_S };

struct Made {
    peer: PeerId,
    key: Vec<u8>,
    value: Vec<u8>,
}

fn made() -> Made {
    let keypair = Keypair::generate_ed25519();
    let peer = identity::from_libp2p(&keypair.public().to_peer_id()).unwrap();
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
    Made { peer, key: key_of(peer), value: record.sign(&keypair).unwrap().envelope }
}

fn put<'a>(made: &'a Made, from: PeerId, subnet: Subnet) -> Put<'a> {
    Put { from, subnet: Some(subnet), key: &made.key, value: &made.value }
}

fn own() -> PeerId {
    made().peer
}

#[test]
fn honest_records_survive_a_flood_of_well_signed_ones() {
    let (mut intake, mut shelf) = (Intake::default(), Shelf::new(own()));
    let mut honest = Vec::new();
    for number in 0..4_000_u32 {
        let now = Time(u64::from(number) * 100_000);
        let [_, _, high, low] = number.to_be_bytes();
        if number % 40 == 0 {
            let record = made();
            let outcome = intake.put(
                now,
                &RULES,
                &mut shelf,
                &put(&record, record.peer, Subnet::V4([99, high, low])),
            );
            assert_eq!(outcome, Ok(Kept::New));
            honest.push(record.peer);
        }
        let from = PeerId([(number % 200) as u8; 32]);
        let subnet = Subnet::V4([20, 0, (number % 4) as u8]);
        let _ = intake.put(now, &RULES, &mut shelf, &put(&made(), from, subnet));
    }
    assert!(honest.iter().all(|peer| shelf.sequence(peer).is_some()));
    assert_eq!(shelf.count(), honest.len() + 4 * limits::DHT_RECORDS_PER_SUBNET_MAX);
}

#[test]
fn who_brings_too_many_is_not_even_looked_at() {
    let (mut intake, mut shelf) = (Intake::default(), Shelf::new(own()));
    let from = PeerId([7; 32]);
    let garbage = Made { peer: from, key: vec![1], value: vec![2] };
    let mut declined = 0;
    for number in 0..1_000_u64 {
        let outcome = intake.put(
            Time(number),
            &RULES,
            &mut shelf,
            &put(&garbage, from, Subnet::V4([20, 0, 0])),
        );
        declined += u64::from(outcome == Err(Declined::TooMany));
    }
    let counts = intake.counts();
    assert_eq!((counts.too_many, counts.refused), (declined, 1_000 - declined));
    assert!(declined > 950, "{declined}");
    let friend = made();
    let outcome = intake.put(
        Time(1_000),
        &RULES,
        &mut shelf,
        &put(&friend, friend.peer, Subnet::V4([20, 0, 1])),
    );
    assert_eq!(outcome, Ok(Kept::New));
}
