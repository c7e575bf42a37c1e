//! `config.toml`: what it may say, reading it with every error at once, and what changed.
//!
//! The text is parsed by [`parse()`]; [`diff()`] tells which keys changed and which of those
//! need a restart. [`NodeConfig`] is the part that the Node itself uses. All keys stand in one
//! table ([`keys()`] lists it): what a key takes is told there, and nowhere else.

mod defaults;
pub mod diff;
mod keys;
pub mod parse;
mod read;
mod rules;
mod suggest;

use pointsman_sdk::Value;
use pointsman_sdk::selector::Class;

use crate::bluetooth::neighbours::BluetoothConfig;
use crate::id::PeerId;
use crate::input::Address;
use crate::policy::Role;

pub use diff::{Change, diff};
pub use keys::{KeyDoc, keys};
pub use parse::{ConfigError, parse};
pub use suggest::nearest;

/// The whole config, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `network.name`: sets the mDNS service, the DHT protocol and the BLE service.
    pub network: String,
    /// `node.identity`: path of the key file, relative to the config file; `None` for the
    /// default below the state folder.
    pub identity: Option<String>,
    /// `listen.quic`: UDP port; 0 for any free one, `None` to not listen.
    pub listen_quic: Option<u16>,
    /// `listen.tcp`: TCP port; 0 for any free one, `None` to not listen.
    pub listen_tcp: Option<u16>,
    /// `[[uplink]]`: what is known of interfaces, first match wins.
    pub uplinks: Vec<UplinkConfig>,
    /// `uplinks.others`: whether interfaces that no `[[uplink]]` names are used.
    pub other_uplinks: bool,
    /// `[[peer]]`: static peers.
    pub peers: Vec<PeerConfig>,
    /// `mdns.enabled`.
    pub mdns: bool,
    /// `[dht]`.
    pub dht: DhtConfig,
    /// `[bluetooth]`: what the radio itself is told.
    pub bluetooth: RadioConfig,
    /// `[nat]`: the ways in and out where there is no direct one.
    pub nat: NatConfig,
    /// The part that the Node uses.
    pub node: NodeConfig,
    /// `[policy.selector]`.
    pub selector: PolicyConfig,
    /// `[policy.failover]`.
    pub failover: PolicyConfig,
    /// `[policy.reputation]`.
    pub reputation: PolicyConfig,
    /// `[policy.anomaly]`.
    pub anomaly: PolicyConfig,
    /// `[policy]`: what holds for all of them.
    pub policy: PolicyRules,
    /// `control.socket`: path; `None` for the default in the runtime folder.
    pub control_socket: Option<String>,
    /// `log.level`: a `tracing` filter such as `info` or `pointsman=debug`.
    pub log_level: String,
    /// `log.json`.
    pub log_json: bool,
}

/// One `[[uplink]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkConfig {
    /// Name of the uplink; also the interface unless `interface` says otherwise. A trailing
    /// `*` matches any ending.
    pub name: String,
    /// The interface that sockets are bound to.
    pub interface: Option<String>,
    /// Only this local address of the interface, as text without prefix length: several
    /// uplinks may so share an interface such as `lo`.
    pub address: Option<String>,
    /// Whether it is used at all.
    pub enabled: bool,
    /// `None`: guessed from the interface's kind.
    pub metered: Option<bool>,
    /// In millionths of the currency unit, per MiB.
    pub price_per_mib: u32,
    /// In MiB since the node started; `None` for no limit.
    pub quota_mib: Option<u32>,
    /// In microjoules; `None`: guessed from the interface's kind.
    pub wake_uj: Option<u32>,
    /// In nanojoules; `None`: guessed from the interface's kind.
    pub nj_per_byte: Option<u32>,
    /// Uplinks with the same text fail together; `None`: alone.
    pub risk_group: Option<String>,
}

/// The part of `[bluetooth]` that the radio is told; the Node has the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioConfig {
    /// `enabled`: whether Bluetooth is used where there is any.
    pub enabled: bool,
    /// `adapters`: which; empty for the first that is found.
    pub adapters: Vec<String>,
    /// `l2cap`: whether a channel of its own is opened where both sides can.
    pub l2cap: bool,
    /// `watchdog_ms`: when nothing was heard for so long, the radio is asked anew, in
    /// microseconds.
    pub watchdog_us: u64,
}

/// `[dht]`: the network's phone book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhtConfig {
    /// `enabled`: whether this node takes part.
    pub enabled: bool,
    /// `bootstrap`: nodes to begin with, with their identities.
    pub bootstrap: Vec<(Address, PeerId)>,
    /// `mode`: whether it also answers others.
    pub mode: DhtMode,
    /// `private_addresses`: whether addresses that lead nowhere from elsewhere are told and
    /// believed.
    pub private_addresses: bool,
}

/// Whether a node answers others in the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhtMode {
    /// As soon as it is known that others can reach it.
    Auto,
    /// Never: it only asks.
    Client,
    /// Always.
    Server,
}

