//! The faults of a lab, seen by UDP sockets of two hosts.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pointsman_lab::{Direction, Host, Lab, Mesh, TwoWays, trial};

const MS: Duration = Duration::from_millis(1);
/// How long to wait for what must come, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for what must not come.
const SILENCE: Duration = Duration::from_millis(300);

fn socket(host: &Host, address: Ipv4Addr) -> UdpSocket {
    let bind = move || UdpSocket::bind(SocketAddr::from((address, 0)));
    let socket = host.namespace.run(bind).unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The two hosts of a mesh with a socket each on their `wifi0`, which know each other.
fn pair(lab: &mut Lab) -> (Mesh, UdpSocket, UdpSocket) {
    let mesh = Mesh::new(lab, 2).unwrap();
    let here = socket(&mesh.hosts[0], mesh.hosts[0].uplinks[0].address);
    let there = socket(&mesh.hosts[1], mesh.hosts[1].uplinks[0].address);
    here.connect(there.local_addr().unwrap()).unwrap();
    there.connect(here.local_addr().unwrap()).unwrap();
    echo(&here, &there);
    (mesh, here, there)
}

fn echo(here: &UdpSocket, there: &UdpSocket) -> Duration {
    let mut buffer = [0; 16];
    let start = Instant::now();
    here.send(b"there?").unwrap();
    let length = there.recv(&mut buffer).expect("the request arrives");
    there.send(&buffer[..length]).unwrap();
    let length = here.recv(&mut buffer).expect("the answer arrives");
    assert_eq!(&buffer[..length], b"there?");
    start.elapsed()
}

fn hears_nothing(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    let silent = socket.recv(&mut [0; 16]).is_err();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    silent
}

#[test]
fn an_echo_takes_the_delay_of_both_ways() {
    trial("an_echo_takes_the_delay_of_both_ways", |lab| {
        let (mesh, here, there) = pair(lab);
        let undelayed = (0..20).map(|_| echo(&here, &there)).min().unwrap();
        mesh.hosts[0].uplinks[0].port.change(&Direction::BOTH, |c| c.delay = 20 * MS);
        let times: Vec<_> = (0..20).map(|_| echo(&here, &there)).collect();
        let best = *times.iter().min().unwrap();
        assert!(times.iter().all(|time| *time >= 40 * MS), "{times:?}");
        assert!(best < 45 * MS, "{best:?}");
        assert!(undelayed < 5 * MS, "{undelayed:?}");
    });
}

#[test]
fn a_cut_upwards_swallows_answers_and_lets_requests_through() {
    trial("a_cut_upwards_swallows_answers_and_lets_requests_through", |lab| {
        let (mesh, here, there) = pair(lab);
        let port = &mesh.hosts[1].uplinks[0].port;
        port.cut(&[Direction::Up]);
        here.send(b"request").unwrap();
        assert_eq!(there.recv(&mut [0; 16]).unwrap(), 7);
        there.send(b"answer").unwrap();
        assert!(hears_nothing(&here));
        assert!(port.counters(Direction::Up).cut >= 1);
        port.heal(&[Direction::Up]);
        echo(&here, &there);
    });
}

#[test]
fn a_cut_in_both_directions_leaves_the_other_segment_alone() {
    trial("a_cut_in_both_directions_leaves_the_other_segment_alone", |lab| {
        let (mesh, here, there) = pair(lab);
        let over_lan = |host: &Host| socket(host, host.uplinks[1].address);
        let (near, far) = (over_lan(&mesh.hosts[0]), over_lan(&mesh.hosts[1]));
        near.connect(far.local_addr().unwrap()).unwrap();
        far.connect(near.local_addr().unwrap()).unwrap();
        mesh.hosts[0].uplinks[0].port.cut(&Direction::BOTH);
        here.send(b"request").unwrap();
        assert!(hears_nothing(&there));
        echo(&near, &far);
    });
}

#[test]
fn a_pause_delays_and_loses_nothing() {
    trial("a_pause_delays_and_loses_nothing", |lab| {
        let (mesh, here, there) = pair(lab);
        let start = Instant::now();
        mesh.hosts[0].uplinks[0].port.pause(200 * MS);
        for number in 0..50u8 {
            here.send(&[number]).unwrap();
        }
        let mut buffer = [0; 16];
        for number in 0..50u8 {
            there.recv(&mut buffer).unwrap();
            assert_eq!(buffer[0], number);
            assert!(start.elapsed() >= 200 * MS);
        }
    });
}

#[test]
fn a_rate_limit_with_a_deep_queue_bloats_it() {
    trial("a_rate_limit_with_a_deep_queue_bloats_it", |lab| {
        let (mesh, here, there) = pair(lab);
        let port = &mesh.hosts[0].uplinks[0].port;
        port.change(&[Direction::Up], |c| (c.rate_kbps, c.queue_bytes) = (1_000, 1 << 20));
        let start = Instant::now();
        for _ in 0..25 {
            here.send(&[0; 1_000]).unwrap();
        }
        for _ in 0..25 {
            assert_eq!(there.recv(&mut [0; 1_500]).unwrap(), 1_000);
        }
        // 25 datagrams with 42 bytes of headers each at 1 Mbit/s.
        assert!(start.elapsed() >= Duration::from_micros(25 * 1_042 * 8), "{:?}", start.elapsed());
    });
}

#[test]
fn a_third_of_the_frames_is_lost_where_that_is_asked() {
    trial("a_third_of_the_frames_is_lost_where_that_is_asked", |lab| {
        let (mesh, here, there) = pair(lab);
        let port = &mesh.hosts[0].uplinks[0].port;
        port.change(&[Direction::Up], |c| c.loss_ppm = 333_333);
        let before = port.counters(Direction::Up).frames;
        // Few enough to fit into the receiver's socket buffer.
        for _ in 0..150 {
            here.send(b"x").unwrap();
        }
        let start = Instant::now();
        while port.counters(Direction::Up).frames < before + 150 && start.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        port.change(&[Direction::Up], |c| c.loss_ppm = 0);
        here.send(b"last").unwrap();
        let mut buffer = [0; 16];
        let mut arrived = 0;
        while there.recv(&mut buffer).unwrap() == 1 {
            arrived += 1;
        }
        let lost = port.counters(Direction::Up).lost;
        // The host's own neighbour discovery may lose a frame too.
        assert!((150..155).contains(&(arrived + lost)), "{arrived} + {lost}");
        assert!((25..80).contains(&lost), "{lost}");
    });
}

#[test]
fn two_bound_sockets_reach_one_address_by_two_ways() {
    trial("two_bound_sockets_reach_one_address_by_two_ways", |lab| {
        let net = TwoWays::new(lab).unwrap();
        let server = socket(&net.server, TwoWays::SERVER);
        let target = server.local_addr().unwrap();
        let ways = [0, 1].map(|index| {
            let uplink = &net.client.uplinks[index];
            let bound = socket(&net.client, uplink.address);
            socket2::SockRef::from(&bound).bind_device(Some(uplink.name.as_bytes())).unwrap();
            bound.connect(target).unwrap();
            bound
        });
        // Neighbours must be known before a cut, or the kernel keeps the first datagram back.
        ways.iter().for_each(|way| round_trip(way, &server));
        for (cut, open) in [(0, 1), (1, 0)] {
            net.client.uplinks[cut].port.cut(&Direction::BOTH);
            ways[cut].send(b"lost").unwrap();
            round_trip(&ways[open], &server);
            net.client.uplinks[cut].port.heal(&Direction::BOTH);
        }
    });
}

/// Panics where the server hears anything else than the next request of `client`.
fn round_trip(client: &UdpSocket, server: &UdpSocket) {
    let mut buffer = [0; 16];
    client.send(b"request").unwrap();
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"request");
    assert_eq!(from, client.local_addr().unwrap());
    server.send_to(b"answer", from).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 6);
}
