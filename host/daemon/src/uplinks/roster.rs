//! Which uplinks were told, under which numbers, and so what is to tell now.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use pointsman_core::id::UplinkId;
use pointsman_core::input::Uplink;

use super::UplinkFact;
use super::decide::{Found, quota_kib};
use crate::net::bindings::{Binding, Cut};

/// Names that are remembered with their numbers. Containers come under ever new names; the
/// one that has been away longest is forgotten.
const NAMES_MAX: usize = 256;

/// Numbers of risk groups that have a name begin here; an uplink that is alone in its group
/// has its own number, which stays far below.
const GROUPS_FROM: u32 = 1 << 31;

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Roster {
    known: BTreeMap<String, Known>,
    groups: BTreeMap<String, u32>,
    numbers: u32,
    updates: u64,
}

#[derive(Debug)]
struct Known {
    id: UplinkId,
    cut: Arc<Cut>,
    told: Option<Found>,
    seen: u64,
}

impl Roster {
    /// What is to tell when these are the uplinks: first what went, then what came or
    /// changed. An interface that was replaced by another of the same name went and came.
    pub(super) fn update(&mut self, found: Vec<Found>) -> Vec<UplinkFact> {
        self.updates += 1;
        let mut facts = self.gone(&found);
        for uplink in found {
            facts.extend(self.changed(uplink));
        }
        self.forget();
        facts
    }

    fn gone(&mut self, found: &[Found]) -> Vec<UplinkFact> {
        let mut facts = Vec::new();
        for (name, known) in &mut self.known {
            let stays = |told: &Found| {
                found.iter().any(|new| {
                    new.name == *name && new.index == told.index && new.interface == told.interface
                })
            };
            if known.told.as_ref().is_some_and(|told| !stays(told)) {
                known.told = None;
                facts.push(UplinkFact::Gone(known.id));
            }
        }
        facts
    }

    fn changed(&mut self, found: Found) -> Option<UplinkFact> {
        let group = self.group(&found);
        let (numbers, updates) = (&mut self.numbers, self.updates);
        let known = self.known.entry(found.name.clone()).or_insert_with(|| {
            *numbers += 1;
            Known { id: UplinkId(*numbers), cut: Arc::default(), told: None, seen: 0 }
        });
        known.seen = updates;
        if known.told.as_ref() == Some(&found) {
            return None;
        }
        let uplink = uplink(known.id, &found, group);
        let binding = Binding {
            id: known.id,
            name: found.name.clone(),
            interface: found.interface.clone(),
            addresses: found.addresses.iter().map(|(ip, _)| *ip).collect(),
            cut: Arc::clone(&known.cut),
        };
        known.told = Some(found);
        Some(UplinkFact::Changed { uplink, binding })
    }

    fn group(&mut self, found: &Found) -> Option<u32> {
        let name = found.config.as_ref()?.risk_group.clone()?;
        let next = GROUPS_FROM.saturating_add(u32::try_from(self.groups.len()).unwrap_or(u32::MAX));
        Some(*self.groups.entry(name).or_insert(next))
    }

    fn forget(&mut self) {
        while self.known.len() > NAMES_MAX {
            let away = self.known.iter().filter(|(_, known)| known.told.is_none());
            let Some((name, _)) = away.min_by_key(|(_, known)| known.seen) else { return };
            let name = name.clone();
            self.known.remove(&name);
        }
    }
}

fn uplink(id: UplinkId, found: &Found, group: Option<u32>) -> Uplink {
    let guess = found.kind.guess();
    let config = found.config.as_ref();
    Uplink {
        id,
        name: found.name.clone(),
        radio: None,
        has_default_route: found.has_default_route,
        addresses: found.addresses.iter().map(text).collect(),
        risk_group: group.unwrap_or(id.0),
        metered: config.and_then(|config| config.metered).unwrap_or(guess.metered),
        price_per_mib: config.map_or(0, |config| config.price_per_mib),
        quota_left_kib: quota_kib(config),
        wake_uj: config.and_then(|config| config.wake_uj).unwrap_or(guess.wake_uj),
        nj_per_byte: config.and_then(|config| config.nj_per_byte).unwrap_or(guess.nj_per_byte),
    }
}

fn text((ip, prefix): &(IpAddr, u8)) -> String {
    format!("{ip}/{prefix}")
}

