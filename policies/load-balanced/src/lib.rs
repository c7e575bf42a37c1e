//! Spreads packets over all paths that help, in proportion to what each can carry.
//!
//! A path's share follows its measured rate, less what it loses; before a path was filled its
//! rate only tells what was offered, and then what it can have under way in a round trip counts.
//! That is an optimistic guess, which ends by itself: a path that gets more is measured. Paths
//! that share a risk group share what limits them, so one of each group takes part.
//!
//! Questions carry no memory, so shares are kept by chance: the question's seed draws a path
//! with the probability of its share, for the next few packets. Only paths with room are drawn,
//! so that load which fills all of them fills each to its own measure.
//!
//! Spreading must not make packets late: a path takes part only while it delivers before the
//! others would be done with the backlog, or at most `slack_ms` after the earliest. As in the
//! other selectors a metered, relayed or suspect path carries nothing while a free one is
//! sound, and a new one only bulk while a proven one is up.

use pointsman_sdk::estimate::{
    Candidate, Candidates, drain_us, field, known, last_resort, reason, together, window_bytes,
};
use pointsman_sdk::selector::{Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Settings, UNKNOWN};

/// Its share of the traffic.
pub const SHARE: u16 = 16;

/// Packets and milliseconds for which a draw holds: few, so that shares even out quickly.
const LEASE: (u8, u8) = (8, 5);

/// The policy.
#[derive(Clone, Debug)]
pub struct LoadBalanced {
    slack_us: u64,
}

impl Default for LoadBalanced {
    fn default() -> Self {
        Self { slack_us: 30_000 }
    }
}

impl Selector for LoadBalanced {
    fn manifest() -> Manifest {
        Manifest::new("load-balanced", env!("CARGO_PKG_VERSION")).with_settings(
            "slack_ms: integer 0..=60000 = 30  how much later than the earliest path one may be\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["slack_ms"])?;
        self.slack_us = settings.integer("slack_ms", 0..=60_000, 30)?.unsigned_abs() * 1_000;
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let Some(field) = field(question) else { return last_resort(question) };
        let groups = || field.iter().filter(|path| leads(&field, path));
        let latest = self.latest_us(question, groups());
        let helpers = || groups().filter(|path| path.arrival_us <= latest);
        let (packets, ms) = LEASE;
        match draw(question.seed, helpers().filter(|path| path.has_room)) {
            Some(path) => Verdict::send(path.position).lease(packets, ms).because(SHARE),
            None => Verdict::stripe(helpers().fold(0, |set, path| set | 1 << path.position))
                .because(reason::WORTH_WAITING),
        }
    }
}

impl LoadBalanced {
    /// When a packet must be there for its path to help, in microseconds from now.
    fn latest_us<'a>(
        &self,
        question: &Question<'_>,
        paths: impl Iterator<Item = &'a Candidate<'a>> + Clone,
    ) -> u64 {
        let earliest = paths.clone().map(|path| path.arrival_us).min().unwrap_or(0);
        let all_kbps = paths.map(weight).fold(1, u64::saturating_add);
        let done_us = u64::from(question.backlog_bytes) * 8_000 / all_kbps;
        let latest = earliest.saturating_add(done_us.max(self.slack_us));
        match question.deadline_left_us {
            UNKNOWN => latest,
            left => latest.min(u64::from(left)).max(earliest),
        }
    }
}

/// Whether a path is the one of its risk group that takes part: that of the shortest round
/// trip, which does not change with the load.
fn leads(field: &Candidates<'_>, path: &Candidate<'_>) -> bool {
    let rank = |path: &Candidate<'_>| (path.tier, path.srtt_us(), path.position);
    !field.iter().any(|other| together(&other.path, &path.path) && rank(other) < rank(path))
}

/// What a path can carry, in kilobits per second, less what it loses: at least 1.
fn weight(path: &Candidate<'_>) -> u64 {
    let rate = u64::from(known(path.path.rate_kbps(), 0));
    let capacity = match drain_us(&path.path, 0) {
        Some(_) => rate,
        None => rate.max(window_bytes(&path.path) * 8_000 / path.srtt_us().max(1)),
    };
    let arrives = 1_000_000 - u64::from(known(path.path.loss_ppm(), 0).min(1_000_000));
    (capacity.min(1 << 40) * arrives / 1_000_000).max(1)
}

/// A path by chance, each with the probability of its weight.
fn draw<'a>(
    seed: u64,
    mut paths: impl Iterator<Item = &'a Candidate<'a>> + Clone,
) -> Option<&'a Candidate<'a>> {
    let all: u64 = paths.clone().map(weight).sum();
    let mut drawn = ((u128::from(seed) * u128::from(all)) >> 64) as u64;
    paths.find(|path| {
        let share = weight(path);
        let is_it = drawn < share;
        drawn = drawn.saturating_sub(share);
        is_it
    })
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(LoadBalanced);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;
    use pointsman_sdk::path::{PathRow, flags};

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_selector(&LoadBalanced::default());
        let refused = [("slack_ms", Integer(-1)), ("colour", Integer(1))];
        harness::prove_refused(|settings| LoadBalanced::default().configure(settings), &refused);
    }

    #[test]
    fn shares_follow_the_rates() {
        let up = PathRow { flags: flags::UP, srtt_us: 10_000, ..PathRow::default() };
        let list = harness::list_of(&[30_000, 10_000].map(|rate_kbps| PathRow { rate_kbps, ..up }));
        let mut chance = harness::Chance::new(9);
        let policy = LoadBalanced::default();
        let first = (0..4_000).filter(|_| {
            let question = Question { seed: chance.draw(), ..harness::selector_question(&list) };
            policy.choose(&question).paths == 1
        });
        let count = first.count();
        assert!((2_900..=3_100).contains(&count), "{count} of 4000 for three quarters");
    }
}
