//! The selector of the dice table: a move of the game goes twice, everything else once.
//!
//! A move is a few hundred bytes in the realtime class, and the whole table waits for it; so it
//! travels on the two quickest paths that do not fail together, as far as the budget for copies
//! goes. What is said at the table takes the cheapest path that has room.

use pointsman_sdk::selector::{Class, Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Path, Settings};

/// Codes that say why.
pub mod reason {
    /// A move, twice.
    pub const TWICE: u16 = 1;
    /// A move, once: no second way, or no budget for it.
    pub const ONCE: u16 = 2;
    /// Talk, on the cheapest path.
    pub const CHEAPEST: u16 = 3;
    /// Nothing has room: wait a little.
    pub const WAIT: u16 = 4;
}

/// How long a packet waits for room before the question is asked again, in microseconds.
const WAIT_US: u32 = 5_000;

/// The policy.
#[derive(Debug)]
pub struct CrapsTable {
    move_bytes_max: u32,
}

impl Default for CrapsTable {
    fn default() -> Self {
        Self { move_bytes_max: 1_024 }
    }
}

impl Selector for CrapsTable {
    fn manifest() -> Manifest {
        Manifest::new("craps-table", env!("CARGO_PKG_VERSION")).with_settings(
            "move_bytes_max: integer 64..=16384 = 1024  a realtime packet up to this size goes twice\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["move_bytes_max"])?;
        let bytes = settings.integer("move_bytes_max", 64..=16_384, 1_024)?;
        self.move_bytes_max = u32::try_from(bytes).unwrap_or(1_024);
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let is_move = question.class == Class::Realtime as u32;
        if !is_move {
            let cheapest = best(question, |path| (path.price_per_mib(), path.srtt_us()));
            return cheapest.map_or(Verdict::hold(WAIT_US).because(reason::WAIT), |(at, _)| {
                Verdict::send(at).lease(8, 5).because(reason::CHEAPEST)
            });
        }
        let Some((first, path)) = best(question, |path| (path.srtt_us(), 0)) else {
            return Verdict::hold(WAIT_US).because(reason::WAIT);
        };
        let group = path.risk_group();
        let apart = |path: &Path<'_>| (u32::from(path.risk_group() == group), path.srtt_us());
        let second = best(question, apart).filter(|(at, _)| *at != first);
        let affordable = question.head_bytes <= self.move_bytes_max
            && question.head_bytes <= question.duplicate_budget_bytes;
        match second.filter(|(_, path)| affordable && path.risk_group() != group) {
            Some((second, _)) => {
                Verdict::duplicate(1 << first | 1 << second).because(reason::TWICE)
            }
            None => Verdict::send(first).because(reason::ONCE),
        }
    }
}

/// Of the sound paths with room the one with the least rank, and its position.
fn best<'a, R: Ord>(
    question: &Question<'a>,
    rank: impl Fn(&Path<'a>) -> R,
) -> Option<(usize, Path<'a>)> {
    let usable = |path: &Path<'_>| path.is_sound() && path.room_bytes() >= question.head_bytes;
    let paths = question.paths.iter().enumerate().take(16);
    paths.filter(|(_, path)| usable(path)).min_by_key(|(_, path)| rank(path))
}

pointsman_sdk::export_selector!(CrapsTable);
