//! Where the nodes of a demonstration live: in a lab of network namespaces, or, where that is
//! not permitted, on loopback addresses of this machine.

use std::io;
use std::process::{Child, Command};

use super::api::Api;
use super::{DemoError, NODES};

/// Port of every node, for QUIC and TCP: their addresses differ.
const PORT: u16 = 4_001;

/// An uplink of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uplink {
    pub(super) name: &'static str,
    interface: &'static str,
    pub(super) address: String,
}

impl Uplink {
    /// Its part of a config.
    pub(super) fn config(&self) -> String {
        let Self { name, interface, address } = self;
        format!(
            "[[uplink]]\nname = \"{name}\"\ninterface = \"{interface}\"\naddress = \"{address}\"\n\n"
        )
    }

    /// Where others reach the node over it.
    pub(super) fn multiaddr(&self) -> String {
        format!("/ip4/{}/udp/{PORT}/quic-v1", self.address)
    }
}

/// The part of a config that says where to listen.
pub(super) fn listen_config() -> String {
    format!("[listen]\nquic = {PORT}\ntcp = {PORT}\n\n")
}

/// The networks and the faults in them.
#[derive(Debug)]
pub(super) enum Stage {
    /// A network namespace for each node, two segments between all of them.
    #[cfg(target_os = "linux")]
    Lab(lab::Stage),
    /// Two loopback addresses for each node.
    Loopback {
        /// Why it is no lab.
        why: String,
    },
}

impl Stage {
    /// A lab where the system permits it and nobody asked for loopback.
    pub(super) fn build(loopback: bool) -> Result<Self, DemoError> {
        if loopback {
            return Ok(Self::Loopback { why: "as asked".to_owned() });
        }
        Self::lab()
    }

    #[cfg(target_os = "linux")]
    fn lab() -> Result<Self, DemoError> {
        match lab::Stage::build() {
            Ok(stage) => Ok(Self::Lab(stage)),
            Err(error) if error.is_permission() => Ok(Self::Loopback { why: error.to_string() }),
            Err(error) => Err(DemoError::Lab(error.to_string())),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn lab() -> Result<Self, DemoError> {
        Ok(Self::Loopback { why: "network namespaces are Linux's".to_owned() })
    }

    /// Which of the two it is, for people.
    pub(super) fn sentence(&self) -> String {
        match self {
            #[cfg(target_os = "linux")]
            Self::Lab(_) => format!(
                "{NODES} nodes in a network namespace each, two separate networks between them; \
                 faults happen in the networks"
            ),
            Self::Loopback { why } => format!(
                "{NODES} nodes on two loopback addresses each; faults are made by the nodes' own \
                 drivers ({why})"
            ),
        }
    }

    /// The same as one word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Lab(_) => "namespaces",
            Self::Loopback { .. } => "loopback",
        }
    }

    /// The uplinks of a node.
    pub(super) fn uplinks(&self, node: usize) -> [Uplink; 2] {
        match self {
            #[cfg(target_os = "linux")]
            Self::Lab(stage) => stage.uplinks(node),
            Self::Loopback { .. } => [("wifi0", 1), ("lan0", 2)].map(|(name, net)| Uplink {
                name,
                interface: "lo",
                address: format!("127.77.{net}.{}", node + 1),
            }),
        }
    }

    /// Starts a node's process where that node lives; it dies with this one.
    pub(super) fn spawn(&self, node: usize, mut command: Command) -> io::Result<Child> {
        let _ = node;
        match self {
            #[cfg(target_os = "linux")]
            Self::Lab(stage) => stage.spawn(node, command),
            Self::Loopback { .. } => {
                #[cfg(target_os = "linux")]
                pointsman_lab::permission::die_with_parent(&mut command);
                command.spawn()
            }
        }
    }

    /// Blackholes an uplink of a node in both directions, without a loss of carrier, or heals
    /// it.
    pub(super) async fn set_cut(
        &self,
        node: usize,
        api: &Api,
        uplink: &str,
        cut: bool,
    ) -> Result<(), DemoError> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Lab(stage) => {
                stage.set_cut(node, uplink, cut);
                Ok(())
            }
            Self::Loopback { .. } => {
                let _ = node;
                api.set_cut(uplink, cut).await
            }
        }
    }
}

/// Exit code by which the program in a user namespace says that no lab is permitted there
/// either.
#[cfg(target_os = "linux")]
const NO_LAB_THERE: u8 = 77;

/// Where this user may not make network namespaces but a user namespace: runs this very
/// command there. False: nothing ran, so run it here.
#[cfg(target_os = "linux")]
pub(super) async fn ran_in_user_namespace() -> Result<bool, DemoError> {
    use pointsman_lab::permission;
    use tokio::signal::unix::{SignalKind, signal};

    let Err(refusal) = permission::check() else { return Ok(false) };
    if permission::is_isolated() {
        std::process::exit(NO_LAB_THERE.into());
    }
    if !refusal.is_permission() || !permission::device_is_open() {
        return Ok(false);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    permission::isolate(&mut command);
    let mut terminate = signal(SignalKind::terminate())?;
    let Ok(mut child) = tokio::process::Command::from(command).spawn() else { return Ok(false) };
    let id = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    // Ctrl-C reaches the child by itself; either way it cleans up, and this one waits for it.
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {
                let term = rustix::process::Signal::TERM;
                _ = id.map(|id| rustix::process::kill_process(id, term));
            }
        }
    };
    match status.code() {
        Some(0) => Ok(true),
        Some(code) if code == i32::from(NO_LAB_THERE) => Ok(false),
        _ => Err(DemoError::Elsewhere),
    }
}

#[cfg(target_os = "linux")]
mod lab {
    use std::io;
    use std::process::{Child, Command};

    use pointsman_lab::{Direction, Host, Lab, LabError, Mesh};

    use super::Uplink;
    use crate::demo::NODES;

    /// Field order: the namespaces end before the networks between them.
    #[derive(Debug)]
    pub(in crate::demo) struct Stage {
        mesh: Mesh,
        _lab: Lab,
    }

    impl Stage {
        pub(super) fn build() -> Result<Self, LabError> {
            let mut lab = Lab::new(1)?;
            let mesh = Mesh::new(&mut lab, NODES as u8)?;
            Ok(Self { mesh, _lab: lab })
        }

        pub(super) fn uplinks(&self, node: usize) -> [Uplink; 2] {
            let uplinks = &self.mesh.hosts[node].uplinks;
            [0, 1].map(|index| Uplink {
                name: Mesh::UPLINKS[index],
                interface: Mesh::UPLINKS[index],
                address: uplinks[index].address.to_string(),
            })
        }

        pub(super) fn spawn(&self, node: usize, command: Command) -> io::Result<Child> {
            self.mesh.hosts[node].namespace.spawn(command).map_err(io::Error::other)
        }

        pub(super) fn set_cut(&self, node: usize, uplink: &str, cut: bool) {
            let host: &Host = &self.mesh.hosts[node];
            let Some(uplink) = host.uplink(uplink) else { return };
            if cut {
                uplink.port.cut(&Direction::BOTH);
            } else {
                uplink.port.heal(&Direction::BOTH);
            }
        }
    }
}
