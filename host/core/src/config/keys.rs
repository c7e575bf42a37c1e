//! The keys of `config.toml`: the one table that reading, error messages and the commented
//! default follow.
//!
//! A key is its name with its tables, what it takes, and where its value goes. Units are those
//! of the text; `set` turns them into those of [`Config`].

use core::ops::RangeInclusive;

use pointsman_sdk::Value;

use super::read::Reading;
use super::rules::{self, Rule};
use super::{Allow, Config, Module, PeerConfig, UplinkConfig};
use crate::id::PeerId;
use crate::input::Address;
use crate::limits::{
    ADAPTER_LINKS_MAX, ADDRESSES_PER_PEER_MAX, BLUETOOTH_RADIOS_MAX, BOOTSTRAPS_MAX,
    LINKS_PER_PEER_MAX, PEERS_MAX, POLICY_KEYS_MAX, RELAY_CIRCUITS_MAX,
    RELAY_CIRCUITS_PER_PEER_MAX, RELAYS_KNOWN_MAX, UPLINKS_MAX,
};
use crate::policy::builtin::{ANOMALIES, FAILOVERS, REPUTATIONS, SELECTORS};
use toml::de::DeArray;

/// A key that is read into a `T`.
pub(super) struct Key<T> {
    /// Its name with its tables, joined by dots.
    pub(super) name: &'static str,
    pub(super) field: Field<T>,
}

/// What a key takes, and where it goes.
pub(super) enum Field<T> {
    Flag(fn(&mut T, bool)),
    Number {
        range: RangeInclusive<u64>,
        unit: &'static str,
        set: fn(&mut T, u64),
    },
    Signed {
        range: RangeInclusive<i64>,
        unit: &'static str,
        set: fn(&mut T, i64),
    },
    Text {
        rule: Rule,
        set: fn(&mut T, String),
    },
    Port(fn(&mut T, Option<u16>)),
    Peer(fn(&mut T, PeerId)),
    Addresses(fn(&mut T, Vec<Address>)),
    /// Addresses with a peer at the end of each.
    PeersAt {
        most: usize,
        set: fn(&mut T, Vec<(Address, PeerId)>),
    },
    Allow(fn(&mut T, Allow)),
    Module {
        builtins: &'static [&'static str],
        set: fn(&mut T, Module),
    },
    /// A list of texts, each of which the rule holds for.
    Texts {
        rule: Rule,
        most: usize,
        called: &'static str,
        set: fn(&mut T, Vec<String>),
    },
    Settings(fn(&mut T, Vec<(String, Value)>)),
    /// An array of tables, whose own keys are these.
    Each {
        keys: fn() -> Vec<KeyDoc>,
        read: fn(&mut Reading, &mut T, &DeArray<'_>, &str),
    },
}

impl<T> Field<T> {
    /// For people: what may stand behind the `=`.
    pub(super) fn takes(&self) -> String {
        match self {
            Self::Flag(_) => "true or false".to_owned(),
            Self::Number { range, unit, set: _ } => {
                let (least, most) = (range.start(), range.end());
                format!("a whole number from {least} to {most}, in {unit}")
            }
            Self::Signed { range, unit, set: _ } => {
                let (least, most) = (range.start(), range.end());
                format!("a whole number from {least} to {most}, in {unit}")
            }
            Self::Text { rule, set: _ } => rule.says.to_owned(),
            Self::Port(_) => "a port from 0 to 65535 (0: any free one), or false".to_owned(),
            Self::Peer(_) => "a peer id".to_owned(),
            Self::Addresses(_) => format!("up to {ADDRESSES_PER_PEER_MAX} addresses in brackets"),
            Self::PeersAt { most, set: _ } => {
                format!("up to {most} addresses with /p2p/PEER at the end, in brackets")
            }
            Self::Allow(_) => format!("\"all\", or up to {PEERS_MAX} peer ids in brackets"),
            Self::Module { builtins, set: _ } => {
                let natives = builtins.iter().map(|name| format!("\"builtin:{name}\", "));
                let natives: String = natives.collect();
                format!("\"embedded:NAME\", {natives}or the path of a .wasm file")
            }
            Self::Texts { most, called, .. } => format!("up to {most} {called} in brackets"),
            Self::Settings(_) => {
                "a table of booleans, whole numbers, texts, and lists of either of the last two"
                    .to_owned()
            }
            Self::Each { .. } => "tables in double brackets".to_owned(),
        }
    }
}

