//! Holes in NATs: which pairs of them let two nodes reach each other directly, and what becomes
//! of the link through the relay.

use pointsman_lab::{Internet, NatKind};
use serde_json::Value;

use crate::process::note;
use crate::scene::{Pair, Relay, Setting, behind_nats, counter, status, until};

/// A direct link comes so long after the relayed one.
const PUNCHED_MS_MAX: u64 = 2_000;

/// Checks that a direct link followed the relayed one in time; gives when it came up.
fn punched_ms(pair: &Pair) -> u64 {
    let relayed_ms = pair.linked_ms(true);
    let direct_ms = pair.linked_ms(false);
    let took_ms = direct_ms.saturating_sub(relayed_ms);
    note(&format!("direct {took_ms} ms after the relayed link"));
    assert!(took_ms <= PUNCHED_MS_MAX, "the direct link came {took_ms} ms after the relayed one");
    direct_ms
}

/// Checks that there are two links, one of each transport; gives the direct one.
fn one_of_each_transport(pair: &Pair) -> Value {
    let mut links = pair.links();
    links.sort_by_key(|link| link["transport"].to_string());
    let transports: Vec<_> = links.iter().map(|link| link["transport"].as_str()).collect();
    assert_eq!(transports, [Some("internet"), Some("relay")], "{links:?}");
    links.remove(0)
}

#[test]
fn behind_usual_nats_a_relayed_link_is_followed_by_a_direct_one() {
    behind_nats("holes::behind_usual_nats_a_relayed_link_is_followed_by_a_direct_one", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let known = [&relay];
        let setting = Setting::new([NatKind::PortRestricted; 2], &known);
        let pair = Pair::start(lab, &mut internet, &setting);
        punched_ms(&pair);
        pair.send("directly");
        let direct = one_of_each_transport(&pair);
        assert!(direct["sent_bytes"].as_u64() > Some(0), "{direct}");
        let reached = status(&pair.here)["reach"].clone();
        assert_eq!(reached["reservations"][0]["confirmed"], true, "{reached}");
        // Others tried, and nobody got in unasked.
        pair.here.event("reached", |event| event["details"]["direct"] == false);
        assert!(counter(&relay.node, "relay_circuits") >= 1);
    });
}

#[test]
fn with_quic_switched_off_a_hole_is_punched_for_tcp() {
    behind_nats("holes::with_quic_switched_off_a_hole_is_punched_for_tcp", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let known = [&relay];
        let setting = Setting {
            protocol: "tcp/4001",
            config: "[listen]\nquic = false\n",
            ..Setting::new([NatKind::PortRestricted; 2], &known)
        };
        let pair = Pair::start(lab, &mut internet, &setting);
        punched_ms(&pair);
        pair.send("directly");
        let direct = one_of_each_transport(&pair);
        assert_eq!(direct["protocol"], "tcp", "{direct}");
        assert!(direct["sent_bytes"].as_u64() > Some(0), "{direct}");
    });
}

#[test]
fn the_relayed_link_stays_until_the_direct_one_has_proved_itself() {
    behind_nats("holes::the_relayed_link_stays_until_the_direct_one_has_proved_itself", |lab| {
        const STANDBY_MS: u64 = 3_000;
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let known = [&relay];
        let setting = Setting {
            nat: &format!("relay_standby_ms = {STANDBY_MS}"),
            ..Setting::new([NatKind::PortRestricted; 2], &known)
        };
        let pair = Pair::start(lab, &mut internet, &setting);
        let direct_ms = pair.linked_ms(false);
        let stayed_ms = pair.told_ms("link-down", true).saturating_sub(direct_ms);
        assert!(
            stayed_ms >= STANDBY_MS,
            "the relayed link went {stayed_ms} ms after the direct came"
        );
        pair.send("without the relay");
        let links = pair.links();
        assert!(links.len() == 1 && links[0]["transport"] == "internet", "{links:?}");
    });
}

#[test]
fn where_no_hole_can_be_punched_messages_go_through_the_relay() {
    behind_nats("holes::where_no_hole_can_be_punched_messages_go_through_the_relay", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let known = [&relay];
        let setting = Setting::new([NatKind::Symmetric; 2], &known);
        let pair = Pair::start(lab, &mut internet, &setting);
        pair.linked_ms(true);
        pair.send("while a hole is tried");
        until("the tries are over", || counter(&pair.there, "hole_punches_given_up") > 0);
        pair.send("after it");
        let links = pair.links();
        assert!(links.len() == 1 && links[0]["transport"] == "relay", "{links:?}");
        let load = ["send", &pair.there.peer, "--count", "500", "--size", "900", "--json"];
        let told = pair.here.json(&load);
        assert_eq!(told["delivered"], 500, "{told}");
    });
}

#[test]
fn a_full_cone_is_reached_from_behind_a_symmetric_nat_by_one_direct_link() {
    let name = "holes::a_full_cone_is_reached_from_behind_a_symmetric_nat_by_one_direct_link";
    behind_nats(name, |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let known = [&relay];
        let setting = Setting::new([NatKind::Symmetric, NatKind::FullCone], &known);
        let pair = Pair::start(lab, &mut internet, &setting);
        punched_ms(&pair);
        pair.send("directly");
        // Whoever waits to be dialled does not know that it was, and would try twice more.
        until("the tries are over", || counter(&pair.there, "hole_punches_given_up") > 0);
        one_of_each_transport(&pair);
        // Anybody gets in there, and the relay found that out for it.
        pair.there.event("reached", |event| event["details"]["direct"] == true);
    });
}
