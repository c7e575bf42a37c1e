//! {{name}}: sends on the first sound path that has room, and holds the packet where none has.
//!
//! A policy is a pure function: all it may use is in the question, and equal questions get
//! equal verdicts. Change `choose`, then run `cargo test` and `./build.sh`.

use pointsman_sdk::selector::{Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Settings};

/// Codes that say why, as logs show them.
pub mod reason {
    /// The first path that is sound and has room.
    pub const FIRST: u16 = 1;
    /// No path has room.
    pub const NO_ROOM: u16 = 2;
}

/// For how many packets and milliseconds a verdict holds: fewer questions, older answers.
const LEASE: (u8, u8) = (8, 5);

/// The policy: its settings, and nothing that changes between questions.
#[derive(Clone, Debug)]
pub struct Policy {
    hold_ms: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { hold_ms: 10 }
    }
}

impl Selector for Policy {
    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .with_settings("hold_ms: integer 1..=400 = 10  wait where no path has room\n")
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["hold_ms"])?;
        self.hold_ms = settings.integer("hold_ms", 1..=400, 10)? as u32;
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let mut paths = question.paths.iter().take(16);
        match paths.position(|p| p.is_sound() && p.room_bytes() >= question.head_bytes) {
            Some(at) => Verdict::send(at).lease(LEASE.0, LEASE.1).because(reason::FIRST),
            None => Verdict::hold(self.hold_ms * 1_000).because(reason::NO_ROOM),
        }
    }
}

pointsman_sdk::export_selector!(Policy);

#[cfg(test)]
mod tests {
    use pointsman_sdk::path::flags::{SUSPECT, UP};
    use pointsman_sdk::{PathRow, Paths, UNKNOWN};

    use super::*;

    fn asked(rows: &[PathRow]) -> Verdict {
        let mut list = vec![PathRow::STRIDE as u32];
        rows.iter().for_each(|row| row.write(&mut list));
        Policy::default().choose(&Question {
            now_us: 0,
            seed: 0,
            peer: 1,
            class: 0,
            flags: 0,
            head_bytes: 1_200,
            head_age_us: 0,
            deadline_left_us: UNKNOWN,
            backlog_bytes: 1_200,
            backlog_above_bytes: 0,
            duplicate_budget_bytes: 0,
            tried_paths: 0,
            standing: 0,
            battery_permille: UNKNOWN,
            paths: Paths::new(&list),
        })
    }

    fn row(flags: u32, room_bytes: u32) -> PathRow {
        PathRow { flags, room_bytes, ..PathRow::default() }
    }

    #[test]
    fn the_first_sound_path_with_room_carries_it() {
        let rows = [row(UP | SUSPECT, 9_000), row(UP, 100), row(UP, 9_000)];
        assert_eq!(asked(&rows), Verdict::send(2).lease(8, 5).because(reason::FIRST));
    }

    #[test]
    fn without_room_it_waits() {
        assert_eq!(asked(&[row(UP, 100)]), Verdict::hold(10_000).because(reason::NO_ROOM));
    }
}
