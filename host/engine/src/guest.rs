//! What the host keeps for one instance: its limits, and the log that it may write.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::ResourceLimiter;

use crate::bindings::common::pointsman::policy::{host_log, types};
use crate::compiled::Allowance;
use crate::limits::{INSTANCES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX, MEMORIES_MAX, TABLES_MAX};

/// How many lines a policy has logged in a second. All its instances count together, so that
/// one that fails and comes back may not begin anew.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<(u64, u32)>);

impl Lines {
    /// Counts a line in this second of the host's clock, and tells whether it may be written.
    /// The clock is at 0 while an instance is made: what it says then counts in the last second.
    fn count(&self, second: u64) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if second > counted.0 {
            *counted = (second, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        counted.1 <= LOG_LINES_MAX
    }
}

/// The data of an instance's store.
#[derive(Debug)]
pub(crate) struct Guest {
    name: String,
    memory_bytes: usize,
    memory_left: usize,
    table_left: usize,
    /// What a call may copy from guest to host, in bytes.
    copied_bytes: usize,
    /// It gives room or takes it back, and may call nothing meanwhile.
    pub(crate) may_call: bool,
    /// Something was refused since this was last cleared.
    pub(crate) was_refused: bool,
    /// The host's clock at the question, in microseconds.
    pub(crate) now_us: u64,
    lines: Arc<Lines>,
}

impl Guest {
    /// For an instance that may use so much, and as many elements of tables.
    pub(crate) fn new(
        name: &str,
        allowance: Allowance,
        table_elements: usize,
        lines: Arc<Lines>,
    ) -> Self {
        let Allowance { memory_bytes, copied_bytes } = allowance;
        Self {
            name: name.to_owned(),
            memory_bytes,
            memory_left: memory_bytes,
            table_left: table_elements,
            copied_bytes,
            may_call: true,
            was_refused: false,
            now_us: 0,
            lines,
        }
    }

    /// Linear memory that it has, in bytes.
    pub(crate) fn memory_used(&self) -> usize {
        self.memory_bytes - self.memory_left
    }

    /// What a call may copy from guest to host, in bytes.
    pub(crate) fn copied_bytes(&self) -> usize {
        self.copied_bytes
    }

    /// Whether it may call the host now, as an error where it may not.
    pub(crate) fn ensure_may_call(&self) -> wasmtime::Result<()> {
        wasmtime::ensure!(self.may_call, "the host is called where nothing may be called");
        Ok(())
    }

    /// A line of its log. An error of a policy is a warning here: the host goes on.
    pub(crate) fn log(&self, level: u8, line: &str) {
        if !self.lines.count(self.now_us / 1_000_000) {
            return;
        }
        let text = line.get(..line.floor_char_boundary(LOG_LINE_BYTES_MAX)).unwrap_or(line);
        let policy = self.name.as_str();
        match level {
            0 | 1 => tracing::warn!(policy, "{}", text.escape_debug()),
            2 => tracing::info!(policy, "{}", text.escape_debug()),
            _ => tracing::debug!(policy, "{}", text.escape_debug()),
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
    fn emit(&mut self, level: u8, msg: String) {
        self.log(level, &msg);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_comes_back_goes_on_counting_its_lines() {
        let lines = Arc::new(Lines::default());
        let mut said = 0;
        for _ in 0..10 {
            let nothing = Allowance { memory_bytes: 0, copied_bytes: 0 };
            let guest = Guest::new("loud", nothing, 0, Arc::clone(&lines));
            // Made, and then asked.
            for second in [0, 7, 7, 7, 7, 7] {
                said += u32::from(guest.lines.count(second));
            }
        }
        // What the first one said while it was made was in a second of its own.
        assert_eq!(said, LOG_LINES_MAX + 1);
        assert!(lines.count(8), "a second later it may speak again");
    }
}
