//! The shortlist of one path: whom it has heard of, the closest first, and who is asked next.

use std::collections::BTreeMap;

use super::people::{People, State};
use crate::dht::key::Distance;
use crate::id::PeerId;
use crate::limits::DHT_SHORTLIST_MAX;
use crate::subnet::Subnet;

/// Contacts of one path. A peer may be on several; it is asked on the first that comes to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    shortlist: BTreeMap<Distance, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    peer: PeerId,
    teller: Option<PeerId>,
}

/// Who on a path is worth a question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// So many of the closest that did not fail,
    pub(super) live: usize,
    /// and everyone who shares so many bits with the target.
    pub(super) region_bits: u32,
    /// So many of one subnet; more are held back.
    pub(super) subnet: usize,
    /// Whether those are wanted that are held back.
    pub(super) held_back: bool,
}

impl Path {
    /// Takes one in. Of too many the farthest that was not asked goes, one that failed before
    /// it; who that was is returned.
    pub(super) fn take(
        &mut self,
        distance: Distance,
        peer: PeerId,
        teller: Option<PeerId>,
        people: &People,
    ) -> Option<(Distance, PeerId)> {
        let entry = self.shortlist.entry(distance).or_insert(Entry { peer, teller });
        if entry.teller.is_some_and(|teller| people.is_doubted(&teller)) {
            entry.teller = teller;
        }
        if self.shortlist.len() <= DHT_SHORTLIST_MAX {
            return None;
        }
        let is = |entry: &Entry, wanted: State| {
            people.get(&entry.peer).is_none_or(|known| known.state == wanted)
        };
        let last = |wanted| self.shortlist.iter().rfind(|(_, entry)| is(entry, wanted));
        let (&distance, _) = last(State::Failed).or_else(|| last(State::Heard))?;
        self.shortlist.remove(&distance).map(|entry| (distance, entry.peer))
    }

    pub(super) fn has(&self, distance: &Distance) -> bool {
        self.shortlist.contains_key(distance)
    }

    /// Who told this path of the one at the distance.
    pub(super) fn teller(&self, distance: &Distance) -> Option<PeerId> {
        self.shortlist.get(distance)?.teller
    }

    /// The closest in the window that was not asked.
    pub(super) fn next(&self, people: &People, window: &Window) -> Option<PeerId> {
        let mut subnets: BTreeMap<Subnet, usize> = BTreeMap::new();
        let mut live = 0;
        for entry in self.shortlist.values() {
            let Some(known) = people.get(&entry.peer) else { continue };
            if known.is_lost() {
                continue;
            }
            if live >= window.live && known.common_bits < window.region_bits {
                break;
            }
            let is_heard = known.state == State::Heard;
            let is_full = |subnet| subnets.get(subnet).is_some_and(|&has| has >= window.subnet);
            let is_doubted = entry.teller.is_some_and(|teller| people.is_doubted(&teller));
            if is_heard && (is_doubted || known.subnets.iter().any(is_full)) {
                if window.held_back {
                    return Some(entry.peer);
                }
                continue;
            }
            if is_heard && !window.held_back {
                return Some(entry.peer);
            }
            for &subnet in &known.subnets {
                *subnets.entry(subnet).or_default() += 1;
            }
            live += 1;
        }
        None
    }
}