/// What a key is called and takes, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Its name with its tables, such as `uplink.metered`.
    pub name: String,
    /// What may stand behind the `=`.
    pub takes: String,
}

/// Every key of `config.toml`.
pub fn keys() -> Vec<KeyDoc> {
    docs("", &KEYS)
}

fn docs<T>(table: &str, keys: &[Key<T>]) -> Vec<KeyDoc> {
    let doc = |key: &Key<T>| {
        if let Field::Each { keys, read: _ } = &key.field {
            return keys();
        }
        vec![KeyDoc { name: format!("{table}{}", key.name), takes: key.field.takes() }]
    };
    keys.iter().flat_map(doc).collect()
}

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// The greatest value of a figure whose `u32::MAX` means that it is not known.
const FIGURE_MAX: u64 = u32::MAX as u64 - 1;

/// The greatest quota whose KiB are such a figure.
const QUOTA_MIB_MAX: u64 = FIGURE_MAX / 1024;

const fn key<T>(name: &'static str, field: Field<T>) -> Key<T> {
    Key { name, field }
}

const fn ms<T>(range: RangeInclusive<u64>, set: fn(&mut T, u64)) -> Field<T> {
    Field::Number { range, unit: "milliseconds", set }
}

const fn ttl_ms<T>(set: fn(&mut T, u64)) -> Field<T> {
    Field::Number { range: 0..=30 * DAY_MS, unit: "milliseconds; 0 is for ever", set }
}

const fn budget<T>(set: fn(&mut T, u64)) -> Field<T> {
    Field::Number { range: 10..=100_000, unit: "microseconds", set }
}

const fn mean<T>(set: fn(&mut T, u64)) -> Field<T> {
    Field::Number { range: 1..=100_000, unit: "microseconds", set }
}

const fn permille<T>(most: u64, set: fn(&mut T, u64)) -> Field<T> {
    Field::Number { range: 0..=most, unit: "thousandths; 0 is without bound", set }
}

const fn memory<T>(set: fn(&mut T, u64)) -> Field<T> {
    Field::Number { range: 1..=256, unit: "MiB", set }
}

const fn peers_at<T>(most: usize, set: fn(&mut T, Vec<(Address, PeerId)>)) -> Field<T> {
    Field::PeersAt { most, set }
}

const fn text<T>(rule: Rule, set: fn(&mut T, String)) -> Field<T> {
    Field::Text { rule, set }
}

/// A number whose key's range fits the smaller type.
fn narrow<T: TryFrom<u64>>(number: u64) -> T {
    T::try_from(number).ok().expect("the key's range fits the type that it is kept in")
}

/// The same of a number that may be negative.
fn narrow_signed<T: TryFrom<i64>>(number: i64) -> T {
    T::try_from(number).ok().expect("the key's range fits the type that it is kept in")
}

fn ttl_us(ms: u64) -> Option<u64> {
    (ms > 0).then_some(ms * 1000)
}

