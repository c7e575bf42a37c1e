//! Learners out of modules.

use pointsman_core::policy::Strike;
use pointsman_engine::{LoadError, Module, Terms, WasmLearner};
use pointsman_sdk::{Outcome, State};

use super::{Learner, LearnerSeat};

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
