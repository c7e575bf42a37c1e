//! What a host's namespace shows to what runs inside, and how it ends.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use pointsman_lab::{Host, Mesh, TwoWays, trial};

fn output(host: &Host, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped());
    let mut child = host.namespace.spawn(command).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    text
}

#[test]
fn a_process_inside_sees_only_the_hosts_interfaces() {
    trial("a_process_inside_sees_only_the_hosts_interfaces", |lab| {
        let mesh = Mesh::new(lab, 1).unwrap();
        let text = output(&mesh.hosts[0], "cat", &["/proc/self/net/dev"]);
        let devices = text.lines().filter_map(|line| line.split_once(':'));
        let mut names: Vec<_> = devices.map(|(name, _)| name.trim()).collect();
        names.sort_unstable();
        assert_eq!(names, ["lan0", "lo", "wifi0"]);
    });
}

#[test]
fn a_process_inside_dies_with_its_namespace() {
    trial("a_process_inside_dies_with_its_namespace", |lab| {
        let host = lab.host().unwrap();
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = host.namespace.spawn(command).unwrap();
        drop(host);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    });
}

#[test]
fn a_process_inside_dies_when_the_labs_process_is_killed() {
    trial("a_process_inside_dies_when_the_labs_process_is_killed", |_| {
        let tests = std::env::current_exe().unwrap();
        let example = tests.parent().unwrap().parent().unwrap().join("examples/hold");
        let mut holder = Command::new(example).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(holder.stdout.take().unwrap());
        let mut inside = String::new();
        lines.read_line(&mut inside).unwrap();
        assert!(inside.trim().parse::<u32>().is_ok(), "{inside:?}");
        holder.kill().unwrap();
        holder.wait().unwrap();
        // The process inside holds the pipe's other end: its end is the pipe's end.
        assert_eq!(lines.read_line(&mut inside).unwrap(), 0);
    });
}

#[test]
fn an_interface_that_comes_up_again_has_its_route_back() {
    trial("an_interface_that_comes_up_again_has_its_route_back", |lab| {
        let net = TwoWays::new(lab).unwrap();
        let routes = || output(&net.client, "cat", &["/proc/self/net/route"]);
        let has_default = |text: &str| text.lines().any(|line| line.starts_with("wifi0\t00000000"));
        assert!(has_default(&routes()));
        net.client.set_up("wifi0", false).unwrap();
        assert!(!has_default(&routes()));
        net.client.set_up("wifi0", true).unwrap();
        assert!(has_default(&routes()));
    });
}

#[test]
fn carrier_goes_and_comes_without_taking_the_device_down() {
    trial("carrier_goes_and_comes_without_taking_the_device_down", |lab| {
        let mesh = Mesh::new(lab, 1).unwrap();
        let host = &mesh.hosts[0];
        assert!(host.namespace.has_carrier("wifi0").unwrap());
        host.namespace.set_carrier("wifi0", false).unwrap();
        assert!(!host.namespace.has_carrier("wifi0").unwrap());
        let addresses = output(host, "cat", &["/proc/self/net/fib_trie"]);
        assert!(addresses.contains("10.77.1.1"), "{addresses}");
        host.namespace.set_carrier("wifi0", true).unwrap();
        assert!(host.namespace.has_carrier("wifi0").unwrap());
    });
}

#[test]
fn a_renumbered_interface_answers_at_its_new_address_only() {
    trial("a_renumbered_interface_answers_at_its_new_address_only", |lab| {
        let mut mesh = Mesh::new(lab, 1).unwrap();
        let host = &mut mesh.hosts[0];
        let (old, new) = (host.uplinks[0].address, Ipv4Addr::new(10, 77, 1, 77));
        host.renumber("wifi0", new).unwrap();
        let bind = |address| move || TcpListener::bind((address, 0));
        assert!(host.namespace.run(bind(old)).unwrap().is_err());
        let listener = host.namespace.run(bind(new)).unwrap().unwrap();
        let target = listener.local_addr().unwrap();
        host.namespace.run(move || TcpStream::connect(target)).unwrap().unwrap();
    });
}