/// The keys of the config itself, table by table.
pub(super) static KEYS: [Key<Config>; 78] = [
    key(
        "network.name",
        text(rules::NETWORK, |c, name| {
            c.node.network.clone_from(&name);
            c.network = name;
        }),
    ),
    key("node.identity", text(rules::PATH, |c, path| c.identity = Some(path))),
    key("listen.quic", Field::Port(|c, port| c.listen_quic = port)),
    key("listen.tcp", Field::Port(|c, port| c.listen_tcp = port)),
    key("uplinks.others", Field::Flag(|c, flag| c.other_uplinks = flag)),
    key(
        "uplink",
        Field::Each {
            keys: || docs("uplink.", &UPLINK_KEYS),
            read: |reading, c, array, shown| {
                c.uplinks = reading.each(array, shown, &UPLINK_KEYS, UPLINKS_MAX, || {
                    UplinkConfig::new(String::new())
                });
            },
        },
    ),
    key(
        "peer",
        Field::Each {
            keys: || docs("peer.", &PEER_KEYS),
            read: |reading, c, array, shown| {
                c.peers = reading.each(array, shown, &PEER_KEYS, PEERS_MAX, || PeerConfig {
                    id: PeerId([0; 32]),
                    addresses: Vec::new(),
                });
            },
        },
    ),
    key("peers.allow", Field::Allow(|c, allow| c.node.allow = allow)),
    key(
        "peers.max_links",
        Field::Number {
            range: 1..=LINKS_PER_PEER_MAX as u64,
            unit: "links to one peer",
            set: |c, links| c.node.links_per_peer = narrow(links),
        },
    ),
    key("mdns.enabled", Field::Flag(|c, flag| c.mdns = flag)),
    key("dht.enabled", Field::Flag(|c, flag| c.dht.enabled = flag)),
    key("dht.bootstrap", peers_at(BOOTSTRAPS_MAX, |c, peers| c.dht.bootstrap = peers)),
    key("dht.mode", text(rules::DHT_MODE, |c, mode| c.dht.mode = rules::dht_mode(&mode))),
    key("dht.private_addresses", Field::Flag(|c, flag| c.dht.private_addresses = flag)),
    key("bluetooth.enabled", Field::Flag(|c, flag| c.bluetooth.enabled = flag)),
    key(
        "bluetooth.adapters",
        Field::Texts {
            rule: rules::ADAPTER,
            most: BLUETOOTH_RADIOS_MAX,
            called: "names of adapters",
            set: |c, names| c.bluetooth.adapters = names,
        },
    ),
    key("bluetooth.l2cap", Field::Flag(|c, flag| c.bluetooth.l2cap = flag)),
    key("bluetooth.watchdog_ms", ms(5_000..=DAY_MS, |c, ms| c.bluetooth.watchdog_us = ms * 1000)),
    key(
        "bluetooth.max_links",
        Field::Number {
            range: 1..=ADAPTER_LINKS_MAX as u64,
            unit: "links over one adapter",
            set: |c, links| c.node.bluetooth.links_max = narrow(links),
        },
    ),
    key(
        "bluetooth.range_m",
        Field::Number {
            range: 1..=100,
            unit: "metres",
            set: |c, metres| c.node.bluetooth.range_m = f64::from(narrow::<u32>(metres)),
        },
    ),
    key(
        "bluetooth.out_of_sight_ms",
        ms(1_000..=DAY_MS, |c, ms| c.node.bluetooth.out_of_sight_us = ms * 1000),
    ),
    key(
        "bluetooth.power_at_1m_dbm",
        Field::Signed {
            range: -100..=0,
            unit: "dBm",
            set: |c, dbm| c.node.bluetooth.power_at_1m_dbm = narrow_signed(dbm),
        },
    ),
    key(
        "bluetooth.path_loss_percent",
        Field::Number {
            range: 150..=600,
            unit: "hundredths of the exponent",
            set: |c, percent| {
                c.node.bluetooth.exponent = f64::from(narrow::<u32>(percent)) / 100.0;
            },
        },
    ),
    key("nat.relay_client", Field::Flag(|c, flag| c.nat.relay_client = flag)),
    key("nat.relays", peers_at(RELAYS_KNOWN_MAX, |c, peers| c.nat.relays = peers)),
    key("nat.relay_server", Field::Flag(|c, flag| c.nat.relay_server = flag)),
    key(
        "nat.relay_circuits",
        Field::Number {
            range: 1..=RELAY_CIRCUITS_MAX as u64,
            unit: "circuits at once",
            set: |c, circuits| c.nat.relay.circuits = narrow(circuits),
        },
    ),
    key(
        "nat.relay_circuits_per_peer",
        Field::Number {
            range: 1..=RELAY_CIRCUITS_PER_PEER_MAX as u64,
            unit: "circuits at once",
            set: |c, circuits| c.nat.relay.circuits_per_peer = narrow(circuits),
        },
    ),
    key(
        "nat.relay_circuit_ms",
        ms(MINUTE_MS..=7 * DAY_MS, |c, ms| c.nat.relay.circuit_us = ms * 1000),
    ),
    key(
        "nat.relay_circuit_mib",
        Field::Number {
            range: 0..=1 << 20,
            unit: "MiB; 0 is without bound",
            set: |c, mib| c.nat.relay.circuit_mib = narrow(mib),
        },
    ),
    key(
        "nat.relay_standby_ms",
        Field::Number {
            range: 0..=DAY_MS,
            unit: "milliseconds; 0 is for ever",
            set: |c, ms| c.node.relay_standby_us = ttl_us(ms),
        },
    ),
    key("nat.hole_punching", Field::Flag(|c, flag| c.nat.hole_punching = flag)),
    key("nat.probes", Field::Flag(|c, flag| c.nat.probes = flag)),
    key("nat.upnp", Field::Flag(|c, flag| c.nat.upnp = flag)),
    key(
        "nat.external_addresses",
        Field::Addresses(|c, addresses| c.nat.external_addresses = addresses),
    ),
    key("link.heartbeat_ms", ms(100..=10 * MINUTE_MS, |c, ms| c.node.heartbeat_us = ms * 1000)),
    key("link.suspect_min_ms", ms(10..=10_000, |c, ms| c.node.suspect_min_us = ms * 1000)),
    key("link.dead_ms", ms(1_000..=60 * MINUTE_MS, |c, ms| c.node.dead_us = ms * 1000)),
    key("dial.retry_min_ms", ms(50..=60 * MINUTE_MS, |c, ms| c.node.retry_min_us = ms * 1000)),
    key("dial.retry_max_ms", ms(50..=DAY_MS, |c, ms| c.node.retry_max_us = ms * 1000)),
    key("delivery.ttl_ms.realtime", ttl_ms(|c, ms| c.node.ttl_us[0] = ttl_us(ms))),
    key("delivery.ttl_ms.interactive", ttl_ms(|c, ms| c.node.ttl_us[1] = ttl_us(ms))),
    key("delivery.ttl_ms.bulk", ttl_ms(|c, ms| c.node.ttl_us[2] = ttl_us(ms))),
    key(
        "delivery.duplicates_permille",
        Field::Number {
            range: 0..=1000,
            unit: "thousandths",
            set: |c, share| c.node.duplicates_permille = narrow(share),
        },
    ),
    key(
        "policy.keys",
        Field::Texts {
            rule: rules::MINISIGN_KEY,
            most: POLICY_KEYS_MAX,
            called: "minisign public keys",
            set: |c, keys| c.policy.keys = keys,
        },
    ),
    key(
        "policy.probation_ms",
        Field::Number {
            range: 0..=10 * MINUTE_MS,
            unit: "milliseconds; 0 is without",
            set: |c, ms| c.policy.probation_us = ms * 1000,
        },
    ),
    key("policy.slower_permille", permille(1_000_000, |c, n| c.policy.slower_permille = narrow(n))),
    key("policy.loop_permille", permille(1_000, |c, n| c.policy.loop_permille = narrow(n))),
    key("policy.watch", Field::Flag(|c, flag| c.policy.watch = flag)),
    key(
        "policy.sample",
        Field::Number {
            range: 0..=1_000_000,
            unit: "decisions for each that is recorded; 0 is none",
            set: |c, every| c.policy.sample = narrow(every),
        },
    ),
    key(
        "policy.log_mib",
        Field::Number {
            range: 0..=1024,
            unit: "MiB; 0 is none",
            set: |c, mib| c.policy.log_mib = narrow(mib),
        },
    ),
    key(
        "policy.selector.module",
        Field::Module { builtins: &SELECTORS, set: |c, module| c.selector.module = module },
    ),
    key("policy.selector.digest", text(rules::DIGEST, |c, text| c.selector.digest = Some(text))),
    key("policy.selector.budget_us", budget(|c, us| c.selector.budget_us = narrow(us))),
    key("policy.selector.mean_us", mean(|c, us| c.selector.mean_us = narrow(us))),
    key("policy.selector.memory_mib", memory(|c, mib| c.selector.memory_mib = narrow(mib))),
    key("policy.selector.settings", Field::Settings(|c, settings| c.selector.settings = settings)),
    key(
        "policy.failover.module",
        Field::Module { builtins: &FAILOVERS, set: |c, module| c.failover.module = module },
    ),
    key("policy.failover.digest", text(rules::DIGEST, |c, text| c.failover.digest = Some(text))),
    key("policy.failover.budget_us", budget(|c, us| c.failover.budget_us = narrow(us))),
    key("policy.failover.mean_us", mean(|c, us| c.failover.mean_us = narrow(us))),
    key("policy.failover.memory_mib", memory(|c, mib| c.failover.memory_mib = narrow(mib))),
    key("policy.failover.settings", Field::Settings(|c, settings| c.failover.settings = settings)),
    key(
        "policy.reputation.module",
        Field::Module { builtins: &REPUTATIONS, set: |c, module| c.reputation.module = module },
    ),
    key(
        "policy.reputation.digest",
        text(rules::DIGEST, |c, text| c.reputation.digest = Some(text)),
    ),
    key("policy.reputation.budget_us", budget(|c, us| c.reputation.budget_us = narrow(us))),
    key("policy.reputation.mean_us", mean(|c, us| c.reputation.mean_us = narrow(us))),
    key("policy.reputation.memory_mib", memory(|c, mib| c.reputation.memory_mib = narrow(mib))),
    key(
        "policy.reputation.settings",
        Field::Settings(|c, settings| c.reputation.settings = settings),
    ),
    key(
        "policy.anomaly.module",
        Field::Module { builtins: &ANOMALIES, set: |c, module| c.anomaly.module = module },
    ),
    key("policy.anomaly.digest", text(rules::DIGEST, |c, text| c.anomaly.digest = Some(text))),
    key("policy.anomaly.budget_us", budget(|c, us| c.anomaly.budget_us = narrow(us))),
    key("policy.anomaly.mean_us", mean(|c, us| c.anomaly.mean_us = narrow(us))),
    key("policy.anomaly.memory_mib", memory(|c, mib| c.anomaly.memory_mib = narrow(mib))),
    key("policy.anomaly.settings", Field::Settings(|c, settings| c.anomaly.settings = settings)),
    key("control.socket", text(rules::SOCKET, |c, path| c.control_socket = Some(path))),
    key("log.level", text(rules::LOG_LEVEL, |c, level| c.log_level = level)),
    key("log.json", Field::Flag(|c, flag| c.log_json = flag)),
];

