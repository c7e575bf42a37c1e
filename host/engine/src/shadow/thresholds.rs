//! What a shadowed candidate must show before it is promoted.

use super::ShadowReport;

/// Bounds on what a shadow found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// At least so many questions.
    pub compared_min: u64,
    /// At most so many of a thousand answered so that something else is done.
    pub differ_permille_max: u32,
    /// At most so many failures.
    pub strikes_max: u64,
    /// An answer costs at most so much on average, in nanoseconds.
    pub mean_ns_max: u32,
}

impl Default for Thresholds {
    /// A hundred questions, no failure, 50 µs, as a slot has it. A candidate may decide as it
    /// likes: that it decides otherwise is why it is there.
    fn default() -> Self {
        Self { compared_min: 100, differ_permille_max: 1000, strikes_max: 0, mean_ns_max: 50_000 }
    }
}

impl ShadowReport {
    /// Whether the candidate may be promoted; a sentence for each bound that it does not keep.
    pub fn passes(&self, bounds: &Thresholds) -> Result<(), Vec<String>> {
        let Thresholds { compared_min, differ_permille_max, strikes_max, mean_ns_max } = *bounds;
        let compared = &self.compared;
        let mut broken = Vec::new();
        let mut check = |holds: bool, says: String| {
            if !holds {
                broken.push(says);
            }
        };
        let questions = compared.questions;
        check(
            questions >= compared_min,
            format!("only {questions} questions were compared, and {compared_min} are asked for"),
        );
        let permille = compared.differ_permille();
        check(
            permille <= differ_permille_max,
            format!(
                "{permille} of 1000 questions are answered otherwise, \
                 and {differ_permille_max} are allowed"
            ),
        );
        let strikes = compared.strikes();
        check(
            strikes <= strikes_max,
            format!("it failed {strikes} times, and {strikes_max} are allowed"),
        );
        let mean_ns = compared.cost.mean_ns;
        check(
            mean_ns <= u64::from(mean_ns_max),
            format!("an answer costs {mean_ns} ns on average, and {mean_ns_max} ns are allowed"),
        );
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }
}
