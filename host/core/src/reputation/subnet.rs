//! Subnets: what peers did counts, with less weight, for the networks that they came from.
//!
//! A new identity costs nothing, an address does. So a newcomer begins no better than a stranger
//! and, where its subnet has a bad name, worse: see [`super::effective`]. Only proven addresses
//! count, those of links; a subnet's good name gives nobody anything but its bad one away.

use core::net::IpAddr;
use std::collections::BTreeMap;

use pointsman_sdk::reputation::Standing;

use super::record::{Evidence, KINDS, Record};
use super::{Recollection, Subject};
use crate::id::Time;
use crate::limits::SUBNETS_MAX;
use crate::policy::ReputationQuestion;
use crate::subnet::Subnet;

/// A deed of a peer is one in so many for its subnet.
const SHARE: u32 = 4;

impl Subnet {
    /// That of a link's other end. `None` where its address has no IP, leads through a relay, or is
    /// one that many unrelated machines have: loopback and link-local.
    pub fn of_link(remote: &str) -> Option<Self> {
        let mut parts = remote.split('/').skip(1).peekable();
        if parts.next_if_eq(&"ip6zone").is_some() {
            parts.next();
        }
        if !matches!(parts.next(), Some("ip4" | "ip6")) || remote.contains("/p2p-circuit") {
            return None;
        }
        match parts.next()?.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => None,
            IpAddr::V6(ip) if ip.is_loopback() || ip.is_unicast_link_local() => None,
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => Some(Self::of_ip(ip)),
        }
    }
}

#[derive(Debug, Default)]
struct Entry {
    record: Record,
    /// Deeds that are not yet one in [`SHARE`].
    owed: [u32; KINDS],
}

/// What is known of subnets.
#[derive(Debug, Default)]
pub(crate) struct Subnets {
    entries: BTreeMap<Subnet, Entry>,
    /// That which was asked about last.
    folded: Option<Subnet>,
}

impl Subnets {
    /// The score of a subnet; 0 where nothing is known.
    pub(crate) fn score(&self, subnet: Subnet) -> i32 {
        self.entries.get(&subnet).map_or(0, |entry| entry.record.standing().score)
    }

    /// Counts what a peer there did.
    pub(crate) fn note(&mut self, subnet: Subnet, evidence: &Evidence) {
        if !self.entries.contains_key(&subnet) {
            self.make_room();
        }
        let entry = self.entries.entry(subnet).or_default();
        entry.record.share(evidence, SHARE, &mut entry.owed);
    }

    /// The subnet that is nearest to unknown makes room.
    fn make_room(&mut self) {
        if self.entries.len() >= SUBNETS_MAX {
            let worth = |(subnet, entry): (&Subnet, &Entry)| (entry.record.worth(), *subnet);
            let least = self.entries.iter().map(worth).min();
            least.map(|(_, subnet)| self.entries.remove(&subnet));
        }
    }

    /// Questions that are due, at most so many, in turn.
    pub(crate) fn ask(&mut self, now: Time, most: usize) -> Vec<(Subnet, ReputationQuestion)> {
        let (after, mut asked) = (self.folded, Vec::new());
        for round in [true, false] {
            let turn = self.entries.iter_mut().filter(|(id, _)| (Some(**id) > after) == round);
            for (&subnet, entry) in turn {
                if asked.len() >= most {
                    break;
                }
                asked.extend(entry.record.ask(now).map(|question| (subnet, question)));
            }
        }
        self.folded = asked.last().map(|(subnet, _)| *subnet).or(after);
        asked
    }

    /// Takes the answer; tells whether one was awaited.
    pub(crate) fn stood(&mut self, subnet: Subnet, standing: Standing) -> bool {
        let entry = self.entries.get_mut(&subnet);
        entry.is_some_and(|entry| entry.record.stood(standing).is_some())
    }

    /// What was stored of a subnet of which nothing is known yet.
    pub(crate) fn recall(&mut self, subnet: Subnet, record: Record) {
        if self.entries.len() < SUBNETS_MAX {
            self.entries.entry(subnet).or_insert(Entry { record, owed: [0; KINDS] });
        }
    }

    /// Those that changed since they were last given, at most so many.
    pub(crate) fn export(&mut self, now: Time, most: usize) -> Vec<Recollection> {
        let entries = self.entries.iter_mut();
        let changed =
            entries.filter_map(|(id, entry)| entry.record.export(now, Subject::Subnet(*id)));
        changed.take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_subnet_that_a_registry_would_give_away_whole() {
        let subnets = [
            ("/ip4/192.0.2.7/udp/1/quic-v1", Some("192.0.2.0/24")),
            ("/ip6/2001:db8:7:8::1/tcp/1", Some("2001:db8:7::/48")),
            ("/ip6zone/eth0/ip4/198.51.100.1/tcp/1", Some("198.51.100.0/24")),
            ("/ip6/::ffff:192.0.2.7/tcp/1", Some("192.0.2.0/24")),
            ("/ip4/192.0.2.7/tcp/1/p2p/12D3/p2p-circuit", None),
            ("/ip4/127.0.0.1/tcp/1", None),
            ("/ip4/169.254.1.1/tcp/1", None),
            ("/ip6/::1/tcp/1", None),
            ("/ip6/fe80::1/tcp/1", None),
            ("/dns/host.example/tcp/1", None),
            ("/ble/0", None),
            ("", None),
        ];
        for (address, subnet) in subnets {
            let found = Subnet::of_link(address).map(|subnet| subnet.to_string());
            assert_eq!(found.as_deref(), subnet, "{address}");
        }
    }

    #[test]
    fn so_many_subnets_are_kept_and_the_one_nearest_to_unknown_makes_room() {
        let mut subnets = Subnets::default();
        let id = |n: usize| Subnet::V4([1, (n >> 8) as u8, n as u8]);
        for n in 0..SUBNETS_MAX {
            subnets.note(id(n), &Evidence::default());
        }
        for (subnet, score) in [(id(0), -500), (id(1), 20)] {
            let standing = Standing { score, ..Standing::default() };
            let entry = subnets.entries.get_mut(&subnet).expect("kept");
            entry.record.share(&bad(), SHARE, &mut entry.owed);
            assert!(entry.record.ask(Time(5_000_000)).is_some());
            assert!(subnets.stood(subnet, standing));
        }
        for n in 0..SUBNETS_MAX - 2 {
            subnets.note(id(SUBNETS_MAX + n), &Evidence::default());
        }
        assert_eq!(subnets.entries.len(), SUBNETS_MAX);
        assert_eq!((subnets.score(id(0)), subnets.score(id(1))), (-500, 20));
    }

    fn bad() -> Evidence {
        let mut record = Record::default();
        record.note(Time(1), crate::reputation::Cause::Malformed, SHARE);
        record.ask(Time(1)).expect("urgent");
        record.stood(Standing::default()).expect("asked")
    }
}
