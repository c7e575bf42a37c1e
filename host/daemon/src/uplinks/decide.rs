//! Which interfaces are uplinks: a pure function of what the kernel and the config say.

use std::net::IpAddr;

use pointsman_core::config::UplinkConfig;
use pointsman_core::limits::UPLINKS_MAX;
use pointsman_sdk::UNKNOWN;

use super::kind::Kind;

/// What the kernel says.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) interfaces: Vec<Interface>,
}

/// One interface.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) is_up: bool,
    pub(super) is_enslaved: bool,
    /// Those that can be bound to, with their prefix lengths.
    pub(super) addresses: Vec<(IpAddr, u8)>,
    pub(super) has_default_route: bool,
}

/// An uplink that is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) name: String,
    /// The kernel's number of the interface: another one is another interface, though it has
    /// the same name.
    pub(super) index: u32,
    /// What sockets are tied to; `None`: bound to the address.
    pub(super) interface: Option<String>,
    pub(super) addresses: Vec<(IpAddr, u8)>,
    pub(super) has_default_route: bool,
    pub(super) kind: Kind,
    pub(super) config: Option<UplinkConfig>,
}

/// The uplinks, in the order of their interfaces. Entries of the config are tried in their
/// order: one with an address takes that address of its interface, and the first without
/// takes the rest. An interface that no entry matches is used if `others` says so and its
/// kind is one to use unasked. The loopback is used when the config names it, or when
/// `others` finds nothing at all. Of two uplinks with the same name the first stays.
pub(super) fn decide(snapshot: &Snapshot, config: &[UplinkConfig], others: bool) -> Vec<Found> {
    let usable = |interface: &&Interface| {
        interface.is_up && !interface.is_enslaved && !interface.addresses.is_empty()
    };
    let mut interfaces: Vec<_> = snapshot.interfaces.iter().filter(usable).collect();
    interfaces.sort_by_key(|interface| interface.index);
    let mut found = Vec::new();
    for interface in &interfaces {
        match named(interface, config) {
            Some(uplinks) => found.extend(uplinks),
            None if others && interface.kind.is_used_unasked(interface.has_default_route) => {
                found.push(whole(interface, None, interface.addresses.clone()));
            }
            None => {}
        }
    }
    if found.is_empty() && others {
        let loopback = interfaces.iter().find(|interface| interface.kind == Kind::Loopback);
        let unnamed = loopback.filter(|interface| named(interface, config).is_none());
        found.extend(unnamed.map(|interface| whole(interface, None, interface.addresses.clone())));
    }
    without_namesakes(found)
}

/// The uplinks that the config makes of an interface; `None` where no entry matches it.
fn named(interface: &Interface, config: &[UplinkConfig]) -> Option<Vec<Found>> {
    let mut matched = false;
    let mut rest = interface.addresses.clone();
    let mut uplinks = Vec::new();
    for entry in config.iter().filter(|entry| covers(entry, &interface.name)) {
        matched = true;
        let Some(address) = &entry.address else {
            if entry.enabled && !rest.is_empty() {
                uplinks.push(whole(interface, Some(entry), rest));
            }
            break;
        };
        let Some(address) = address.parse().ok().and_then(|ip| own(interface, ip)) else {
            continue;
        };
        rest.retain(|(ip, _)| *ip != address.0);
        if entry.enabled {
            let part = whole(interface, Some(entry), vec![address]);
            uplinks.push(Found { interface: None, ..part });
        }
    }
    matched.then_some(uplinks)
}

fn whole(
    interface: &Interface,
    entry: Option<&UplinkConfig>,
    addresses: Vec<(IpAddr, u8)>,
) -> Found {
    let name = match entry {
        Some(entry) if !entry.name.ends_with('*') => entry.name.clone(),
        Some(_) | None => interface.name.clone(),
    };
    Found {
        name,
        index: interface.index,
        interface: Some(interface.name.clone()),
        addresses,
        has_default_route: interface.has_default_route,
        kind: interface.kind,
        config: entry.cloned(),
    }
}

/// The entry of the config that is about an interface or an adapter of that name.
pub(crate) fn entry_for<'a>(config: &'a [UplinkConfig], name: &str) -> Option<&'a UplinkConfig> {
    config.iter().find(|entry| covers(entry, name))
}

/// What may be used of an uplink since the start, in KiB; [`UNKNOWN`] where there is no limit.
pub(crate) fn quota_kib(entry: Option<&UplinkConfig>) -> u32 {
    let mib = entry.and_then(|entry| entry.quota_mib);
    mib.map_or(UNKNOWN, |mib| mib.saturating_mul(1024).min(UNKNOWN - 1))
}

/// Whether an entry is about an interface of that name.
fn covers(entry: &UplinkConfig, interface: &str) -> bool {
    let pattern = entry.interface.as_deref().unwrap_or(&entry.name);
    match pattern.strip_suffix('*') {
        Some(beginning) => interface.starts_with(beginning),
        None => interface == pattern,
    }
}

/// The address with its prefix length, if it is the interface's. The loopback owns every
/// address of its networks, though the kernel names only one.
fn own(interface: &Interface, wanted: IpAddr) -> Option<(IpAddr, u8)> {
    let is_loopback = interface.kind == Kind::Loopback;
    interface.addresses.iter().find_map(|(ip, prefix)| {
        let owns = *ip == wanted || (is_loopback && same_network(*ip, wanted, *prefix));
        owns.then_some((wanted, *prefix))
    })
}

fn same_network(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let differs = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits())
                .checked_shr(32 - u32::from(prefix.min(32)))
                .unwrap_or(0)
                != 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits())
                .checked_shr(128 - u32::from(prefix.min(128)))
                .unwrap_or(0)
                != 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => true,
    };
    !differs
}

fn without_namesakes(found: Vec<Found>) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::new();
    for uplink in found {
        if kept.len() >= UPLINKS_MAX {
            tracing::warn!(uplink = uplink.name, "more than {UPLINKS_MAX} uplinks: left out");
        } else if kept.iter().any(|other| other.name == uplink.name) {
            tracing::warn!(uplink = uplink.name, "a second uplink of that name: left out");
        } else {
            kept.push(uplink);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
