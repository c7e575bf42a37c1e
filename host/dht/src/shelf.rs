//! The records that this node keeps for others.
//!
//! Only records that were checked are here, one of each peer. There is room for
//! [`limits::DHT_RECORDS_MAX`], and for [`limits::DHT_RECORDS_PER_SUBNET_MAX`] of those that came
//! from one subnet; where one more comes, the farthest from our own key makes room, in the subnet
//! that has most. So whoever wants to drive out the records of others has to do it from as many
//! subnets as they have, and in each of them with keys nearer to ours.
//!
//! A record counts for the subnet that it came from first. It counts for another only when its
//! own peer brings it from there: nobody can move somebody else's record into his crowd.

use std::collections::{BTreeMap, BTreeSet};

use pointsman_core::dht::key::{Distance, Key};
use pointsman_core::id::PeerId;
use pointsman_core::limits;
use pointsman_core::subnet::Subnet;

use crate::record::{Checked, Refusal, key_of};

mod store;

/// Where a record came from: a subnet, or a network of our own, which has none.
type Origin = Option<Subnet>;

/// The records.
#[derive(Debug)]
pub struct Shelf {
    own: Key,
    capacity: usize,
    /// Seconds since 1970, as last told.
    now_s: u64,
    /// Our own record, which never makes room.
    own_record: Option<(PeerId, Row)>,
    rows: BTreeMap<PeerId, Row>,
    /// Those of each origin, the farthest from our key last.
    crowds: BTreeMap<Origin, BTreeSet<(Distance, PeerId)>>,
    /// The origins by how many they have, and how far the farthest of these is.
    order: BTreeSet<(usize, Distance, Origin)>,
}

#[derive(Clone, Debug)]
struct Row {
    value: Vec<u8>,
    sequence: u64,
    expires_s: u64,
    origin: Origin,
    distance: Distance,
}

/// A record with all that is known of it: what a store keeps over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// Its name in the DHT.
    pub key: Vec<u8>,
    /// The signed envelope.
    pub value: Vec<u8>,
    /// The subnet that it came from.
    pub subnet: Option<Subnet>,
    /// Whose it is.
    pub peer: PeerId,
    /// Which of its peer's.
    pub sequence: u64,
    /// Until when it holds, in seconds since 1970.
    pub expires_s: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is here now.
    New,
    /// It took the place of an older one of its peer.
    Newer,
    /// It was here already.
    Same,
    /// There are better ones: it is not kept.
    Full,
}

impl Shelf {
    /// An empty one, of this node.
    pub fn new(own: PeerId) -> Self {
        Self::with_capacity(own, limits::DHT_RECORDS_MAX)
    }

