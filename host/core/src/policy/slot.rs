//! A slot: the live module of a role, and the builtin that answers whenever it does not.

use pointsman_sdk::{failover, selector};

use super::{Failover, FailoverQuestion, Selector, SelectorQuestion, Strike};
use crate::snapshot::SlotSnapshot;

/// A vetted answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<V> {
    /// The verdict: only what the question offered.
    pub verdict: V,
    /// Why the builtin answered in the module's stead; `None` when the module answered, when
    /// there is none, or when it abstained.
    pub strike: Option<Strike>,
}

/// The selector's slot.
#[derive(Debug, Default)]
pub struct SelectorSlot {
    module: Option<Box<dyn Selector>>,
}

impl SelectorSlot {
    /// Puts a module in, or takes it out.
    pub fn swap(&mut self, module: Option<Box<dyn Selector>>) -> Option<Box<dyn Selector>> {
        core::mem::replace(&mut self.module, module)
    }

    /// Asks the module; the builtin answers the same question where it fails or abstains.
    pub fn ask(&mut self, question: &SelectorQuestion) -> Answer<selector::Verdict> {
        let _ = question;
        Answer { verdict: selector::Verdict::abstain(), strike: None }
    }

    /// What it counted.
    pub fn snapshot(&self) -> SlotSnapshot {
        SlotSnapshot {
            has_module: self.module.is_some(),
            asked: 0,
            answered_by_builtin: 0,
            strikes: 0,
            last_strike: None,
        }
    }
}

/// The failover policy's slot.
#[derive(Debug, Default)]
pub struct FailoverSlot {
    module: Option<Box<dyn Failover>>,
}

impl FailoverSlot {
    /// Puts a module in, or takes it out.
    pub fn swap(&mut self, module: Option<Box<dyn Failover>>) -> Option<Box<dyn Failover>> {
        core::mem::replace(&mut self.module, module)
    }

    /// Asks the module; the builtin answers the same question where it fails or abstains.
    pub fn ask(&mut self, question: &FailoverQuestion) -> Answer<failover::Verdict> {
        let _ = question;
        Answer { verdict: failover::Verdict::Abstain, strike: None }
    }

    /// What it counted.
    pub fn snapshot(&self) -> SlotSnapshot {
        SlotSnapshot {
            has_module: self.module.is_some(),
            asked: 0,
            answered_by_builtin: 0,
            strikes: 0,
            last_strike: None,
        }
    }
}
