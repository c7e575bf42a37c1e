//! {{name}}: moves traffic off a path that stays silent while others progress.
//!
//! Before that it sends copies elsewhere, which commits to nothing. Changes nothing about the
//! world by itself: the host does what the verdict says. Change `decide`, then run
//! `cargo test` and `./build.sh`.

use pointsman_sdk::failover::{Event, Failover, Question, Resend, Verdict};
use pointsman_sdk::path::flags::{DRAINING, MASKED, SUSPECT, UP};
use pointsman_sdk::{Fault, Manifest, Path, Settings};

/// Codes that say why, as logs show them.
pub mod reason {
    /// Nothing to do.
    pub const FINE: u32 = 1;
    /// An acknowledgement is late.
    pub const LATE: u32 = 2;
    /// The path is silent while others progress.
    pub const SILENT: u32 = 3;
    /// The path is gone.
    pub const GONE: u32 = 4;
    /// The path is well again.
    pub const BACK: u32 = 5;
    /// No other path is sound.
    pub const ALONE: u32 = 6;
}

/// The policy: its settings, and nothing that changes between questions.
#[derive(Clone, Debug)]
pub struct Policy {
    silent_us: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { silent_us: 400_000 }
    }
}

impl Failover for Policy {
    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .with_settings("silent_ms: integer 50..=60000 = 400  silence that moves traffic\n")
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["silent_ms"])?;
        self.silent_us = settings.integer("silent_ms", 50..=60_000, 400)? as u32 * 1_000;
        Ok(())
    }

    fn decide(&self, question: &Question<'_>) -> Verdict {
        let path = question.paths.at(question.at as usize).filter(|_| question.at < 16);
        let spare = others(question);
        match (question.event, path) {
            (Event::Lost, _) if spare == 0 => Verdict::Store,
            (Event::Lost, _) => move_to(spare, Resend::Unacked, reason::GONE),
            (Event::Suspect | Event::Tick, Some(path))
                if path.flags() & (UP | SUSPECT | MASKED) == UP | SUSPECT =>
            {
                self.late(question, &path, spare)
            }
            (Event::Recovered | Event::Appeared, Some(path))
                if path.flags() & (UP | SUSPECT | DRAINING) == UP =>
            {
                move_to(spare | 1 << question.at, Resend::None, reason::BACK)
            }
            (Event::Suspect | Event::Tick, _) => Verdict::Stay { reason: reason::FINE },
            // The host's builtin policy answers.
            _ => Verdict::Abstain,
        }
    }
}

impl Policy {
    /// The path is late. Our own loop may be what was late, so that much is taken off.
    fn late(&self, question: &Question<'_>, path: &Path<'_>, spare: u16) -> Verdict {
        let silent_us = path.silent_us().saturating_sub(question.loop_lag_us);
        if spare == 0 {
            return Verdict::Probe { paths: 1 << question.at, reason: reason::ALONE };
        }
        if question.others_progressed > 0 && silent_us > self.silent_us {
            return move_to(spare, Resend::Unacked, reason::SILENT);
        }
        match question.hedge_budget_bytes {
            0 => Verdict::Stay { reason: reason::LATE },
            budget_bytes => {
                let onto = 1 << spare.trailing_zeros();
                Verdict::Hedge { onto, budget_bytes, reason: reason::LATE }
            }
        }
    }
}

/// The sound paths but this one, as a set.
fn others(question: &Question<'_>) -> u16 {
    let sound = question.paths.iter().take(16).enumerate().filter(|(_, path)| path.is_sound());
    sound.filter(|(at, _)| *at as u32 != question.at).fold(0, |set, (at, _)| set | 1 << at)
}

fn move_to(onto: u16, resend: Resend, reason: u32) -> Verdict {
    Verdict::Move { onto, resend, reason }
}

pointsman_sdk::export_failover!(Policy);

#[cfg(test)]
mod tests {
    use pointsman_sdk::{PathRow, Paths, UNKNOWN};

    use super::*;

    fn asked(event: Event, silent_us: u32, others_progressed: u32) -> Verdict {
        let mut list = vec![PathRow::STRIDE as u32];
        for flags in [UP | SUSPECT, UP] {
            PathRow { flags, silent_us, ..PathRow::default() }.write(&mut list);
        }
        Policy::default().decide(&Question {
            now_us: 0,
            seed: 0,
            peer: 1,
            event,
            at: 0,
            oldest_unacked_us: silent_us,
            unacked_bytes: [1_200, 0, 0],
            misses: 1,
            others_progressed,
            loop_lag_us: 0,
            moves_last_60s: 0,
            since_move_ms: UNKNOWN,
            deadline_min_us: UNKNOWN,
            hedge_budget_bytes: 5_000,
            store_left_kib: 0,
            paths: Paths::new(&list),
            dialables: &[],
        })
    }

    #[test]
    fn a_pause_is_answered_with_copies_and_moves_nothing() {
        let hedge = Verdict::Hedge { onto: 0b10, budget_bytes: 5_000, reason: reason::LATE };
        assert_eq!(asked(Event::Suspect, 200_000, 3), hedge);
        assert_eq!(asked(Event::Tick, 900_000, 0), hedge);
    }

    #[test]
    fn a_path_that_stays_silent_while_others_progress_is_left() {
        let left = move_to(0b10, Resend::Unacked, reason::SILENT);
        assert_eq!(asked(Event::Tick, 401_000, 1), left);
    }
}
