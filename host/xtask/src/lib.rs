//! The work around pointsman: preparing a toolchain for WebAssembly, building the policies,
//! running the checks.
//!
//! It is built by `./x` on a machine that may have nothing else yet, so it uses the standard
//! library only and builds in seconds. It never becomes part of what people run: no other
//! crate depends on it.

pub mod apt;
pub mod cli;
pub mod commands;
pub mod deny;
pub mod digest;
pub mod examples;
pub mod interop;
pub mod lab;
pub mod place;
pub mod step;
pub mod tools;
pub mod wasm;
