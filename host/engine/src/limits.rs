//! What a policy may use up.

/// Bounds on every instance, whatever the module. Reaching one is a strike, never a failure of
/// the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, in bytes. A policy needs its stack of 1 MiB and little else.
    pub memory_bytes: usize,
    /// Elements of all its tables. They hold its function pointers: some hundreds.
    pub table_elements: usize,
    /// Native stack of a call, in bytes.
    pub stack_bytes: usize,
    /// What one call may copy between host and guest, in bytes.
    pub copied_bytes: usize,
    /// The granularity of time budgets, in microseconds. A call is stopped at most two of
    /// these over its budget, the scheduler's own delay aside.
    pub tick_us: u32,
    /// For how long start functions, `describe` and `configure` may run when a module is
    /// loaded, in microseconds each.
    pub load_us: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 16 << 20,
            table_elements: 10_000,
            stack_bytes: 512 << 10,
            copied_bytes: 64 << 10,
            tick_us: 1_000,
            load_us: 200_000,
        }
    }
}

/// Core instances in a component: the module itself and the shims of `wit-component`.
pub(crate) const INSTANCES_MAX: usize = 16;
/// Tables of all those instances.
pub(crate) const TABLES_MAX: usize = 16;
/// Memories of all those instances.
pub(crate) const MEMORIES_MAX: usize = 4;
/// Component-model handles: the interfaces have no resources, so none are needed.
pub(crate) const HANDLES_MAX: usize = 64;
/// Characters of a policy's name, and of its version.
pub(crate) const NAME_CHARS_MAX: usize = 64;
/// Lines that a policy may log in a second.
pub(crate) const LOG_LINES_MAX: u32 = 32;
/// Bytes of such a line.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 512;
