//! What an edit changed.

use crate::bluetooth::neighbours::BluetoothConfig;

use super::{
    Config, DhtConfig, NatConfig, NodeConfig, PolicyConfig, PolicyRules, RadioConfig, RelayLimits,
};

/// A key whose value changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key with its tables; `uplink` and `peer` stand for all tables of that name.
    pub key: &'static str,
    /// Whether it takes effect only at the next start.
    pub needs_restart: bool,
}

/// The keys that differ, table by table.
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    // Taken apart by name, so that a new field can't be forgotten here.
    let Config {
        network,
        identity,
        listen_quic,
        listen_tcp,
        uplinks,
        other_uplinks,
        peers,
        mdns,
        dht,
        bluetooth,
        nat,
        node,
        selector,
        failover,
        reputation,
        anomaly,
        policy,
        control_socket,
        log_level,
        log_json,
    } = old;
    let mut changes = Changes(Vec::new());
    changes.at_restart("network.name", *network != new.network);
    changes.at_restart("node.identity", *identity != new.identity);
    changes.at_restart("listen.quic", *listen_quic != new.listen_quic);
    changes.at_restart("listen.tcp", *listen_tcp != new.listen_tcp);
    changes.at_once("uplinks.others", *other_uplinks != new.other_uplinks);
    changes.at_once("uplink", *uplinks != new.uplinks);
    changes.at_once("peer", *peers != new.peers);
    changes.at_once("mdns.enabled", *mdns != new.mdns);
    dht_changes(dht, &new.dht, &mut changes);
    radio_changes(bluetooth, &new.bluetooth, &mut changes);
    nat_changes(nat, &new.nat, &mut changes);
    node_changes(node, &new.node, &mut changes);
    policy_changes(SELECTOR_KEYS, selector, &new.selector, &mut changes);
    policy_changes(FAILOVER_KEYS, failover, &new.failover, &mut changes);
    policy_changes(REPUTATION_KEYS, reputation, &new.reputation, &mut changes);
    policy_changes(ANOMALY_KEYS, anomaly, &new.anomaly, &mut changes);
    rule_changes(policy, &new.policy, &mut changes);
    changes.at_restart("control.socket", *control_socket != new.control_socket);
    changes.at_once("log.level", *log_level != new.log_level);
    changes.at_restart("log.json", *log_json != new.log_json);
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn at_once(&mut self, key: &'static str, differs: bool) {
        self.0.extend(differs.then_some(Change { key, needs_restart: false }));
    }

    fn at_restart(&mut self, key: &'static str, differs: bool) {
        self.0.extend(differs.then_some(Change { key, needs_restart: true }));
    }
}

fn dht_changes(old: &DhtConfig, new: &DhtConfig, changes: &mut Changes) {
    let DhtConfig { enabled, bootstrap, mode, private_addresses } = old;
    changes.at_restart("dht.enabled", *enabled != new.enabled);
    changes.at_once("dht.bootstrap", *bootstrap != new.bootstrap);
    changes.at_once("dht.mode", *mode != new.mode);
    changes.at_restart("dht.private_addresses", *private_addresses != new.private_addresses);
}

fn radio_changes(old: &RadioConfig, new: &RadioConfig, changes: &mut Changes) {
    let RadioConfig { enabled, adapters, l2cap, watchdog_us } = old;
    changes.at_restart("bluetooth.enabled", *enabled != new.enabled);
    changes.at_restart("bluetooth.adapters", *adapters != new.adapters);
    changes.at_restart("bluetooth.l2cap", *l2cap != new.l2cap);
    changes.at_restart("bluetooth.watchdog_ms", *watchdog_us != new.watchdog_us);
}

fn nat_changes(old: &NatConfig, new: &NatConfig, changes: &mut Changes) {
    let NatConfig {
        relay_client,
        relays,
        relay_server,
        relay: RelayLimits { circuits, circuits_per_peer, circuit_us, circuit_mib },
        hole_punching,
        probes,
        upnp,
        external_addresses,
    } = old;
    changes.at_restart("nat.relay_client", *relay_client != new.relay_client);
    changes.at_restart("nat.relays", *relays != new.relays);
    changes.at_restart("nat.relay_server", *relay_server != new.relay_server);
    changes.at_restart("nat.relay_circuits", *circuits != new.relay.circuits);
    let per_peer = *circuits_per_peer != new.relay.circuits_per_peer;
    changes.at_restart("nat.relay_circuits_per_peer", per_peer);
    changes.at_restart("nat.relay_circuit_ms", *circuit_us != new.relay.circuit_us);
    changes.at_restart("nat.relay_circuit_mib", *circuit_mib != new.relay.circuit_mib);
    changes.at_restart("nat.hole_punching", *hole_punching != new.hole_punching);
    changes.at_restart("nat.probes", *probes != new.probes);
    changes.at_restart("nat.upnp", *upnp != new.upnp);
    let external = *external_addresses != new.external_addresses;
    changes.at_restart("nat.external_addresses", external);
}

