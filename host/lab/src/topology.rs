//! The networks that tests, demonstration and measurements need, built from namespaces and
//! segments.

use std::net::Ipv4Addr;

use crate::error::LabError;
use crate::namespace::Namespace;
use crate::switch::{Port, Segment, Switch};

/// Length of the network part of every address in a lab.
pub const PREFIX: u8 = 24;

/// A switch and what is plugged into it.
#[derive(Debug)]
pub struct Lab {
    switch: Switch,
    segments: u16,
}

impl Lab {
    /// A lab without hosts. `seed` decides which frames get lost.
    pub fn new(seed: u64) -> Result<Self, LabError> {
        Ok(Self { switch: Switch::start(seed)?, segments: 0 })
    }

    /// A new broadcast domain.
    pub fn segment(&mut self) -> Segment {
        let segment = Segment(self.segments);
        self.segments += 1;
        segment
    }

    /// A new host without interfaces.
    pub fn host(&self) -> Result<Host, LabError> {
        Ok(Host { namespace: Namespace::new()?, uplinks: Vec::new() })
    }

    /// Plugs `host` into `segment` by a new interface, which is up and has that address.
    pub fn plug(
        &self,
        host: &mut Host,
        name: &str,
        segment: Segment,
        address: Ipv4Addr,
    ) -> Result<(), LabError> {
        let tap = host.namespace.tap(name)?;
        let port = self.switch.attach(tap, segment)?;
        host.namespace.add_address(name, address, PREFIX)?;
        host.namespace.set_up(name, true)?;
        host.uplinks.push(Uplink { name: name.to_owned(), address, gateway: None, port });
        Ok(())
    }

    /// The switch, for its lateness.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }
}

/// An interface of a host.
#[derive(Debug)]
pub struct Uplink {
    /// Its name in the host.
    pub name: String,
    /// Its address there.
    pub address: Ipv4Addr,
    /// The gateway and metric of its default route, if it has one.
    pub gateway: Option<(Ipv4Addr, u32)>,
    /// Its other end.
    pub port: Port,
}

/// A namespace with its interfaces.
#[derive(Debug)]
pub struct Host {
    /// Its network.
    pub namespace: Namespace,
    /// Its interfaces in the order of their making.
    pub uplinks: Vec<Uplink>,
}

impl Host {
    /// The interface of that name.
    pub fn uplink(&self, name: &str) -> Option<&Uplink> {
        self.uplinks.iter().find(|uplink| uplink.name == name)
    }

    /// A default route over an interface, kept across [`Host::set_up`].
    pub fn route_by(&mut self, name: &str, gateway: Ipv4Addr, metric: u32) -> Result<(), LabError> {
        self.namespace.add_default_route(name, gateway, metric)?;
        if let Some(uplink) = self.uplinks.iter_mut().find(|uplink| uplink.name == name) {
            uplink.gateway = Some((gateway, metric));
        }
        Ok(())
    }

    /// Takes an interface down, or up again with the route that it had.
    pub fn set_up(&self, name: &str, up: bool) -> Result<(), LabError> {
        self.namespace.set_up(name, up)?;
        match self.uplink(name).and_then(|uplink| uplink.gateway) {
            Some((gateway, metric)) if up => {
                self.namespace.add_default_route(name, gateway, metric)
            }
            _ => Ok(()),
        }
    }

    /// Another address in place of an interface's own, as after a new DHCP lease: the old one
    /// goes first (the kernel would take a second address of the same network along with it),
    /// and its default route with it, which is then made again.
    pub fn renumber(&mut self, name: &str, address: Ipv4Addr) -> Result<(), LabError> {
        let Some(uplink) = self.uplinks.iter_mut().find(|uplink| uplink.name == name) else {
            return Err(LabError::io(format!("find {name}"))(std::io::ErrorKind::NotFound.into()));
        };
        self.namespace.remove_address(name, uplink.address, PREFIX)?;
        self.namespace.add_address(name, address, PREFIX)?;
        uplink.address = address;
        match uplink.gateway {
            Some((gateway, metric)) => self.namespace.add_default_route(name, gateway, metric),
            None => Ok(()),
        }
    }
}

/// Hosts that all reach each other over each of two segments: links over different
/// interfaces share nothing.
#[derive(Debug)]
pub struct Mesh {
    /// Each with `wifi0` in 10.77.1.0/24 and `lan0` in 10.77.2.0/24; host 0 has .1 in both.
    pub hosts: Vec<Host>,
}

impl Mesh {
    /// The names of the interfaces.
    pub const UPLINKS: [&str; 2] = ["wifi0", "lan0"];

    /// `count` hosts, from 1 to 250.
    pub fn new(lab: &mut Lab, count: u8) -> Result<Self, LabError> {
        let segments = Self::UPLINKS.map(|_| lab.segment());
        let host = |number: u8| {
            let mut host = lab.host()?;
            for (net, (name, segment)) in (1..).zip(Self::UPLINKS.into_iter().zip(segments)) {
                lab.plug(&mut host, name, segment, Ipv4Addr::new(10, 77, net, number))?;
            }
            Ok(host)
        };
        Ok(Self { hosts: (1..=count.min(250)).map(host).collect::<Result<_, LabError>>()? })
    }
}

/// Two ways to one remote address: a client with two uplinks, a router at the far end of both,
/// and a server with a single address behind it.
///
/// A client's socket that is bound to a device takes the default route of that device; the
/// server's answers follow the client's source address.
#[derive(Debug)]
pub struct TwoWays {
    /// Has `wifi0` (10.78.1.2, the preferred default route) and `lan0` (10.78.2.2).
    pub client: Host,
    /// Forwards between the three networks.
    pub router: Host,
    /// Has `srv0` (10.78.3.2).
    pub server: Host,
}

impl TwoWays {
    /// The one address that the client knows.
    pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 78, 3, 2);

    /// Builds the three hosts.
    pub fn new(lab: &mut Lab) -> Result<Self, LabError> {
        let (mut client, mut router, mut server) = (lab.host()?, lab.host()?, lab.host()?);
        let near = |net, host| Ipv4Addr::new(10, 78, net, host);
        for (net, name) in (1..).zip(Mesh::UPLINKS) {
            let segment = lab.segment();
            lab.plug(&mut router, &format!("to-{name}"), segment, near(net, 1))?;
            lab.plug(&mut client, name, segment, near(net, 2))?;
            client.route_by(name, near(net, 1), 100 * u32::from(net))?;
        }
        let segment = lab.segment();
        lab.plug(&mut router, "to-srv0", segment, near(3, 1))?;
        lab.plug(&mut server, "srv0", segment, Self::SERVER)?;
        server.route_by("srv0", near(3, 1), 100)?;
        router.namespace.sysctl("net/ipv4/ip_forward", "1")?;
        Ok(Self { client, router, server })
    }
}
