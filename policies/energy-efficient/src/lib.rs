//! Sends where it takes the least energy: little by Bluetooth, more by WiFi, much by the
//! Internet, when all of them are up.
//!
//! What a path takes is the sum of three parts: waking its radio, unless it is awake because
//! something is under way; each byte; and the time for which the device stays awake to send it
//! all (`awake_mw`), which is why a slow radio is dear for large transfers (the model, and the
//! default figures of WiFi, are of Huang et al., MobiSys 2012). A radio that does not tell its
//! figures gets those of its kind. What must be sent is everything that waits in the class, so a
//! transfer wakes the fast radio at its beginning and stays on it until its end.
//!
//! Saving may cost time, not delivery: a path takes part that is done at most `patience_ms`
//! after the earliest (a quarter of it for realtime, any time for bulk) and before the deadline.
//! While the device saves, or its battery is below a fifth, patience is four times as long; on
//! mains power it is a quarter. As in the other selectors a suspect path carries nothing while
//! one is sound, and, unless `metered` says so, neither does a metered or relayed one while one
//! is free.

use pointsman_sdk::estimate::{
    Candidate, Tier, best_tier, candidates, drain_us, known, last_resort, reason,
};
use pointsman_sdk::selector::{Class, Question, Selector, Verdict, flags};
use pointsman_sdk::{Fault, Manifest, Path, Settings, Transport, UNKNOWN};

/// The battery is low below this, in thousandths.
const BATTERY_LOW: u32 = 200;

/// What sending takes: to wake the radio in microjoules, per byte in nanojoules, and the rate
/// in kilobits per second.
#[derive(Clone, Copy)]
struct Draw {
    wake_uj: u32,
    nj_per_byte: u32,
    rate_kbps: u32,
}

impl Draw {
    /// What is usual for a kind of network. Bluetooth LE: a connection event, and 20 KB/s.
    /// WiFi: Huang et al., table 4. Internet: a gateway's modem that sleeps between transfers.
    const fn usual(transport: Option<Transport>) -> Self {
        let (wake_uj, nj_per_byte, rate_kbps) = match transport {
            Some(Transport::Bluetooth) => (100, 1_000, 160),
            Some(Transport::WifiDirect | Transport::Lan) => (38_000, 2_264, 50_000),
            Some(Transport::Internet) | None => (600_000, 900, 50_000),
            Some(Transport::Relay) => (600_000, 1_800, 10_000),
            Some(Transport::Mesh) => (76_000, 4_528, 1_000),
        };
        Self { wake_uj, nj_per_byte, rate_kbps }
    }

    fn of(path: &Path<'_>) -> Self {
        let usual = Self::usual(Transport::from_number(path.transport()));
        let rate = known(path.rate_kbps(), 0);
        let measured = drain_us(path, 0).is_some();
        Self {
            wake_uj: known(path.wake_uj(), usual.wake_uj),
            nj_per_byte: known(path.nj_per_byte(), usual.nj_per_byte),
            rate_kbps: if measured { rate } else { rate.max(usual.rate_kbps) },
        }
    }
}

/// The policy.
#[derive(Clone, Debug)]
pub struct EnergyEfficient {
    patience_us: u64,
    awake_mw: u64,
    metered: bool,
}

impl Default for EnergyEfficient {
    fn default() -> Self {
        Self { patience_us: 1_000_000, awake_mw: 100, metered: false }
    }
}

impl Selector for EnergyEfficient {
    fn manifest() -> Manifest {
        Manifest::new("energy-efficient", env!("CARGO_PKG_VERSION")).with_settings(
            "patience_ms: integer 0..=60000 = 1000  how much later than the earliest path one may be\n\
             awake_mw: integer 0..=100000 = 100  what the device takes while it sends, in milliwatts\n\
             metered: boolean = false  whether metered paths count like free ones\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["patience_ms", "awake_mw", "metered"])?;
        *self = Self {
            patience_us: settings.integer("patience_ms", 0..=60_000, 1_000)?.unsigned_abs() * 1_000,
            awake_mw: settings.integer("awake_mw", 0..=100_000, 100)?.unsigned_abs(),
            metered: settings.boolean("metered", false)?,
        };
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let Some(best) = best_tier(question).filter(|tier| tier.price().is_some()) else {
            return last_resort(question);
        };
        let wanted = |tier: Tier| match (tier, best) {
            (Tier::Proven(_), Tier::Proven(_)) | (Tier::New(_), Tier::New(_)) if self.metered => {
                true
            }
            _ => tier == best,
        };
        let bytes = u64::from(question.backlog_bytes.max(question.head_bytes));
        let field = candidates(question, wanted);
        let done_us = |path: &Candidate<'_>| {
            let rate = u64::from(Draw::of(&path.path).rate_kbps).max(1);
            path.arrival_us.saturating_add(bytes * 8_000 / rate)
        };
        let earliest = field.iter().map(done_us).min().unwrap_or(0);
        let latest = self.latest_us(question, earliest);
        let in_time = field.iter().filter(|path| done_us(path) <= latest);
        let rank = |path: &&Candidate<'_>| (self.energy_nj(&path.path, bytes), done_us(path));
        match in_time.min_by_key(rank) {
            Some(path) => path.send(reason::BEST),
            None => last_resort(question),
        }
    }
}

impl EnergyEfficient {
    /// What sending so many bytes takes, in nanojoules.
    fn energy_nj(&self, path: &Path<'_>, bytes: u64) -> u64 {
        let draw = Draw::of(path);
        let is_awake =
            [path.inflight_bytes(), path.queued_bytes()].iter().any(|&b| known(b, 0) > 0);
        let wake_nj = if is_awake { 0 } else { u64::from(draw.wake_uj) * 1_000 };
        let awake_us = bytes * 8_000 / u64::from(draw.rate_kbps).max(1);
        let parts =
            [bytes.saturating_mul(draw.nj_per_byte.into()), awake_us.saturating_mul(self.awake_mw)];
        parts.iter().fold(wake_nj, |sum, &part| sum.saturating_add(part))
    }

    /// When all must be there for a path to take part, in microseconds from now.
    fn latest_us(&self, question: &Question<'_>, earliest: u64) -> u64 {
        let has = |flag| question.flags & flag != 0;
        let is_low = question.battery_permille < BATTERY_LOW;
        let power = match (has(flags::CHARGING), has(flags::SAVER)) {
            (_, true) => self.patience_us * 4,
            (true, false) => self.patience_us / 4,
            (false, false) if is_low => self.patience_us * 4,
            (false, false) => self.patience_us,
        };
        let patience = match Class::from_number(question.class) {
            Some(Class::Realtime) => power / 4,
            Some(Class::Interactive) | None => power,
            Some(Class::Bulk) => u64::MAX,
        };
        let latest = earliest.saturating_add(patience);
        match question.deadline_left_us {
            UNKNOWN => latest,
            left => latest.min(u64::from(left)).max(earliest),
        }
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(EnergyEfficient);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_selector(&EnergyEfficient::default());
        let refused = [("patience_ms", Integer(-1)), ("metered", Integer(1)), ("x", Integer(1))];
        harness::prove_refused(|settings| EnergyEfficient::default().configure(settings), &refused);
    }
}
