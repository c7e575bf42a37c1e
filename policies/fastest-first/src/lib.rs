//! Sends each packet where it is expected to arrive first.
//!
//! Paths fall into [tiers](Tier), and only the best tier that has a path is looked at: a
//! metered or relayed path carries nothing while a free one is sound. Inside the tier the
//! smallest expected arrival wins, with two refinements:
//!
//! - **Stickiness.** Another path must be expected clearly earlier than the one in use to take
//!   over (`stickiness_percent`, and at least 1 ms), unless the path in use has no room, when
//!   anything that beats waiting for it does.
//! - **Striping.** Bulk, and interactive traffic with a long backlog, is spread over the paths
//!   of the tier's price that help, one of each risk group: those that deliver their next
//!   packet before the best path alone would be done with the backlog. The tail of a transfer
//!   so stays on the fast path, and a slow path never holds it up.
//!
//! Without a sound path the least silent suspect one is tried; without any path that is up,
//! the packet is kept.

use pointsman_sdk::estimate::{
    Candidate, Candidates, Tier, best_tier, candidates, drain_us, in_use, known, last_resort,
    reason, stick, together,
};
use pointsman_sdk::selector::{Class, Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Settings};

/// Interactive traffic is striped from this backlog on, in bytes.
const STRIPE_BACKLOG_MIN: u32 = 64 << 10;
/// Where no rate tells when a stripe would be done: a path helps up to so many times the
/// arrival of the best one.
const STRIPE_SPREAD_MAX: u64 = 4;
/// A path that loses more than this, per million, slows a stripe down by what it sends again.
const STRIPE_LOSS_MAX_PPM: u32 = 100_000;

/// The policy.
#[derive(Clone, Debug)]
pub struct FastestFirst {
    stickiness_percent: u64,
    stripe: bool,
}

impl Default for FastestFirst {
    fn default() -> Self {
        Self { stickiness_percent: 10, stripe: true }
    }
}

impl Selector for FastestFirst {
    fn manifest() -> Manifest {
        Manifest::new("fastest-first", env!("CARGO_PKG_VERSION")).with_settings(
            "stickiness_percent: integer 0..=100 = 10  how much earlier another path must be\n\
             stripe: boolean = true  whether long backlogs use several paths at once\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["stickiness_percent", "stripe"])?;
        let percent = settings.integer("stickiness_percent", 0..=100, 10)?;
        *self = Self {
            stickiness_percent: percent.unsigned_abs(),
            stripe: settings.boolean("stripe", true)?,
        };
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let tier = best_tier(question);
        let Some(price) = tier.and_then(Tier::price) else { return last_resort(question) };
        let alike = candidates(question, |tier| tier.price() == Some(price));
        let field = alike.iter().filter(|path| Some(path.tier) == tier);
        let Some(best) = field.clone().min_by_key(|path| path.arrival_us) else {
            return last_resort(question);
        };
        if self.stripe && wants_stripe(question) {
            let set = stripe_set(question, &alike, best);
            if set.count_ones() > 1 {
                return Verdict::stripe(set).lease(32, 5).because(reason::STRIPED);
            }
        }
        let chosen = stick(best, in_use(field), self.stickiness_percent);
        let is_best = chosen.position == best.position;
        chosen.send(if is_best { reason::BEST } else { reason::STICKY })
    }
}

fn wants_stripe(question: &Question<'_>) -> bool {
    match Class::from_number(question.class) {
        Some(Class::Bulk) => true,
        Some(Class::Interactive) => question.backlog_bytes > STRIPE_BACKLOG_MIN,
        Some(Class::Realtime) | None => false,
    }
}

/// The best path and, of each other risk group, the earliest that helps it among those of the
/// same price: a new path helps by being tried.
fn stripe_set(question: &Question<'_>, alike: &Candidates<'_>, best: &Candidate<'_>) -> u16 {
    let alone = drain_us(&best.path, u64::from(question.backlog_bytes));
    let done_us = match alone {
        Some(drain) => best.arrival_us + drain,
        None => best.arrival_us * STRIPE_SPREAD_MAX,
    };
    let mut set = 1 << best.position;
    for helper in alike.iter().filter(|helper| !together(&helper.path, &best.path)) {
        let rank = |path: &Candidate<'_>| (path.arrival_us, path.position);
        let outdone = |other: &Candidate<'_>| {
            together(&other.path, &helper.path) && rank(other) < rank(helper)
        };
        let is_lossy = known(helper.path.loss_ppm(), 0) > STRIPE_LOSS_MAX_PPM;
        if helper.arrival_us < done_us && !is_lossy && !alike.iter().any(outdone) {
            set |= 1 << helper.position;
        }
    }
    set
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(FastestFirst);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::{Boolean, Integer};
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_selector(&FastestFirst::default());
    }

    #[test]
    fn settings_that_it_does_not_take_are_refused() {
        let refused = [
            ("stickiness_percent", Integer(101)),
            ("stickiness_percent", Boolean(true)),
            ("stripe", Integer(1)),
            ("colour", Integer(1)),
        ];
        harness::prove_refused(|settings| FastestFirst::default().configure(settings), &refused);
    }
}