    fn with_capacity(own: PeerId, capacity: usize) -> Self {
        Self {
            own: Key::of_peer(&own),
            capacity,
            now_s: 0,
            own_record: None,
            rows: BTreeMap::new(),
            crowds: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    /// The sequence of the record that is kept of a peer.
    pub fn sequence(&self, peer: &PeerId) -> Option<u64> {
        self.rows.get(peer).map(|row| row.sequence)
    }

    /// Our own record, for those who ask us for it.
    pub fn set_own(&mut self, checked: &Checked) {
        let row = self.row(checked, None);
        self.remove(&checked.record.peer);
        self.own_record = Some((checked.record.peer, row));
    }

    /// The record that is kept of a peer, as long as it holds.
    pub fn value(&self, peer: &PeerId) -> Option<&[u8]> {
        let own = self.own_record.as_ref().filter(|(own, _)| own == peer).map(|(_, row)| row);
        let row = own.or_else(|| self.rows.get(peer))?;
        (row.expires_s > self.now_s).then_some(&row.value)
    }

    fn row(&self, checked: &Checked, origin: Origin) -> Row {
        let record = &checked.record;
        Row {
            value: checked.envelope.clone(),
            sequence: record.sequence,
            expires_s: record.expires_s,
            origin,
            distance: self.own.distance(&Key::of_bytes(&key_of(record.peer))),
        }
    }

    /// Keeps a record that `from` brought from `subnet`.
    pub fn keep(
        &mut self,
        checked: &Checked,
        from: PeerId,
        subnet: Option<Subnet>,
    ) -> Result<Kept, Refusal> {
        let record = &checked.record;
        if self.own_record.as_ref().is_some_and(|(own, _)| *own == record.peer) {
            return Ok(Kept::Same);
        }
        let is_own = from == record.peer;
        let (origin, kept) = match self.rows.get(&record.peer) {
            Some(row) if record.sequence < row.sequence => return Err(Refusal::RolledBack),
            Some(row) if record.sequence == row.sequence && (!is_own || row.origin == subnet) => {
                return Ok(Kept::Same);
            }
            Some(row) => (if is_own { subnet } else { row.origin }, Kept::Newer),
            None => (subnet, Kept::New),
        };
        self.remove(&record.peer);
        let row = self.row(checked, origin);
        self.insert(record.peer, row);
        self.make_room(origin);
        Ok(if self.rows.contains_key(&record.peer) { kept } else { Kept::Full })
    }

    /// Drops what expired.
    pub fn expire(&mut self, now_s: u64) {
        self.now_s = now_s;
        let expired = self.rows.iter().filter(|(_, row)| row.expires_s <= now_s);
        let expired: Vec<PeerId> = expired.map(|(peer, _)| *peer).collect();
        for peer in expired {
            self.remove(&peer);
        }
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of all records, without what surrounds them.
    pub fn bytes(&self) -> usize {
        self.rows.values().map(|row| row.value.len()).sum()
    }

    /// All records, for a store.
    pub fn shelved(&self) -> impl Iterator<Item = Shelved> {
        self.rows.iter().map(|(peer, row)| Shelved {
            key: key_of(*peer),
            value: row.value.clone(),
            subnet: row.origin,
            peer: *peer,
            sequence: row.sequence,
            expires_s: row.expires_s,
        })
    }

    /// At most one has to go, because one came.
    fn make_room(&mut self, newcomer: Origin) {
        let crowd = self.crowds.get(&newcomer).map_or(0, BTreeSet::len);
        // A network of our own lies in one place, and would be bounded as a whole.
        if newcomer.is_some() && crowd > limits::DHT_RECORDS_PER_SUBNET_MAX {
            self.remove_farthest(newcomer);
        } else if self.rows.len() > self.capacity
            && let Some(&(_, _, most)) = self.order.last()
        {
            self.remove_farthest(most);
        }
    }

    fn remove_farthest(&mut self, origin: Origin) {
        let farthest = self.crowds.get(&origin).and_then(BTreeSet::last);
        if let Some(&(_, peer)) = farthest {
            self.remove(&peer);
        }
    }

    fn insert(&mut self, peer: PeerId, row: Row) {
        self.change_crowd(row.origin, |crowd| {
            crowd.insert((row.distance, peer));
        });
        self.rows.insert(peer, row);
    }

    fn remove(&mut self, peer: &PeerId) {
        let Some(row) = self.rows.remove(peer) else { return };
        self.change_crowd(row.origin, |crowd| {
            crowd.remove(&(row.distance, *peer));
        });
    }

    /// Changes who belongs to an origin, and what is ordered by that.
    fn change_crowd(
        &mut self,
        origin: Origin,
        change: impl FnOnce(&mut BTreeSet<(Distance, PeerId)>),
    ) {
        let crowd = self.crowds.entry(origin).or_default();
        if let Some(&(farthest, _)) = crowd.last() {
            self.order.remove(&(crowd.len(), farthest, origin));
        }
        change(crowd);
        match crowd.last() {
            Some(&(farthest, _)) => {
                self.order.insert((crowd.len(), farthest, origin));
            }
            None => {
                self.crowds.remove(&origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Capabilities, PeerRecord};

    const OWN: PeerId = PeerId([0; 32]);

    fn peer(number: u32) -> PeerId {
        let [a, b, c, d] = number.to_be_bytes();
        PeerId(core::array::from_fn(|at| [a, b, c, d, 1][at.min(4)]))
    }

    fn checked(number: u32, sequence: u64) -> Checked {
        let record = PeerRecord {
            peer: peer(number),
            network: String::new(),
            sequence,
            issued_s: 0,
            expires_s: 100 + u64::from(number),
            reach: Vec::new(),
            capabilities: Capabilities::default(),
            sealing_key: [0; 32],
        };
        Checked { record, envelope: vec![7; 100] }
    }

    fn subnet(number: u32) -> Origin {
        let [_, b, c, d] = number.to_be_bytes();
        Some(Subnet::V4([b.wrapping_add(20), c, d]))
    }

    fn keep(shelf: &mut Shelf, number: u32, from: u32) -> Kept {
        shelf.keep(&checked(number, 1), peer(number), subnet(from)).unwrap()
    }

    #[test]
    fn a_peer_has_one_record_and_the_newest_stays() {
        let mut shelf = Shelf::new(OWN);
        let mut keep = |sequence| shelf.keep(&checked(1, sequence), peer(1), subnet(1));
        assert_eq!(keep(5), Ok(Kept::New));
        assert_eq!(keep(5), Ok(Kept::Same));
        assert_eq!(keep(6), Ok(Kept::Newer));
        assert_eq!(keep(5), Err(Refusal::RolledBack));
        assert_eq!((shelf.count(), shelf.sequence(&peer(1))), (1, Some(6)));
    }

    #[test]
    fn a_subnet_that_is_full_keeps_those_nearest_to_us() {
        let mut shelf = Shelf::new(OWN);
        let all: Vec<u32> = (0..500).collect();
        for &number in &all {
            keep(&mut shelf, number, 1);
        }
        let own = Key::of_peer(&OWN);
        let mut nearest = all.clone();
        nearest.sort_by_key(|&number| own.distance(&Key::of_bytes(&key_of(peer(number)))));
        assert_eq!(shelf.count(), limits::DHT_RECORDS_PER_SUBNET_MAX);
        for number in &nearest[..shelf.count()] {
            assert!(shelf.sequence(&peer(*number)).is_some());
        }
    }

    #[test]
    fn when_all_is_full_the_most_crowded_subnet_makes_room() {
        let mut shelf = Shelf::with_capacity(OWN, 100);
        for number in 0..40 {
            assert_eq!(keep(&mut shelf, number, 1_000 + number), Kept::New);
        }
        for number in 100..10_000 {
            keep(&mut shelf, number, number % 7);
            assert!(shelf.count() <= 100);
        }
        let honest = (0..40).filter(|&number| shelf.sequence(&peer(number)).is_some());
        assert_eq!(honest.count(), 40);
        assert_eq!(keep(&mut shelf, 50, 2_000), Kept::New, "one more from elsewhere finds room");
    }

    #[test]
    fn the_indices_hold_what_the_rows_hold() {
        let mut shelf = Shelf::with_capacity(OWN, 50);
        for number in 0..3_000_u32 {
            let sequence = u64::from(number % 5);
            let from = peer(number % 150 + number % 2);
            let _ = shelf.keep(&checked(number % 150, sequence), from, subnet(number % 11));
            if number % 100 == 0 {
                shelf.expire(u64::from(number / 20));
            }
            let counted: usize = shelf.crowds.values().map(BTreeSet::len).sum();
            let ordered: usize = shelf.order.iter().map(|(size, ..)| size).sum();
            assert_eq!((counted, ordered), (shelf.count(), shelf.count()));
        }
    }

    #[test]
    fn nobody_moves_the_record_of_another_into_a_crowd_of_his_own() {
        let mut shelf = Shelf::new(OWN);
        keep(&mut shelf, 1, 1);
        assert_eq!(shelf.keep(&checked(1, 1), peer(2), subnet(2)), Ok(Kept::Same));
        assert_eq!(shelf.keep(&checked(1, 2), peer(2), subnet(2)), Ok(Kept::Newer));
        assert_eq!(shelf.rows[&peer(1)].origin, subnet(1));
        assert_eq!(shelf.keep(&checked(1, 2), peer(1), subnet(3)), Ok(Kept::Newer));
        assert_eq!(shelf.rows[&peer(1)].origin, subnet(3), "its own peer does");
    }

    #[test]
    fn what_expired_goes() {
        let mut shelf = Shelf::new(OWN);
        for number in 0..10 {
            keep(&mut shelf, number, number);
        }
        shelf.expire(104);
        assert_eq!(shelf.count(), 5);
        assert_eq!(shelf.shelved().count(), 5);
        assert_eq!(shelf.bytes(), 500);
    }
}
