//! What an edit changed, and which edits need a restart.

use std::collections::BTreeSet;

use pointsman_core::config::{Config, diff, keys};

use super::{A, commented_keys, good, uncommented};

const DIGEST: &str = "'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'";

const PEERS_AT: &str =
    "['/ip4/192.0.2.1/tcp/1/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq']";

/// For every key of a single table a value that changes it and no other.
const EDITS: &[(&str, &str)] = &[
    ("network.name", "'other'"),
    ("node.identity", "'key'"),
    ("listen.quic", "false"),
    ("listen.tcp", "0"),
    ("uplinks.others", "false"),
    ("peers.allow", "[]"),
    ("peers.max_links", "2"),
    ("mdns.enabled", "false"),
    ("dht.enabled", "false"),
    ("dht.bootstrap", PEERS_AT),
    ("dht.mode", "'server'"),
    ("dht.private_addresses", "true"),
    ("bluetooth.enabled", "false"),
    ("bluetooth.adapters", "['hci1']"),
    ("bluetooth.l2cap", "false"),
    ("bluetooth.watchdog_ms", "60001"),
    ("bluetooth.max_links", "3"),
    ("bluetooth.range_m", "11"),
    ("bluetooth.out_of_sight_ms", "30001"),
    ("bluetooth.power_at_1m_dbm", "-60"),
    ("bluetooth.path_loss_percent", "201"),
    ("nat.relay_client", "false"),
    ("nat.relays", PEERS_AT),
    ("nat.relay_server", "true"),
    ("nat.relay_circuits", "65"),
    ("nat.relay_circuits_per_peer", "9"),
    ("nat.relay_circuit_ms", "3600001"),
    ("nat.relay_circuit_mib", "0"),
    ("nat.relay_standby_ms", "0"),
    ("nat.hole_punching", "false"),
    ("nat.probes", "false"),
    ("nat.upnp", "false"),
    ("nat.external_addresses", "['/ip4/192.0.2.7/tcp/1']"),
    ("link.heartbeat_ms", "999"),
    ("link.suspect_min_ms", "51"),
    ("link.dead_ms", "15001"),
    ("dial.retry_min_ms", "501"),
    ("dial.retry_max_ms", "60001"),
    ("delivery.ttl_ms.realtime", "0"),
    ("delivery.ttl_ms.interactive", "1"),
    ("delivery.ttl_ms.bulk", "1"),
    ("delivery.duplicates_permille", "0"),
    ("policy.keys", "['RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3']"),
    ("policy.probation_ms", "0"),
    ("policy.slower_permille", "0"),
    ("policy.loop_permille", "0"),
    ("policy.watch", "false"),
    ("policy.sample", "1"),
    ("policy.log_mib", "1"),
    ("policy.selector.module", "'builtin:fastest-first'"),
    ("policy.selector.digest", DIGEST),
    ("policy.selector.budget_us", "501"),
    ("policy.selector.mean_us", "49"),
    ("policy.selector.memory_mib", "17"),
    ("policy.selector.settings", "{ a = 1 }"),
    ("policy.failover.module", "'builtin:standby'"),
    ("policy.failover.digest", DIGEST),
    ("policy.failover.budget_us", "501"),
    ("policy.failover.mean_us", "49"),
    ("policy.failover.memory_mib", "17"),
    ("policy.failover.settings", "{ a = 1 }"),
    ("policy.reputation.module", "'builtin:beta'"),
    ("policy.reputation.digest", DIGEST),
    ("policy.reputation.budget_us", "501"),
    ("policy.reputation.mean_us", "49"),
    ("policy.reputation.memory_mib", "17"),
    ("policy.reputation.settings", "{ a = 1 }"),
    ("policy.anomaly.module", "'builtin:thresholds'"),
    ("policy.anomaly.digest", DIGEST),
    ("policy.anomaly.budget_us", "501"),
    ("policy.anomaly.mean_us", "49"),
    ("policy.anomaly.memory_mib", "17"),
    ("policy.anomaly.settings", "{ a = 1 }"),
    ("control.socket", "'s'"),
    ("log.level", "'warn'"),
    ("log.json", "true"),
];

