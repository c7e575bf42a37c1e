//! Blocking estimation: takes a slower path only when that does not block the faster one.
//!
//! What is sent in order over a slow path keeps its place in the receiver's window until it
//! arrives; if meanwhile the fast path fills the rest of the window, it stands still. BLEST
//! (Ferlin, Alay, Mehani, Boreli: "BLEST: Blocking Estimation-based MPTCP Scheduler for
//! Heterogeneous Networks", IFIP Networking 2016) estimates what the fast path *f* would send
//! during one round trip of the slow one *s*, growing by a packet a round trip,
//!
//! `X = (window_f + packet · (rounds − 1) / 2) · rounds`, where `rounds = rtt_s / rtt_f`,
//!
//! and takes *s* only if `λ · X` still fits in the window beside what is in flight on *s* and
//! the packet itself; otherwise it waits for *f*. The paper adapts λ from the blocking that it
//! observes; a question carries no memory, so λ is a setting here (`caution_percent`), and so is
//! the window (`window_kib`), of which the host grants 1 MiB at first.
//!
//! *f* is the path with the shortest round trip, *s* the next one that has room and does not
//! share its risk group. Both are of the best tier that has a path; bulk tries new ones, too.
//! A message without order blocks nobody: it takes whichever of the two delivers it earlier.

use pointsman_sdk::estimate::{Candidate, fast_or_second, window_bytes};
use pointsman_sdk::selector::{Question, Selector, Verdict, flags};
use pointsman_sdk::{Fault, Manifest, Settings};

/// By how much a window grows each round trip, in bytes.
const PACKET_BYTES: u64 = 1_400;

/// The policy.
#[derive(Clone, Debug)]
pub struct BlockingEstimation {
    window_bytes: u64,
    caution_percent: u64,
}

impl Default for BlockingEstimation {
    fn default() -> Self {
        Self { window_bytes: 1 << 20, caution_percent: 100 }
    }
}

impl Selector for BlockingEstimation {
    fn manifest() -> Manifest {
        Manifest::new("blocking-estimation", env!("CARGO_PKG_VERSION")).with_settings(
            "window_kib: integer 16..=1048576 = 1024  what the receiver keeps until order is whole\n\
             caution_percent: integer 10..=1000 = 100  above 100 it waits sooner for the fast path\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["window_kib", "caution_percent"])?;
        *self = Self {
            window_bytes: settings.integer("window_kib", 16..=1 << 20, 1 << 10)?.unsigned_abs()
                << 10,
            caution_percent: settings.integer("caution_percent", 10..=1_000, 100)?.unsigned_abs(),
        };
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        fast_or_second(question, |fast, slow| self.waits(question, fast, slow))
    }
}

impl BlockingEstimation {
    /// Whether the slow path would block the fast one, or, without order, be slower than
    /// waiting for it.
    fn waits(&self, question: &Question<'_>, fast: &Candidate<'_>, slow: &Candidate<'_>) -> bool {
        if question.flags & flags::ORDERED == 0 {
            return fast.arrival_us <= slow.arrival_us;
        }
        let rounds_permille = slow.srtt_us().saturating_mul(1_000) / fast.srtt_us().max(1);
        let growth = PACKET_BYTES.saturating_mul(rounds_permille.saturating_sub(1_000)) / 2_000;
        let a_round = window_bytes(&fast.path).saturating_add(growth);
        let meanwhile = a_round.saturating_mul(rounds_permille) / 1_000;
        let taken = u64::from(slow.inflight_bytes()) + u64::from(question.head_bytes);
        let left = self.window_bytes.saturating_sub(taken);
        meanwhile.saturating_mul(self.caution_percent) / 100 > left
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(BlockingEstimation);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_selector(&BlockingEstimation::default());
        let refused = [("window_kib", Integer(15)), ("caution_percent", Integer(9))];
        let configure = |settings: &_| BlockingEstimation::default().configure(settings);
        harness::prove_refused(configure, &refused);
    }
}
