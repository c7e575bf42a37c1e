//! Keeps the other paths ready, and moves traffic only when it is sure.
//!
//! A late acknowledgement is answered at once with copies on another path (a *hedge*), which
//! costs a few bytes and commits to nothing. Traffic *moves* when the path has been silent
//! for long and another one made progress meanwhile: a pause of 200 ms so moves nothing, and
//! a network that is down as a whole moves nothing either. A path that was moved away from
//! comes back after a hold-down that doubles with every recent move, so that a flapping path
//! is used less and less.
//!
//! For spares, a path that does not fail together with the faulty one goes first; see
//! [`Spare`](pointsman_sdk::spare::Spare).

use pointsman_sdk::failover::{Event, Failover, Question, Resend, Verdict};
use pointsman_sdk::path::flags;
use pointsman_sdk::spare::{
    Patience, best_dial, best_spare, has, is_well, leave, lost, reason, set_of, stay, subject,
    unless_alone,
};
use pointsman_sdk::{Fault, Manifest, Path, Settings};

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct Standby {
    patience: Patience,
}

impl Failover for Standby {
    fn manifest() -> Manifest {
        Manifest::new("standby", env!("CARGO_PKG_VERSION")).with_settings(Patience::SCHEMA)
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&Patience::KEYS)?;
        self.patience = Patience::configured(settings)?;
        Ok(())
    }

    fn decide(&self, question: &Question<'_>) -> Verdict {
        let subject = subject(question);
        match question.event {
            Event::Lost => lost(question),
            Event::Fading => leave(question, question.at as usize),
            Event::Suspect | Event::Recovered | Event::Tick | Event::ProbeResult => match subject {
                Some((at, path)) if has(&path, flags::MASKED) => {
                    self.patience.readmit(question, at, &path)
                }
                Some((at, path)) if has(&path, flags::SUSPECT) => self.bear(question, at, &path),
                Some(_) | None => unless_alone(question),
            },
            Event::Appeared => match subject {
                Some((at, path)) if has(&path, flags::MASKED) => {
                    self.patience.readmit(question, at, &path)
                }
                Some(_) | None => stay(),
            },
            Event::UplinkChanged | Event::DialFailed => unless_alone(question),
        }
    }
}

impl Standby {
    /// A path in use is late: hedge, and move once that is warranted.
    fn bear(&self, question: &Question<'_>, at: usize, path: &Path<'_>) -> Verdict {
        let Some(spare) = best_spare(question, at) else {
            let probe = Verdict::Probe { paths: 1 << at, reason: reason::ALONE };
            return best_dial(question, |_| true).unwrap_or(probe);
        };
        if self.patience.is_over(question, path) {
            let onto = set_of(question, |position, path| position != at && is_well(path));
            return Verdict::Move { onto, resend: Resend::Unacked, reason: reason::SILENT };
        }
        let unacked = question.unacked_bytes.iter().fold(0_u32, |sum, &b| sum.saturating_add(b));
        match unacked.min(question.hedge_budget_bytes) {
            0 => Verdict::Probe { paths: 1 << at, reason: reason::LATE },
            budget_bytes => Verdict::Hedge { onto: 1 << spare, budget_bytes, reason: reason::LATE },
        }
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_failover!(Standby);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_failover(&Standby::default());
    }

    #[test]
    fn settings_that_it_does_not_take_are_refused() {
        let refused = [
            ("move_after_ms", Integer(49)),
            ("hold_down_ms", Integer(30_001)),
            ("colour", Integer(1)),
        ];
        harness::prove_refused(|settings| Standby::default().configure(settings), &refused);
    }
}