/// For every key a text that changes it and no other.
fn edits() -> Vec<(&'static str, String)> {
    let mut edits: Vec<_> =
        EDITS.iter().map(|&(key, value)| (key, format!("{key} = {value}"))).collect();
    edits.extend(edits_of_tables());
    edits
}

fn edits_of_tables() -> [(&'static str, String); 12] {
    let uplink = |line: &str| format!("[[uplink]]\nname = 'a'\n{line}");
    [
        ("uplink.name", uplink("")),
        ("uplink.interface", uplink("interface = 'b'")),
        ("uplink.address", uplink("address = '::1'")),
        ("uplink.enabled", uplink("enabled = false")),
        ("uplink.metered", uplink("metered = false")),
        ("uplink.price_per_mib", uplink("price_per_mib = 1")),
        ("uplink.quota_mib", uplink("quota_mib = 1")),
        ("uplink.wake_uj", uplink("wake_uj = 0")),
        ("uplink.nj_per_byte", uplink("nj_per_byte = 0")),
        ("uplink.risk_group", uplink("risk_group = 'r'")),
        ("peer.id", format!("[[peer]]\nid = '{A}'")),
        ("peer.addresses", format!("[[peer]]\nid = '{A}'\naddresses = ['/dns/a/tcp/1']")),
    ]
}

#[test]
fn there_is_an_edit_for_every_key() {
    let edited: BTreeSet<_> = edits().iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(edited, keys().into_iter().map(|key| key.name).collect());
}

#[test]
fn an_edit_of_a_key_is_told_as_that_key_and_no_other() {
    let peer = format!("[[peer]]\nid = '{A}'");
    for (key, text) in edits() {
        // The first key of such a table makes it, and the others change it.
        let (before, told) = match key.split_once('.') {
            Some((table @ "uplink", name)) if name != "name" => ("[[uplink]]\nname = 'a'", table),
            Some((table @ "peer", name)) if name != "id" => (peer.as_str(), table),
            Some((table @ ("uplink" | "peer"), _)) => ("", table),
            _ => ("", key),
        };
        let before = good(before);
        let changes = diff(&before, &good(&text));
        assert_eq!(changes.iter().map(|change| change.key).collect::<Vec<_>>(), [told], "{text}");
    }
}

#[test]
fn only_what_can_not_change_while_running_needs_a_restart() {
    let needs_restart: Vec<_> = edits()
        .into_iter()
        .filter(|(_, text)| diff(&Config::default(), &good(text))[0].needs_restart)
        .map(|(key, _)| key)
        .collect();
    let expected = [
        "network.name",
        "node.identity",
        "listen.quic",
        "listen.tcp",
        "dht.enabled",
        "dht.private_addresses",
        "bluetooth.enabled",
        "bluetooth.adapters",
        "bluetooth.l2cap",
        "bluetooth.watchdog_ms",
        "nat.relay_client",
        "nat.relays",
        "nat.relay_server",
        "nat.relay_circuits",
        "nat.relay_circuits_per_peer",
        "nat.relay_circuit_ms",
        "nat.relay_circuit_mib",
        "nat.hole_punching",
        "nat.probes",
        "nat.upnp",
        "nat.external_addresses",
        "control.socket",
        "log.json",
    ];
    assert_eq!(needs_restart, expected);
}

#[test]
fn equal_configs_do_not_differ() {
    assert_eq!(diff(&good(&uncommented()), &good(&uncommented())), []);
}

#[test]
fn the_shown_config_says_which_keys_need_a_restart() {
    let needs_restart: BTreeSet<_> = edits()
        .into_iter()
        .filter(|(_, text)| diff(&Config::default(), &good(text))[0].needs_restart)
        .map(|(key, _)| key.to_owned())
        .collect();
    let says_so = |comment: &str| comment.contains("Needs a restart.");
    let shown = commented_keys(&uncommented()).into_iter();
    let told: BTreeSet<_> =
        shown.filter(|(_, comment)| says_so(comment)).map(|(key, _)| key).collect();
    assert_eq!(told, needs_restart);
}
