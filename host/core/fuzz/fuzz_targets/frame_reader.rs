//! How a channel's bytes are portioned changes neither its frames nor its error, and what is
//! held between two reads is less than a frame.
//!
//! The first bytes of the input, up to a zero, are the sizes of the portions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_core::frame::{Frame, FrameError, FrameReader};
use pointsman_core::limits::FRAME_BYTES_MAX;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (sizes, stream) = bytes.split_at(end);
    let portioned = read(stream, sizes.iter().map(|&size| usize::from(size)));
    assert_eq!(portioned, read(stream, core::iter::empty()));
});

fn read(
    stream: &[u8],
    mut sizes: impl Iterator<Item = usize>,
) -> (Vec<Frame>, Option<FrameError>) {
    let (mut reader, mut rest, mut frames) = (FrameReader::default(), stream, Vec::new());
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).min(rest.len());
        let (portion, left) = rest.split_at(size);
        rest = left;
        reader.buffer().extend_from_slice(portion);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(reader.buffer().len() < 4 + FRAME_BYTES_MAX);
    }
    (frames, None)
}
