//! The decision as a table.

use super::*;

fn interface(index: u32, name: &str, kind: Kind, addresses: &[&str]) -> Interface {
    let address = |text: &&str| {
        let (ip, prefix) = text.split_once('/').unwrap();
        (ip.parse().unwrap(), prefix.parse().unwrap())
    };
    Interface {
        index,
        name: name.into(),
        kind,
        is_up: true,
        is_enslaved: false,
        addresses: addresses.iter().map(address).collect(),
        has_default_route: false,
    }
}

fn lo() -> Interface {
    interface(1, "lo", Kind::Loopback, &["127.0.0.1/8", "::1/128"])
}

fn entry(name: &str) -> UplinkConfig {
    UplinkConfig {
        name: name.into(),
        interface: None,
        address: None,
        enabled: true,
        metered: None,
        price_per_mib: 0,
        quota_mib: None,
        wake_uj: None,
        nj_per_byte: None,
        risk_group: None,
    }
}

/// What is found, as `name=device:addresses`.
fn found(interfaces: Vec<Interface>, config: &[UplinkConfig], others: bool) -> Vec<String> {
    decide(&Snapshot { interfaces }, config, others)
        .into_iter()
        .map(|f| {
            let addresses: Vec<_> = f.addresses.iter().map(|(ip, _)| ip.to_string()).collect();
            let device = f.interface.unwrap_or_default();
            format!("{}={device}:{}", f.name, addresses.join(","))
        })
        .collect()
}

fn eth0() -> Interface {
    interface(2, "eth0", Kind::Wired, &["192.0.2.1/24"])
}

#[test]
fn real_interfaces_are_used_unasked_and_the_loopback_only_alone() {
    assert_eq!(found(vec![lo(), eth0()], &[], true), ["eth0=eth0:192.0.2.1"]);
    assert_eq!(found(vec![lo()], &[], true), ["lo=lo:127.0.0.1,::1"]);
    assert!(found(vec![lo(), eth0()], &[], false).is_empty());
    assert!(found(vec![lo()], &[], false).is_empty());
}

#[test]
fn what_cannot_carry_anything_is_no_uplink() {
    let down = Interface { is_up: false, ..eth0() };
    let enslaved = Interface { is_enslaved: true, ..eth0() };
    let bare = Interface { addresses: Vec::new(), ..eth0() };
    for useless in [down, enslaved, bare] {
        assert!(found(vec![useless], &[entry("eth0")], true).is_empty());
    }
}

#[test]
fn bridges_and_tunnels_are_used_unasked_only_as_the_way_out() {
    for kind in [Kind::Bridge, Kind::Tunnel] {
        let inner = interface(3, "x0", kind, &["10.0.0.1/24"]);
        let out = Interface { has_default_route: true, ..inner.clone() };
        assert!(found(vec![inner.clone()], &[], true).is_empty());
        assert_eq!(found(vec![out], &[], true), ["x0=x0:10.0.0.1"]);
        assert_eq!(found(vec![inner], &[entry("x0")], false), ["x0=x0:10.0.0.1"]);
    }
}

#[test]
fn one_entry_names_several_interfaces() {
    let eth1 = interface(3, "eth1", Kind::Wired, &["192.0.2.9/24"]);
    let wlan0 = interface(4, "wlan0", Kind::Wireless, &["198.51.100.1/24"]);
    let all = vec![wlan0, eth1, eth0()];
    assert_eq!(
        found(all.clone(), &[entry("eth*")], false),
        ["eth0=eth0:192.0.2.1", "eth1=eth1:192.0.2.9"]
    );
    let one_name = UplinkConfig { interface: Some("eth*".into()), ..entry("cable") };
    assert_eq!(found(all, &[one_name], false), ["cable=eth0:192.0.2.1"]);
}

#[test]
fn the_first_entry_that_matches_wins_and_may_forbid() {
    let off = UplinkConfig { enabled: false, ..entry("eth0") };
    assert!(found(vec![eth0()], &[off.clone(), entry("eth*")], true).is_empty());
    assert_eq!(found(vec![eth0()], &[entry("eth*"), off], true), ["eth0=eth0:192.0.2.1"]);
}

#[test]
fn a_forbidden_loopback_is_not_used_though_nothing_else_is_there() {
    let off = UplinkConfig { enabled: false, ..entry("lo") };
    assert!(found(vec![lo()], &[off], true).is_empty());
}

#[test]
fn addresses_of_one_interface_make_several_uplinks() {
    let part = |name: &str, address: &str| UplinkConfig {
        interface: Some("lo".into()),
        address: Some(address.into()),
        ..entry(name)
    };
    let config = [part("one", "127.0.0.1"), part("two", "127.0.0.2"), part("no", "192.0.2.1")];
    assert_eq!(found(vec![lo()], &config, false), ["one=:127.0.0.1", "two=:127.0.0.2"]);
}

#[test]
fn the_entry_without_address_takes_the_rest() {
    let two = interface(2, "eth0", Kind::Wired, &["192.0.2.1/24", "192.0.2.2/24"]);
    let second = UplinkConfig { address: Some("192.0.2.2".into()), ..entry("second") };
    let second = UplinkConfig { interface: Some("eth0".into()), ..second };
    let config = [second, entry("eth0")];
    assert_eq!(found(vec![two], &config, false), ["second=:192.0.2.2", "eth0=eth0:192.0.2.1"]);
}

#[test]
fn no_more_uplinks_than_the_limit() {
    let many = (0..100).map(|n| interface(n, &format!("eth{n}"), Kind::Wired, &["10.0.0.1/8"]));
    assert_eq!(found(many.collect(), &[], true).len(), UPLINKS_MAX);
}
