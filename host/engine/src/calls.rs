//! The functions of each role, behind one trait: generated ones, and for the selector also those
//! of a module without its component.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bare::BareSelector;
use crate::bindings::anomaly::{AnomalyRole, AnomalyRoleIndices};
use crate::bindings::common::{Policy, PolicyIndices};
use crate::bindings::failover::{FailoverRole, FailoverRoleIndices};
use crate::bindings::reputation::{ReputationRole, ReputationRoleIndices};
use crate::bindings::selector::{SelectorRole, SelectorRoleIndices};
use crate::guest::Guest;

/// The functions of a role.
pub(crate) trait Calls: Sized + Send + 'static {
    /// Where they are in a module.
    type Indices: Send + Sync + 'static;

    /// Those of an instance without a component, where the role has a use for such.
    const BARE: Option<fn(BareSelector) -> Self> = None;

    /// Finds them, and checks their types.
    fn indices(pre: &InstancePre<Guest>) -> wasmtime::Result<Self::Indices>;

    /// Those of an instance.
    fn load(
        indices: &Self::Indices,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Self>;
}

/// A selector, whichever way it is asked.
#[expect(clippy::large_enum_variant, reason = "who holds one is behind a pointer as a whole")]
pub(crate) enum Chooser {
    Component(SelectorRole),
    Bare(BareSelector),
}

impl Calls for Chooser {
    type Indices = SelectorRoleIndices;

    const BARE: Option<fn(BareSelector) -> Self> = Some(Self::Bare);

    fn indices(pre: &InstancePre<Guest>) -> wasmtime::Result<Self::Indices> {
        SelectorRoleIndices::new(pre)
    }

    fn load(
        indices: &Self::Indices,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Self> {
        indices.load(store, instance).map(Self::Component)
    }
}

/// The generated types have these functions, and no trait of their own for them.
macro_rules! calls {
    ($role:ty, $indices:ty) => {
        impl Calls for $role {
            type Indices = $indices;

            fn indices(pre: &InstancePre<Guest>) -> wasmtime::Result<Self::Indices> {
                <$indices>::new(pre)
            }

            fn load(
                indices: &Self::Indices,
                store: &mut Store<Guest>,
                instance: &Instance,
            ) -> wasmtime::Result<Self> {
                indices.load(store, instance)
            }
        }
    };
}

calls!(FailoverRole, FailoverRoleIndices);
calls!(ReputationRole, ReputationRoleIndices);
calls!(AnomalyRole, AnomalyRoleIndices);
// What every policy has is asked like a role where it learns.
calls!(Policy, PolicyIndices);
