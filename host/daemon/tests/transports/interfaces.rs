//! Two machines with two cables between them: network namespaces with two veth pairs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use libp2p::core::muxing::StreamMuxerExt;
use libp2p::core::transport::TransportEvent;
use pointsman::net::bindings::Binding;
use pointsman_core::id::UplinkId;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::mpsc;

use crate::end::End;
use crate::namespace::{ip, is_inside, unshare};

/// Another namespace, held by a process that does nothing; it ends with this.
struct Elsewhere(Child);

impl Elsewhere {
    fn new() -> Self {
        let mut command = unshare();
        command.args(["sh", "-c", "echo ready; exec sleep 600"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn ip(&self, words: &str) {
        let pid = self.0.id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &pid, "ip"]).args(words.split_whitespace());
        assert!(command.status().unwrap().success(), "far away: ip {words}");
    }

    fn namespace(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.0.id())).unwrap()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Two cables: a0 to b0 with 192.0.2.0/24, a1 to b1 with 198.51.100.0/24.
fn lay_cables() -> Elsewhere {
    let far = Elsewhere::new();
    for (n, net) in [(0, "192.0.2"), (1, "198.51.100")] {
        ip(&format!("link add a{n} type veth peer name b{n} netns {}", far.0.id()));
        ip(&format!("address add {net}.1/24 dev a{n}"));
        ip(&format!("link set a{n} up"));
        far.ip(&format!("address add {net}.2/24 dev b{n}"));
        far.ip(&format!("link set b{n} up"));
    }
    far
}

fn tied_to(interface: &str, id: u32, address: &str) -> Binding {
    Binding {
        id: UplinkId(id),
        name: interface.into(),
        interface: Some(interface.into()),
        addresses: vec![address.parse().unwrap()],
        cut: Arc::default(),
    }
}

/// Listens on both interfaces and tells over which each connection came.
async fn answer(told: mpsc::Sender<String>) {
    let mut end = End::with(tied_to("b0", 1, "192.0.2.2"));
    end.bindings.set(tied_to("b1", 2, "198.51.100.2"));
    for interface in ["b0", "b1"] {
        for protocol in ["udp/4001/quic-v1", "tcp/4001"] {
            let address = format!("/ip6zone/{interface}/ip4/0.0.0.0/{protocol}");
            end.try_listen(address.parse().unwrap()).unwrap();
            let announced = end.new_address().await;
            assert!(announced.to_string().ends_with(protocol), "{announced}");
        }
    }
    told.send("ready".into()).await.unwrap();
    let mut kept = Vec::new();
    loop {
        if let TransportEvent::Incoming { upgrade, local_addr, send_back_addr, .. } =
            end.next().await
        {
            kept.push(upgrade.await.unwrap());
            let accepted = end.registry.claim_accepted(&local_addr, &send_back_addr).unwrap();
            if told.send(accepted.uplink).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_leaves_by_its_uplink_whatever_the_routes_say() {
    if !is_inside("interfaces::a_connection_leaves_by_its_uplink_whatever_the_routes_say") {
        return;
    }
    let far = lay_cables();
    let namespace = far.namespace();
    let (told, mut tells) = mpsc::channel(8);
    std::thread::spawn(move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), network).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(answer(told));
    });
    assert_eq!(tells.recv().await.unwrap(), "ready");
    let mut near = End::with(tied_to("a0", 1, "192.0.2.1"));
    near.bindings.set(tied_to("a1", 2, "198.51.100.1"));
    for (uplink, arrives) in [("a0", "b0"), ("a1", "b1")] {
        for host in ["192.0.2.2", "198.51.100.2"] {
            for protocol in ["udp/4001/quic-v1", "tcp/4001"] {
                let address = format!("/ip6zone/{uplink}/ip4/{host}/{protocol}");
                let (_, mut muxer) = near.dial(address.parse().unwrap()).await.unwrap();
                let came = tokio::select! {
                    came = tells.recv() => came.unwrap(),
                    ended = poll_fn(|cx| muxer.poll_unpin(cx)) => panic!("{address}: {ended:?}"),
                };
                assert_eq!(came, arrives, "{address}");
                let dialled = near.registry.claim_dialled(&address.parse().unwrap()).unwrap();
                assert_eq!(dialled.uplink, uplink);
            }
        }
    }
}
