//! What two rooms still owe each other: gone when they have it.

use pointsman_core::policy::{Policy, Question, Role};
use pointsman_sdk::{Manifest, State};

use crate::error::LoadError;
use crate::trial::{self, Candidate, Learner, Trial, TrialError};
use crate::{Module, Terms};

/// Compiles nothing yet.
pub fn compile_child_main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

struct Of<'a>(&'a Module, &'a Terms<'a>);

impl Candidate for Of<'_> {
    fn role(&self) -> Role {
        self.0.inspection().role
    }

    fn manifest(&self) -> &Manifest {
        &self.0.inspection().manifest
    }

    fn fresh(&mut self, learned: Option<&State>) -> Result<Policy, LoadError> {
        self.0.policy(&Terms { learned: learned.or(self.1.learned), ..*self.1 })
    }

    fn learner(&mut self) -> Result<Learner, LoadError> {
        let mut learner = self.0.learner(self.1)?;
        Ok(Box::new(move |before, seen| learner.learn(before, seen)))
    }
}

impl Module {
    /// Tries it.
    pub fn trial(&self, terms: &Terms<'_>, recorded: &[Question]) -> Result<Trial, TrialError> {
        trial::run(&mut Of(self, terms), recorded)
    }
}
