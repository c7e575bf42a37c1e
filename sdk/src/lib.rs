//! What the author of a pointsman policy uses.
//!
//! A policy is a struct, an implementation of one trait and one macro:
//!
//! ```
//! use pointsman_sdk::selector::{Question, Selector, Verdict};
//! use pointsman_sdk::{Fault, Manifest, Settings};
//!
//! #[derive(Default)]
//! struct FirstUp;
//!
//! impl Selector for FirstUp {
//!     fn manifest() -> Manifest {
//!         Manifest::new("first-up", "1.0.0")
//!     }
//!     fn choose(&self, question: &Question<'_>) -> Verdict {
//!         let up = question.paths.iter().position(|path| path.is_up());
//!         up.map_or(Verdict::hold(10_000), Verdict::send)
//!     }
//! }
//!
//! pointsman_sdk::export_selector!(FirstUp);
//! ```
//!
//! A policy is a **pure function**: everything it may use is in the question, and equal
//! questions get equal verdicts. State between questions belongs to the host. On any other
//! target than wasm32 this crate is plain Rust with no dependency, so a policy is tested as
//! ordinary code; the host's native fallback runs the very same functions.
//!
//! The contract with the host is `wit/policy.wit`; this crate is one way to speak it.

#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
extern crate self as pointsman_sdk;

pub mod anomaly;
pub mod estimate;
mod export;
pub mod failover;
#[cfg(not(target_arch = "wasm32"))]
pub mod harness;
mod learning;
mod lifecycle;
mod log;
pub mod path;
pub mod reputation;
pub mod selector;
pub mod spare;

#[cfg(all(target_arch = "wasm32", not(feature = "native")))]
#[doc(hidden)]
pub mod bindings;

pub use learning::{Outcome, State};
pub use lifecycle::{Fault, Manifest, Settings, Value};
pub use log::{Level, log};
pub use path::{Path, PathRow, Paths, Transport, UNKNOWN};