/// `[nat]`, but for what the Node has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// `relay_client`: whether peers are reached through relays, and this node too where it is
    /// not reached otherwise.
    pub relay_client: bool,
    /// `relays`: known relays, with their identities.
    pub relays: Vec<(Address, PeerId)>,
    /// `relay_server`: whether this node relays for others.
    pub relay_server: bool,
    /// What it relays at most.
    pub relay: RelayLimits,
    /// `hole_punching`: whether a relayed link is followed by the try to make a direct one.
    pub hole_punching: bool,
    /// `probes`: whether others are asked to find out which addresses lead here, and are told
    /// the same.
    pub probes: bool,
    /// `upnp`: whether the router is asked to let others in.
    pub upnp: bool,
    /// `external_addresses`: addresses that are known to lead here.
    pub external_addresses: Vec<Address>,
}

/// What a relay server does at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// `relay_circuits`: circuits at once.
    pub circuits: u32,
    /// `relay_circuits_per_peer`: of these between one peer and others.
    pub circuits_per_peer: u32,
    /// `relay_circuit_ms`: how long one lasts, in microseconds.
    pub circuit_us: u64,
    /// `relay_circuit_mib`: how much one carries, in MiB; 0: without bound.
    pub circuit_mib: u32,
}

/// One `[[peer]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// Who.
    pub id: PeerId,
    /// Where.
    pub addresses: Vec<Address>,
}

/// Who may be a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Anybody who proves an identity.
    All,
    /// Only these, and the static peers.
    Listed(Vec<PeerId>),
}

/// The part of the config that the Node uses.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// `network.name`, told in the hello.
    pub network: String,
    /// `peers.allow`.
    pub allow: Allow,
    /// `peers.max_links`: most links to one peer, 1 to 16.
    pub links_per_peer: u8,
    /// `[bluetooth]`: which neighbours are worth a link.
    pub bluetooth: BluetoothConfig,
    /// `link.heartbeat_ms`: an idle link is probed so often, in microseconds.
    pub heartbeat_us: u64,
    /// `link.suspect_min_ms`: an acknowledgement is never overdue earlier than this, in
    /// microseconds.
    pub suspect_min_us: u64,
    /// `link.dead_ms`: a link that was silent for so long is closed, in microseconds.
    pub dead_us: u64,
    /// `dial.retry_min_ms`, in microseconds: first wait after a failed dial; doubles.
    pub retry_min_us: u64,
    /// `dial.retry_max_ms`, in microseconds.
    pub retry_max_us: u64,
    /// `nat.relay_standby_ms`: a relayed link is closed when a direct one has been good for so
    /// long, in microseconds; `None`: never.
    pub relay_standby_us: Option<u64>,
    /// `delivery.ttl_ms` by class, in microseconds; `None`: never expires.
    pub ttl_us: [Option<u64>; 3],
    /// `delivery.duplicates_permille`: bytes that hedging and duplication may add, in
    /// thousandths of what was sent. Beside that share the Node grants each peer 256 KiB,
    /// which grow back within a minute.
    pub duplicates_permille: u16,
}

impl Config {
    /// What is configured for a role.
    pub fn slot(&self, role: Role) -> &PolicyConfig {
        match role {
            Role::Selector => &self.selector,
            Role::Failover => &self.failover,
            Role::Reputation => &self.reputation,
            Role::Anomaly => &self.anomaly,
        }
    }
}

impl NodeConfig {
    /// The time to live of a class where the application gives none.
    pub fn ttl_us(&self, class: Class) -> Option<u64> {
        self.ttl_us[class as usize]
    }
}

/// Where a policy's code comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Module {
    /// `builtin:NAME`: the native policy in this binary.
    Builtin(String),
    /// `embedded:NAME`: the Wasm module in this binary.
    Embedded(String),
    /// A file, relative to the config file.
    File(String),
}

/// `[policy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRules {
    /// `keys`: minisign public keys. Where there is one, a module from a file must be signed
    /// by one of them.
    pub keys: Vec<String>,
    /// `probation_ms`: for how long a policy that was swapped in must prove itself while the
    /// one before stays warm, in microseconds; 0: it need not.
    pub probation_us: u64,
    /// `slower_permille`: how much longer messages may take than with the policy before, as
    /// the 99th percentile in thousandths of what it was; 0: without bound.
    pub slower_permille: u32,
    /// `loop_permille`: how much of the loop's time the answers of a selector or failover policy
    /// may take while it must prove itself, in thousandths of any second; 0: without bound.
    pub loop_permille: u32,
    /// `watch`: whether edits of this file and of modules are noticed by themselves.
    pub watch: bool,
    /// `sample`: one decision in so many is recorded; 0: none.
    pub sample: u32,
    /// `log_mib`: size of the decision log on disk, in MiB; 0: none.
    pub log_mib: u32,
}

/// `[policy.ROLE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyConfig {
    /// `module`.
    pub module: Module,
    /// `digest`: SHA-256 that the module must have, as 64 hexadecimal digits in lower case.
    pub digest: Option<String>,
    /// `budget_us`: how long one answer may take, in microseconds.
    pub budget_us: u32,
    /// `mean_us`: how long answers may take on average during probation, in microseconds.
    pub mean_us: u32,
    /// `memory_mib`: the memory that an instance may have, in MiB.
    pub memory_mib: u32,
    /// `[policy.ROLE.settings]`, in their order in the file.
    pub settings: Vec<(String, Value)>,
}
