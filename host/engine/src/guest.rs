//! What the host keeps for one instance: its limits, and the log that it may write.

use wasmtime::ResourceLimiter;

use crate::bindings::common::pointsman::policy::{host_log, types};
use crate::limits::{INSTANCES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX, MEMORIES_MAX, TABLES_MAX};

/// The data of an instance's store.
#[derive(Debug)]
pub(crate) struct Guest {
    name: String,
    memory_left: usize,
    table_left: usize,
    /// Something was refused since this was last cleared.
    pub(crate) was_refused: bool,
    /// The host's clock at the question, in microseconds.
    pub(crate) now_us: u64,
    second: u64,
    lines: u32,
}

impl Guest {
    /// For an instance with so much linear memory and table.
    pub(crate) fn new(name: &str, memory_bytes: usize, table_elements: usize) -> Self {
        Self {
            name: name.to_owned(),
            memory_left: memory_bytes,
            table_left: table_elements,
            was_refused: false,
            now_us: 0,
            second: 0,
            lines: 0,
        }
    }
}

/// Takes what grows off what is left, or refuses.
fn take(left: &mut usize, refused: &mut bool, current: usize, desired: usize) -> bool {
    let rest = left.checked_sub(desired.saturating_sub(current));
    match rest {
        Some(rest) => *left = rest,
        None => *refused = true,
    }
    rest.is_some()
}

impl ResourceLimiter for Guest {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(take(&mut self.memory_left, &mut self.was_refused, current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(take(&mut self.table_left, &mut self.was_refused, current, desired))
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

impl types::Host for Guest {}

impl host_log::Host for Guest {
    /// An error of a policy is a warning here: the host goes on.
    fn emit(&mut self, level: u8, msg: String) {
        let second = self.now_us / 1_000_000;
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines > LOG_LINES_MAX {
            return;
        }
        let text = msg.get(..msg.floor_char_boundary(LOG_LINE_BYTES_MAX)).unwrap_or(&msg);
        let policy = self.name.as_str();
        match level {
            0 | 1 => tracing::warn!(policy, "{}", text.escape_debug()),
            2 => tracing::info!(policy, "{}", text.escape_debug()),
            _ => tracing::debug!(policy, "{}", text.escape_debug()),
        }
    }
}
