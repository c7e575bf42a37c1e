//! Raw sockets that can only use their uplink.
//!
//! A socket is tied to the uplink's interface by `SO_BINDTODEVICE`, which a fresh socket may
//! set without privileges since Linux 5.7. Where the system forbids it, and for an uplink
//! that is only an address, the socket is bound to an address of the uplink instead: then
//! the routing table decides over which interface it leaves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Once;

use socket2::{Domain, Socket, Type};

use super::address::Family;
use super::bindings::Binding;
use super::failure::ConnectError;

/// A socket of the uplink that is bound to `port`, and is not blocking. `wanted` is the
/// address to bind to where the uplink is tied to an interface; unspecified for all.
pub(super) fn open(
    binding: &Binding,
    kind: Type,
    wanted: SocketAddr,
) -> Result<Socket, ConnectError> {
    bound(fresh(kind, wanted)?, binding, wanted)
}

/// A TCP socket to dial from, on a port that one listens on which [shares](share) it.
pub(super) fn open_beside(binding: &Binding, wanted: SocketAddr) -> Result<Socket, ConnectError> {
    let socket = fresh(Type::STREAM, wanted)?;
    share(&socket)?;
    bound(socket, binding, wanted)
}

/// Lets others share the port of a socket from now on. One that listens does so only once it is
/// bound: whoever else wants to listen there, another node say, is still told that the port is
/// taken.
pub(super) fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

fn fresh(kind: Type, wanted: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(wanted), kind, None)?;
    socket.set_nonblocking(true)?;
    if wanted.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM && wanted.port() != 0 {
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

fn bound(socket: Socket, binding: &Binding, wanted: SocketAddr) -> Result<Socket, ConnectError> {
    let local = if tie(&socket, binding)? { wanted } else { bound_address(binding, wanted)? };
    socket.bind(&local.into())?;
    Ok(socket)
}

/// Every address of that family.
pub(super) fn any(family: Family, port: u16) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        Family::V6 => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
    }
}

/// Ties the socket to the interface; false where that cannot be.
fn tie(socket: &Socket, binding: &Binding) -> io::Result<bool> {
    static WARNED: Once = Once::new();
    let Some(interface) = &binding.interface else { return Ok(false) };
    match socket.bind_device(Some(interface.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            WARNED.call_once(|| {
                tracing::warn!(
                    %interface,
                    "sockets may not be tied to an interface here (Linux 5.7 or CAP_NET_RAW is \
                     needed): they are bound to its address, and the routing table decides"
                );
            });
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn bound_address(binding: &Binding, wanted: SocketAddr) -> Result<SocketAddr, ConnectError> {
    let family = Family::of(wanted.ip());
    let fits = |ip: &&IpAddr| {
        Family::of(**ip) == family && (wanted.ip().is_unspecified() || **ip == wanted.ip())
    };
    match binding.addresses.iter().find(fits) {
        Some(ip) => Ok(SocketAddr::new(*ip, wanted.port())),
        None => Err(ConnectError::NoFamily(binding.name.clone(), family)),
    }
}
