//! The native policies: the same functions that the Wasm modules are built from.