#[cfg(test)]
mod tests {
    use pointsman_core::config::UplinkConfig;
    use pointsman_sdk::UNKNOWN;

    use super::super::kind::Kind;
    use super::*;

    fn found(name: &str, index: u32, address: &str) -> Found {
        Found {
            name: name.into(),
            index,
            interface: Some(name.into()),
            addresses: vec![(address.parse().unwrap(), 24)],
            has_default_route: true,
            kind: Kind::Cellular,
            config: None,
        }
    }

    fn told(facts: Vec<UplinkFact>) -> Vec<String> {
        facts
            .into_iter()
            .map(|fact| match fact {
                UplinkFact::Changed { uplink, .. } => {
                    format!("{}:{}:{}", uplink.id.0, uplink.name, uplink.addresses.join(","))
                }
                UplinkFact::Gone(id) => format!("-{}", id.0),
            })
            .collect()
    }

    #[test]
    fn only_what_changes_is_told_and_a_name_keeps_its_number() {
        let mut roster = Roster::default();
        let eth0 = || found("eth0", 2, "192.0.2.1");
        let eth1 = || found("eth1", 3, "192.0.2.9");
        assert_eq!(told(roster.update(vec![eth0()])), ["1:eth0:192.0.2.1/24"]);
        assert!(roster.update(vec![eth0()]).is_empty());
        assert_eq!(told(roster.update(vec![eth0(), eth1()])), ["2:eth1:192.0.2.9/24"]);
        assert_eq!(told(roster.update(vec![eth1()])), ["-1"]);
        assert!(roster.update(vec![eth1()]).is_empty());
        let moved = found("eth0", 7, "192.0.2.2");
        assert_eq!(told(roster.update(vec![moved, eth1()])), ["1:eth0:192.0.2.2/24"]);
    }

    #[test]
    fn an_interface_that_was_replaced_went_and_came() {
        let mut roster = Roster::default();
        roster.update(vec![found("eth0", 2, "192.0.2.1")]);
        let again = roster.update(vec![found("eth0", 9, "192.0.2.1")]);
        assert_eq!(told(again), ["-1", "1:eth0:192.0.2.1/24"]);
    }

    #[test]
    fn an_uplink_that_comes_back_has_the_same_cut() {
        let mut roster = Roster::default();
        let cut = |facts: Vec<UplinkFact>| match facts.into_iter().next_back() {
            Some(UplinkFact::Changed { binding, .. }) => binding.cut,
            other => panic!("{other:?}"),
        };
        let first = cut(roster.update(vec![found("eth0", 2, "192.0.2.1")]));
        roster.update(Vec::new());
        let second = cut(roster.update(vec![found("eth0", 3, "192.0.2.1")]));
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn the_config_goes_before_the_guess() {
        let config = UplinkConfig {
            name: "wwan0".into(),
            interface: None,
            address: None,
            enabled: true,
            metered: Some(false),
            price_per_mib: 5,
            quota_mib: Some(2),
            wake_uj: None,
            nj_per_byte: Some(7),
            risk_group: Some("mast".into()),
        };
        let mut roster = Roster::default();
        let mut of = |found: Found| match roster.update(vec![found]).pop() {
            Some(UplinkFact::Changed { uplink, .. }) => uplink,
            other => panic!("{other:?}"),
        };
        let guessed = of(found("wwan0", 2, "192.0.2.1"));
        assert!(guessed.metered && guessed.quota_left_kib == UNKNOWN);
        assert_eq!(guessed.risk_group, guessed.id.0);
        let told = of(Found { config: Some(config), ..found("wwan0", 2, "192.0.2.1") });
        assert_eq!((told.metered, told.price_per_mib, told.quota_left_kib), (false, 5, 2048));
        assert_eq!((told.wake_uj, told.nj_per_byte), (guessed.wake_uj, 7));
        assert_eq!(told.risk_group, GROUPS_FROM);
    }

    #[test]
    fn names_are_not_remembered_for_ever() {
        let mut roster = Roster::default();
        for n in 0..u32::try_from(2 * NAMES_MAX).unwrap() {
            roster.update(vec![found(&format!("veth{n}"), n, "192.0.2.1")]);
        }
        assert_eq!(roster.known.len(), NAMES_MAX);
    }
}
