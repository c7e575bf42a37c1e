//! The router's help: ports that it forwards here because it was asked to (UPnP, by `igd-next`).
//!
//! For each address of ours that is behind a router there is one task. It looks for the router
//! within that address's network, has it forward every port that is listened on there, renews
//! that long before it runs out, and takes it back when the port is wanted no more, or the
//! [`Router`] was told to leave or is dropped. What fails is tried again: a router may come or
//! start anew at any time. Should this process be killed, the router forgets by itself after
//! [`LEASE_S`].
//!
//! It never asks over another network, and believes no router that is outside of it, or that is
//! itself behind a NAT.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};
use libp2p::Multiaddr;
use pointsman_core::input::Protocol;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::net::address::{Host, Target, compose};
use crate::net::subnets::{is_public, is_within};

/// How long a router forwards a port, in seconds, unless it is asked again.
const LEASE_S: u32 = 3600;

/// It is asked again this often: one that was restarted has forgotten everything.
const RENEWAL: Duration = Duration::from_secs(600);

/// What failed is tried again after this.
const RETRY: Duration = Duration::from_secs(60);

/// How long a router may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// News that wait for the swarm; the task waits with them.
const NEWS_MAX: usize = 16;

/// What a router lists a forwarded port as.
const NAME: &str = "pointsman";

/// What became of a forwarded port.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RouterEvent {
    /// The router forwards what arrives at this address.
    Forwards(Multiaddr),
    /// It does not any more.
    ForwardsNoMore(Multiaddr),
}

/// A port that is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    protocol: Protocol,
    number: u16,
}

/// The router of one address of ours.
pub(super) struct Router {
    wanted: Option<watch::Sender<BTreeSet<Port>>>,
    news: mpsc::Receiver<RouterEvent>,
    forwards: BTreeSet<Multiaddr>,
}

impl Router {
    /// Looks for the router of this address, whose network is what its first `bits` say.
    pub(super) fn start(here: Ipv4Addr, bits: u8) -> Self {
        let (wanted, ports) = watch::channel(BTreeSet::new());
        let (tell, news) = mpsc::channel(NEWS_MAX);
        tokio::spawn(Asking { here, bits, ports, tell, held: BTreeMap::new() }.run());
        Self { wanted: Some(wanted), news, forwards: BTreeSet::new() }
    }

    /// What is listened on at all addresses now.
    pub(super) fn listening<'a>(&self, here: Ipv4Addr, all: impl Iterator<Item = &'a Multiaddr>) {
        let ports: BTreeSet<Port> = all.filter_map(|address| port(here, address)).collect();
        if let Some(wanted) = &self.wanted {
            wanted.send_if_modified(|told| {
                let is_news = *told != ports;
                *told = ports;
                is_news
            });
        }
    }

    /// Has everything taken back. [`Router::poll`] ends when that is done.
    pub(super) fn leave(&mut self) {
        self.wanted = None;
    }

    /// What it forwards now, as far as was told.
    pub(super) fn forwards(&self) -> impl Iterator<Item = &Multiaddr> {
        self.forwards.iter()
    }

    /// The next news; `None` once everything was taken back.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<RouterEvent>> {
        let news = self.news.poll_recv(cx);
        match &news {
            Poll::Ready(Some(RouterEvent::Forwards(address))) => {
                self.forwards.insert(address.clone());
            }
            Poll::Ready(Some(RouterEvent::ForwardsNoMore(address))) => {
                self.forwards.remove(address);
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        news
    }
}

fn port(here: Ipv4Addr, address: &Multiaddr) -> Option<Port> {
    let Target { host, port, protocol, .. } = Target::read(address)?;
    (host == Host::Ip(here.into())).then_some(Port { protocol, number: port })
}

/// The task.
struct Asking {
    here: Ipv4Addr,
    bits: u8,
    ports: watch::Receiver<BTreeSet<Port>>,
    tell: mpsc::Sender<RouterEvent>,
    /// What is forwarded, and from where.
    held: BTreeMap<Port, SocketAddr>,
}

impl Asking {
    async fn run(mut self) {
        loop {
            let search = find(self.here, self.bits);
            let found = tokio::select! {
                found = search => found,
                () = dropped(&mut self.ports) => return,
            };
            match found {
                Ok(router) => match self.serve(&router).await {
                    Ok(()) => return,
                    Err(why) => tracing::debug!(here = %self.here, why, "the router fails"),
                },
                Err(why) => tracing::debug!(here = %self.here, why, "no router to ask"),
            }
            self.lose_all().await;
            if timeout(RETRY, dropped(&mut self.ports)).await.is_ok() {
                return;
            }
        }
    }