const fn figure<T>(unit: &'static str, set: fn(&mut T, u64)) -> Field<T> {
    Field::Number { range: 0..=FIGURE_MAX, unit, set }
}

/// The keys of an `[[uplink]]`. The first is required, and no two tables have it in common.
static UPLINK_KEYS: [Key<UplinkConfig>; 10] = [
    key("name", text(rules::UPLINK, |u, name| u.name = name)),
    key("interface", text(rules::INTERFACE, |u, name| u.interface = Some(name))),
    key("address", text(rules::IP, |u, ip| u.address = Some(ip))),
    key("enabled", Field::Flag(|u, flag| u.enabled = flag)),
    key("metered", Field::Flag(|u, flag| u.metered = Some(flag))),
    key(
        "price_per_mib",
        figure("millionths of the currency unit", |u, price| {
            u.price_per_mib = narrow(price);
        }),
    ),
    key(
        "quota_mib",
        Field::Number {
            range: 1..=QUOTA_MIB_MAX,
            unit: "MiB since the node started",
            set: |u, mib| u.quota_mib = Some(narrow(mib)),
        },
    ),
    key("wake_uj", figure("microjoules", |u, uj| u.wake_uj = Some(narrow(uj)))),
    key("nj_per_byte", figure("nanojoules", |u, nj| u.nj_per_byte = Some(narrow(nj)))),
    key("risk_group", text(rules::RISK_GROUP, |u, group| u.risk_group = Some(group))),
];

