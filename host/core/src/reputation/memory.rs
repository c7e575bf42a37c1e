//! Records of peers that are not kept any more, so that going and coming back washes nobody
//! clean.

use std::collections::BTreeMap;

use super::record::Record;
use super::{Recollection, Subject};
use crate::id::{PeerId, Time};
use crate::limits::STANDINGS_MAX;

/// Records of peers that are not kept any more.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    records: BTreeMap<PeerId, Record>,
}

impl Memory {
    /// Keeps the record of a peer that goes; the one that is worth least makes room.
    pub(crate) fn keep(&mut self, id: PeerId, mut record: Record) {
        if record.is_blank() {
            return;
        }
        record.rest();
        if self.records.len() >= STANDINGS_MAX {
            let worth = |(id, record): (&PeerId, &Record)| (record.worth(), *id);
            let Some((least, id)) = self.records.iter().map(worth).min() else { return };
            if least > record.worth() {
                return;
            }
            self.records.remove(&id);
        }
        self.records.insert(id, record);
    }

    /// The record of a peer that is not here.
    pub(crate) fn get(&self, id: &PeerId) -> Option<&Record> {
        self.records.get(id)
    }

    /// The record of a peer that comes back; a blank one for a stranger.
    pub(crate) fn recall(&mut self, id: &PeerId) -> Record {
        self.records.remove(id).unwrap_or_default()
    }

    /// Those that changed since they were last given, at most so many.
    pub(crate) fn export(&mut self, now: Time, most: usize) -> Vec<Recollection> {
        let records = self.records.iter_mut();
        let changed = records.filter_map(|(id, record)| record.export(now, Subject::Peer(*id)));
        changed.take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use pointsman_sdk::reputation::Standing;

    use super::*;

    /// Of a peer that stands so.
    fn record(score: i32) -> Record {
        let standing = Standing { score, ..Standing::default() };
        let seen = Default::default();
        let about = Subject::Peer(PeerId([0; 32]));
        let stored = Recollection { about, standing, seen, causes: Vec::new(), age_ms: 0 };
        Record::recalled(Time(0), stored).expect("not too old")
    }

    #[test]
    fn the_memory_keeps_those_furthest_from_unknown() {
        let mut memory = Memory::default();
        let id = |n: usize| PeerId(core::array::from_fn(|at| (n >> (8 * at.min(2))) as u8));
        memory.keep(id(0), Record::default());
        assert!(memory.records.is_empty(), "a blank record is none");
        for n in 1..=STANDINGS_MAX {
            memory.keep(id(n), record(if n == 7 { 1 } else { 100 }));
        }
        memory.keep(id(STANDINGS_MAX + 1), record(-900));
        assert_eq!(memory.records.len(), STANDINGS_MAX);
        assert_eq!(memory.recall(&id(7)), Record::default());
        assert_eq!(memory.recall(&id(STANDINGS_MAX + 1)).standing().score, -900);
    }
}
