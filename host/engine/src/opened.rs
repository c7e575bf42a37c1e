//! The modules that are in use, so that one of them that is opened again needs no second copy of
//! its code, nor to be looked at: a policy that is put back, or live what was a shadow.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::module::{Module, WeakModule};

/// By the digest of their bytes. A module that nothing uses any more is not kept by this.
#[derive(Debug, Default)]
pub(crate) struct Opened(Mutex<HashMap<String, WeakModule>>);

impl Opened {
    pub(crate) fn find(&self, digest: &str) -> Option<Module> {
        self.all().get(digest)?.upgrade()
    }

    pub(crate) fn note(&self, module: &Module) {
        let mut all = self.all();
        all.retain(|_, module| module.upgrade().is_some());
        all.insert(module.inspection().digest.clone(), module.downgrade());
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, WeakModule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
