//! Real interfaces that come, change and go, and what is told of them.

mod namespace;

use std::time::Duration;

use pointsman::net::bindings::Binding;
use pointsman::uplinks::{UplinkFact, watch};
use pointsman_core::config::UplinkConfig;
use pointsman_core::id::UplinkId;
use pointsman_core::input::Uplink;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use namespace::{ip, is_inside};

const PATIENCE: Duration = Duration::from_secs(10);

async fn next(facts: &mut Receiver<UplinkFact>) -> UplinkFact {
    timeout(PATIENCE, facts.recv()).await.expect("a fact in time").expect("the watch lives")
}

/// Facts until one is about an uplink that `is` so; a burst may be told in several.
async fn until(
    facts: &mut Receiver<UplinkFact>,
    is: impl Fn(&Uplink) -> bool,
) -> (Uplink, Binding) {
    loop {
        if let UplinkFact::Changed { uplink, binding } = next(facts).await
            && is(&uplink)
        {
            return (uplink, binding);
        }
    }
}

async fn gone(facts: &mut Receiver<UplinkFact>) -> UplinkId {
    loop {
        if let UplinkFact::Gone(id) = next(facts).await {
            return id;
        }
    }
}

fn entry(name: &str, interface: Option<&str>, address: Option<&str>) -> UplinkConfig {
    UplinkConfig {
        name: name.into(),
        interface: interface.map(Into::into),
        address: address.map(Into::into),
        enabled: true,
        metered: None,
        price_per_mib: 7,
        quota_mib: None,
        wake_uj: None,
        nj_per_byte: None,
        risk_group: None,
    }
}

fn add_eth7() {
    ip("link add eth7 type veth peer name far7");
    ip("link set far7 up");
    ip("address add 192.0.2.1/24 dev eth7");
    ip("link set eth7 up");
}

#[tokio::test]
async fn an_interface_comes_changes_and_goes() {
    if !is_inside("an_interface_comes_changes_and_goes") {
        return;
    }
    let (_watch, mut facts) = watch(Vec::new(), true).await.unwrap();
    ip("link set lo up");
    let (lo, _) = until(&mut facts, |uplink| uplink.name == "lo").await;
    add_eth7();
    assert_eq!(gone(&mut facts).await, lo.id);
    let (came, binding) = until(&mut facts, |uplink| uplink.name == "eth7").await;
    assert_eq!(came.addresses, ["192.0.2.1/24"]);
    assert_eq!(binding.interface.as_deref(), Some("eth7"));
    assert!(!came.has_default_route);
    ip("route add default via 192.0.2.254");
    until(&mut facts, |uplink| uplink.id == came.id && uplink.has_default_route).await;
    ip("address add 198.51.100.1/24 dev eth7");
    until(&mut facts, |uplink| uplink.addresses == ["192.0.2.1/24", "198.51.100.1/24"]).await;
    ip("address del 192.0.2.1/24 dev eth7");
    until(&mut facts, |uplink| uplink.addresses == ["198.51.100.1/24"]).await;
    ip("address add 2001:db8::1/64 dev eth7 nodad");
    let (v6, _) = until(&mut facts, |uplink| uplink.addresses.len() == 2).await;
    assert!(v6.addresses.contains(&"2001:db8::1/64".into()), "{:?}", v6.addresses);
    ip("link del eth7");
    assert_eq!(gone(&mut facts).await, came.id);
    add_eth7();
    let (back, again) = until(&mut facts, |uplink| uplink.name == "eth7").await;
    assert_eq!(back.id, came.id);
    assert!(std::sync::Arc::ptr_eq(&binding.cut, &again.cut));
}

#[tokio::test]
async fn a_lost_carrier_is_a_lost_uplink() {
    if !is_inside("a_lost_carrier_is_a_lost_uplink") {
        return;
    }
    add_eth7();
    let (_watch, mut facts) = watch(Vec::new(), true).await.unwrap();
    let (came, _) = until(&mut facts, |uplink| uplink.name == "eth7").await;
    ip("link set far7 down");
    assert_eq!(gone(&mut facts).await, came.id);
    ip("link set far7 up");
    let (back, _) = until(&mut facts, |uplink| uplink.name == "eth7").await;
    assert_eq!(back.id, came.id);
}

#[tokio::test]
async fn another_config_is_followed_at_once() {
    if !is_inside("another_config_is_followed_at_once") {
        return;
    }
    ip("link set lo up");
    let (watch, mut facts) = watch(Vec::new(), true).await.unwrap();
    let (lo, _) = until(&mut facts, |uplink| uplink.name == "lo").await;
    let config = vec![
        entry("one", Some("lo"), Some("127.0.0.1")),
        entry("two", Some("lo"), Some("127.0.0.2")),
    ];
    watch.configure(config, false);
    assert_eq!(gone(&mut facts).await, lo.id);
    let (one, _) = until(&mut facts, |uplink| uplink.name == "one").await;
    let (two, binding) = until(&mut facts, |uplink| uplink.name == "two").await;
    assert_eq!((one.addresses, two.price_per_mib), (vec!["127.0.0.1/8".into()], 7));
    assert_eq!((binding.interface, binding.addresses.len()), (None, 1));
    drop(watch);
    assert!(timeout(PATIENCE, facts.recv()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_storm_of_changes_is_survived_and_ends_in_the_truth() {
    if !is_inside("a_storm_of_changes_is_survived_and_ends_in_the_truth") {
        return;
    }
    add_eth7();
    let (_watch, mut facts) = watch(Vec::new(), true).await.unwrap();
    until(&mut facts, |uplink| uplink.name == "eth7").await;
    let batch: String = (1..=250)
        .map(|n| format!("address add 10.0.{n}.1/24 dev eth7\n"))
        .chain((1..=249).map(|n| format!("address del 10.0.{n}.1/24 dev eth7\n")))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), batch).unwrap();
    ip(&format!("-batch {}", file.path().display()));
    until(&mut facts, |uplink| uplink.addresses == ["192.0.2.1/24", "10.0.250.1/24"]).await;
}
