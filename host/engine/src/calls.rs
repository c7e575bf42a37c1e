//! The generated functions of each role, behind one trait.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

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

    /// Finds them, and checks their types.
    fn indices(pre: &InstancePre<Guest>) -> wasmtime::Result<Self::Indices>;

    /// Those of an instance.
    fn load(
        indices: &Self::Indices,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Self>;
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

calls!(SelectorRole, SelectorRoleIndices);
calls!(FailoverRole, FailoverRoleIndices);
calls!(ReputationRole, ReputationRoleIndices);
calls!(AnomalyRole, AnomalyRoleIndices);
// What every policy has is asked like a role where it learns.
calls!(Policy, PolicyIndices);
