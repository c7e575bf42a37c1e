//! What each radio of ours does on the air: how much it listens, and what it says.

use super::Neighbourhood;
use super::config::Scanning;
use super::wish::{RadioTraits, Wish};
use crate::bluetooth::advert::{Advert, Capabilities, PAYLOAD_BYTES, token};
use crate::id::{Time, UplinkId};

/// A radio of ours.
#[derive(Clone, Debug)]
pub(super) struct Radio {
    pub(super) traits: RadioTraits,
    /// The token of now, and the one before: echoes of that may still be in the air.
    token: u32,
    token_before: Option<u32>,
    rotates_at: Time,
    advertised: Option<[u8; PAYLOAD_BYTES]>,
    scanning: Option<Scanning>,
}

impl Radio {
    pub(super) fn new(traits: RadioTraits, token: u32, rotates_at: Time) -> Self {
        let (token_before, advertised, scanning) = (None, None, None);
        Self { traits, token, token_before, rotates_at, advertised, scanning }
    }

    /// The token that others hear of this radio; `None` where it doesn't advertise.
    pub(super) fn token_on_air(&self) -> Option<u32> {
        self.traits.peripheral.then_some(self.token)
    }

    /// When its token is old.
    pub(super) fn rotates_at(&self) -> Time {
        self.rotates_at
    }

    /// Whether this is, or lately was, its own token.
    pub(super) fn is_own(&self, token: u32) -> bool {
        self.token == token || self.token_before == Some(token)
    }
}

impl Neighbourhood {
    /// A token that no radio of ours had before.
    pub(super) fn draw_token(&mut self) -> u32 {
        self.tokens_drawn += 1;
        token(self.secret, self.tokens_drawn)
    }

    /// Rotates old tokens, and says what is to be said now.
    pub(super) fn advertise(&mut self, now: Time) {
        let uplinks: Vec<UplinkId> = self.radios.keys().copied().collect();
        for uplink in uplinks {
            let fresh = self.draw_token_if_old(now, &uplink);
            let offered = self.offered;
            let rotation_us = self.config.token_rotation_us.max(1);
            let Some(radio) = self.radios.get_mut(&uplink) else { continue };
            if let Some(fresh) = fresh {
                radio.token_before = Some(core::mem::replace(&mut radio.token, fresh));
                radio.rotates_at = now.after(rotation_us);
            }
            let capabilities = offered
                .with_if(Capabilities::CENTRAL, radio.traits.central)
                .with_if(Capabilities::L2CAP, radio.traits.l2cap);
            let payload = Advert::new(capabilities, radio.token).to_bytes();
            if radio.traits.peripheral && radio.advertised != Some(payload) {
                radio.advertised = Some(payload);
                self.wishes.push_back(Wish::Advertise { uplink, payload });
            }
        }
    }

    fn draw_token_if_old(&mut self, now: Time, uplink: &UplinkId) -> Option<u32> {
        let is_old = self.radios.get(uplink).is_some_and(|radio| radio.rotates_at <= now);
        is_old.then(|| self.draw_token())
    }

    /// Has every radio that can listen as much as there is to hear.
    pub(super) fn scan(&mut self) {
        let scanning = self.scanning();
        for (uplink, radio) in &mut self.radios {
            if radio.traits.central && radio.scanning != Some(scanning) {
                radio.scanning = Some(scanning);
                self.wishes.push_back(Wish::Scan { uplink: *uplink, scanning });
            }
        }
    }

    /// Densely when alone or about to lose a link, sparsely when linked or saving.
    fn scanning(&self) -> Scanning {
        let live = || self.links.values().filter(|link| !link.is_closing);
        let (is_alone, fades) = (live().next().is_none(), live().any(|link| link.fades));
        let is_full = live().count() >= self.links_wanted();
        match (is_alone, self.saves) {
            _ if fades => self.config.scan_dense,
            (true, false) => self.config.scan_dense,
            (true, true) => self.config.scan_sparse,
            (false, false) if !is_full => self.config.scan_sparse,
            (false, _) => self.config.scan_thrifty,
        }
    }
}
