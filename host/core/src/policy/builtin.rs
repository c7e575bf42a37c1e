//! The native policies: the same functions that the Wasm modules are built from.
//!
//! They answer when a slot has no module, and in the stead of a module that fails. They live
//! as long as their slot, and can't trap, hang or be swapped out from under it.

use core::fmt;

use pointsman_beta::Beta;
use pointsman_blocking_estimation::BlockingEstimation;
use pointsman_drift::Drift;
use pointsman_duplicate::Duplicate;
use pointsman_earliest_completion::EarliestCompletion;
use pointsman_energy_efficient::EnergyEfficient;
use pointsman_fastest_first::FastestFirst;
use pointsman_load_balanced::LoadBalanced;
use pointsman_most_reliable::MostReliable;
use pointsman_sdk::anomaly::Finding;
use pointsman_sdk::reputation::Standing;
use pointsman_sdk::{
    Fault, Manifest, Outcome, Settings, State, anomaly, failover, reputation, selector,
};
use pointsman_standby::Standby;
use pointsman_thresholds::Thresholds;
use pointsman_thrifty::Thrifty;

use super::{
    Anomaly, AnomalyQuestion, Failover, FailoverQuestion, Policy, Reputation, ReputationQuestion,
    Role, Selector, SelectorQuestion, Strike,
};

/// Names of the native selectors, the default first.
pub const SELECTORS: [&str; 7] = [
    "fastest-first",
    "most-reliable",
    "load-balanced",
    "energy-efficient",
    "earliest-completion",
    "blocking-estimation",
    "thrifty",
];

/// Names of the native failover policies, the default first.
pub const FAILOVERS: [&str; 2] = ["standby", "duplicate"];

/// Names of the native reputation policies, the default first.
pub const REPUTATIONS: [&str; 1] = ["beta"];

/// Names of the native anomaly policies, the default first.
pub const ANOMALIES: [&str; 2] = ["thresholds", "drift"];

/// A policy compiled into this binary, asked like a module.
#[derive(Clone, Debug, Default)]
pub struct Native<P>(pub P);

impl<P: selector::Selector + Send + fmt::Debug> Selector for Native<P> {
    fn choose(&mut self, question: &SelectorQuestion) -> Result<u64, Strike> {
        Ok(self.0.choose(&question.view()).pack())
    }
}

impl<P: failover::Failover + Send + fmt::Debug> Failover for Native<P> {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<failover::Verdict, Strike> {
        Ok(self.0.decide(&question.view()))
    }
}

impl<P: reputation::Reputation + Send + fmt::Debug> Reputation for Native<P> {
    fn fold(&mut self, question: &ReputationQuestion) -> Result<Standing, Strike> {
        Ok(self.0.fold(question.now_ms, &question.was, &question.seen))
    }
}

impl<P: anomaly::Anomaly + Send + fmt::Debug> Anomaly for Native<P> {
    fn inspect(&mut self, question: &AnomalyQuestion) -> Result<Vec<Finding>, Strike> {
        Ok(self.0.inspect(question.now_ms, &question.window))
    }
}

/// Why there is no such native policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuiltinError {
    /// No policy of the role has this name.
    Unknown {
        /// The role.
        role: Role,
        /// The name.
        name: String,
    },
    /// It refuses its settings.
    Refused {
        /// The policy.
        name: String,
        /// What it says.
        fault: Fault,
    },
}

impl fmt::Display for BuiltinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { role, name } => {
                let known = match role {
                    Role::Selector => SELECTORS.join(", "),
                    Role::Failover => FAILOVERS.join(", "),
                    Role::Reputation => REPUTATIONS.join(", "),
                    Role::Anomaly => ANOMALIES.join(", "),
                };
                write!(f, "no builtin {} is called {name:?}; there is {known}", role.name())
            }
            Self::Refused { name, fault } => match fault {
                Fault::BadSetting { key, why } => write!(f, "{name}: setting {key:?}: {why}"),
                Fault::BadState(schema) => {
                    write!(f, "{name}: cannot read state of schema {schema}")
                }
                Fault::Other(text) => write!(f, "{name}: {text}"),
            },
        }
    }
}

