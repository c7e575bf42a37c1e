//! Our own record: when it is made, and when it is carried to those who keep it.
//!
//! Where this node has an address, its record goes out as soon as somebody answered, so that it
//! is found although its table is still being filled; that done, it goes out once more, to those
//! who are nearest by then. Without an address it waits for the table. An address that comes or
//! goes makes a new record, at once for the first few, because a node that starts learns one
//! after the other; what changes while one is carried out is in the next.

use libp2p::identity::Keypair;
use pointsman_core::dht::contact::{AddressKind, Scope};
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;

use crate::chance::Chance;
use crate::record::{Capabilities, Checked, PeerRecord, Reach};

/// After nobody took it, or before the table was filled, it is carried out again after so long,
/// in microseconds.
const AGAIN_US: u64 = 20_000_000;

/// So many records are made at once, before each has to wait for the pause.
const ISSUE_BURST: u64 = 3;

/// What every record of ours says.
#[derive(Clone)]
pub(crate) struct Terms {
    /// Who we are.
    pub(crate) peer: PeerId,
    /// To sign with.
    pub(crate) keypair: Keypair,
    /// The network.
    pub(crate) network: String,
    /// Which addresses may be in it.
    pub(crate) scope: Scope,
    /// How long one holds, in seconds.
    pub(crate) lifetime_s: u64,
    /// Between two times that one is carried out, in microseconds.
    pub(crate) republish_us: u64,
    /// Between two that are made, in microseconds.
    pub(crate) issue_pause_us: u64,
    /// What we can do for others.
    pub(crate) capabilities: Capabilities,
    /// Our sealing key.
    pub(crate) sealing_key: [u8; 32],
}

/// Our record, now and in the past.
pub(crate) struct Publisher {
    terms: Terms,
    reach: Vec<Reach>,
    sequence: u64,
    record: Option<Checked>,
    /// What it says is not what is so any more.
    stale: bool,
    /// When as many may be made at once again as at the start.
    issues_full_at: Time,
    carry_at: Time,
    stored: usize,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Nothing was published yet in this life.
    pub(crate) fn new(terms: Terms, sequence_floor: u64) -> Self {
        Self {
            terms,
            reach: Vec::new(),
            sequence: sequence_floor,
            record: None,
            stale: true,
            issues_full_at: Time(0),
            carry_at: Time(0),
            stored: 0,
        }
    }

    /// Where we can be reached from now on. What may not be published is left out.
    pub(crate) fn reachable_at(&mut self, reach: Vec<Reach>) {
        let may =
            |reach: &Reach| self.terms.scope.keeps(AddressKind::of(&reach.address.to_string()));
        let mut reach: Vec<Reach> = reach.into_iter().filter(may).collect();
        reach.truncate(limits::DHT_RECORD_ADDRESSES_MAX);
        if reach != self.reach {
            self.reach = reach;
            self.stale = true;
            self.carry_at = Time(0);
        }
    }

    /// When something is due.
    pub(crate) fn due(&self) -> Time {
        if !self.stale {
            return self.carry_at;
        }
        let ahead_us = self.terms.issue_pause_us.saturating_mul(ISSUE_BURST - 1);
        self.carry_at.max(Time(self.issues_full_at.0.saturating_sub(ahead_us)))
    }

    /// Whether there is anywhere to reach us at.
    pub(crate) fn has_reach(&self) -> bool {
        !self.reach.is_empty()
    }

    /// The record to carry out, if it is time; a new one, where the old one is stale or half
    /// over.
    pub(crate) fn next(&mut self, now: Time, wall_ms: u64) -> Option<Checked> {
        if now < self.due() {
            return None;
        }
        // Until it is known what became of it.
        self.carry_at = now.after(AGAIN_US);
        let wall_s = wall_ms / 1000;
        let is_half_over = self.record.as_ref().is_none_or(|checked| {
            let record = &checked.record;
            let half_s = record.issued_s.midpoint(record.expires_s);
            wall_s >= half_s || wall_s < record.issued_s
        });
        if self.stale || is_half_over {
            self.issue(now, wall_ms);
        }
        self.record.clone()
    }

    fn issue(&mut self, now: Time, wall_ms: u64) {
        let sequence = wall_ms.max(self.sequence.saturating_add(1));
        let issued_s = wall_ms / 1000;
        let record = PeerRecord {
            peer: self.terms.peer,
            network: self.terms.network.clone(),
            sequence,
            issued_s,
            expires_s: issued_s + self.terms.lifetime_s,
            reach: self.reach.clone(),
            capabilities: self.terms.capabilities,
            sealing_key: self.terms.sealing_key,
        };
        match record.sign(&self.terms.keypair) {
            Ok(checked) => {
                self.sequence = sequence;
                self.record = Some(checked);
                self.issues_full_at = self.issues_full_at.max(now).after(self.terms.issue_pause_us);
                self.stale = false;
            }
            Err(error) => tracing::warn!(%error, "this node's key can't sign its record"),
        }
    }

    /// So many took it, those nearest where the table was filled. A change since then is carried
    /// out without a wait.
    pub(crate) fn carried(
        &mut self,
        now: Time,
        stored: usize,
        was_filled: bool,
        chance: &mut Chance,
    ) {
        self.stored = stored;
        if !self.stale {
            let is_done = stored > 0 && was_filled;
            let wait_us = if is_done { self.terms.republish_us } else { AGAIN_US };
            self.carry_at = now.after(chance.about(wait_us));
        }
    }

