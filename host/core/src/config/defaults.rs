//! What holds where `config.toml` says nothing; the file in the root of the repository shows
//! the same, key by key.

use super::{
    Allow, Config, DhtConfig, DhtMode, Module, NatConfig, NodeConfig, PolicyConfig, PolicyRules,
    RadioConfig, RelayLimits, UplinkConfig,
};
use crate::bluetooth::neighbours::BluetoothConfig;

/// The network's name, and the port beside libp2p's custom of 4001.
const NETWORK: &str = "pointsman";
const PORT: u16 = 4001;

/// A policy's answer takes well under a microsecond; five hundred leave room for a cold cache
/// and a preempted thread, and still fit a hundred times into the suspicion of a lost packet.
const BUDGET_US: u32 = 500;

/// A policy in Rust or C takes little more than its stack of 1 MiB. What it has bounds by how much
/// one instruction, which can't be interrupted, may delay the loop: 1 ms for each MiB.
const MEMORY_MIB: u32 = 4;

/// Asked off the loop, where nobody waits: 50 ms.
const ASIDE_BUDGET_US: u32 = 50_000;
const ASIDE_MEMORY_MIB: u32 = 16;

impl Default for Config {
    fn default() -> Self {
        Self {
            network: NETWORK.to_owned(),
            identity: None,
            listen_quic: Some(PORT),
            listen_tcp: Some(PORT),
            uplinks: Vec::new(),
            other_uplinks: true,
            peers: Vec::new(),
            mdns: true,
            dht: DhtConfig::default(),
            bluetooth: RadioConfig::default(),
            nat: NatConfig::default(),
            node: NodeConfig::default(),
            selector: in_line("fastest-first"),
            failover: in_line("standby"),
            reputation: aside("beta"),
            anomaly: aside("thresholds"),
            policy: PolicyRules::default(),
            control_socket: None,
            log_level: "info".to_owned(),
            log_json: false,
        }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            network: NETWORK.to_owned(),
            allow: Allow::All,
            links_per_peer: 8,
            bluetooth: BluetoothConfig::default(),
            heartbeat_us: 1_000_000,
            suspect_min_us: 50_000,
            dead_us: 15_000_000,
            retry_min_us: 500_000,
            retry_max_us: 60_000_000,
            relay_standby_us: Some(30_000_000),
            ttl_us: [Some(2_000_000), Some(60_000_000), None],
            duplicates_permille: 20,
        }
    }
}

impl UplinkConfig {
    /// An uplink of which nothing is known but its name.
    pub fn new(name: String) -> Self {
        Self {
            name,
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
}

impl Default for DhtConfig {
    fn default() -> Self {
        Self { enabled: true, bootstrap: Vec::new(), mode: DhtMode::Auto, private_addresses: false }
    }
}

impl Default for RadioConfig {
    fn default() -> Self {
        Self { enabled: true, adapters: Vec::new(), l2cap: true, watchdog_us: 60_000_000 }
    }
}

impl Default for NatConfig {
    fn default() -> Self {
        Self {
            relay_client: true,
            relays: Vec::new(),
            relay_server: false,
            relay: RelayLimits::default(),
            hole_punching: true,
            probes: true,
            upnp: true,
            external_addresses: Vec::new(),
        }
    }
}

/// A table of players at once, for an evening, at what a modest server can spare.
impl Default for RelayLimits {
    fn default() -> Self {
        Self { circuits: 64, circuits_per_peer: 8, circuit_us: 3_600_000_000, circuit_mib: 256 }
    }
}

impl Default for PolicyRules {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            probation_us: 10_000_000,
            slower_permille: 1_500,
            loop_permille: 250,
            watch: true,
            sample: 64,
            log_mib: 16,
        }
    }
}

/// For a role that is asked in line.
fn in_line(name: &str) -> PolicyConfig {
    PolicyConfig {
        budget_us: BUDGET_US,
        mean_us: BUDGET_US / 2,
        memory_mib: MEMORY_MIB,
        ..aside(name)
    }
}

/// For a role that is asked off the loop.
fn aside(name: &str) -> PolicyConfig {
    PolicyConfig {
        module: Module::Embedded(name.to_owned()),
        digest: None,
        budget_us: ASIDE_BUDGET_US,
        mean_us: ASIDE_BUDGET_US / 10,
        memory_mib: ASIDE_MEMORY_MIB,
        settings: Vec::new(),
    }
}
