//! What a policy may say to the people who run the host.

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// The policy is broken.
    Error = 0,
    /// Somebody should look.
    Warning = 1,
    /// Worth knowing.
    Information = 2,
    /// For who works on the policy.
    Debug = 3,
}

/// Writes to the host's log. The host cuts long messages and drops too many of them; natively
/// it does nothing. Never affects a verdict.
pub fn log(level: Level, text: &str) {
    #[cfg(all(target_arch = "wasm32", not(feature = "native")))]
    crate::bindings::emit(level as u8, text);
    #[cfg(any(not(target_arch = "wasm32"), feature = "native"))]
    let _ = (level, text);
}
