//! Sends where it costs least among the paths that are still in time.
//!
//! Paths are taken in the order of what they cost: free ones; paid ones, cheapest first; those
//! whose quota runs out, which are spared for what is urgent. A path whose quota is spent
//! carries nothing, and unless `overdraw` says so not even what is urgent.
//!
//! - **In time** is a path that is done with all that waits in half of the time that is left:
//!   estimates err. It is also what somebody waits for: realtime packets within `realtime_ms`,
//!   interactive ones within `interactive_ms`. The cheapest path that is in time is taken,
//!   waiting for its room included; where none is, the one that is done first.
//! - **The end of a quota.** With less than `reserve_mib` left, a path carries bulk only for a
//!   deadline; other bulk is held until a cheaper path is there.
//!
//! Of like paths the one in use stays until another is a tenth earlier. Without a sound path the
//! least silent suspect one is tried; without any path that is up, the packet is kept.

use pointsman_sdk::estimate::{
    Candidate, Tier, candidates, in_use, known, last_resort, reason, stick,
};
use pointsman_sdk::path::flags::{METERED, RELAYED};
use pointsman_sdk::selector::{Class, Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Path, Settings, UNKNOWN};

/// No path is in time: the one that is done first.
pub const TOO_LATE: u16 = 16;
/// Held: what is left of the quota is for what is urgent.
pub const SPARED: u16 = 17;

/// How long spared bulk waits before it is asked for again, in microseconds.
const SPARED_US: u32 = 400_000;

/// What a path costs, in the order in which they are taken; prices in millionths per MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cost {
    Free,
    Paid(u32),
    /// Little of the quota is left.
    Reserve(u32),
    /// Nothing of the quota is left.
    Spent(u32),
}

/// The policy.
#[derive(Clone, Debug)]
pub struct Thrifty {
    reserve_kib: u32,
    realtime_us: u64,
    interactive_us: u64,
    overdraw: bool,
}

impl Default for Thrifty {
    fn default() -> Self {
        Self {
            reserve_kib: 64 << 10,
            realtime_us: 250_000,
            interactive_us: 5_000_000,
            overdraw: false,
        }
    }
}

impl Selector for Thrifty {
    fn manifest() -> Manifest {
        Manifest::new("thrifty", env!("CARGO_PKG_VERSION")).with_settings(
            "reserve_mib: integer 0..=1048576 = 64  end of a quota that bulk does not get\n\
             realtime_ms: integer 1..=60000 = 250  how long realtime packets may take\n\
             interactive_ms: integer 1..=600000 = 5000  how long interactive packets may take\n\
             overdraw: boolean = false  whether what is urgent goes on where a quota is spent\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["reserve_mib", "realtime_ms", "interactive_ms", "overdraw"])?;
        let us = |key, most, default| {
            settings.integer(key, 1..=most, default).map(|ms| ms.unsigned_abs() * 1_000)
        };
        *self = Self {
            reserve_kib: (settings.integer("reserve_mib", 0..=1 << 20, 64)? << 10) as u32,
            realtime_us: us("realtime_ms", 60_000, 250)?,
            interactive_us: us("interactive_ms", 600_000, 5_000)?,
            overdraw: settings.boolean("overdraw", false)?,
        };
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let is_bulk = question.class == Class::Bulk as u32;
        let is_spared = is_bulk && question.deadline_left_us == UNKNOWN;
        let is_open = |path: &Candidate<'_>| match self.cost(&path.path) {
            Cost::Free | Cost::Paid(_) => true,
            Cost::Reserve(_) => !is_spared,
            Cost::Spent(_) => self.overdraw && !is_bulk,
        };
        let sound = candidates(question, |tier| tier != Tier::Suspect);
        let bytes = question.backlog_bytes.max(question.head_bytes);
        let kind = |path: &Candidate<'_>| (self.cost(&path.path), path.tier);
        let open = || sound.iter().filter(|path| is_open(path));
        let latest = self.latest_us(question);
        let in_time = open().filter(|path| path.finish_us(bytes) <= latest);
        if let Some(best) = in_time.clone().min_by_key(|path| (kind(path), path.arrival_us)) {
            let alike = in_time.filter(|path| kind(path) == kind(best));
            let chosen = stick(best, in_use(alike), 10);
            let is_best = chosen.position == best.position;
            return chosen.send(if is_best { reason::BEST } else { reason::STICKY });
        }
        match open().min_by_key(|path| (path.finish_us(bytes), kind(path))) {
            Some(path) => path.send(TOO_LATE),
            None if sound.iter().next().is_some() => Verdict::hold(SPARED_US).because(SPARED),
            None => last_resort(question),
        }
    }
}

impl Thrifty {
    fn cost(&self, path: &Path<'_>) -> Cost {
        let is_paid = path.flags() & (METERED | RELAYED) != 0 || known(path.price_per_mib(), 0) > 0;
        let price = path.price_per_mib();
        match path.quota_left_kib() {
            0 => Cost::Spent(price),
            left if left < self.reserve_kib => Cost::Reserve(price),
            _ if is_paid => Cost::Paid(price),
            _ => Cost::Free,
        }
    }

    /// When all must be there, in microseconds from now.
    fn latest_us(&self, question: &Question<'_>) -> u64 {
        let patience = match Class::from_number(question.class) {
            Some(Class::Realtime) => self.realtime_us,
            Some(Class::Interactive) | None => self.interactive_us,
            Some(Class::Bulk) => u64::MAX,
        };
        match question.deadline_left_us {
            UNKNOWN => patience,
            left => patience.min(u64::from(left) / 2),
        }
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(Thrifty);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::{Boolean, Integer};
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_selector(&Thrifty::default());
        let refused = [
            ("reserve_mib", Integer(-1)),
            ("realtime_ms", Integer(0)),
            ("interactive_ms", Boolean(true)),
            ("overdraw", Integer(1)),
        ];
        harness::prove_refused(|settings| Thrifty::default().configure(settings), &refused);
    }
}
