//! The victim, its honest friend, and what must hold after every attack.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::process::Node;

/// Where attackers come from: never the address of an honest node.
pub(crate) const ATTACKER: [u8; 4] = [127, 0, 0, 66];

/// Resident memory of a victim, in KiB, whatever was done to it.
const RESIDENT_KIB_MAX: u64 = 256 << 10;

/// Messages in one burst of honest traffic.
const BURST: u64 = 50;

/// Runs an attack against a fresh node. Until it ends, a friend and the victim send each other
/// messages; all of them arrive once, and the victim lives within its memory.
pub(crate) fn under(attack: impl AsyncFnOnce(&Node)) {
    let victim = Node::start("");
    let friend = victim.start_neighbour();
    friend.event("link-up", |_| true);
    let mut heard = [victim.follow(&["listen", "--json"]), friend.follow(&["listen", "--json"])];
    let over = AtomicBool::new(false);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sent = thread::scope(|scope| {
        let there = scope.spawn(|| talk(&friend, &victim.peer, &over));
        let back = scope.spawn(|| talk(&victim, &friend.peer, &over));
        let ends = Ends(&over);
        runtime.block_on(attack(&victim));
        drop(ends);
        [there.join().unwrap(), back.join().unwrap()]
    });
    for (node, (listener, sent)) in [&victim, &friend].into_iter().zip(heard.iter_mut().zip(sent)) {
        for _ in 0..sent {
            assert_eq!(listener.next()["bytes"], 500);
        }
        assert_eq!(counter(node, "messages_received"), sent, "once each");
    }
    assert_eq!(counter(&friend, "frames_unqueued"), 0);
    let kib = resident_kib(&victim);
    assert!(kib < RESIDENT_KIB_MAX, "{kib} KiB are resident");
}

/// Ends the honest traffic, also where an attack panics.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends bursts until it is over, at least one; returns how many messages that were.
fn talk(from: &Node, to: &str, over: &AtomicBool) -> u64 {
    let count = BURST.to_string();
    let burst = ["send", to, "--count", count.as_str(), "--size", "500", "--json"];
    let mut sent = 0;
    loop {
        let told = from.json(&burst);
        assert_eq!((&told["delivered"], &told["sent"]), (&BURST.into(), &BURST.into()), "{told}");
        sent += BURST;
        if over.load(Ordering::Relaxed) {
            return sent;
        }
    }
}

pub(crate) fn counter(node: &Node, name: &str) -> u64 {
    node.json(&["status", "--json"])["counters"][name].as_u64().expect("a counter of that name")
}

/// Asks a node until a counter is that high.
pub(crate) fn reaches(node: &Node, name: &str, least: u64) {
    until(node, name, |status| status["counters"][name].as_u64() >= Some(least));
}

/// Asks a node for its status until it is as wanted.
pub(crate) fn until(node: &Node, what: &str, wanted: impl Fn(&Value) -> bool) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < crate::process::PATIENCE {
        if wanted(&node.json(&["status", "--json"])) {
            return;
        }
    }
    panic!("{what} never came: {}", node.json(&["status", "--json"]));
}

/// The address that a node listens on at 127.0.0.1, of one protocol.
pub(crate) fn address(node: &Node, protocol: &str) -> String {
    let status = node.json(&["status", "--json"]);
    let mut all = status["listening"].as_array().unwrap().iter();
    let wanted = |one: &&Value| {
        let text = one["address"].as_str().unwrap();
        text.starts_with("/ip4/127.0.0.1/") && text.contains(protocol)
    };
    all.find(wanted).unwrap()["address"].as_str().unwrap().to_owned()
}

/// Its port.
pub(crate) fn port(node: &Node, protocol: &str) -> u16 {
    address(node, protocol).split('/').nth(4).unwrap().parse().unwrap()
}

fn pid(node: &Node) -> u64 {
    node.json(&["status", "--json"])["pid"].as_u64().unwrap()
}

fn resident_kib(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid(node))).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many files and sockets a node has open.
pub(crate) fn descriptors(node: &Node) -> usize {
    fs::read_dir(format!("/proc/{}/fd", pid(node))).unwrap().count()
}
