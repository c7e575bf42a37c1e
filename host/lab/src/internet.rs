//! An Internet of its own: public hosts, and hosts behind NATs.
//!
//! One router stands for the Internet. Whatever is attached to it has a network of its own, with
//! addresses that count as public everywhere, and a default route to it. A [`NatBox`] is one of
//! these with private hosts behind it; how it translates is its [`NatKind`]. The translation is
//! the kernel's, set up with the program `nft`, which must be installed ([`has_nft`]).

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use crate::error::LabError;
use crate::switch::Segment;
use crate::topology::{Host, Lab};

/// Where Debian and its kin put `nft`; it is often in no path of users.
const NFT: [&str; 4] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"];

/// How a NAT translates, in the words of RFC 4787 and, in parentheses, of RFC 3489.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NatKind {
    /// Endpoint-independent mapping, as long as ports are free; address and port-dependent
    /// filtering ("port restricted cone"). Linux's masquerade, and so most homes.
    PortRestricted,
    /// Another port for each destination; address and port-dependent filtering ("symmetric").
    Symmetric,
    /// Endpoint-independent mapping and filtering ("full cone"), of UDP.
    FullCone,
}

/// Whether `nft` is installed.
pub fn has_nft() -> bool {
    installed(&NFT).is_some()
}

/// The first of these programs that there is.
pub(crate) fn installed(paths: &[&'static str]) -> Option<&'static str> {
    paths.iter().copied().find(|path| std::path::Path::new(path).exists())
}

/// Gives a program all of its standard input.
pub(crate) fn feed(child: &mut Child, text: &str) -> io::Result<()> {
    child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()))
}

/// The router in the middle.
#[derive(Debug)]
pub struct Internet {
    router: Host,
    networks: u8,
}

impl Internet {
    /// With nobody in it.
    pub fn new(lab: &Lab) -> Result<Self, LabError> {
        let router = lab.host()?;
        router.namespace.sysctl("net/ipv4/ip_forward", "1")?;
        Ok(Self { router, networks: 0 })
    }

    /// A host that everybody reaches, with `eth0`.
    pub fn public_host(&mut self, lab: &mut Lab) -> Result<Host, LabError> {
        let mut host = lab.host()?;
        self.attach(lab, &mut host, "eth0")?;
        Ok(host)
    }

    /// A NAT that is attached.
    pub fn nat(&mut self, lab: &mut Lab, kind: NatKind) -> Result<NatBox, LabError> {
        let mut router = lab.host()?;
        self.attach(lab, &mut router, "wan")?;
        let inside = lab.segment();
        let net = self.networks;
        router.namespace.sysctl("net/ipv4/ip_forward", "1")?;
        let mut nat = NatBox { router, inside, net, hosts: 1 };
        let address = nat.inside_address();
        lab.plug(&mut nat.router, "lan", inside, address)?;
        nat.filter(&rules(kind))?;
        Ok(nat)
    }

    fn attach(&mut self, lab: &mut Lab, host: &mut Host, name: &str) -> Result<(), LabError> {
        self.networks += 1;
        let address = |last| Ipv4Addr::new(45, 10, self.networks, last);
        let segment = lab.segment();
        lab.plug(&mut self.router, &format!("net{}", self.networks), segment, address(1))?;
        lab.plug(host, name, segment, address(2))?;
        host.route_by(name, address(1), 100)
    }
}

/// A router with a NAT in it.
#[derive(Debug)]
pub struct NatBox {
    /// Has `wan` and `lan`.
    pub router: Host,
    inside: Segment,
    net: u8,
    hosts: u8,
}

impl NatBox {
    /// A host behind it, with `eth0`.
    pub fn host(&mut self, lab: &mut Lab) -> Result<Host, LabError> {
        self.hosts += 1;
        let mut host = lab.host()?;
        let address = |last| Ipv4Addr::new(192, 168, self.net, last);
        lab.plug(&mut host, "eth0", self.inside, address(self.hosts))?;
        host.route_by("eth0", address(1), 100)?;
        Ok(host)
    }

    /// What is forwarded on request of hosts behind it, in the words of `nft`.
    pub fn forwarded(&self) -> Result<String, LabError> {
        self.nft(&["list", "chain", "inet", "upnp", "prerouting_miniupnpd"], "")
    }

    /// Adds rules to those of the box.
    pub(crate) fn filter(&self, rules: &str) -> Result<(), LabError> {
        self.nft(&["-f", "-"], rules).map(drop)
    }

    pub(crate) fn inside_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, self.net, 1)
    }

    fn nft(&self, arguments: &[&str], input: &str) -> Result<String, LabError> {
        let failed = || LabError::io("set up a NAT with nft");
        let program = installed(&NFT).ok_or_else(|| failed()(io::ErrorKind::NotFound.into()))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let mut child = self.router.namespace.spawn(command)?;
        feed(&mut child, input).map_err(failed())?;
        let output = child.wait_with_output().map_err(failed())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let reason = text(&output.stderr);
        Err(LabError::Netlink { what: "set up a NAT with nft".into(), reason })
    }
}

/// What arrives unasked is dropped at the box itself too: otherwise its own entry in the table
/// of connections would take the port that a host inside is about to use.
fn rules(kind: NatKind) -> String {
    let masquerade = match kind {
        NatKind::PortRestricted | NatKind::FullCone => "masquerade",
        NatKind::Symmetric => "masquerade random,fully-random",
    };
    let (remember, deliver) = match kind {
        NatKind::FullCone => (
            "iifname \"lan\" oifname \"wan\" meta l4proto udp \
             update @cone { udp sport : ip saddr . udp sport }",
            "iifname \"wan\" dnat ip to udp dport map @cone",
        ),
        NatKind::PortRestricted | NatKind::Symmetric => ("", ""),
    };
    format!(
        "table ip nat {{
           map cone {{
             type inet_service : ipv4_addr . inet_service
             flags dynamic,timeout
             timeout 120s
             size 65535
           }}
           chain outgoing {{
             type nat hook postrouting priority 100;
             oifname \"wan\" {masquerade}
           }}
           chain incoming {{
             type nat hook prerouting priority -100;
             {deliver}
           }}
           chain own {{
             type filter hook input priority 0;
             iifname \"wan\" ct state new drop
           }}
           chain through {{
             type filter hook forward priority 0;
             policy drop;
             {remember}
             ct state established,related accept
             ct status dnat accept
             iifname \"lan\" oifname \"wan\" accept
           }}
         }}"
    )
}
