//! Which rows make room when a table is full.
//!
//! Rows of a lower class go first. Within a class, a row's place is the number of better ones in
//! its own group, and the last places go first, whichever group they are in. So groups share
//! a table evenly: a subnet that fills it with its own rows pushes out only these.

use std::cmp::Reverse;

use crate::rows::Row;
use crate::rows::peer::Peer;
use crate::rows::record::Record;
use crate::rows::standing::{PeerStanding, SubnetStanding};
use crate::rows::value::Value;
use crate::tables::Table;
use pointsman_core::subnet::Subnet;

/// What a row is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    /// Rows of a lower class go before all of a higher one.
    pub(crate) class: u8,
    /// Rows with the same number compete with each other first.
    pub(crate) group: u64,
    /// The greater, the longer it stays.
    pub(crate) merit: (u64, u64),
}

impl Worth {
    /// Of what can't be read.
    pub(crate) const NONE: Self = Self { class: 0, group: 0, merit: (0, 0) };

    /// The group of a subnet; whoever has none is in one group with the others that have none.
    pub(crate) fn group_of(subnet: Option<Subnet>) -> u64 {
        let Some(subnet) = subnet else { return 0 };
        let mut bytes = [0; 8];
        let own = subnet.bytes();
        bytes[..own.len()].copy_from_slice(own);
        bytes[7] = u8::try_from(own.len()).expect("a subnet has at most six bytes");
        u64::from_le_bytes(bytes)
    }

    pub(crate) fn of(table: Table, key: &[u8], bytes: &[u8]) -> Self {
        fn of<R: Row>(key: &[u8], bytes: &[u8]) -> Worth {
            R::from_bytes(key, bytes).map_or(Worth::NONE, |(row, _)| row.worth())
        }
        match table {
            Table::Peers => of::<Peer>(key, bytes),
            Table::Standings => of::<PeerStanding>(key, bytes),
            Table::Subnets => of::<SubnetStanding>(key, bytes),
            Table::Records => of::<Record>(key, bytes),
            Table::Values => of::<Value>(key, bytes),
        }
    }
}

/// The keys of the rows that go, so that `kept` are left.
pub(crate) fn least<K>(mut rows: Vec<(Worth, K)>, kept: usize) -> Vec<K> {
    let count = rows.len().saturating_sub(kept);
    rows.sort_by_key(|(worth, _)| (worth.class, worth.group, Reverse(worth.merit)));
    let mut last: Option<(u8, u64, u64)> = None;
    let mut placed: Vec<(u64, Worth, K)> = Vec::with_capacity(rows.len());
    for (worth, key) in rows {
        let place = match last {
            Some((class, group, place)) if (class, group) == (worth.class, worth.group) => {
                place + 1
            }
            Some(_) | None => 0,
        };
        last = Some((worth.class, worth.group, place));
        placed.push((place, worth, key));
    }
    placed.sort_by_key(|&(place, worth, _)| (worth.class, Reverse(place), worth.merit));
    placed.into_iter().take(count).map(|(_, _, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(class: u8, group: u64, merit: u64) -> Worth {
        Worth { class, group, merit: (merit, 0) }
    }

    #[test]
    fn a_lower_class_goes_first_whatever_its_merit() {
        let rows = vec![(worth(2, 1, 1), "met"), (worth(1, 1, 99), "heard of")];
        assert_eq!(least(rows, 1), ["heard of"]);
    }

    #[test]
    fn within_a_group_the_least_merit_goes() {
        let rows = vec![(worth(1, 1, 5), "b"), (worth(1, 1, 3), "a"), (worth(1, 1, 9), "c")];
        assert_eq!(least(rows, 1), ["a", "b"]);
    }

    #[test]
    fn a_group_that_floods_the_table_pushes_out_its_own() {
        let flood = (0..100).map(|n| (worth(1, 7, 1000 + n), 7));
        let others = (0..10).map(|group| (worth(1, 100 + group, 1), 100 + group));
        let gone = least(flood.chain(others).collect(), 20);
        assert_eq!(gone, [7; 90]);
    }

    #[test]
    fn nothing_goes_while_there_is_room() {
        assert_eq!(least(vec![(Worth::NONE, 1)], 1), [0; 0]);
    }

    #[test]
    fn subnets_of_both_kinds_have_groups_of_their_own() {
        let groups = [
            Worth::group_of(None),
            Worth::group_of(Some(Subnet::V4([0; 3]))),
            Worth::group_of(Some(Subnet::V6([0; 6]))),
            Worth::group_of(Some(Subnet::V4([1, 2, 3]))),
            Worth::group_of(Some(Subnet::V6([1, 2, 3, 0, 0, 0]))),
        ];
        let distinct: std::collections::BTreeSet<_> = groups.into_iter().collect();
        assert_eq!(distinct.len(), groups.len());
    }
}
