//! Who is let into the routing table, and who makes room.
//!
//! The shell's Kademlia keeps the entries and hands them out; it enters and removes whom this
//! table says. Only a peer that answered us is ever offered, with the address at which it did:
//! what it claims of itself costs nothing. Three rules then make a table hard to take over:
//!
//! - of one [`Subnet`] at most [`DHT_SUBNET_PER_BUCKET_MAX`] are in a bucket and
//!   [`DHT_SUBNET_PER_TABLE_MAX`] in all, because addresses are what an attacker has to pay for.
//!   Addresses of a private network have no subnet and are not bounded so: see [`Subnet`];
//! - who stands low is not let in, and who falls low leaves;
//! - who was first stays. A full bucket lets a newcomer in only for one that fails, or that
//!   stands clearly lower: nodes that have been up for long tend to stay up (Maymounkov and
//!   Mazières, Kademlia, section 2.2), and an attacker who comes later finds no place.

use std::collections::BTreeMap;

use super::key::{KEY_BITS, Key};
use crate::id::{PeerId, Time};
use crate::limits::{DHT_BUCKET_MAX, DHT_SUBNET_PER_BUCKET_MAX, DHT_SUBNET_PER_TABLE_MAX};
use crate::subnet::Subnet;

/// Who stands lower than this is not let in.
pub const STANDING_MIN: i32 = -200;

/// A newcomer takes the place of one that works if it stands so much higher.
const STANDING_MARGIN: i32 = 300;

/// Who failed so often in a row is removed, although nobody waits for its place.
const FAILURES_MAX: u32 = 3;

/// A peer that answered us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Who.
    pub peer: PeerId,
    /// The multiaddr at which it answered.
    pub address: &'a str,
    /// How far it is trusted.
    pub standing: i32,
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is in, and was not before. Who made room for it, if anyone had to.
    Admitted {
        /// This one is to be removed from the shell's table.
        evicted: Option<PeerId>,
    },
    /// It was in already, and answered again.
    Renewed,
    /// It stays out.
    Refused(Refusal),
}

/// Why a candidate stays out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It is this node.
    Ourselves,
    /// It stands too low.
    Standing,
    /// Its subnet has its share of the bucket.
    SubnetInBucket(Subnet),
    /// Its subnet has its share of the table.
    SubnetInTable(Subnet),
    /// Everyone in its bucket is worth as much.
    Full,
}

/// What is known of one that is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it lies.
    pub key: Key,
    /// How many first bits of its key it shares with us.
    pub bucket: u32,
    /// Where it answered, if that is on the internet.
    pub subnet: Option<Subnet>,
    /// Since when it is in.
    pub since: Time,
    /// When it answered last.
    pub answered_at: Time,
    /// How often in a row it did not answer since.
    pub failures: u32,
    /// How far it is trusted.
    pub standing: i32,
}

impl Row {
    /// The one that is worth least makes room: one that fails most, then the newest.
    fn worth(&self) -> (core::cmp::Reverse<u32>, core::cmp::Reverse<Time>, i32) {
        (core::cmp::Reverse(self.failures), core::cmp::Reverse(self.since), self.standing)
    }

    fn makes_room_for(&self, standing: i32) -> bool {
        self.failures > 0 || standing.saturating_sub(self.standing) >= STANDING_MARGIN
    }
}

/// The rows of the routing table: at most [`DHT_BUCKET_MAX`] in each of 256 buckets.
#[derive(Clone, Debug)]
pub struct Table {
    own: PeerId,
    key: Key,
    rows: BTreeMap<PeerId, Row>,
}

impl Table {
    /// An empty one, of this node.
    pub fn new(own: PeerId) -> Self {
        Self { own, key: Key::of_peer(&own), rows: BTreeMap::new() }
    }