/// The keys of a `[[peer]]`. The first is required, and no two tables have it in common.
static PEER_KEYS: [Key<PeerConfig>; 2] = [
    key("id", Field::Peer(|p, id| p.id = id)),
    key("addresses", Field::Addresses(|p, addresses| p.addresses = addresses)),
];

/// What must hold between two keys.
pub(super) struct Relation {
    pub(super) keys: [&'static str; 2],
    pub(super) holds: fn(&Config) -> bool,
    pub(super) says: &'static str,
}

pub(super) const RELATIONS: [Relation; 3] = [
    Relation {
        keys: ["dial.retry_min_ms", "dial.retry_max_ms"],
        holds: |c| c.node.retry_min_us <= c.node.retry_max_us,
        says: "dial.retry_min_ms must not be above dial.retry_max_ms",
    },
    Relation {
        keys: ["link.heartbeat_ms", "link.dead_ms"],
        holds: |c| c.node.heartbeat_us < c.node.dead_us,
        says: "link.dead_ms must be above link.heartbeat_ms, or idle links are closed",
    },
    Relation {
        keys: ["link.suspect_min_ms", "link.dead_ms"],
        holds: |c| c.node.suspect_min_us < c.node.dead_us,
        says: "link.dead_ms must be above link.suspect_min_ms, or links die before they are suspect",
    },
];