impl core::error::Error for BuiltinError {}

/// The native selector of this name, configured.
pub fn selector(name: &str, settings: &Settings) -> Result<Box<dyn Selector>, BuiltinError> {
    learned_selector(name, settings, None)
}

/// The same, with what it learned so far.
pub fn learned_selector(
    name: &str,
    settings: &Settings,
    learned: Option<&State>,
) -> Result<Box<dyn Selector>, BuiltinError> {
    let to = (name, settings, learned);
    match name {
        "fastest-first" => native_selector::<FastestFirst>(to),
        "most-reliable" => native_selector::<MostReliable>(to),
        "load-balanced" => native_selector::<LoadBalanced>(to),
        "energy-efficient" => native_selector::<EnergyEfficient>(to),
        "earliest-completion" => native_selector::<EarliestCompletion>(to),
        "blocking-estimation" => native_selector::<BlockingEstimation>(to),
        "thrifty" => native_selector::<Thrifty>(to),
        _ => Err(BuiltinError::Unknown { role: Role::Selector, name: name.to_owned() }),
    }
}

/// The native failover policy of this name, configured.
pub fn failover(name: &str, settings: &Settings) -> Result<Box<dyn Failover>, BuiltinError> {
    learned_failover(name, settings, None)
}

/// The same, with what it learned so far.
pub fn learned_failover(
    name: &str,
    settings: &Settings,
    learned: Option<&State>,
) -> Result<Box<dyn Failover>, BuiltinError> {
    let to = (name, settings, learned);
    match name {
        "standby" => native_failover::<Standby>(to),
        "duplicate" => native_failover::<Duplicate>(to),
        _ => Err(BuiltinError::Unknown { role: Role::Failover, name: name.to_owned() }),
    }
}

/// The native reputation policy of this name, configured.
pub fn reputation(name: &str, settings: &Settings) -> Result<Box<dyn Reputation>, BuiltinError> {
    match name {
        "beta" => {
            let mut policy = Beta::default();
            reputation::Reputation::configure(&mut policy, settings).map_err(refused(name))?;
            Ok(Box::new(Native(policy)))
        }
        _ => Err(BuiltinError::Unknown { role: Role::Reputation, name: name.to_owned() }),
    }
}

/// The native anomaly policy of this name, configured.
pub fn anomaly(name: &str, settings: &Settings) -> Result<Box<dyn Anomaly>, BuiltinError> {
    match name {
        "thresholds" => native_anomaly::<Thresholds>(name, settings),
        "drift" => native_anomaly::<Drift>(name, settings),
        _ => Err(BuiltinError::Unknown { role: Role::Anomaly, name: name.to_owned() }),
    }
}

/// The native policy of this role and name, configured.
pub fn policy(role: Role, name: &str, settings: &Settings) -> Result<Policy, BuiltinError> {
    learned_policy(role, name, settings, None)
}

/// The same, with what it learned so far; reputation and anomaly policies learn nothing.
pub fn learned_policy(
    role: Role,
    name: &str,
    settings: &Settings,
    learned: Option<&State>,
) -> Result<Policy, BuiltinError> {
    match role {
        Role::Selector => learned_selector(name, settings, learned).map(Policy::Selector),
        Role::Failover => learned_failover(name, settings, learned).map(Policy::Failover),
        Role::Reputation => reputation(name, settings).map(Policy::Reputation),
        Role::Anomaly => anomaly(name, settings).map(Policy::Anomaly),
    }
}

