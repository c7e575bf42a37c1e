//! Never lets what is urgent wait for one path: copies at once, and keeps a second path warm.
//!
//! - A path in use that is **late** is hedged at once: realtime packets in flight get a copy on
//!   as many other paths as `copies` says, each of another risk group, and everything else
//!   one copy, within the budget.
//! - A path that is **fading** is hedged too while realtime packets are in flight on it, and
//!   left when there are none.
//! - **A second path** of another risk group is kept: where all sound paths would fail
//!   together, one over another uplink is dialled before it is needed.
//! - Traffic **moves** as under `standby`: when the path has been silent for long and others
//!   made progress meanwhile; and it comes back after a hold-down.

use pointsman_sdk::failover::{Event, Failover, Question, Resend, Verdict};
use pointsman_sdk::path::flags;
use pointsman_sdk::spare::{
    Patience, apart, best_dial, best_spare, has, is_well, leave, lost, reason, set_of, stay,
    subject, unless_alone,
};
use pointsman_sdk::{Fault, Manifest, Path, Settings};

/// Index of the realtime class.
const REALTIME: usize = 0;

/// The policy.
#[derive(Clone, Debug)]
pub struct Duplicate {
    patience: Patience,
    copies: u32,
}

impl Default for Duplicate {
    fn default() -> Self {
        Self { patience: Patience::default(), copies: 2 }
    }
}

impl Failover for Duplicate {
    fn manifest() -> Manifest {
        let copies = "copies: integer 1..=4 = 2  paths that get a copy of a realtime packet\n";
        Manifest::new("duplicate", env!("CARGO_PKG_VERSION"))
            .with_settings(&[Patience::SCHEMA, copies].concat())
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        let [move_after, hold_down] = Patience::KEYS;
        settings.only(&[move_after, hold_down, "copies"])?;
        let copies = settings.integer("copies", 1..=4, 2)?;
        *self = Self {
            patience: Patience::configured(settings)?,
            copies: u32::try_from(copies).unwrap_or(1),
        };
        Ok(())
    }

    fn decide(&self, question: &Question<'_>) -> Verdict {
        let subject = subject(question);
        match (question.event, subject) {
            (Event::Lost, _) => lost(question),
            (Event::Fading, Some((at, _))) => self.fading(question, at),
            (Event::UplinkChanged | Event::DialFailed, _) | (_, None) => keep_warm(question),
            (_, Some((at, path))) if has(&path, flags::MASKED) => {
                self.patience.readmit(question, at, &path)
            }
            (_, Some((at, path))) if has(&path, flags::SUSPECT) => self.late(question, at, &path),
            (_, Some(_)) => keep_warm(question),
        }
    }
}

impl Duplicate {
    /// A path in use is late: copies elsewhere, and a move once that is warranted.
    fn late(&self, question: &Question<'_>, at: usize, path: &Path<'_>) -> Verdict {
        let onto = set_of(question, |position, path| position != at && is_well(path));
        if onto == 0 {
            let probe = Verdict::Probe { paths: 1 << at, reason: reason::ALONE };
            return best_dial(question, |_| true).unwrap_or(probe);
        }
        if self.patience.is_over(question, path) {
            return Verdict::Move { onto, resend: Resend::Unacked, reason: reason::SILENT };
        }
        let unacked = question.unacked_bytes.iter().fold(0_u32, |sum, &b| sum.saturating_add(b));
        let hedge = self.hedge(question, at, unacked, reason::LATE);
        hedge.unwrap_or(Verdict::Probe { paths: 1 << at, reason: reason::LATE })
    }

    /// A path gets worse: what is urgent gets a copy, and what is new goes elsewhere once
    /// nothing urgent is on it.
    fn fading(&self, question: &Question<'_>, at: usize) -> Verdict {
        let hedge = self.hedge(question, at, question.unacked_bytes[REALTIME], reason::FADING);
        hedge.unwrap_or_else(|| leave(question, at))
    }

    /// Copies of so many bytes within the budget: of realtime packets on several paths.
    fn hedge(
        &self,
        question: &Question<'_>,
        at: usize,
        bytes: u32,
        reason: u32,
    ) -> Option<Verdict> {
        let copies = if question.unacked_bytes[REALTIME] > 0 { self.copies } else { 1 };
        let onto = spares(question, at, copies);
        let wanted = bytes.saturating_mul(onto.count_ones());
        let budget_bytes = wanted.min(question.hedge_budget_bytes);
        (budget_bytes > 0).then_some(Verdict::Hedge { onto, budget_bytes, reason })
    }
}

/// The best spare, and further ones in use, each apart from all before it.
fn spares(question: &Question<'_>, at: usize, most: u32) -> u16 {
    let Some(first) = best_spare(question, at) else { return 0 };
    let mut set = 1_u16 << first;
    for (position, path) in question.paths.iter().enumerate().take(16) {
        let taken = |other: usize| other == at || set >> other & 1 == 1;
        let mut others = question.paths.iter().enumerate().take(16).filter(|o| taken(o.0));
        let is_apart = others.all(|(_, other)| apart(&other, &path));
        if path.is_sound() && set.count_ones() < most && is_apart {
            set |= 1 << position;
        }
    }
    set
}

/// Dials over another uplink where all sound paths would fail together.
fn keep_warm(question: &Question<'_>) -> Verdict {
    let sound = || question.paths.iter().filter(|path| path.is_sound());
    let Some(first) = sound().next() else { return unless_alone(question) };
    if sound().any(|path| apart(&path, &first)) {
        return stay();
    }
    let is_other = |uplink: u32| sound().all(|path| path.uplink() != uplink);
    best_dial(question, |dial| is_other(dial.uplink)).unwrap_or_else(stay)
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_failover!(Duplicate);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_names_what_was_offered() {
        harness::prove_failover(&Duplicate::default());
        let refused = [
            ("move_after_ms", Integer(49)),
            ("hold_down_ms", Integer(30_001)),
            ("copies", Integer(0)),
        ];
        harness::prove_refused(|settings| Duplicate::default().configure(settings), &refused);
    }
}
