//! What the kernel knows of a TCP connection: `TCP_INFO` of tcp(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Bytes of `struct tcp_info` up to and with `tcpi_data_segs_out`, which is as far as we read.
/// Linux has had all of it since 4.6, and only ever appends.
const BYTES: usize = 160;

/// The fields that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TcpInfo {
    pub(super) rtt_us: u32,
    pub(super) cwnd_bytes: u32,
    pub(super) notsent_bytes: u32,
    pub(super) segments_sent: u32,
    pub(super) segments_resent: u32,
}

impl TcpInfo {
    /// Asks the kernel about a TCP socket.
    pub(super) fn ask(socket: impl AsFd) -> io::Result<Self> {
        let mut raw = [0u8; BYTES];
        let mut length = libc::socklen_t::try_from(BYTES).expect("160 fits");
        #[expect(
            unsafe_code,
            reason = "no safe crate exposes TCP_INFO; the kernel writes at most \
                                        `length` bytes, which is the size of `raw`"
        )]
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                raw.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result == 0 { Ok(Self::read(&raw)) } else { Err(io::Error::last_os_error()) }
    }

    /// Offsets by `struct tcp_info` of linux/tcp.h.
    fn read(raw: &[u8; BYTES]) -> Self {
        let word = |offset: usize| {
            let bytes = [raw[offset], raw[offset + 1], raw[offset + 2], raw[offset + 3]];
            u32::from_ne_bytes(bytes)
        };
        let (mss, cwnd) = (word(16), word(80));
        Self {
            rtt_us: word(68),
            cwnd_bytes: cwnd.saturating_mul(mss),
            notsent_bytes: word(144),
            segments_sent: word(156),
            segments_resent: word(100),
        }
    }
}
