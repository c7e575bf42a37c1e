//! Without whoever introduced them, nodes find each other by what they remember, and by whom they
//! meet on the cable.

use pointsman_lab::{Host, Internet, Lab, NatKind};
use rustix::process::Signal;

use crate::process::Node;
use crate::scene::{address, behind_nats, send, start, start_in, until};

/// A node that everybody reaches, who begins with `first`, and is in its phone book.
fn public(lab: &mut Lab, internet: &mut Internet, first: &str) -> (Host, Node) {
    let host = internet.public_host(lab).unwrap();
    let node = start(&host, &config("server", first));
    if !first.is_empty() {
        node.event("published", |event| event["details"]["stored"].as_u64() >= Some(1));
    }
    (host, node)
}

fn config(mode: &str, first: &str) -> String {
    let first: Vec<_> = Some(first).filter(|first| !first.is_empty()).into_iter().collect();
    format!("[nat]\nupnp = false\n[dht]\nmode = \"{mode}\"\nbootstrap = {first:?}\n")
}

/// Waits until so many are in the table of a node.
fn knows(node: &Node, count: u64) {
    until("it knows the others", || {
        node.json(&["dht", "status", "--json"])["peers"].as_u64() >= Some(count)
    });
}

#[test]
fn who_was_met_is_a_way_in_when_whoever_introduced_them_is_gone() {
    behind_nats(
        "remembered::who_was_met_is_a_way_in_when_whoever_introduced_them_is_gone",
        |lab| {
            let mut internet = Internet::new(lab).unwrap();
            let (first_host, first) = public(lab, &mut internet, "");
            let at = address(&first_host, "udp/4001/quic-v1", &first);
            let (_b_host, b) = public(lab, &mut internet, &at);
            // Nobody could find it again: it is in no table, and its NAT lets nobody in.
            let mut nat = internet.nat(lab, NatKind::PortRestricted).unwrap();
            let a_host = nat.host(lab).unwrap();
            let a = start(&a_host, &config("client", &at));
            knows(&a, 2);
            a.signal(Signal::TERM);
            let (ended, folder) = a.ended();
            assert!(ended.success(), "{ended}");
            drop(first);
            let a = start_in(&a_host, folder);
            send(&a, &b, "without an introduction");
        },
    );
}

#[test]
fn a_neighbour_on_the_cable_is_a_way_in_when_whoever_introduced_them_is_gone() {
    let name =
        "remembered::a_neighbour_on_the_cable_is_a_way_in_when_whoever_introduced_them_is_gone";
    behind_nats(name, |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let (first_host, first) = public(lab, &mut internet, "");
        let at = address(&first_host, "udp/4001/quic-v1", &first);
        let (_far_host, far) = public(lab, &mut internet, &at);
        let mut nat = internet.nat(lab, NatKind::PortRestricted).unwrap();
        let cable = format!("[mdns]\nenabled = true\n{}", config("server", &at));
        let near_host = nat.host(lab).unwrap();
        let near = start(&near_host, &cable);
        knows(&near, 2);
        drop(first);
        let own_host = nat.host(lab).unwrap();
        let own = start(&own_host, &cable);
        send(&own, &far, "by way of a neighbour");
        drop(near);
    });
}
