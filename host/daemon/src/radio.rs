//! The Bluetooth adapters: each is an uplink while it can be used, and hears advertisements.
//!
//! `start` starts a radio for each adapter of the config. What it tells becomes
//! `RadioNews` for the loop; what connects to it goes to the transport, by its
//! [`RadioPort`]. An adapter that is absent, off or denied is said so once, with the remedy,
//! and comes back by itself. It ends when nobody listens any more.

use std::sync::Arc;
use std::time::Duration;

use pointsman_core::bluetooth::neighbours::RadioTraits;
use pointsman_core::bluetooth::{RadioAddress, advert};
use pointsman_core::config::{Config, UplinkConfig};
use pointsman_core::id::UplinkId;
use pointsman_core::input::Uplink;
use pointsman_core::limits::ADAPTER_LINKS_MAX;
use pointsman_radio::{Adapter, Bluetooth, Counters, Options, RadioFact, Told, Why};
use tokio::sync::{mpsc, watch};

use crate::net::bindings::{Binding, Cut};
use crate::net::ble::RadioPort;
use crate::uplinks::{entry_for, quota_kib};

/// Facts of adapters that wait for the loop; beyond them the radio drops advertisements.
const NEWS_MAX: usize = 256;

/// Numbers of adapters begin here, far above those of interfaces.
const NUMBERS_FROM: u32 = 1 << 30;

/// Energy of a byte on the air, in nanojoules, where the config is silent: 14.4 mW (the
/// nRF52840's 4.8 mA at 3 V and 0 dBm, from its data sheet) for 8 µs at 1 Mbit/s, and as much
/// again for headers, gaps and acknowledgements. It puts uplinks in an order, and measures
/// nothing.
const NJ_PER_BYTE: u32 = 250;

/// Energy of one connection event in microjoules, guessed alike: 2 ms of that radio at work, on
/// both sides of the sleep.
const WAKE_UJ: u32 = 60;

/// Something that an adapter has to tell.
#[derive(Debug)]
pub(crate) enum RadioNews {
    /// It can be used, or what is known of it changed.
    Usable {
        /// For the Node.
        uplink: Uplink,
        /// For the transport.
        binding: Binding,
        /// For people.
        state: RadioState,
    },
    /// It can't be used now.
    Unusable {
        /// Which.
        id: UplinkId,
        /// For people.
        state: RadioState,
    },
    /// It heard an advertisement.
    Heard {
        /// Which.
        id: UplinkId,
        /// What.
        heard: pointsman_radio::Heard,
    },
}

/// An adapter, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioState {
    /// The adapter that the config names, or that was found.
    pub name: Option<String>,
    /// What it is like, or why it can't be used.
    pub adapter: Adapter,
}

impl RadioState {
    /// The same as a sentence, with the remedy where there is one.
    pub fn sentence(&self) -> String {
        match &self.adapter {
            Adapter::Usable { name, central, peripheral, l2cap, .. } => {
                let roles = match (central, peripheral) {
                    (true, true) => "scans and is seen",
                    (true, false) => "scans, and can't be seen",
                    (false, true) => "is seen, and does not scan",
                    (false, false) => "does nothing",
                };
                let channels = if *l2cap { "GATT and L2CAP" } else { "GATT" };
                format!("Bluetooth: {name} {roles}, over {channels}")
            }
            Adapter::Unusable { text, .. } => format!("no Bluetooth: {text}"),
        }
    }
}

/// All adapters of a node.
#[derive(Debug)]
pub(crate) struct Radios {
    /// To order each about.
    pub(crate) handles: Vec<(UplinkId, Bluetooth)>,
    /// What they tell.
    pub(crate) news: mpsc::Receiver<RadioNews>,
    /// For the transport.
    pub(crate) ports: Vec<RadioPort>,
    /// Where the config is told that it changed.
    pub(crate) wishes: watch::Sender<Vec<UplinkConfig>>,
}

impl Radios {
    /// What all of them counted.
    pub(crate) fn counters(handles: &[(UplinkId, Bluetooth)]) -> Counters {
        let mut all = Counters::default();
        for (_, bluetooth) in handles {
            let one = bluetooth.counters();
            all.adverts_dropped += one.adverts_dropped;
            all.arrivals_refused += one.arrivals_refused;
            all.arrivals_unopened += one.arrivals_unopened;
            all.arrivals_untaken += one.arrivals_untaken;
        }
        all
    }
}

