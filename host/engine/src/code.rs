//! The rules by which modules are compiled and run: one configuration for the engine that runs
//! them, for the child that compiles them, and for what the cache keeps.

use wasmtime::{Config, Engine, Memory, MemoryType, Store};

use crate::limits::Limits;

/// Address space for a linear memory, so that any address that a guest can form is in it or
/// in the guard behind it, and loads and stores need no check.
const WHOLE: (u64, u64) = (4 << 30, 32 << 20);
/// The guard where only so much is reserved as a memory may have; then every access is checked,
/// which costs a policy some tens of percents.
const GUARD_BYTES: u64 = 64 << 10;
/// Memories that must fit into the address space for the roomy way: each slot with the old and
/// the new policy, a shadow and a trial.
const MEMORIES: usize = 16;

/// How much address space each linear memory gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// All that a guest can address.
    Whole,
    /// What it may use.
    Modest,
}

/// The engine for this machine: with little address space (a small board, a limit of the
/// process) it reserves less and checks more.
pub(crate) fn engine(limits: &Limits) -> wasmtime::Result<(Engine, Reserve)> {
    let roomy = Engine::new(&config(limits, Reserve::Whole))?;
    if has_room(&roomy) {
        return Ok((roomy, Reserve::Whole));
    }
    Ok((Engine::new(&config(limits, Reserve::Modest))?, Reserve::Modest))
}

/// Tries it, which costs microseconds: reserved memory is not used.
fn has_room(engine: &Engine) -> bool {
    let mut store = Store::new(engine, ());
    (0..MEMORIES).all(|_| Memory::new(&mut store, MemoryType::new(1, None)).is_ok())
}

/// Deterministic and interruptible.
pub(crate) fn config(limits: &Limits, reserve: Reserve) -> Config {
    let (reserved, guard) = match reserve {
        Reserve::Whole => WHOLE,
        Reserve::Modest => (limits.memory_bytes as u64, GUARD_BYTES),
    };
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes)
        .memory_reservation(reserved)
        .memory_reservation_for_growth(0)
        .memory_guard_size(guard)
        .guard_before_linear_memory(false)
        .cranelift_nan_canonicalization(true)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .wasm_threads(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false);
    config
}