    /// A peer answered: it is let in, or not.
    pub fn offer(&mut self, now: Time, candidate: &Candidate<'_>) -> Admission {
        let subnet = Subnet::of(candidate.address);
        if candidate.peer == self.own {
            return Admission::Refused(Refusal::Ourselves);
        }
        if candidate.standing < STANDING_MIN {
            self.rows.remove(&candidate.peer);
            return Admission::Refused(Refusal::Standing);
        }
        if let Some(row) = self.rows.get_mut(&candidate.peer) {
            // It keeps the subnet that it was let in with: moving is no way around the bounds.
            row.answered_at = now;
            row.failures = 0;
            row.standing = candidate.standing;
            return Admission::Renewed;
        }
        let key = Key::of_peer(&candidate.peer);
        let bucket = self.key.common_bits(&key).min(KEY_BITS - 1);
        let evicted = match self.room(bucket, subnet, candidate.standing) {
            Ok(evicted) => evicted,
            Err(refusal) => return Admission::Refused(refusal),
        };
        if let Some(peer) = evicted {
            self.rows.remove(&peer);
        }
        let standing = candidate.standing;
        let row = Row { key, bucket, subnet, since: now, answered_at: now, failures: 0, standing };
        self.rows.insert(candidate.peer, row);
        Admission::Admitted { evicted }
    }

    /// Whether there is room for one more; who has to leave for it.
    ///
    /// A bound that is reached can be met by one eviction, of a row that counts for each bound
    /// that is reached: so the narrowest set of rows that helps is looked at.
    fn room(
        &self,
        bucket: u32,
        subnet: Option<Subnet>,
        standing: i32,
    ) -> Result<Option<PeerId>, Refusal> {
        let of_subnet = |row: &Row| subnet.is_some() && row.subnet == subnet;
        let count = |of: &dyn Fn(&Row) -> bool| self.rows.values().filter(|&row| of(row)).count();
        let here = count(&|row| row.bucket == bucket && of_subnet(row));
        let reached = if here >= DHT_SUBNET_PER_BUCKET_MAX {
            subnet.map(Refusal::SubnetInBucket)
        } else if count(&of_subnet) >= DHT_SUBNET_PER_TABLE_MAX {
            subnet.map(Refusal::SubnetInTable)
        } else {
            None
        };
        let is_full = count(&|row| row.bucket == bucket) >= DHT_BUCKET_MAX;
        let Some(refusal) = reached.or(is_full.then_some(Refusal::Full)) else { return Ok(None) };
        let helps = |row: &Row| {
            let subnet_helps = match refusal {
                Refusal::SubnetInBucket(_) => row.bucket == bucket && of_subnet(row),
                Refusal::SubnetInTable(_) => of_subnet(row),
                Refusal::Full | Refusal::Ourselves | Refusal::Standing => true,
            };
            subnet_helps && (!is_full || row.bucket == bucket) && row.makes_room_for(standing)
        };
        let least = self.rows.iter().filter(|(_, row)| helps(row));
        let least = least.min_by_key(|(peer, row)| (row.worth(), **peer));
        least.map(|(peer, _)| Some(*peer)).ok_or(refusal)
    }

    /// A peer did not answer. Whether it is to be removed now.
    pub fn failed(&mut self, peer: &PeerId) -> bool {
        let Some(row) = self.rows.get_mut(peer) else { return false };
        row.failures += 1;
        let removed = row.failures >= FAILURES_MAX;
        if removed {
            self.rows.remove(peer);
        }
        removed
    }

    /// How far a peer is trusted now. Whether it is to be removed.
    pub fn stood(&mut self, peer: &PeerId, standing: i32) -> bool {
        let Some(row) = self.rows.get_mut(peer) else { return false };
        row.standing = standing;
        let removed = standing < STANDING_MIN;
        if removed {
            self.rows.remove(peer);
        }
        removed
    }

    /// The shell removed a peer for a reason of its own.
    pub fn removed(&mut self, peer: &PeerId) {
        self.rows.remove(peer);
    }

