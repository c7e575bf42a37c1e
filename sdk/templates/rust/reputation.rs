//! {{name}}: trusts a peer the more, the more it did well of late.
//!
//! The standing is the host's; `a` and `b` in it are this policy's, and hold what was good and
//! what was bad, halved every half-life. Change `fold`, then run `cargo test` and
//! `./build.sh`.

use pointsman_sdk::reputation::{Kind, Observation, Reputation, Standing};
use pointsman_sdk::{Fault, Manifest, Settings};

/// Evidence that a new peer is credited with on both sides, so that one event proves little.
const DOUBT: u64 = 10;

/// The policy: its settings, and nothing that changes between questions.
#[derive(Clone, Debug)]
pub struct Policy {
    half_life_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { half_life_ms: 600_000 }
    }
}

impl Reputation for Policy {
    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .with_settings("half_life_s: integer 1..=86400 = 600  how fast it forgets\n")
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["half_life_s"])?;
        self.half_life_ms = settings.integer("half_life_s", 1..=86_400, 600)? as u64 * 1_000;
        Ok(())
    }

    fn fold(&self, now_ms: u64, was: &Standing, seen: &[Observation]) -> Standing {
        // Halves once for each half-life that passed; what is left of one counts the next time.
        let halvings = now_ms.saturating_sub(was.updated_ms) / self.half_life_ms;
        let halved = |evidence: u32| evidence.checked_shr(halvings.min(32) as u32).unwrap_or(0);
        let (mut good, mut bad) = (halved(was.a), halved(was.b));
        for observation in seen {
            let (into, times) = match observation.kind {
                Kind::Ack | Kind::Served | Kind::Relayed => (&mut good, 1),
                Kind::Timeout | Kind::Refused => (&mut bad, 1),
                Kind::Invalid | Kind::Spam => (&mut bad, 10),
            };
            *into = into.saturating_add(observation.weight.saturating_mul(times));
        }
        let updated_ms = was.updated_ms + halvings * self.half_life_ms;
        Standing { score: score(good, bad), a: good, b: bad, updated_ms, ..*was }
    }
}

/// From -1000 for nothing but bad to 1000 for nothing but good.
fn score(good: u32, bad: u32) -> i32 {
    let (good, bad) = (u64::from(good), u64::from(bad));
    let balance = good as i64 - bad as i64;
    (balance * 1_000 / (good + bad + DOUBT) as i64) as i32
}

pointsman_sdk::export_reputation!(Policy);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(kind: Kind, weight: u32) -> Standing {
        let seen = [Observation { kind, weight, at_ms: 0 }];
        Policy::default().fold(0, &Standing::default(), &seen)
    }

    #[test]
    fn a_peer_that_is_new_is_unknown() {
        assert_eq!(Policy::default().fold(5, &Standing::default(), &[]).score, 0);
    }

    #[test]
    fn good_and_bad_weigh_and_what_is_forbidden_weighs_more() {
        assert_eq!(after(Kind::Ack, 30).score, 750);
        assert_eq!(after(Kind::Timeout, 30).score, -750);
        assert!(after(Kind::Spam, 30).score < -900);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let later = Policy::default().fold(60_000_000, &after(Kind::Spam, 30), &[]);
        assert_eq!(later.score, 0);
    }
}