/// Starts the adapters of the config; none where Bluetooth is not enabled. Must be called within
/// a tokio runtime.
pub(crate) fn start(config: &Config) -> Radios {
    let named = config.bluetooth.adapters.iter().cloned().map(Some);
    let mut adapters: Vec<Option<String>> = named.collect();
    if adapters.is_empty() {
        adapters.push(None);
    }
    if !config.bluetooth.enabled {
        adapters.clear();
    }
    let (tell, news) = mpsc::channel(NEWS_MAX);
    let (wishes, wished) = watch::channel(config.uplinks.clone());
    let (mut handles, mut ports) = (Vec::new(), Vec::new());
    for (number, name) in (NUMBERS_FROM..).zip(adapters) {
        let id = UplinkId(number);
        let (bluetooth, told) = pointsman_radio::start(options(config, name.clone()));
        let Told { facts, arrived } = told;
        handles.push((id, bluetooth.clone()));
        ports.push(RadioPort { id, bluetooth, arrived });
        let one = One { id, named: name, cut: Arc::default(), adapter: None, told: false };
        tokio::spawn(one.run(facts, wished.clone(), tell.clone()));
    }
    Radios { handles, news, ports, wishes }
}

fn options(config: &Config, adapter: Option<String>) -> Options {
    let network = &config.network;
    let service = advert::service_uuid(network);
    Options {
        adapter,
        watchdog: Duration::from_micros(config.bluetooth.watchdog_us),
        l2cap: config.bluetooth.l2cap,
        psm: Some(advert::channel_psm(network)),
        connections_max: ADAPTER_LINKS_MAX,
        company: advert::COMPANY,
        ..Options::new(service, advert::stream_uuid(network))
    }
}

/// One adapter.
struct One {
    id: UplinkId,
    /// By the config.
    named: Option<String>,
    cut: Arc<Cut>,
    adapter: Option<Adapter>,
    /// It is an uplink now.
    told: bool,
}

impl One {
    async fn run(
        mut self,
        mut facts: mpsc::Receiver<RadioFact>,
        mut wished: watch::Receiver<Vec<UplinkConfig>>,
        tell: mpsc::Sender<RadioNews>,
    ) {
        loop {
            let news = tokio::select! {
                fact = facts.recv() => match fact {
                    Some(RadioFact::Heard(heard)) => {
                        self.told.then_some(RadioNews::Heard { id: self.id, heard })
                    }
                    Some(RadioFact::Adapter(adapter)) => {
                        self.adapter = Some(adapter);
                        self.news(&wished.borrow())
                    }
                    None => return,
                },
                changed = wished.changed() => match changed {
                    Ok(()) => self.news(&wished.borrow_and_update()),
                    Err(_) => return,
                },
            };
            if let Some(news) = news
                && tell.send(news).await.is_err()
            {
                return;
            }
        }
    }

    /// What the adapter's state means with this config.
    fn news(&mut self, config: &[UplinkConfig]) -> Option<RadioNews> {
        let adapter = self.adapter.clone()?;
        let id = self.id;
        match &adapter {
            Adapter::Usable { name, address, central, peripheral, l2cap, bluez: _ } => {
                let entry = entry_for(config, name);
                if entry.is_some_and(|entry| !entry.enabled) {
                    let text = format!("{name} is not used: its [[uplink]] says enabled = false");
                    let adapter = Adapter::Unusable { why: Why::Off, text };
                    let state = RadioState { name: Some(name.clone()), adapter };
                    self.told = false;
                    return Some(RadioNews::Unusable { id, state });
                }
                let traits =
                    RadioTraits { central: *central, peripheral: *peripheral, l2cap: *l2cap };
                let uplink = uplink(id, name, *address, traits, entry);
                let binding = self.binding(name);
                let state = RadioState { name: Some(name.clone()), adapter: adapter.clone() };
                self.told = true;
                Some(RadioNews::Usable { uplink, binding, state })
            }
            Adapter::Unusable { .. } => {
                self.told = false;
                let state = RadioState { name: self.named.clone(), adapter };
                Some(RadioNews::Unusable { id, state })
            }
        }
    }

    fn binding(&self, name: &str) -> Binding {
        Binding {
            id: self.id,
            name: name.to_owned(),
            interface: None,
            addresses: Vec::new(),
            cut: Arc::clone(&self.cut),
        }
    }
}

fn uplink(
    id: UplinkId,
    name: &str,
    address: Option<RadioAddress>,
    traits: RadioTraits,
    entry: Option<&UplinkConfig>,
) -> Uplink {
    Uplink {
        id,
        name: name.to_owned(),
        radio: Some(traits),
        has_default_route: false,
        // A system that does not tell has one all the same, and listening needs a name for it.
        addresses: vec![address.unwrap_or(RadioAddress([0; 6])).to_string()],
        risk_group: id.0,
        metered: entry.and_then(|entry| entry.metered).unwrap_or(false),
        price_per_mib: entry.map_or(0, |entry| entry.price_per_mib),
        quota_left_kib: quota_kib(entry),
        wake_uj: entry.and_then(|entry| entry.wake_uj).unwrap_or(WAKE_UJ),
        nj_per_byte: entry.and_then(|entry| entry.nj_per_byte).unwrap_or(NJ_PER_BYTE),
    }
}
