//! A router that forwards ports for whoever asks: a real `miniupnpd`.

use pointsman_lab::{Gateway, Host, Internet, Lab, NatBox, NatKind, has_miniupnpd};
use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Node, note};
use crate::scene::{address, behind_nats, counter, send, start, status, until};

/// Runs a test in a lab, where there are labs with such routers.
fn behind_a_router(name: &str, body: impl FnOnce(&mut Lab)) {
    if has_miniupnpd() {
        behind_nats(name, body);
    } else {
        note(&format!(
            "SKIPPED {name}: miniupnpd is not installed (Debian: apt-get install \
             miniupnpd-nftables)"
        ));
    }
}

/// A home: a node behind a router that helps it.
struct Home {
    node: Node,
    _host: Host,
    nat: NatBox,
    _gateway: Gateway,
}

impl Home {
    fn start(lab: &mut Lab, internet: &mut Internet, config: &str) -> Self {
        let mut nat = internet.nat(lab, NatKind::PortRestricted).unwrap();
        let gateway = Gateway::start(&nat).unwrap();
        let host = nat.host(lab).unwrap();
        let node = start(&host, config);
        Self { node, _host: host, nat, _gateway: gateway }
    }

    /// What leads to the node from outside, once both its ports do.
    fn forwarded(&self) -> Vec<String> {
        let outside = format!("/ip4/{}/", self.nat.router.uplink("wan").unwrap().address);
        let of = |event: &Value| -> Vec<String> {
            let all = event["details"]["addresses"].as_array().unwrap().iter();
            let all = all.map(|address| address.as_str().unwrap().to_owned());
            all.filter(|address| address.starts_with(&outside)).collect()
        };
        of(&self.node.event("reached", |event| of(event).len() == 2))
    }
}

#[test]
fn a_router_that_is_asked_lets_others_in_without_any_relay() {
    behind_a_router("router::a_router_that_is_asked_lets_others_in_without_any_relay", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let home = Home::start(lab, &mut internet, "");
        let known = home.forwarded();
        let told = status(&home.node)["reach"].clone();
        assert_eq!(told["addresses"][0]["evidence"], "router", "{told}");
        for address in known {
            let peer =
                format!("[[peer]]\nid = \"{}\"\naddresses = [{address:?}]\n", home.node.peer);
            let host = internet.public_host(lab).unwrap();
            let guest = start(&host, &format!("[nat]\nupnp = false\nrelay_client = false\n{peer}"));
            send(&guest, &home.node, "from outside");
            let links = guest.json(&["links", &home.node.peer, "--json"]);
            let is_direct = links[0]["transport"] == "internet" && links[0]["dialled"] == true;
            assert!(
                is_direct && links[0]["remote"].as_str().unwrap().contains(&address),
                "{links}"
            );
        }
    });
}

#[test]
fn what_a_router_promised_is_tried_by_others() {
    behind_a_router("router::what_a_router_promised_is_tried_by_others", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let host = internet.public_host(lab).unwrap();
        let observer = start(&host, "[nat]\nupnp = false\n[dht]\nmode = \"server\"\n");
        let here = address(&host, "udp/4001/quic-v1", &observer);
        let home = Home::start(lab, &mut internet, &format!("[dht]\nbootstrap = [\"{here}\"]\n"));
        home.forwarded();
        until("both ports were tried", || counter(&home.node, "address_probes") >= 2);
        let told = status(&home.node)["reach"].clone();
        for one in told["addresses"].as_array().unwrap() {
            assert!(one["reachable"] == true && one["evidence"] == "router", "{told}");
        }
        assert_eq!(home.node.json(&["dht", "status", "--json"])["mode"], "server");
    });
}

#[test]
fn a_node_that_stops_has_its_router_forward_nothing() {
    behind_a_router("router::a_node_that_stops_has_its_router_forward_nothing", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let home = Home::start(lab, &mut internet, "");
        home.forwarded();
        assert_eq!(home.nat.forwarded().unwrap().matches("dnat").count(), 2);
        home.node.signal(Signal::TERM);
        let (ended, _) = home.node.ended();
        assert!(ended.success(), "{ended}");
        let left = home.nat.forwarded().unwrap();
        assert!(!left.contains("dnat"), "{left}");
    });
}
