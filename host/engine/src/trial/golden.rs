//! Questions and outcomes that every policy must be able to take, made here by code: none, one
//! and many of everything, every number at its extremes, what is not known, rows of older and
//! newer hosts, and everyday life. They promise nothing about what a good answer would be.

mod anomaly;
mod failover;
mod paths;
mod reputation;
mod selector;

use pointsman_core::policy::{Question, Role};
use pointsman_sdk::{Outcome, UNKNOWN};

/// A question with its name.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// What it is about, in a few words that follow "asked about".
    pub(super) name: String,
    pub(super) question: Question,
}

/// Numbers at which arithmetic breaks, with their names.
const EXTREMES: [(&str, u32); 4] =
    [("0", 0), ("1", 1), ("2147483648", 1 << 31), ("4294967295", u32::MAX)];

/// The golden questions of a role, always the same in the same order.
pub(super) fn questions(role: Role) -> Vec<Asked> {
    match role {
        Role::Selector => selector::questions(),
        Role::Failover => failover::questions(),
        Role::Reputation => reputation::questions(),
        Role::Anomaly => anomaly::questions(),
    }
}

/// Those recorded questions that are for this role.
pub(super) fn recorded(role: Role, recorded: &[Question]) -> impl Iterator<Item = Asked> {
    let numbered = recorded.iter().enumerate();
    numbered.filter(move |(_, question)| question.role() == role).map(|(index, question)| Asked {
        name: format!("recorded question {}", index + 1),
        question: question.clone(),
    })
}

/// Outcomes to learn from: fast and slow ones, late and lost ones, on paths that come and go.
pub(super) fn outcomes() -> Vec<Outcome> {
    let mut outcomes: Vec<_> = (0..64_u32)
        .map(|n| Outcome {
            decision: u64::from(n),
            path: n % 5,
            bytes: [64, 1_200, 16_384][(n % 3) as usize],
            queue_us: n * 37,
            ack_us: if n % 13 == 0 { UNKNOWN } else { 5_000 + n % 5 * 20_000 + n * 11 },
            late: n % 7 == 0 || n % 13 == 0,
            duplicate_won: n % 11 == 0,
        })
        .collect();
    outcomes.push(Outcome::default());
    outcomes.push(Outcome {
        decision: u64::MAX,
        path: UNKNOWN,
        bytes: u32::MAX,
        queue_us: u32::MAX,
        ack_us: u32::MAX,
        late: true,
        duplicate_won: true,
    });
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_questions_are_always_the_same_each_of_its_role_and_with_a_name_of_its_own() {
        for role in Role::ALL {
            let (asked, again) = (questions(role), questions(role));
            assert!(asked.len() >= 30, "{}: {}", role.name(), asked.len());
            let mut names: Vec<_> = asked.iter().map(|one| one.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), asked.len(), "{}", role.name());
            for (one, other) in asked.iter().zip(&again) {
                assert_eq!(one.question.role(), role, "{}", one.name);
                assert_eq!(one.question, other.question, "{}", one.name);
            }
        }
    }
}
