//! The macros that make a type the module's policy.
//!
//! On wasm32 they export the world of the role; on any other target they expand to nothing, so
//! that a policy is tested and linked natively like any other crate. They also do where the
//! feature `native` says that policies are linked as plain functions: two of them in one
//! module would export the same names.

/// Exports a type that implements [`Selector`](crate::selector::Selector) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(any(not(target_arch = "wasm32"), feature = "native"))]
#[macro_export]
macro_rules! export_selector {
    ($policy:ty) => {};
}

/// Exports a type that implements [`Failover`](crate::failover::Failover) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(any(not(target_arch = "wasm32"), feature = "native"))]
#[macro_export]
macro_rules! export_failover {
    ($policy:ty) => {};
}

/// Exports a type that implements [`Selector`](crate::selector::Selector) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[macro_export]
macro_rules! export_selector {
    ($policy:ty) => {
        $crate::__hold!($policy, $crate::selector::Selector);
        $crate::bindings::selector_role::__export_selector_role!(
            __PointsmanExport with_types_in $crate::bindings::selector_role
        );
    };
}

/// Exports a type that implements [`Failover`](crate::failover::Failover) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[macro_export]
macro_rules! export_failover {
    ($policy:ty) => {
        $crate::__hold!($policy, $crate::failover::Failover);
        $crate::bindings::failover_role::__export_failover_role!(
            __PointsmanExport with_types_in $crate::bindings::failover_role
        );
    };
}

#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __hold {
    ($policy:ty, $role:path) => {
        static __POINTSMAN_POLICY: $crate::bindings::Slot<$policy> =
            $crate::bindings::Slot::new();

        struct __PointsmanHeld;

        impl $crate::bindings::Held for __PointsmanHeld {
            type Policy = $policy;

            fn slot() -> &'static $crate::bindings::Slot<$policy> {
                &__POINTSMAN_POLICY
            }

            fn manifest() -> $crate::Manifest {
                <$policy as $role>::manifest()
            }

            fn configure(
                policy: &mut $policy,
                settings: &$crate::Settings,
            ) -> ::core::result::Result<(), $crate::Fault> {
                <$policy as $role>::configure(policy, settings)
            }
        }

        type __PointsmanExport = $crate::bindings::Export<__PointsmanHeld>;

        $crate::bindings::common::__export_common!(__PointsmanExport with_types_in $crate::bindings::common);
    };
}
