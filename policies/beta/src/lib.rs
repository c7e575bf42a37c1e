//! Judges a peer by the share of its deeds that were good, and by how sure that share is.
//!
//! Evidence for and against is counted as in the Beta reputation system (Jøsang & Ismail, "The
//! Beta Reputation System", Bled 2002): with *r* good and *s* bad deeds the expected share of
//! good ones is `(r + p) / (r + s + 2p)`. The prior *p* is worth five deeds each way, so that a
//! single one neither damns nor acquits. Old deeds fade with a half-life.
//!
//! The score is not that expectation but its **lower confidence bound**, the mean less
//! `confidence_permille` thousandths of a standard deviation of the Beta distribution: little
//! evidence is little trust. It is scaled so that a peer of whom nothing is known has 0, one
//! that always did well comes near 1000 and one that never did near -1000.
//!
//! Deeds weigh differently: to refuse is half a bad deed, and to break the protocol or to send
//! more than was granted is as bad as `grave_weight` timeouts. Good evidence is capped: no past
//! is good enough to pay for a flood.
//!
//! Of the standing's own numbers `a` and `b` are the evidence in thousandths of a deed, and `c`
//! is the time in milliseconds that has not yet made anything fade. All arithmetic is integer.

use pointsman_sdk::reputation::{Kind, Observation, Reputation, Standing};
use pointsman_sdk::{Fault, Manifest, Settings};

/// Deeds that are assumed of everyone, each way, in thousandths.
const PRIOR: u64 = 5_000;
/// Most evidence for a peer, in thousandths of a deed.
const GOOD_MAX: u64 = 200_000;
/// Most evidence against it: so much more than the evidence for it that a flood leaves the best
/// past with a score below -850, where the host shuns.
const BAD_MAX: u64 = 6_000_000;
/// Evidence fades in so many steps for each half-life.
const STEPS: u64 = 256;
/// 2^(-n/256) in 65536ths, for n = 128, 64, … 1: the factors of any number of steps.
const FADE: [u64; 8] = [46_341, 55_109, 60_097, 62_757, 64_132, 64_830, 65_182, 65_359];

/// The policy.
#[derive(Clone, Debug)]
pub struct Beta {
    half_life_ms: u64,
    confidence_permille: i64,
    grave_weight: u64,
}

impl Default for Beta {
    fn default() -> Self {
        Self { half_life_ms: 3_600_000, confidence_permille: 1_645, grave_weight: 20 }
    }
}

impl Reputation for Beta {
    fn manifest() -> Manifest {
        Manifest::new("beta", env!("CARGO_PKG_VERSION")).with_settings(
            "half_life_s: integer 10..=2592000 = 3600  time in which evidence fades to a half\n\
             confidence_permille: integer 0..=3000 = 1645  deviations that the score is below the mean\n\
             grave_weight: integer 1..=1000 = 20  timeouts that a breach of the protocol is worth\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["half_life_s", "confidence_permille", "grave_weight"])?;
        let half_life_s = settings.integer("half_life_s", 10..=2_592_000, 3_600)?.unsigned_abs();
        *self = Self {
            half_life_ms: half_life_s * 1_000,
            confidence_permille: settings.integer("confidence_permille", 0..=3_000, 1_645)?,
            grave_weight: settings.integer("grave_weight", 1..=1_000, 20)?.unsigned_abs(),
        };
        Ok(())
    }

    fn fold(&self, now_ms: u64, was: &Standing, seen: &[Observation]) -> Standing {
        let mut standing = *was;
        for observation in seen {
            self.fade(&mut standing, observation.at_ms.min(now_ms));
            self.count(&mut standing, observation);
        }
        self.fade(&mut standing, now_ms);
        Standing { score: self.score(standing.a.into(), standing.b.into()), ..standing }
    }
}

impl Beta {
    /// Lets evidence fade until this time, in whole steps; the rest of the time is kept.
    fn fade(&self, standing: &mut Standing, until_ms: u64) {
        let elapsed =
            until_ms.saturating_sub(standing.updated_ms).saturating_add(standing.c.into());
        let step_ms = self.half_life_ms / STEPS;
        let steps = elapsed / step_ms;
        standing.a = faded(standing.a, steps);
        standing.b = faded(standing.b, steps);
        standing.c = (elapsed % step_ms) as u32;
        standing.updated_ms = standing.updated_ms.max(until_ms);
    }

    fn count(&self, standing: &mut Standing, observation: &Observation) {
        let (good, bad) = match observation.kind {
            Kind::Ack | Kind::Served => (1_000, 0),
            Kind::Relayed => (2_000, 0),
            Kind::Timeout => (0, 1_000),
            Kind::Refused => (0, 500),
            Kind::Invalid | Kind::Spam => (0, self.grave_weight * 1_000),
        };
        let times = u64::from(observation.weight);
        let sum = |of: u32, each: u64, most: u64| {
            each.saturating_mul(times).saturating_add(of.into()).min(most) as u32
        };
        standing.a = sum(standing.a, good, GOOD_MAX);
        standing.b = sum(standing.b, bad, BAD_MAX);
    }

    fn score(&self, good: u64, bad: u64) -> i32 {
        let (bound, newcomer) = (self.bound_ppm(good, bad), self.bound_ppm(0, 0));
        let range = if bound < newcomer { newcomer } else { 1_000_000 - newcomer };
        let score = (bound - newcomer) * 1_000 / range.max(1);
        score.clamp(Standing::SCORE_MIN.into(), Standing::SCORE_MAX.into()) as i32
    }

    /// The lower confidence bound of the share of good deeds, per million.
    fn bound_ppm(&self, good: u64, bad: u64) -> i64 {
        let (alpha, beta) = (good + PRIOR, bad + PRIOR);
        let mean = alpha * 1_000_000 / (alpha + beta);
        // The variance of a Beta distribution is mean · (1 - mean) / (α + β + 1).
        let variance = mean * (1_000_000 - mean) / ((alpha + beta) / 1_000 + 1);
        let deviation = variance.isqrt() as i64;
        (mean as i64 - deviation * self.confidence_permille / 1_000).max(0)
    }
}

/// What is left of some evidence after so many steps.
fn faded(evidence: u32, steps: u64) -> u32 {
    let halved = u64::from(evidence).checked_shr((steps / STEPS).min(63) as u32).unwrap_or(0);
    let factors = FADE.iter().enumerate().filter(|(bit, _)| steps >> (7 - bit) & 1 == 1);
    factors.fold(halved, |left, (_, factor)| (left * factor) >> 16) as u32
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_reputation!(Beta);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_its_score_is_one() {
        harness::prove_reputation(&Beta::default());
        let refused = [("half_life_s", Integer(9)), ("grave_weight", Integer(0))];
        harness::prove_refused(|settings| Beta::default().configure(settings), &refused);
    }

    #[test]
    fn folding_often_fades_as_much_as_folding_once() {
        let begin = Standing { a: 100_000, b: 40_000, ..Standing::default() };
        let policy = Beta::default();
        let once = policy.fold(3_600_000, &begin, &[]);
        let often = (1..=7_200).fold(begin, |was, n| policy.fold(n * 500, &was, &[]));
        assert!(once.a == 50_000 && once.a.abs_diff(often.a) < 300, "{once:?} {often:?}");
    }
}
