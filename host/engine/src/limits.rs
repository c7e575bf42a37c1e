//! What a policy may use up.

/// Bounds on every instance, whatever the module. Reaching one is a strike, never a failure of
/// the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, in bytes: what the start functions and `describe` may use, and the most
    /// that [`Terms::memory_bytes`](crate::Terms::memory_bytes) can give. An interpreter in a
    /// module needs some tens of MiB, a policy in Rust its stack of 1 MiB and little else.
    pub memory_bytes: usize,
    /// Elements of all its tables. They hold function pointers: some hundreds in Rust, some
    /// ten thousand in an interpreter.
    pub table_elements: usize,
    /// Native stack of a call, in bytes.
    pub stack_bytes: usize,
    /// What one call may copy from guest to host, in bytes.
    pub copied_bytes: usize,
    /// The granularity of time budgets, in microseconds. A call is stopped at most two of
    /// these over its budget, the scheduler's own delay aside, and that of one instruction:
    /// wasmtime can't interrupt `memory.fill` and `memory.copy`, which may go over all the
    /// memory that an instance has. That takes up to 1 ms for each MiB that is touched for the
    /// first time (measured in a virtual machine; a tenth of that the second time).
    pub tick_us: u32,
    /// For how long start functions, `describe` and `configure` may run when a module is
    /// loaded, in microseconds each.
    pub load_us: u32,
    /// For how long a child process may compile, in milliseconds of the wall clock. One in
    /// Python, the largest, takes twenty seconds on two cores that are idle, and several times
    /// that where they are busy; nothing waits for it.
    pub compile_ms: u32,
    /// Address space of that process, in bytes.
    pub compile_bytes: u64,
    /// What the folder of compiled modules may hold, in bytes.
    pub cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            table_elements: 100_000,
            stack_bytes: 512 << 10,
            copied_bytes: 64 << 10,
            tick_us: 1_000,
            load_us: 1_000_000,
            compile_ms: 120_000,
            compile_bytes: 2 << 30,
            cache_bytes: 512 << 20,
        }
    }
}

/// Core instances in a component. A module in Rust has itself and two shims of
/// `wit-component`; one in Python a library for each extension module that was linked.
pub(crate) const INSTANCES_MAX: usize = 64;
/// Tables of all those instances.
pub(crate) const TABLES_MAX: usize = 64;
/// Memories of all those instances.
pub(crate) const MEMORIES_MAX: usize = 8;
/// Component-model handles: the interfaces have no resources, so none are needed.
pub(crate) const HANDLES_MAX: usize = 64;
/// Characters of a policy's name, and of its version.
pub(crate) const NAME_CHARS_MAX: usize = 64;
/// Bytes of a description of settings.
pub(crate) const SCHEMA_BYTES_MAX: usize = 16 << 10;
/// Settings of a policy.
pub(crate) const SETTINGS_MAX: usize = 64;
/// Bytes of what a policy has learned: it is kept at every swap, and handed over whole.
pub const STATE_BYTES_MAX: usize = 64 << 10;
/// Lines that a policy may log in a second.
pub(crate) const LOG_LINES_MAX: u32 = 32;
/// Bytes of such a line.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 512;
