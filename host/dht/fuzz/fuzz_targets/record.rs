//! A record under its name: see the body.

#![no_main]

#[path = "../../tests/decoders/bodies.rs"]
#[allow(dead_code, reason = "each target runs one body")]
mod bodies;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bodies::record(bytes));
