//! Who is around: from advertisements to wishes for links.
//!
//! A neighbour begins as an advertisement that a radio heard. It is remembered for as long as it
//! is heard, or its link is; its distance is filtered; in range, it is dialled if links are
//! missing. A handshake names its peer. Its link lives until it is out of sight, or until it
//! fades and another stands in for it. Addresses change, so the same device comes again as a
//! new neighbour, and only the next handshake tells.
//!
//! The Node owns one [`Neighbourhood`], tells it facts, each with the time, and takes wishes with
//! [`Neighbourhood::poll`] until there are none. A wish is not an order: the Node may have
//! reasons of its own, and tells what came of it. All that follows from facts is worked out in
//! [`Neighbourhood::tick`], which is due at [`Neighbourhood::deadline`] and looks at everything
//! at most every 50 ms, however many advertisements arrive; [`Neighbourhood::heard`] itself
//! costs a few look-ups.
//!
//! What must never be found here: a peer that an advertisement named, and state that follows a
//! token from one address to another. Both can be forged by anyone in earshot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::bucket::Bucket;
use self::duty::Radio;
use self::row::Row;
use self::table::{Entered, Key, Table};
use super::advert::{Advert, AdvertError, Capabilities};
use super::range::plausible;
use crate::id::{LinkId, PeerId, Time, UplinkId};
use crate::limits::{
    BLUETOOTH_EVENTS_MAX, BLUETOOTH_EVENTS_PER_S, BLUETOOTH_RADIOS_MAX, BLUETOOTH_UNWELCOME_MAX,
};

mod bucket;
mod config;
mod dials;
mod duty;
mod handover;
mod links;
mod row;
mod table;
mod telling;
mod view;
mod wish;

pub use config::{BluetoothConfig, Scanning};
pub use view::{NeighbourState, NeighbourView, Signal};
pub use wish::{BluetoothCounters, Event, Heard, RadioTraits, Why, Wish};

/// Facts are gathered for so long before everything is looked at again, in microseconds: no
/// human notices, and a flood of advertisements costs twenty looks a second.
const GATHER_US: u64 = 50_000;
/// How often a fading link looks for a stand-in when nothing is heard, in microseconds.
const FADING_US: u64 = 500_000;
/// Dials to strangers that may follow each other at once.
const STRANGER_BURST: u64 = 4;
/// Events about neighbours that may follow each other at once.
const EVENT_BURST: u64 = 32;

/// A link over one of our radios.
#[derive(Clone, Debug)]
struct Link {
    key: Key,
    peer: PeerId,
    /// Whether we dialled it.
    dialled: bool,
    /// Its place in the order of links here.
    order: u64,
    is_settled: bool,
    heard_at: Time,
    fades: bool,
    is_closing: bool,
    /// The fading link that it was dialled for.
    replaces: Option<LinkId>,
}

/// All neighbours, and what is wished about them.
#[derive(Debug)]
pub struct Neighbourhood {
    me: PeerId,
    config: BluetoothConfig,
    offered: Capabilities,
    saves: bool,
    radios: BTreeMap<UplinkId, Radio>,
    table: Table,
    links: BTreeMap<LinkId, Link>,
    links_seen: u64,
    unwelcome: BTreeSet<PeerId>,
    strangers: Bucket,
    tellings: Bucket,
    wishes: VecDeque<Wish>,
    counters: BluetoothCounters,
    /// Whether facts came that were not looked at.
    is_stale: bool,
    looked_at: Option<Time>,
    next_look: Option<Time>,
    now: Time,
    /// What tokens are derived from, and how many were.
    secret: u64,
    tokens_drawn: u64,
    chance: u64,
}

impl Neighbourhood {
    /// An empty one, for the node `me`. All its tokens and jitters follow from `secret`, which
    /// is drawn by chance and told nobody.
    pub fn new(me: PeerId, config: BluetoothConfig, secret: u64) -> Self {
        Self {
            me,
            config,
            offered: Capabilities::NONE,
            saves: false,
            radios: BTreeMap::new(),
            table: Table::default(),
            links: BTreeMap::new(),
            links_seen: 0,
            unwelcome: BTreeSet::new(),
            strangers: Bucket::new(stranger_period_us(&config), STRANGER_BURST),
            tellings: Bucket::new(1_000_000 / u64::from(BLUETOOTH_EVENTS_PER_S), EVENT_BURST),
            wishes: VecDeque::new(),
            counters: BluetoothCounters::default(),
            is_stale: false,
            looked_at: None,
            next_look: None,
            now: Time(0),
            secret,
            tokens_drawn: 0,
            chance: u64::from(super::advert::token(secret, u64::MAX)),
        }
    }

