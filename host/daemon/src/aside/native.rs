//! Native policies learn like modules.

use pointsman_core::policy::{Role, Strike, builtin};
use pointsman_sdk::{Outcome, Settings, State};

use super::{Learner, LearnerSeat};

/// The part of a native policy that learns.
#[derive(Debug)]
struct Native {
    name: String,
}

impl Learner for Native {
    fn learn(&mut self, before: Option<State>, seen: &[Outcome]) -> Result<Option<State>, Strike> {
        Ok(builtin::learn(&self.name, before, seen))
    }
}

impl LearnerSeat {
    /// What learns for the native policy of this name, which was made with these settings and
    /// with what it learned so far; `None` where it learns nothing.
    pub fn native(
        role: Role,
        generation: u64,
        name: &str,
        settings: &Settings,
        learned: Option<State>,
    ) -> Option<Self> {
        let manifest = builtin::learner(role, name)?;
        let (name, settings) = (name.to_owned(), settings.clone());
        let learner = Native { name: name.clone() };
        let remake = move |learned: Option<&State>| {
            builtin::learned_policy(role, &name, &settings, learned)
                .map_err(|error| error.to_string())
        };
        Some(Self {
            role,
            generation,
            manifest,
            digest: String::new(),
            learned,
            learner: Box::new(learner),
            remake: Box::new(remake),
        })
    }
}
