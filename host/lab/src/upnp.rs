//! The helpful part of a home router: a real `miniupnpd` in a NAT box, which lets hosts behind it
//! have ports forwarded (UPnP Internet Gateway Device).
//!
//! It must be installed ([`has_miniupnpd`]). It lives until the [`Gateway`] is dropped, and writes
//! to no file but its process number.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::LabError;
use crate::internet::{NatBox, feed, installed};

const MINIUPNPD: [&str; 2] = ["/usr/sbin/miniupnpd", "/usr/local/sbin/miniupnpd"];

/// Where it writes what it forwards. The NAT lets in whatever is forwarded.
const CHAINS: &str = "table inet upnp {
  chain incoming { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain prerouting_miniupnpd {}
  chain postrouting_miniupnpd {}
  chain miniupnpd {}
}";

const CONFIG: &str = "ext_ifname=wan
listening_ip=lan
secure_mode=yes
ipv6_disable=yes
uuid=6d1ac2a8-2ec6-4e5c-9b3a-8b6f5b1c0d01
upnp_table_name=upnp
upnp_nat_table_name=upnp
";

/// Asks whoever hears it whether it is a gateway (SSDP).
const SEARCH: &[u8] = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\
    ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
    MAN: \"ssdp:discover\"\r\nMX: 1\r\n\r\n";
const SSDP_PORT: u16 = 1900;

/// It is asked this often whether it is there yet, and so many times.
const ASKED_EVERY: Duration = Duration::from_millis(100);
const ASKED_MAX: u32 = 100;

/// Whether `miniupnpd` is installed.
pub fn has_miniupnpd() -> bool {
    installed(&MINIUPNPD).is_some()
}

/// A router that forwards ports for whoever asks.
#[derive(Debug)]
pub struct Gateway {
    daemon: Child,
    number_file: PathBuf,
}

impl Gateway {
    /// Has a NAT box help from now on; it answers searches already.
    pub fn start(nat: &NatBox) -> Result<Self, LabError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let what = || LabError::io("start miniupnpd");
        nat.filter(CHAINS)?;
        let program =
            installed(&MINIUPNPD).ok_or_else(|| what()(io::ErrorKind::NotFound.into()))?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pointsman-lab-{}-{count}.upnp", std::process::id());
        let number_file = std::env::temp_dir().join(name);
        // One that is left of a process with our number would keep it from starting.
        let _ = std::fs::remove_file(&number_file);
        let mut command = Command::new(program);
        command.args(["-d", "-f", "/dev/stdin", "-P"]).arg(&number_file);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = nat.router.namespace.spawn(command)?;
        let fed = feed(&mut daemon, CONFIG);
        let gateway = Self { daemon, number_file };
        fed.map_err(what())?;
        let inside = nat.inside_address();
        nat.router.namespace.run(move || until_answered(inside))?.map_err(what())?;
        Ok(gateway)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = std::fs::remove_file(&self.number_file);
    }
}

fn until_answered(inside: Ipv4Addr) -> io::Result<()> {
    let socket = UdpSocket::bind((inside, 0))?;
    socket.set_read_timeout(Some(ASKED_EVERY))?;
    for _ in 0..ASKED_MAX {
        socket.send_to(SEARCH, (inside, SSDP_PORT))?;
        match socket.recv(&mut [0; 1024]) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