    /// The record, once it was made.
    pub(crate) fn record(&self) -> Option<&Checked> {
        self.record.as_ref()
    }

    /// How many took it last time.
    pub(crate) fn stored(&self) -> usize {
        self.stored
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use pointsman_sdk::Transport;

    use super::*;
    use crate::identity;
    use crate::record::{Rules, key_of};

    const WALL_MS: u64 = 1_800_000_000_000;
    const HOUR_US: u64 = 3_600_000_000;

    fn publisher(floor: u64) -> Publisher {
        let keypair = Keypair::generate_ed25519();
        let terms = Terms {
            peer: identity::from_libp2p(&keypair.public().to_peer_id()).unwrap(),
            keypair,
            network: "n".to_owned(),
            scope: Scope::Public,
            lifetime_s: 24 * 3600,
            republish_us: HOUR_US,
            issue_pause_us: 60_000_000,
            capabilities: Capabilities::default(),
            sealing_key: [1; 32],
        };
        Publisher::new(terms, floor)
    }

    fn reach(text: &str) -> Reach {
        Reach { transport: Transport::Internet, address: text.parse().unwrap() }
    }

    #[test]
    fn what_is_published_passes_the_checks_of_others_and_names_public_places_only() {
        let mut publisher = publisher(0);
        let public = reach("/ip4/8.8.4.4/tcp/1");
        let places =
            ["/ip4/192.168.1.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/unix/ble:AA:BB:CC:DD:EE:FF"];
        publisher.reachable_at(places.map(reach).into_iter().chain([public.clone()]).collect());
        let made = publisher.next(Time(1), WALL_MS).unwrap();
        assert_eq!(made.record.reach, [public]);
        let rules = Rules { network: "n", scope: Scope::Public, now_s: WALL_MS / 1000 };
        let key = key_of(made.record.peer);
        assert_eq!(rules.check(&key, &made.envelope, None), Ok(made));
    }

    #[test]
    fn a_record_is_carried_again_and_made_anew_at_half_its_life() {
        let mut publisher = publisher(0);
        let mut chance = Chance::default();
        let mut now = Time(1);
        let mut sequences = Vec::new();
        for _ in 0..40 {
            let wall_ms = WALL_MS + now.0 / 1000;
            let made = publisher.next(now, wall_ms).unwrap();
            assert!(made.record.expires_s - wall_ms / 1000 >= 12 * 3600 - 3600);
            publisher.carried(now, 20, true, &mut chance);
            assert_eq!(publisher.next(now, wall_ms), None);
            sequences.push(made.record.sequence);
            now = publisher.due();
        }
        sequences.dedup();
        assert!((2..=6).contains(&sequences.len()), "{sequences:?}");
    }

    #[test]
    fn an_address_that_changes_makes_a_new_one_at_once_but_not_too_often() {
        let mut publisher = publisher(0);
        let mut chance = Chance::default();
        let mut made = Vec::new();
        let mut now = Time(1);
        for port in 1..10 {
            publisher.reachable_at(vec![reach(&format!("/ip4/8.8.4.4/tcp/{port}"))]);
            now = now.max(publisher.due());
            let record = publisher.next(now, WALL_MS + now.0 / 1000).unwrap().record;
            made.push((now, record.sequence));
            publisher.carried(now, 20, true, &mut chance);
        }
        assert!(made.is_sorted_by(|(_, one), (_, next)| one < next), "{made:?}");
        let waits: Vec<u64> = made.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect();
        assert_eq!(waits, [[0; 2].as_slice(), &[60_000_000; 6]].concat());
    }

    #[test]
    fn an_address_that_comes_while_the_record_is_carried_out_does_not_wait_for_its_hour() {
        let mut publisher = publisher(0);
        publisher.next(Time(1), WALL_MS).unwrap();
        publisher.reachable_at(vec![reach("/ip4/8.8.4.4/tcp/1")]);
        publisher.carried(Time(2), 20, true, &mut Chance::default());
        assert!(publisher.due() <= Time(2));
        assert_eq!(publisher.next(Time(2), WALL_MS).unwrap().record.reach.len(), 1);
    }

    #[test]
    fn what_went_out_before_the_table_was_filled_goes_out_once_more_soon() {
        let mut publisher = publisher(0);
        let mut chance = Chance::default();
        let first = publisher.next(Time(1), WALL_MS);
        publisher.carried(Time(1), 20, false, &mut chance);
        let again = publisher.due();
        assert!(again.since(Time(1)) <= 2 * AGAIN_US);
        assert_eq!(publisher.next(again, WALL_MS), first, "it is the same record");
        publisher.carried(again, 20, true, &mut chance);
        assert!(publisher.due().since(again) >= HOUR_US / 2);
    }

    #[test]
    fn the_sequence_grows_even_where_the_clock_goes_back() {
        let mut publisher = publisher(WALL_MS + 5);
        let made = publisher.next(Time(1), WALL_MS).unwrap();
        assert_eq!(made.record.sequence, WALL_MS + 6);
    }
}
