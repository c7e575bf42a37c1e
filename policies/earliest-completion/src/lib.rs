//! Earliest completion first: takes a slower path only when that ends a transfer sooner.
//!
//! A scheduler that fills the fastest path and then puts the rest on the next one often makes a
//! transfer late: its last packets crawl over the slow path while the fast one is idle again.
//! ECF (Lim, Nahum, Towsley, Gibbens: "ECF: An MPTCP Path Scheduler to Manage Heterogeneous
//! Paths", CoNEXT 2017) waits for the fast path *f* rather than using the slow one *s* while
//!
//! - all that waits, *k* bytes, is done earlier by waiting:
//!   `rtt_f · (1 + k / window_f) < (1 + β) · (rtt_s + δ)`, and
//! - the slow path alone would take longer than a round trip of waiting costs:
//!   `rtt_s · max(1, k / window_s) ≥ 2 · rtt_f + δ`,
//!
//! where δ is the larger deviation of the two round trips. β counts only while it waits
//! already, so that it does not change its mind with every packet. The paper keeps that as a
//! flag; here it is read off the paths: the slow path has nothing in flight.
//!
//! *f* is the path with the shortest round trip, *s* the next one that has room and does not
//! share its risk group. Both are of the best tier that has a path; bulk tries new ones, too.

use pointsman_sdk::estimate::{Candidate, fast_or_second, known, window_bytes};
use pointsman_sdk::selector::{Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Settings};

/// The policy.
#[derive(Clone, Debug)]
pub struct EarliestCompletion {
    beta_percent: u64,
}

impl Default for EarliestCompletion {
    fn default() -> Self {
        Self { beta_percent: 25 }
    }
}

impl Selector for EarliestCompletion {
    fn manifest() -> Manifest {
        Manifest::new("earliest-completion", env!("CARGO_PKG_VERSION")).with_settings(
            "beta_percent: integer 0..=400 = 25  how much longer it goes on waiting once it waits\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["beta_percent"])?;
        self.beta_percent = settings.integer("beta_percent", 0..=400, 25)?.unsigned_abs();
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        fast_or_second(question, |fast, slow| self.waits(question, fast, slow))
    }
}

impl EarliestCompletion {
    /// Whether waiting for the fast path ends the transfer sooner.
    fn waits(&self, question: &Question<'_>, fast: &Candidate<'_>, slow: &Candidate<'_>) -> bool {
        let waiting = u64::from(question.backlog_bytes.max(question.head_bytes));
        let rounds_us = |path: &Candidate<'_>| {
            path.srtt_us().saturating_mul(waiting) / window_bytes(&path.path).max(1)
        };
        let deviation = [fast, slow].map(|path| u64::from(known(path.path.rttvar_us(), 0)));
        let delta = deviation[0].max(deviation[1]);
        let beta = if slow.inflight_bytes() == 0 { self.beta_percent } else { 0 };
        let by_waiting = fast.srtt_us().saturating_add(rounds_us(fast));
        let by_going = (slow.srtt_us() + delta) * (100 + beta) / 100;
        let alone = rounds_us(slow).max(slow.srtt_us());
        by_waiting < by_going && alone >= 2 * fast.srtt_us() + delta
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(EarliestCompletion);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_selector(&EarliestCompletion::default());
        let refused = [("beta_percent", Integer(401)), ("colour", Integer(1))];
        let configure = |settings: &_| EarliestCompletion::default().configure(settings);
        harness::prove_refused(configure, &refused);
    }
}
