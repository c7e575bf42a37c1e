//! The kernel's MPTCP: one connection, a subflow over each uplink of the client.
//!
//! The sockets are made inside the lab's namespaces and used by threads of this process. The
//! second subflow's address is announced to the kernel by `ip mptcp` of iproute2.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use pointsman_lab::{Namespace, TwoWays};
use socket2::{Domain, Protocol, Socket, Type};

use super::flow::{DRAIN, Flow, MESSAGE_BYTES, Pace, Report, wait_for_turn};

/// The second subflow is there within a few round trips, or something is wrong.
const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// What the sender's socket buffers at most when it sends as much as it goes.
const BUFFER_BYTES: usize = 1 << 20;

struct Running {
    /// Joins that are not acknowledged yet die with their listener.
    _listener: TcpListener,
    stop: Arc<AtomicBool>,
    arrived: Arc<AtomicU64>,
    sender: JoinHandle<anyhow::Result<Vec<Instant>>>,
    receiver: JoinHandle<anyhow::Result<Vec<(u64, Instant)>>>,
}

/// Connects, waits until both subflows are there, and starts to send.
pub(crate) fn start(net: &TwoWays, pace: Pace) -> anyhow::Result<Box<dyn Flow>> {
    let addresses: Vec<_> =
        net.client.uplinks.iter().map(|uplink| (uplink.name.as_str(), uplink.address)).collect();
    announce(&net.client.namespace, &addresses)?;
    let listener = net.server.namespace.run(listen)??;
    let server = listener.local_addr()?;
    let client = net.client.namespace.run(move || connect(server))??;
    let (accepted, _) = listener.accept()?;
    let stop = Arc::new(AtomicBool::new(false));
    let arrived = Arc::new(AtomicU64::new(0));
    let receiver = {
        let arrived = Arc::clone(&arrived);
        std::thread::spawn(move || receive(accepted, &arrived))
    };
    // The kernel joins further subflows once data was acknowledged.
    (&client).write_all(&message(0))?;
    let first = Instant::now();
    joined(&net.server.namespace)?;
    let sender = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || send(client, first, pace, &stop))
    };
    Ok(Box::new(Running { _listener: listener, stop, arrived, sender, receiver }))
}

impl Flow for Running {
    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    fn stop(self: Box<Self>) -> anyhow::Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = |panic| anyhow::anyhow!("a thread of the flow panicked: {panic:?}");
        let sent = self.sender.join().map_err(ended)??;
        let arrivals = self.receiver.join().map_err(ended)??;
        Ok(Report { sent, arrivals, duplicates: 0 })
    }
}

fn announce(client: &Namespace, addresses: &[(&str, Ipv4Addr)]) -> anyhow::Result<()> {
    client.sysctl("net/mptcp/enabled", "1")?;
    let limit = addresses.len().to_string();
    ip(client, &["mptcp", "limits", "set", "subflow", &limit, "add_addr_accepted", &limit])?;
    for (device, address) in addresses {
        let address = address.to_string();
        ip(client, &["mptcp", "endpoint", "add", &address, "dev", device, "subflow"])?;
    }
    Ok(())
}

fn ip(namespace: &Namespace, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    command.args(arguments);
    let mut child = namespace.spawn(command).context("MPTCP needs `ip` of iproute2")?;
    anyhow::ensure!(child.wait()?.success(), "ip {} failed", arguments.join(" "));
    Ok(())
}

fn socket() -> std::io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP))
}

fn listen() -> std::io::Result<TcpListener> {
    let socket = socket()?;
    socket.bind(&SocketAddr::from((TwoWays::SERVER, 0)).into())?;
    socket.listen(1)?;
    Ok(socket.into())
}

fn connect(server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket()?;
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(BUFFER_BYTES)?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

fn message(number: u64) -> [u8; MESSAGE_BYTES] {
    let mut message = [0x5a; MESSAGE_BYTES];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}

/// Message 0 is under way already.
fn send(
    mut stream: TcpStream,
    first: Instant,
    pace: Pace,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<Instant>> {
    let mut sent = vec![first];
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let number = sent.len() as u64;
        wait_for_turn(start, number, pace);
        sent.push(Instant::now());
        stream.write_all(&message(number))?;
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

/// Until the sender shuts its side down, or nothing came for [`DRAIN`].
fn receive(mut stream: TcpStream, arrived: &AtomicU64) -> anyhow::Result<Vec<(u64, Instant)>> {
    stream.set_read_timeout(Some(DRAIN))?;
    let mut arrivals = Vec::new();
    let mut message = [0; MESSAGE_BYTES];
    while stream.read_exact(&mut message).is_ok() {
        let number = std::array::from_fn(|byte| message[byte]);
        arrivals.push((u64::from_le_bytes(number), Instant::now()));
        arrived.store(arrivals.len() as u64, Ordering::Relaxed);
    }
    Ok(arrivals)
}

/// Waits until the server has the client's second subflow: the last step of the join.
fn joined(server: &Namespace) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < JOIN_WITHIN {
        let read = || std::fs::read_to_string("/proc/thread-self/net/netstat");
        if joins(&server.run(read)??) > 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    anyhow::bail!("the second subflow was not joined within {JOIN_WITHIN:?}")
}

/// `MPJoinAckRx` of the pair of lines `MPTcpExt:`.
fn joins(netstat: &str) -> u64 {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("MPTcpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    let found = pairs.find(|(name, _)| *name == "MPJoinAckRx");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::joins;

    #[test]
    fn the_join_counter_is_found_by_its_name() {
        let text = "TcpExt: A B\nTcpExt: 1 2\nMPTcpExt: X MPJoinAckRx Y\nMPTcpExt: 7 3 9\n";
        assert_eq!(joins(text), 3);
        assert_eq!(joins("TcpExt: A\nTcpExt: 1\n"), 0);
    }
}
