//! Whether others reach a node: they try (AutoNAT), and what follows from it for the phone book.

use pointsman_lab::{Host, Internet, Lab, NatKind};
use serde_json::Value;

use crate::process::{Node, text};
use crate::scene::{address, behind_nats, counter, start, until};

/// Somebody whom everybody knows, and who tries whether he reaches them.
struct Observer {
    node: Node,
    host: Host,
}

impl Observer {
    fn start(lab: &mut Lab, internet: &mut Internet) -> Self {
        let host = internet.public_host(lab).unwrap();
        let node = start(&host, "[nat]\nupnp = false\n[dht]\nmode = \"server\"\n");
        Self { node, host }
    }

    /// The config of those who begin with him.
    fn introduces(&self) -> String {
        let here = address(&self.host, "udp/4001/quic-v1", &self.node);
        format!("[nat]\nupnp = false\n[dht]\nbootstrap = [\"{here}\"]\n")
    }

    /// Where the record of a peer says that it is; nothing where there is none.
    fn record(&self, peer: &Node) -> Vec<Value> {
        let found = self.node.run(&["dht", "find", &peer.peer, "--json"]);
        let found: Value = serde_json::from_slice(&found.stdout).unwrap_or_default();
        found["record"]["addresses"].as_array().cloned().unwrap_or_default()
    }
}

fn mode(node: &Node) -> String {
    node.json(&["dht", "status", "--json"])["mode"].as_str().unwrap().to_owned()
}

#[test]
fn one_who_is_reached_serves_the_phone_book_and_says_where_it_is() {
    behind_nats("probes::one_who_is_reached_serves_the_phone_book_and_says_where_it_is", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let observer = Observer::start(lab, &mut internet);
        let host = internet.public_host(lab).unwrap();
        let node = start(&host, &observer.introduces());
        let reached = node.event("reached", |event| event["details"]["direct"] == true);
        let here = format!("/ip4/{}/", host.uplinks[0].address);
        assert!(reached["text"].as_str().unwrap().contains(&here), "{reached}");
        assert!(counter(&node, "address_probes") >= 1);
        assert_eq!(mode(&node), "server");
        until("its record says where it is", || {
            let told = observer.record(&node);
            told.iter().any(|address| address.as_str().unwrap().starts_with(&here))
        });
        let graph = text(&observer.node.run(&["dht", "crawl", "--format", "netjson"]).stdout);
        assert!(graph.contains(&node.peer), "{graph}");
    });
}

#[test]
fn one_who_is_not_reached_only_asks_and_says_nowhere_that_it_is_there() {
    let name = "probes::one_who_is_not_reached_only_asks_and_says_nowhere_that_it_is_there";
    behind_nats(name, |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let observer = Observer::start(lab, &mut internet);
        let mut nat = internet.nat(lab, NatKind::PortRestricted).unwrap();
        let host = nat.host(lab).unwrap();
        let node = start(&host, &observer.introduces());
        node.event("reached", |event| event["details"]["direct"] == false);
        assert!(counter(&node, "address_probes") >= 1);
        assert_eq!(mode(&node), "client");
        assert_eq!(observer.record(&node), [] as [Value; 0]);
        let graph = text(&observer.node.run(&["dht", "crawl", "--format", "netjson"]).stdout);
        assert!(!graph.contains(&node.peer), "{graph}");
    });
}
