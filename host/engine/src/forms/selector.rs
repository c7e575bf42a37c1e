//! The selector's question and verdict.

use pointsman_core::policy::SelectorQuestion;
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::selector::{Mode, Verdict};

use super::CLASSES;
use super::field::{Field, I32, Takes, Test, U32, U64};

/// The names of the bits of a question's flags.
const FLAGS: [&str; 3] = ["ordered", "saver", "charging"];

/// The names of modes, by their numbers.
const MODES: [&str; 7] = ["abstain", "send", "stripe", "duplicate", "hold", "store", "expire"];

/// The modes, by their numbers.
const ALL: [Mode; 7] = [
    Mode::Abstain,
    Mode::Send,
    Mode::Stripe,
    Mode::Duplicate,
    Mode::Hold,
    Mode::Store,
    Mode::Expire,
];

/// All but the paths.
pub(crate) const QUESTION: [Field<SelectorQuestion>; 14] = [
    field!(now_us, U64, u64),
    field!(seed, U64, u64),
    field!(peer, U32, u32),
    field!(class, Takes::OpenName(&CLASSES), u32),
    field!(flags, Takes::Bits(&FLAGS), u32),
    field!(head_bytes, U32, u32),
    field!(head_age_us, U32, u32),
    field!(unknown deadline_left_us),
    field!(backlog_bytes, U32, u32),
    field!(backlog_above_bytes, U32, u32),
    field!(duplicate_budget_bytes, U32, u32),
    field!(tried_paths, Takes::Positions(u32::BITS), u32),
    field!(standing, I32, i32),
    field!(unknown battery_permille),
];

/// A question of which nothing is said.
pub(crate) fn blank() -> SelectorQuestion {
    SelectorQuestion {
        deadline_left_us: UNKNOWN,
        battery_permille: UNKNOWN,
        paths: pointsman_core::policy::question::empty_paths(),
        ..SelectorQuestion::default()
    }
}

/// The verdict.
pub(crate) const VERDICT: [Field<Verdict>; 6] = [
    Field {
        name: "mode",
        takes: Takes::Name(&MODES),
        get: |verdict| Some(verdict.mode as i128),
        set: |verdict, value| {
            verdict.mode = ALL.get(value as usize).copied().unwrap_or(verdict.mode)
        },
        test: Test::Equal,
    },
    field!(paths, Takes::Positions(u16::BITS), u16),
    field!(hold_100us, Takes::Whole(0, 0xfff), u16),
    field!(lease_packets, Takes::Whole(0, u8::MAX as i128), u8),
    field!(lease_ms, Takes::Whole(0, u8::MAX as i128), u8),
    field!(reason, Takes::Whole(0, u16::MAX as i128), u16),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_modes_are_in_the_order_of_their_numbers() {
        for (number, mode) in ALL.into_iter().enumerate() {
            assert_eq!(mode as usize, number);
            assert_eq!(format!("{mode:?}").to_lowercase(), MODES[number]);
        }
    }
}
