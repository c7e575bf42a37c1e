//! Any integer is a verdict or an invalid mode, and a verdict has one integer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_sdk::selector::{InvalidMode, Verdict};

fuzz_target!(|bytes: [u8; 8]| {
    let bits = u64::from_le_bytes(bytes);
    match Verdict::unpack(bits) {
        Ok(verdict) => assert_eq!(verdict.pack(), bits),
        Err(InvalidMode(mode)) => assert!(mode > 6 && u64::from(mode) == bits & 0xf),
    }
});