fn node_changes(old: &NodeConfig, new: &NodeConfig, changes: &mut Changes) {
    let NodeConfig {
        // The same key as the config's own.
        network: _,
        allow,
        links_per_peer,
        bluetooth,
        heartbeat_us,
        suspect_min_us,
        dead_us,
        retry_min_us,
        retry_max_us,
        relay_standby_us,
        ttl_us: [realtime, interactive, bulk],
        duplicates_permille,
    } = old;
    changes.at_once("peers.allow", *allow != new.allow);
    changes.at_once("peers.max_links", *links_per_peer != new.links_per_peer);
    neighbour_changes(bluetooth, &new.bluetooth, changes);
    changes.at_once("link.heartbeat_ms", *heartbeat_us != new.heartbeat_us);
    changes.at_once("link.suspect_min_ms", *suspect_min_us != new.suspect_min_us);
    changes.at_once("link.dead_ms", *dead_us != new.dead_us);
    changes.at_once("dial.retry_min_ms", *retry_min_us != new.retry_min_us);
    changes.at_once("dial.retry_max_ms", *retry_max_us != new.retry_max_us);
    changes.at_once("nat.relay_standby_ms", *relay_standby_us != new.relay_standby_us);
    changes.at_once("delivery.ttl_ms.realtime", *realtime != new.ttl_us[0]);
    changes.at_once("delivery.ttl_ms.interactive", *interactive != new.ttl_us[1]);
    changes.at_once("delivery.ttl_ms.bulk", *bulk != new.ttl_us[2]);
    let differs = *duplicates_permille != new.duplicates_permille;
    changes.at_once("delivery.duplicates_permille", differs);
}

fn neighbour_changes(old: &BluetoothConfig, new: &BluetoothConfig, changes: &mut Changes) {
    changes.at_once("bluetooth.max_links", old.links_max != new.links_max);
    changes.at_once("bluetooth.range_m", old.range_m.to_bits() != new.range_m.to_bits());
    changes.at_once("bluetooth.out_of_sight_ms", old.out_of_sight_us != new.out_of_sight_us);
    changes.at_once("bluetooth.power_at_1m_dbm", old.power_at_1m_dbm != new.power_at_1m_dbm);
    changes
        .at_once("bluetooth.path_loss_percent", old.exponent.to_bits() != new.exponent.to_bits());
}

fn rule_changes(old: &PolicyRules, new: &PolicyRules, changes: &mut Changes) {
    let PolicyRules { keys, probation_us, slower_permille, loop_permille, watch, sample, log_mib } =
        old;
    changes.at_once("policy.keys", *keys != new.keys);
    changes.at_once("policy.probation_ms", *probation_us != new.probation_us);
    changes.at_once("policy.slower_permille", *slower_permille != new.slower_permille);
    changes.at_once("policy.loop_permille", *loop_permille != new.loop_permille);
    changes.at_once("policy.watch", *watch != new.watch);
    changes.at_once("policy.sample", *sample != new.sample);
    changes.at_once("policy.log_mib", *log_mib != new.log_mib);
}

macro_rules! keys_of {
    ($role:literal) => {
        [
            concat!("policy.", $role, ".module"),
            concat!("policy.", $role, ".digest"),
            concat!("policy.", $role, ".budget_us"),
            concat!("policy.", $role, ".mean_us"),
            concat!("policy.", $role, ".memory_mib"),
            concat!("policy.", $role, ".settings"),
        ]
    };
}

const SELECTOR_KEYS: [&str; 6] = keys_of!("selector");
const FAILOVER_KEYS: [&str; 6] = keys_of!("failover");
const REPUTATION_KEYS: [&str; 6] = keys_of!("reputation");
const ANOMALY_KEYS: [&str; 6] = keys_of!("anomaly");

fn policy_changes(
    [module_key, digest_key, budget_key, mean_key, memory_key, settings_key]: [&'static str; 6],
    old: &PolicyConfig,
    new: &PolicyConfig,
    changes: &mut Changes,
) {
    let PolicyConfig { module, digest, budget_us, mean_us, memory_mib, settings } = old;
    changes.at_once(module_key, *module != new.module);
    changes.at_once(digest_key, *digest != new.digest);
    changes.at_once(budget_key, *budget_us != new.budget_us);
    changes.at_once(mean_key, *mean_us != new.mean_us);
    changes.at_once(memory_key, *memory_mib != new.memory_mib);
    changes.at_once(settings_key, *settings != new.settings);
}
