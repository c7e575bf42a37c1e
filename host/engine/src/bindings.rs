//! The host's side of the WIT, generated. What every policy has and each role's own part are
//! separate worlds here, so that the common steps are written once.

/// What every policy has: `lifecycle`, `learner`, and the log that it may call.
pub(crate) mod common {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        world: "pointsman:policy/policy",
    });
}

/// The selector's own part.
pub(crate) mod selector {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        inline: "package pointsman:host; world selector-role { export pointsman:policy/selector@0.1.0; }",
        world: "pointsman:host/selector-role",
    });
}

/// The failover policy's own part. Questions are borrowed: their lists are not copied here.
pub(crate) mod failover {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        inline: "package pointsman:host; world failover-role { export pointsman:policy/failover@0.1.0; }",
        world: "pointsman:host/failover-role",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// The reputation policy's own part.
pub(crate) mod reputation {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        inline: "package pointsman:host; world reputation-role { export pointsman:policy/reputation@0.1.0; }",
        world: "pointsman:host/reputation-role",
    });
}

/// The anomaly policy's own part. The series are borrowed, as above.
pub(crate) mod anomaly {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        inline: "package pointsman:host; world anomaly-role { export pointsman:policy/anomaly@0.1.0; }",
        world: "pointsman:host/anomaly-role",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}
