//! Any bytes are a frame or an error, and a frame has one encoding.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use pointsman_core::frame::{decode, encode, encoded_len};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = decode(Bytes::copy_from_slice(bytes)) else { return };
    let mut again = BytesMut::new();
    encode(&frame, &mut again);
    assert_eq!(again.len(), encoded_len(&frame));
    // Behind a hello's fields and an unknown kind anything may follow.
    assert!(bytes.starts_with(&again));
    assert_eq!(decode(again.freeze()), Ok(frame));
});
