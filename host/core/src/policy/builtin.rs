//! The native policies: the same functions that the Wasm modules are built from.
//!
//! They answer when a slot has no module, and in the stead of a module that fails. They live
//! as long as their slot, and can't trap, hang or be swapped out from under it.

use core::fmt;

use pointsman_fastest_first::FastestFirst;
use pointsman_sdk::{Fault, Settings, failover, selector};
use pointsman_standby::Standby;

use super::{Failover, FailoverQuestion, Policy, Role, Selector, SelectorQuestion, Strike};

/// Names of the native selectors, the default first.
pub const SELECTORS: [&str; 1] = ["fastest-first"];

/// Names of the native failover policies, the default first.
pub const FAILOVERS: [&str; 1] = ["standby"];

/// Names of the native reputation policies, the default first.
pub const REPUTATIONS: [&str; 1] = ["beta"];

/// Names of the native anomaly policies, the default first.
pub const ANOMALIES: [&str; 1] = ["thresholds"];

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
    match name {
        "fastest-first" => {
            let mut policy = FastestFirst::default();
            selector::Selector::configure(&mut policy, settings)
                .map_err(|fault| BuiltinError::Refused { name: name.to_owned(), fault })?;
            Ok(Box::new(Native(policy)))
        }
        _ => Err(BuiltinError::Unknown { role: Role::Selector, name: name.to_owned() }),
    }
}

/// The native failover policy of this name, configured.
pub fn failover(name: &str, settings: &Settings) -> Result<Box<dyn Failover>, BuiltinError> {
    match name {
        "standby" => {
            let mut policy = Standby::default();
            failover::Failover::configure(&mut policy, settings)
                .map_err(|fault| BuiltinError::Refused { name: name.to_owned(), fault })?;
            Ok(Box::new(Native(policy)))
        }
        _ => Err(BuiltinError::Unknown { role: Role::Failover, name: name.to_owned() }),
    }
}

/// The native policy of this role and name, configured.
pub fn policy(role: Role, name: &str, settings: &Settings) -> Result<Policy, BuiltinError> {
    match role {
        Role::Selector => selector(name, settings).map(Policy::Selector),
        Role::Failover => failover(name, settings).map(Policy::Failover),
        Role::Reputation | Role::Anomaly => {
            Err(BuiltinError::Unknown { role, name: name.to_owned() })
        }
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

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value;

    use super::*;

    #[test]
    fn every_name_in_the_lists_is_a_policy() {
        let none = Settings::default();
        assert!(SELECTORS.iter().all(|name| selector(name, &none).is_ok()));
        assert!(FAILOVERS.iter().all(|name| failover(name, &none).is_ok()));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = selector("slowest-first", &Settings::default()).expect_err("no such policy");
        assert_eq!(
            error.to_string(),
            "no builtin selector is called \"slowest-first\"; there is fastest-first"
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
