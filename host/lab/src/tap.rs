//! Opening a TAP device: an Ethernet interface whose cable is a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::ioctl::{Updater, ioctl, opcode};

/// `IFNAMSIZ` of `linux/if.h`, with the final zero.
const NAME_BYTES: usize = 16;
/// `IFF_TAP | IFF_NO_PI` of `linux/if_tun.h`: whole Ethernet frames, nothing before them.
const FLAGS: u16 = 0x0002 | 0x1000;
/// `TUNSETIFF` of `linux/if_tun.h`.
const SET_INTERFACE: rustix::ioctl::Opcode = opcode::write::<i32>(b'T', 202);
/// The size of `struct ifreq` on 64-bit Linux; what follows the flags stays zero.
type InterfaceRequest = [u8; 40];

/// Makes the TAP device `name` in the network namespace of the calling thread. Frames that the
/// host sends are read from the file, frames written to it arrive at the host. Without
/// offloads, so checksums are complete and no frame exceeds the device's MTU. The device
/// vanishes with the last descriptor of the file.
pub(crate) fn open(name: &str) -> io::Result<File> {
    if name.is_empty() || name.len() >= NAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "interface name of 1 to 15 bytes"));
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open("/dev/net/tun")?;
    let mut request: InterfaceRequest = [0; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[NAME_BYTES..NAME_BYTES + 2].copy_from_slice(&FLAGS.to_ne_bytes());
    set_interface(&file, &mut request)?;
    Ok(file)
}

#[expect(unsafe_code, reason = "no safe wrapper of TUNSETIFF exists")]
fn set_interface(file: &File, request: &mut InterfaceRequest) -> io::Result<()> {
    // SAFETY: TUNSETIFF copies one `struct ifreq` from the pointer and writes the device's name
    // back into it; `request` is as large as that struct, and any bytes are valid in it.
    unsafe { ioctl(file, Updater::<SET_INTERFACE, InterfaceRequest>::new(request)) }?;
    Ok(())
}