    /// Has a router forward what is wanted, until nobody is there who wants anything. An error
    /// where the router is of no use, or no more.
    async fn serve(&mut self, router: &Gateway<Tokio>) -> Result<(), String> {
        loop {
            let outside = outside(router).await?;
            let wanted = self.ports.borrow_and_update().clone();
            self.take_back(router, |port| !wanted.contains(port)).await;
            let mut pause = RENEWAL;
            for port in wanted {
                if let Err(why) = self.forward(router, outside, port).await {
                    tracing::debug!(here = %self.here, ?port, why, "a port is not forwarded");
                    self.lose(port).await;
                    pause = RETRY;
                }
            }
            tokio::select! {
                changed = self.ports.changed() => if changed.is_err() { break },
                () = sleep(pause) => {}
            }
        }
        self.take_back(router, |_| true).await;
        Ok(())
    }

    /// Has a port forwarded from the same number, or from another where somebody else has that.
    async fn forward(
        &mut self,
        router: &Gateway<Tokio>,
        outside: Ipv4Addr,
        port: Port,
    ) -> Result<(), String> {
        let local = SocketAddr::from((self.here, port.number));
        let held = self.held.get(&port).map(SocketAddr::port);
        let (protocol, number) = (transport(port.protocol), held.unwrap_or(port.number));
        let asked = answer(router.add_port(protocol, number, local, LEASE_S, NAME)).await?;
        let number = match asked {
            Ok(()) => number,
            Err(AddPortError::PortInUse) => {
                let any = router.add_any_port(protocol, local, LEASE_S, NAME);
                answer(any).await?.map_err(|error| error.to_string())?
            }
            Err(error) => return Err(error.to_string()),
        };
        let from = SocketAddr::from((outside, number));
        let before = self.held.insert(port, from);
        if before != Some(from) {
            if let Some(before) = before {
                self.tell(RouterEvent::ForwardsNoMore(compose(before, port.protocol))).await;
            }
            self.tell(RouterEvent::Forwards(compose(from, port.protocol))).await;
        }
        Ok(())
    }

    async fn take_back(&mut self, router: &Gateway<Tokio>, which: impl Fn(&Port) -> bool) {
        let gone: Vec<_> = self.held.keys().filter(|port| which(port)).copied().collect();
        for port in gone {
            let Some(from) = self.held.get(&port) else { continue };
            let asked = router.remove_port(transport(port.protocol), from.port());
            let taken = answer(asked).await;
            if !matches!(taken, Ok(Ok(()))) {
                tracing::debug!(here = %self.here, ?port, ?taken, "a port is not taken back");
            }
            self.lose(port).await;
        }
    }

    async fn lose_all(&mut self) {
        while let Some((&port, _)) = self.held.first_key_value() {
            self.lose(port).await;
        }
    }

    async fn lose(&mut self, port: Port) {
        if let Some(from) = self.held.remove(&port) {
            self.tell(RouterEvent::ForwardsNoMore(compose(from, port.protocol))).await;
        }
    }

    /// Whoever is not interested any more has dropped the other end.
    async fn tell(&self, event: RouterEvent) {
        let _ = self.tell.send(event).await;
    }
}

/// Waits until nobody is left who could want anything.
async fn dropped(ports: &mut watch::Receiver<BTreeSet<Port>>) {
    while ports.changed().await.is_ok() {}
}

/// The search leaves by the network of the address that it is bound to.
async fn find(here: Ipv4Addr, bits: u8) -> Result<Gateway<Tokio>, String> {
    let options = SearchOptions { bind_addr: (here, 0).into(), ..SearchOptions::default() };
    let router = search_gateway(options).await.map_err(|error| error.to_string())?;
    if is_within(router.addr.ip(), here.into(), bits) {
        Ok(router)
    } else {
        Err(format!("{} is outside of the network of {here}", router.addr))
    }
}

/// The address at which the router is seen.
async fn outside(router: &Gateway<Tokio>) -> Result<Ipv4Addr, String> {
    let outside = answer(router.get_external_ip()).await?.map_err(|error| error.to_string())?;
    match outside {
        IpAddr::V4(ip) if is_public(outside) => Ok(ip),
        IpAddr::V4(_) | IpAddr::V6(_) => {
            Err(format!("its own address is {outside}, not a public one"))
        }
    }
}

async fn answer<T>(asked: impl Future<Output = T>) -> Result<T, String> {
    timeout(ANSWER_MAX, asked).await.map_err(|_| "no answer in time".to_owned())
}

fn transport(protocol: Protocol) -> PortMappingProtocol {
    match protocol {
        Protocol::Quic => PortMappingProtocol::UDP,
        Protocol::Tcp | Protocol::Bluetooth | Protocol::Circuit => PortMappingProtocol::TCP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_listened_on_the_ports_of_this_address_are_wanted() {
        let here = Ipv4Addr::new(192, 168, 1, 2);
        let of = |text: &str| port(here, &text.parse().unwrap());
        let tcp = Port { protocol: Protocol::Tcp, number: 4001 };
        assert_eq!(of("/ip4/192.168.1.2/tcp/4001"), Some(tcp));
        let quic = Port { protocol: Protocol::Quic, number: 4002 };
        assert_eq!(of("/ip4/192.168.1.2/udp/4002/quic-v1"), Some(quic));
        for other in ["/ip4/192.168.1.3/tcp/4001", "/ip6/fd00::1/tcp/4001", "/unix/ble:x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
