//! The rtnetlink socket: asking for everything, and hearing that something changed.

#![expect(clippy::wildcard_enum_match_arm, reason = "the kernel's attributes, which grow")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage};
use rtnetlink::{Error, Handle, MulticastGroup, RouteMessageBuilder, new_multicast_connection};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::decide::{Interface, Snapshot};
use super::kind::Kind;

const GROUPS: [MulticastGroup; 5] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
];

/// An open socket with the tasks that drain it. However much the kernel tells, and however
/// long nobody listens, all that is kept of it is that something changed.
#[derive(Debug)]
pub(super) struct Kernel {
    handle: Handle,
    changed: Arc<Notify>,
    dead: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Kernel {
    pub(super) fn open() -> io::Result<Self> {
        let (connection, handle, mut messages) = new_multicast_connection(&GROUPS)?;
        let changed = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        let dead = Arc::new(AtomicBool::new(false));
        let (notify, dies) = (Arc::clone(&changed), Arc::clone(&dead));
        tasks.spawn(async move {
            let heard = async {
                while let Some((message, _)) = messages.next().await {
                    if is_relevant(&message.payload) {
                        notify.notify_one();
                    }
                }
            };
            let mut connection = pin!(connection);
            tokio::select! {
                () = &mut connection => {}
                () = heard => {}
            }
            dies.store(true, Ordering::SeqCst);
        });
        Ok(Self { handle, changed, dead, tasks })
    }

    /// Whether the socket is dead. A snapshot that was asked of it may then lack something.
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until something changed since this was asked last; false when the socket is
    /// dead.
    pub(super) async fn changed(&mut self) -> bool {
        tokio::select! {
            () = self.changed.notified() => true,
            _ended = self.tasks.join_next() => false,
        }
    }
}

/// Whether a notification may change an uplink. Of routes only default ones do: a router has
/// a million others. An overrun means that notifications were lost.
fn is_relevant(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    let NetlinkPayload::InnerMessage(message) = payload else {
        return matches!(payload, NetlinkPayload::Overrun(_));
    };
    match message {
        RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
            route.header.destination_prefix_length == 0
        }
        other => matches!(
            other,
            RouteNetlinkMessage::NewLink(_)
                | RouteNetlinkMessage::DelLink(_)
                | RouteNetlinkMessage::NewAddress(_)
                | RouteNetlinkMessage::DelAddress(_)
        ),
    }
}

/// All interfaces as they are now.
pub(super) async fn snapshot(handle: &Handle) -> Result<Snapshot, Error> {
    let mut interfaces = Vec::new();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await? {
        interfaces.extend(interface(&link));
    }
    let mut addresses = handle.address().get().execute();
    while let Some(message) = addresses.try_next().await? {
        let of = interfaces.iter_mut().find(|i| i.index == message.header.index);
        if let (Some(interface), Some(address)) = (of, usable_address(&message)) {
            interface.addresses.push(address);
        }
    }
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
    for question in [v4, v6] {
        let mut routes = handle.route().get(question).execute();
        while let Some(route) = routes.try_next().await? {
            for interface in &mut interfaces {
                interface.has_default_route |= leads_out(&route, interface.index);
            }
        }
    }
    Ok(Snapshot { interfaces })
}

fn interface(link: &LinkMessage) -> Option<Interface> {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let flags = link.header.flags;
    let says = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
            LinkInfo::Kind(kind) => Some(kind),
            _ => None,
        }),
        _ => None,
    });
    let kind = match says {
        _ if flags.contains(LinkFlags::Loopback) => Kind::Loopback,
        Some(InfoKind::Bridge) => Kind::Bridge,
        Some(InfoKind::Tun | InfoKind::Wireguard) => Kind::Tunnel,
        _ if flags.contains(LinkFlags::Pointopoint) => Kind::of_point_to_point(&name),
        _ => Kind::of(&name),
    };
    let enslaved = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::Controller(master) if *master != 0);
    Some(Interface {
        index: link.header.index,
        name,
        kind,
        is_up: flags.contains(LinkFlags::Up | LinkFlags::Running),
        is_enslaved: link.attributes.iter().any(enslaved),
        addresses: Vec::new(),
        has_default_route: false,
    })
}

/// The address with its prefix length, if it can be bound to. One that is still checked for
/// duplicates cannot; its notification comes when it can.
fn usable_address(message: &AddressMessage) -> Option<(IpAddr, u8)> {
    const UNUSABLE: AddressFlags =
        AddressFlags::Tentative.union(AddressFlags::Dadfailed).union(AddressFlags::Deprecated);
    let unusable = message.header.flags.intersects(AddressHeaderFlags::from_bits_retain(
        u8::try_from(UNUSABLE.bits()).expect("these flags are in the first byte"),
    ));
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            _ => {}
        }
    }
    let ip = local.or(address).filter(|_| !unusable)?;
    let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    (!is_link_local).then_some((ip, message.header.prefix_len))
}

/// Whether it is a default route over that interface.
fn leads_out(route: &RouteMessage, index: u32) -> bool {
    let over = |attribute: &RouteAttribute| match attribute {
        RouteAttribute::Oif(oif) => *oif == index,
        RouteAttribute::MultiPath(hops) => hops.iter().any(|hop| hop.interface_index == index),
        _ => false,
    };
    route.header.destination_prefix_length == 0 && route.attributes.iter().any(over)
}
