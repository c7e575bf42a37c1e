//! What the two roles of one adapter have in common: the physical links under the connections.
//!
//! Two radios have one link between them, whoever dialled, and it may carry a connection each
//! way. Ending one of these must not end the other, so the link is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pointsman_core::bluetooth::RadioAddress;

/// How many connections each physical link carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses {
    counts: Arc<Mutex<BTreeMap<RadioAddress, usize>>>,
}

/// One connection's share in a link.
#[derive(Debug)]
pub(crate) struct Use {
    of: Uses,
    address: RadioAddress,
}

impl Uses {
    /// A connection to this address begins.
    pub(crate) fn begin(&self, address: RadioAddress) -> Use {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(address).or_default() += 1;
        Use { of: self.clone(), address }
    }

    /// How many connections the link to this address carries.
    #[cfg(target_os = "linux")]
    pub(crate) fn count(&self, address: RadioAddress) -> usize {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&address).copied().unwrap_or(0)
    }

    /// Whether any link carries a connection.
    pub(crate) fn any(&self) -> bool {
        !self.counts.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Use {
    /// Whose link it is.
    #[cfg(target_os = "linux")]
    pub(crate) fn address(&self) -> RadioAddress {
        self.address
    }

    /// Whether nobody else needs the link.
    pub(crate) fn is_last(&self) -> bool {
        let counts = self.of.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&self.address).is_none_or(|count| *count <= 1)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut counts = self.of.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_needed_until_its_last_connection_ends() {
        let (uses, address) = (Uses::default(), RadioAddress([1; 6]));
        let (ours, theirs) = (uses.begin(address), uses.begin(address));
        assert!(!ours.is_last());
        drop(theirs);
        assert!(ours.is_last() && uses.any());
        drop(ours);
        assert!(!uses.any());
    }
}