/// What the native policy of this name has learned after these outcomes; what it had, where it
/// learns nothing.
pub fn learn(name: &str, before: Option<State>, seen: &[Outcome]) -> Option<State> {
    match name {
        "most-reliable" => <MostReliable as selector::Selector>::learn(before, seen),
        _ => before,
    }
}

/// What a native policy that learns says of itself; `None` where there is none of this name.
pub fn learner(role: Role, name: &str) -> Option<Manifest> {
    match (role, name) {
        (Role::Selector, "most-reliable") => Some(<MostReliable as selector::Selector>::manifest()),
        _ => None,
    }
}

/// The selector that answers where nothing is configured.
pub fn default_selector() -> Box<dyn Selector> {
    Box::new(Native(FastestFirst::default()))
}

/// The failover policy that answers where nothing is configured.
pub fn default_failover() -> Box<dyn Failover> {
    Box::new(Native(Standby::default()))
}

/// The reputation policy that answers where nothing is configured.
pub fn default_reputation() -> Box<dyn Reputation> {
    Box::new(Native(Beta::default()))
}

/// The anomaly policy that answers where nothing is configured.
pub fn default_anomaly() -> Box<dyn Anomaly> {
    Box::new(Native(Thresholds::default()))
}

/// What a policy is made with: its name, its settings, and what it learned.
type Made<'a> = (&'a str, &'a Settings, Option<&'a State>);

fn native_selector<P: selector::Selector + Send + fmt::Debug + 'static>(
    (name, settings, learned): Made<'_>,
) -> Result<Box<dyn Selector>, BuiltinError> {
    let mut policy = P::default();
    let configured = policy.configure(settings);
    let restored = configured.and_then(|()| learned.map_or(Ok(()), |state| policy.restore(state)));
    restored.map_err(refused(name))?;
    Ok(Box::new(Native(policy)))
}

fn native_failover<P: failover::Failover + Send + fmt::Debug + 'static>(
    (name, settings, learned): Made<'_>,
) -> Result<Box<dyn Failover>, BuiltinError> {
    let mut policy = P::default();
    let configured = policy.configure(settings);
    let restored = configured.and_then(|()| learned.map_or(Ok(()), |state| policy.restore(state)));
    restored.map_err(refused(name))?;
    Ok(Box::new(Native(policy)))
}

fn native_anomaly<P: anomaly::Anomaly + Send + fmt::Debug + 'static>(
    name: &str,
    settings: &Settings,
) -> Result<Box<dyn Anomaly>, BuiltinError> {
    let mut policy = P::default();
    policy.configure(settings).map_err(refused(name))?;
    Ok(Box::new(Native(policy)))
}

fn refused(name: &str) -> impl Fn(Fault) -> BuiltinError + '_ {
    move |fault| BuiltinError::Refused { name: name.to_owned(), fault }
}

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value;

    use super::*;

    #[test]
    fn every_name_in_the_lists_is_a_policy() {
        let none = Settings::default();
        assert!(SELECTORS.iter().all(|name| selector(name, &none).is_ok()));
        assert!(FAILOVERS.iter().all(|name| failover(name, &none).is_ok()));
        assert!(REPUTATIONS.iter().all(|name| reputation(name, &none).is_ok()));
        assert!(ANOMALIES.iter().all(|name| anomaly(name, &none).is_ok()));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = selector("slowest-first", &Settings::default()).expect_err("no such policy");
        assert_eq!(
            error.to_string(),
            "no builtin selector is called \"slowest-first\"; there is fastest-first, \
             most-reliable, load-balanced, energy-efficient, earliest-completion, \
             blocking-estimation, thrifty"
        );
    }

    #[test]
    fn a_refused_setting_is_named() {
        let settings = Settings::new(vec![("move_after_ms".into(), Value::Integer(1))]);
        let error = failover("standby", &settings).expect_err("1 ms is too short");
        assert_eq!(
            error.to_string(),
            "standby: setting \"move_after_ms\": takes a whole number from 50 to 60000"
        );
    }
}
