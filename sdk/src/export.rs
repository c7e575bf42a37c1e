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

/// Exports a type that implements [`Reputation`](crate::reputation::Reputation) as the
/// module's policy. Once per crate, and the crate is a `cdylib`.
#[cfg(any(not(target_arch = "wasm32"), feature = "native"))]
#[macro_export]
macro_rules! export_reputation {
    ($policy:ty) => {};
}

/// Exports a type that implements [`Anomaly`](crate::anomaly::Anomaly) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(any(not(target_arch = "wasm32"), feature = "native"))]
#[macro_export]
macro_rules! export_anomaly {
    ($policy:ty) => {};
}

/// Exports a type that implements [`Selector`](crate::selector::Selector) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[macro_export]
macro_rules! export_selector {
    ($policy:ty) => {
        $crate::__hold!($policy, $crate::selector::Selector, learns);
        $crate::bindings::selector_role::__export_selector_role!(
            __PointsmanExport with_types_in $crate::bindings::selector_role
        );
        $crate::__choose_lent!();
    };
}

/// Exports a type that implements [`Failover`](crate::failover::Failover) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[macro_export]
macro_rules! export_failover {
    ($policy:ty) => {
        $crate::__hold!($policy, $crate::failover::Failover, learns);
        $crate::bindings::failover_role::__export_failover_role!(
            __PointsmanExport with_types_in $crate::bindings::failover_role
        );
    };
}

/// Exports a type that implements [`Reputation`](crate::reputation::Reputation) as the
/// module's policy. Once per crate, and the crate is a `cdylib`.
#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[macro_export]
macro_rules! export_reputation {
    ($policy:ty) => {
        $crate::__hold!($policy, $crate::reputation::Reputation, does_not_learn);
        $crate::bindings::reputation_role::__export_reputation_role!(
            __PointsmanExport with_types_in $crate::bindings::reputation_role
        );
    };
}

/// Exports a type that implements [`Anomaly`](crate::anomaly::Anomaly) as the module's
/// policy. Once per crate, and the crate is a `cdylib`.
#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[macro_export]
macro_rules! export_anomaly {
    ($policy:ty) => {
        $crate::__hold!($policy, $crate::anomaly::Anomaly, does_not_learn);
        $crate::bindings::anomaly_role::__export_anomaly_role!(
            __PointsmanExport with_types_in $crate::bindings::anomaly_role
        );
    };
}

/// `choose` once more, with a list of paths that is only lent. A list that is given must be
/// asked room for and freed with every question; a host that knows this function asks for room
/// once.
#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __choose_lent {
    () => {
        #[unsafe(export_name = "pointsman:policy/selector@0.1.0#choose-lent")]
        unsafe extern "C" fn __pointsman_choose_lent(
            now_us: u64,
            seed: u64,
            peer: u32,
            class: u32,
            flags: u32,
            head_bytes: u32,
            head_age_us: u32,
            deadline_left_us: u32,
            backlog_bytes: u32,
            backlog_above_bytes: u32,
            duplicate_budget_bytes: u32,
            tried_paths: u32,
            standing: i32,
            battery_permille: u32,
            paths: *const u32,
            length: usize,
        ) -> u64 {
            // SAFETY: the host wrote so many numbers there, into room that it got from this
            // module and that nobody else uses, and waits for the answer.
            let paths = unsafe { ::core::slice::from_raw_parts(paths, length) };
            $crate::bindings::choose::<__PointsmanHeld>(&$crate::selector::Question {
                now_us,
                seed,
                peer,
                class,
                flags,
                head_bytes,
                head_age_us,
                deadline_left_us,
                backlog_bytes,
                backlog_above_bytes,
                duplicate_budget_bytes,
                tried_paths,
                standing,
                battery_permille,
                paths: $crate::Paths::new(paths),
            })
        }
    };
}

#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __learning {
    ($policy:ty, $role:path, learns) => {
        fn restore(
            policy: &mut $policy,
            learned: &$crate::State,
        ) -> ::core::result::Result<(), $crate::Fault> {
            <$policy as $role>::restore(policy, learned)
        }

        fn learn(
            before: ::core::option::Option<$crate::State>,
            seen: &[$crate::Outcome],
        ) -> ::core::option::Option<$crate::State> {
            <$policy as $role>::learn(before, seen)
        }
    };
    ($policy:ty, $role:path, does_not_learn) => {
        fn restore(
            _: &mut $policy,
            learned: &$crate::State,
        ) -> ::core::result::Result<(), $crate::Fault> {
            ::core::result::Result::Err($crate::Fault::BadState(learned.schema))
        }

        fn learn(
            before: ::core::option::Option<$crate::State>,
            _: &[$crate::Outcome],
        ) -> ::core::option::Option<$crate::State> {
            before
        }
    };
}

#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __hold {
    ($policy:ty, $role:path, $learning:ident) => {
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

            $crate::__learning!($policy, $role, $learning);
        }

        type __PointsmanExport = $crate::bindings::Export<__PointsmanHeld>;

        $crate::bindings::common::__export_common!(__PointsmanExport with_types_in $crate::bindings::common);
    };
}