    /// Who is in, in the order of their identities.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&PeerId, &Row)> {
        self.rows.iter()
    }

    /// Whether a peer is in.
    pub fn has(&self, peer: &PeerId) -> bool {
        self.rows.contains_key(peer)
    }

    /// Those in the table that are closest to `key`, the closest first.
    pub fn closest(&self, key: &Key, count: usize) -> Vec<PeerId> {
        let rows = self.rows.iter();
        let mut peers: Vec<_> = rows.map(|(peer, row)| (key.distance(&row.key), *peer)).collect();
        peers.sort_unstable();
        peers.truncate(count);
        peers.into_iter().map(|(_, peer)| peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: PeerId = PeerId([0; 32]);

    fn peer(number: u32) -> PeerId {
        let [a, b, c, d] = number.to_be_bytes();
        PeerId(core::array::from_fn(|at| [a, b, c, d, 1][at.min(4)]))
    }

    fn address(subnet: u32) -> String {
        let [_, b, c, d] = subnet.to_be_bytes();
        format!("/ip4/{}.{c}.{d}.1/tcp/4001", 20 + b)
    }

    fn offer(table: &mut Table, at: u64, number: u32, subnet: u32, standing: i32) -> Admission {
        let address = address(subnet);
        table.offer(Time(at), &Candidate { peer: peer(number), address: &address, standing })
    }

    /// Numbers of peers that lie in the bucket.
    fn in_bucket(bucket: u32) -> impl Iterator<Item = u32> {
        let own = Key::of_peer(&OWN);
        (0..).filter(move |&number| own.common_bits(&Key::of_peer(&peer(number))) == bucket)
    }

    /// One whose first bucket is full, each from a subnet of its own, with the numbers of them.
    fn full() -> (Table, Vec<u32>) {
        let mut table = Table::new(OWN);
        let numbers: Vec<u32> = in_bucket(0).take(DHT_BUCKET_MAX).collect();
        for (at, &number) in numbers.iter().enumerate() {
            let admission = offer(&mut table, at as u64, number, number, 0);
            assert_eq!(admission, Admission::Admitted { evicted: None });
        }
        (table, numbers)
    }

    fn newcomer() -> u32 {
        in_bucket(0).nth(DHT_BUCKET_MAX).unwrap()
    }

    #[test]
    fn a_thousand_identities_in_three_subnets_get_three_places_for_each() {
        let mut table = Table::new(OWN);
        for number in 0..1_000 {
            offer(&mut table, u64::from(number), number, number % 3, 500);
        }
        assert!(table.rows().len() <= 3 * DHT_SUBNET_PER_TABLE_MAX);
        for number in 5_000..5_060 {
            offer(&mut table, u64::from(number), number, number, 0);
        }
        for number in 0..1_000 {
            offer(&mut table, 9_999, 100_000 + number, number % 3, 1_000);
        }
        let subnets = (0..3).map(|subnet| Subnet::of(&address(subnet)));
        for subnet in subnets {
            let rows = || table.rows().filter(|(_, row)| row.subnet == subnet);
            assert!(rows().count() <= DHT_SUBNET_PER_TABLE_MAX);
            let in_first = rows().filter(|(_, row)| row.bucket == 0).count();
            assert!(in_first <= DHT_SUBNET_PER_BUCKET_MAX);
        }
        let honest = (5_000..5_060).filter(|&number| table.has(&peer(number))).count();
        assert!(honest > 40, "{honest} of 60: the first buckets hold 20 of each half");
    }

    #[test]
    fn the_honest_who_were_first_keep_their_places() {
        let (mut table, numbers) = full();
        for number in in_bucket(0).skip(DHT_BUCKET_MAX).take(1_000) {
            let admission = offer(&mut table, 1_000, number, number, 200);
            assert_eq!(admission, Admission::Refused(Refusal::Full));
        }
        assert!(numbers.iter().all(|&number| table.has(&peer(number))));
    }

    #[test]
    fn one_that_fails_makes_room_before_one_that_is_new() {
        let (mut table, numbers) = full();
        assert!(!table.failed(&peer(numbers[3])));
        let evicted = Some(peer(numbers[3]));
        assert_eq!(offer(&mut table, 50, newcomer(), 99_999, 0), Admission::Admitted { evicted });
    }

    #[test]
    fn among_those_that_make_room_the_newest_does() {
        let (mut table, numbers) = full();
        let evicted = numbers.last().map(|&number| peer(number));
        let admission = offer(&mut table, 50, newcomer(), 99_999, STANDING_MARGIN);
        assert_eq!(admission, Admission::Admitted { evicted });
    }

    #[test]
    fn a_subnet_that_has_its_share_gets_another_place_only_for_one_of_its_own() {
        let mut table = Table::new(OWN);
        let numbers: Vec<u32> = in_bucket(0).take(4).collect();
        offer(&mut table, 1, numbers[0], 7, 0);
        offer(&mut table, 2, numbers[1], 7, 0);
        offer(&mut table, 3, numbers[3], 8, 0);
        let subnet = Subnet::of(&address(7)).unwrap();
        let refused = Admission::Refused(Refusal::SubnetInBucket(subnet));
        table.failed(&peer(numbers[3]));
        assert_eq!(offer(&mut table, 4, numbers[2], 7, 0), refused);
        table.failed(&peer(numbers[0]));
        let evicted = Some(peer(numbers[0]));
        assert_eq!(offer(&mut table, 5, numbers[2], 7, 0), Admission::Admitted { evicted });
    }

    #[test]
    fn a_private_network_may_lie_in_one_subnet() {
        let mut table = Table::new(OWN);
        for number in 0..30 {
            let address = format!("/ip4/192.168.1.{number}/tcp/4001");
            let candidate = Candidate { peer: peer(number), address: &address, standing: 0 };
            let admission = table.offer(Time(1), &candidate);
            assert_eq!(admission, Admission::Admitted { evicted: None });
        }
    }

    #[test]
    fn who_stands_low_stays_out_and_who_falls_low_leaves() {
        let mut table = Table::new(OWN);
        let refused = Admission::Refused(Refusal::Standing);
        assert_eq!(offer(&mut table, 1, 1, 1, STANDING_MIN - 1), refused);
        offer(&mut table, 1, 1, 1, 0);
        assert!(!table.stood(&peer(1), STANDING_MIN));
        assert!(table.stood(&peer(1), STANDING_MIN - 1));
        assert!(!table.has(&peer(1)));
        offer(&mut table, 1, 2, 2, 0);
        assert_eq!(offer(&mut table, 2, 2, 2, STANDING_MIN - 1), refused);
        assert!(!table.has(&peer(2)));
    }

    #[test]
    fn this_node_is_never_in_its_own_table() {
        let mut table = Table::new(OWN);
        let candidate = Candidate { peer: OWN, address: "/ip4/8.8.8.8/tcp/1", standing: 1_000 };
        assert_eq!(table.offer(Time(1), &candidate), Admission::Refused(Refusal::Ourselves));
    }

    #[test]
    fn silence_three_times_in_a_row_removes_and_an_answer_in_between_does_not() {
        let mut table = Table::new(OWN);
        offer(&mut table, 1, 1, 1, 0);
        assert!(!table.failed(&peer(1)) && !table.failed(&peer(1)));
        assert_eq!(offer(&mut table, 2, 1, 1, 0), Admission::Renewed);
        assert!(!table.failed(&peer(1)) && !table.failed(&peer(1)) && table.failed(&peer(1)));
        assert!(!table.has(&peer(1)));
    }

    #[test]
    fn the_closest_come_first() {
        let (table, _) = full();
        let key = Key::of_bytes(b"somewhere");
        let closest = table.closest(&key, 5);
        let distances: Vec<_> =
            closest.iter().map(|peer| key.distance(&Key::of_peer(peer))).collect();
        assert!(distances.is_sorted() && distances.len() == 5);
        let others = table.rows().filter(|(peer, _)| !closest.contains(peer));
        let nearest = others.map(|(peer, _)| key.distance(&Key::of_peer(peer))).min();
        assert!(nearest > distances.last().copied());
    }
}
