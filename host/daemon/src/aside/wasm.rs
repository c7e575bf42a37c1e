//! Learners out of modules.

use pointsman_core::policy::{Role, Strike};
use pointsman_engine::{LoadError, Module, Terms, WasmLearner};
use pointsman_sdk::{Outcome, State};

use super::{AsideHandle, Learner, LearnerSeat, Seat};

impl Learner for WasmLearner {
    fn learn(&mut self, before: Option<State>, seen: &[Outcome]) -> Result<Option<State>, Strike> {
        Self::learn(self, before, seen)
    }
}

impl LearnerSeat {
    /// What learns for the policy that was made of a module on these terms; `None` where it
    /// learns nothing. Starts an instance: never on the loop.
    pub fn of(
        module: &Module,
        generation: u64,
        terms: &Terms<'_>,
    ) -> Result<Option<Self>, LoadError> {
        let inspection = module.inspection();
        if inspection.manifest.state_schema == 0 {
            return Ok(None);
        }
        let learner = module.learner(terms)?;
        let (module_again, settings) = (module.clone(), terms.settings.clone());
        let (call_us, memory_bytes) = (terms.call_us, terms.memory_bytes);
        let remake = move |learned: Option<&State>| {
            let terms = Terms { settings: &settings, learned, call_us, memory_bytes };
            module_again.policy(&terms).map_err(|error| error.to_string())
        };
        Ok(Some(Self {
            role: inspection.role,
            generation,
            manifest: inspection.manifest.clone(),
            digest: inspection.digest.clone(),
            learned: terms.learned.cloned(),
            learner: Box::new(learner),
            remake: Box::new(remake),
        }))
    }
}

impl AsideHandle {
    /// Has what came into a slot of the Node learn, if it does: a module on these terms, or a
    /// native policy, which does not. Starts an instance: never on the loop.
    pub fn accompany(
        &self,
        role: Role,
        generation: u64,
        module: Option<(&Module, &Terms<'_>)>,
    ) -> Result<(), LoadError> {
        if matches!(role, Role::Reputation | Role::Anomaly) {
            return Ok(());
        }
        let learner = match module {
            Some((module, terms)) => LearnerSeat::of(module, generation, terms)?,
            None => None,
        };
        self.seat(match learner {
            Some(learner) => Seat::Learner(Box::new(learner)),
            None => Seat::NoLearner { role, generation },
        });
        Ok(())
    }
}
