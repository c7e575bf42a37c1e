//! Relays that die.

use pointsman_lab::{Internet, NatKind};
use serde_json::Value;

use crate::process::Node;
use crate::scene::{Pair, Relay, Setting, behind_nats, is_circuit, status};

/// Where a node is reached through relays, once there are two of them and none is this one.
fn reserved(node: &Node, without: &str) -> [String; 2] {
    let event = node.event("reached", |event| {
        let circuits = circuits(event);
        circuits.len() == 2 && !circuits.iter().any(|at| at.contains(without))
    });
    circuits(&event).try_into().unwrap()
}

fn circuits(reached: &Value) -> Vec<String> {
    let addresses = reached["details"]["addresses"].as_array().unwrap().iter();
    addresses.filter(|at| is_circuit(at)).map(ToString::to_string).collect()
}

#[test]
fn a_relay_that_dies_is_replaced_and_nothing_is_lost() {
    behind_nats("relays::a_relay_that_dies_is_replaced_and_nothing_is_lost", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relays = [(); 2].map(|()| Relay::start(lab, &mut internet));
        let both = [&relays[0], &relays[1]];
        let setting = Setting::new([NatKind::Symmetric; 2], &both);
        let pair = Pair::start(lab, &mut internet, &setting);
        pair.linked_ms(true);
        let remote = pair.links_that_are(true)[0]["remote"].as_str().unwrap().to_owned();
        let mut listener = pair.there.follow(&["listen", "--json"]);
        pair.send("0");
        let [first, second] = relays;
        let (dies, stays) = match remote.contains(&first.node.peer) {
            true => (first, second),
            false => (second, first),
        };
        drop(dies);
        for n in 1..20 {
            pair.send(&n.to_string());
        }
        for n in 0..20 {
            assert_eq!(listener.next()["text"], n.to_string());
        }
        let links = pair.links_that_are(true);
        assert!(links[0]["remote"].as_str().unwrap().contains(&stays.node.peer), "{links:?}");
    });
}

#[test]
fn a_reservation_that_went_with_its_relay_is_made_at_another_one() {
    behind_nats("relays::a_reservation_that_went_with_its_relay_is_made_at_another_one", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let mut relays: Vec<_> = (0..3).map(|_| Relay::start(lab, &mut internet)).collect();
        let all: Vec<_> = relays.iter().collect();
        let setting = Setting::new([NatKind::Symmetric; 2], &all);
        let pair = Pair::start(lab, &mut internet, &setting);
        let before = reserved(&pair.there, "nobody");
        let at = relays.iter().position(|relay| before[0].contains(&relay.node.peer)).unwrap();
        let dead = relays.remove(at).node.peer.clone();
        let after = reserved(&pair.there, &dead);
        for relay in &relays {
            assert!(after.iter().any(|at| at.contains(&relay.node.peer)), "{after:?}");
        }
        let told = status(&pair.there)["reach"]["reservations"].clone();
        assert_eq!(told.as_array().unwrap().len(), 2, "{told}");
        pair.send("all the same");
    });
}