    /// The next wish, until there is none.
    pub fn poll(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// When [`Self::tick`] is due. After a tick it is later than that tick's time.
    pub fn deadline(&self) -> Option<Time> {
        let stale = self.looked_at.map_or(self.now, |at| at.after(GATHER_US));
        self.next_look.into_iter().chain(self.is_stale.then_some(stale)).min()
    }

    /// What was counted so far.
    pub fn counters(&self) -> BluetoothCounters {
        self.counters
    }

    /// Links and dials over Bluetooth.
    pub fn occupancy(&self) -> usize {
        self.busy()
    }

    /// Neighbours that are remembered, over all radios.
    pub fn remembered(&self) -> usize {
        self.table.len()
    }

    /// An edited config took effect. Links beyond a smaller maximum stay until they end.
    pub fn configured(&mut self, now: Time, config: BluetoothConfig) {
        self.fact(now);
        self.config = config;
        self.strangers.set(stranger_period_us(&config), STRANGER_BURST);
    }

    /// What this node can do beside what its radios can.
    pub fn offered(&mut self, now: Time, capabilities: Capabilities) {
        self.fact(now);
        self.offered = capabilities;
    }

    /// A local radio came, or came back, with nothing connected to it.
    pub fn radio_up(&mut self, now: Time, uplink: UplinkId, traits: RadioTraits) {
        self.radio_down(now, uplink);
        if self.radios.len() >= BLUETOOTH_RADIOS_MAX {
            self.counters.refused += 1;
            return;
        }
        let rotates_at = now.after(self.config.token_rotation_us.max(1));
        let token = self.draw_token();
        self.radios.insert(uplink, Radio::new(traits, token, rotates_at));
    }

    /// A local radio went, and all links over it: no [`Self::unlinked`] is needed for these.
    pub fn radio_down(&mut self, now: Time, uplink: UplinkId) {
        self.fact(now);
        if self.radios.remove(&uplink).is_none() {
            return;
        }
        let gone: BTreeSet<LinkId> = self.links_over(uplink).collect();
        self.links.retain(|id, _| !gone.contains(id));
        self.wishes.retain(|wish| match wish {
            Wish::Dial { uplink: over, .. }
            | Wish::Scan { uplink: over, .. }
            | Wish::Advertise { uplink: over, .. } => *over != uplink,
            Wish::Close { link, .. } => !gone.contains(link),
            Wish::Tell(_) => true,
        });
        let keys: Vec<Key> =
            self.table.rows().map(|(key, _)| *key).filter(|key| key.0 == uplink).collect();
        for key in keys {
            self.forget(&key);
        }
    }

    /// Power is to be saved: the machine runs on its battery, or the person asks for it.
    pub fn power(&mut self, now: Time, saves: bool) {
        self.fact(now);
        self.saves = saves;
    }

    /// Whether a peer may be dialled. All may until told otherwise.
    pub fn standing(&mut self, now: Time, peer: PeerId, is_allowed: bool) {
        self.fact(now);
        if is_allowed {
            self.unwelcome.remove(&peer);
        } else if self.unwelcome.len() < BLUETOOTH_UNWELCOME_MAX {
            self.unwelcome.insert(peer);
        } else if !self.unwelcome.contains(&peer) {
            self.counters.refused += 1;
        }
    }

    /// A radio heard an advertisement of our service.
    pub fn heard(&mut self, now: Time, uplink: UplinkId, heard: Heard<'_>) {
        self.now = self.now.max(now);
        if !self.radios.contains_key(&uplink) {
            self.counters.strays += 1;
            return;
        }
        let Some(advert) = self.read(heard.payload) else { return };
        self.counters.unmeasured += u64::from(plausible(heard.rssi).is_none());
        let (key, now, config) = ((uplink, heard.address), self.now, self.config);
        let known = self.table.change(&key, |row| row.hear(now, advert, heard.rssi, &config));
        if known.is_none() {
            let mut row = Row::new(now);
            row.is_token_elsewhere = self.table.is_elsewhere(advert.token, heard.address);
            self.counters.tokens_elsewhere += u64::from(row.is_token_elsewhere);
            row.hear(now, advert, heard.rssi, &config);
            if !self.enter(key, row) {
                return;
            }
        }
        self.is_stale = true;
    }

    /// What a payload says, if it is one, and not our own.
    fn read(&mut self, payload: &[u8]) -> Option<Advert> {
        let advert = match Advert::from_bytes(payload) {
            Ok(advert) => advert,
            Err(AdvertError::Length(_) | AdvertError::Token) => {
                self.counters.malformed += 1;
                return None;
            }
            Err(AdvertError::Version(_)) => {
                self.counters.incompatible += 1;
                return None;
            }
        };
        if self.radios.values().any(|radio| radio.is_own(advert.token)) {
            self.counters.echoes += 1;
            return None;
        }
        self.counters.adverts += 1;
        Some(advert)
    }

    /// Remembers a neighbour that is new. Whether there was room.
    fn enter(&mut self, key: Key, row: Row) -> bool {
        match self.table.enter(key, row) {
            Entered::Free => true,
            Entered::Evicted(victim, victims) => {
                self.counters.evicted += 1;
                self.tell_lost(&victim, &victims);
                true
            }
            Entered::Refused => {
                self.counters.refused += 1;
                false
            }
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(row) = self.table.remove(key) {
            self.tell_lost(key, &row);
        }
    }

    /// Looks at everything, if that is due.
    pub fn tick(&mut self, now: Time) {
        self.now = self.now.max(now);
        let now = self.now;
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        (self.is_stale, self.looked_at) = (false, Some(now));
        self.advertise(now);
        self.give_up_dials(now);
        self.watch_links(now);
        self.retire_links();
        self.forget_unheard(now);
        self.dial_stand_ins(now);
        self.dial_who_is_due(now);
        self.tell_news(now);
        self.scan();
        self.next_look = self.next_change(now).map(|next| next.max(now.after(GATHER_US)));
    }

    fn forget_unheard(&mut self, now: Time) {
        let out_of_sight_us = self.config.out_of_sight_us;
        let is_gone = |row: &Row| !row.is_pinned() && now.since(row.heard_at) >= out_of_sight_us;
        let gone: Vec<Key> =
            self.table.rows().filter(|(_, row)| is_gone(row)).map(|(key, _)| *key).collect();
        for key in gone {
            self.forget(&key);
        }
    }

    /// When time alone will change something.
    fn next_change(&self, now: Time) -> Option<Time> {
        let sight_us = self.config.out_of_sight_us;
        let is_open = self.busy() < self.links_wanted();
        let rows = self.table.rows().flat_map(|(key, row)| {
            let ends = match row.dialling {
                Some(dialling) => Some(dialling.since.after(dials::DIAL_US_MAX)),
                None => (row.links == 0).then(|| row.heard_at.after(sight_us)),
            };
            let dial = self.due_at(key, row).filter(|_| is_open && !self.is_spare(key, row));
            let told =
                (row.told.is_none() && row.advert.is_some()).then(|| self.tellings.ready_at());
            [ends, dial, told].into_iter().flatten()
        });
        let links = self.links.values().filter(|link| !link.is_closing).flat_map(|link| {
            let heard_at = self.table.get(&link.key).map_or(link.heard_at, |row| row.heard_at);
            let silent = heard_at.max(link.heard_at).after(sight_us);
            [Some(silent), link.fades.then(|| now.after(FADING_US))].into_iter().flatten()
        });
        let radios = self.radios.values().map(Radio::rotates_at);
        rows.chain(links).chain(radios).min()
    }

    fn fact(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.is_stale = true;
    }

    /// A number by chance (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn stranger_period_us(config: &BluetoothConfig) -> u64 {
    60_000_000 / u64::from(config.stranger_dials_per_min.max(1))
}
