//! Where a finished connection waits until the links behaviour claims it.
//!
//! libp2p hides the connection below its boxed multiplexer. So each transport registers what
//! it made, under the addresses that the swarm will tell the behaviour, and the behaviour
//! claims it from there. What nobody claims is dropped when its connection is gone, after
//! 30 s, or when the registry is full, oldest first. A registered connection is never kept
//! alive by being here: its owner is its multiplexer.
//!
//! What all transports share is here too: the count of connections that came to nothing.

mod handle;
mod loss;
mod tcp_info;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::Multiaddr;
use pointsman_core::id::{Time, UplinkId};
use pointsman_core::input::Protocol;
use pointsman_core::limits::UNCLAIMED_LINKS_MAX;

use super::address::{split_uplink, without_peer};
use super::refusals::Refusals;
use crate::clock::Clock;

pub use handle::LinkHandle;

/// How long a connection may wait to be claimed, in microseconds.
const UNCLAIMED_US_MAX: u64 = 30_000_000;

/// A finished connection.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The name of the uplink that it is bound to.
    pub uplink: String,
    /// Its number.
    pub uplink_id: UplinkId,
    /// What it speaks.
    pub protocol: Protocol,
    /// What can be asked of it.
    pub handle: LinkHandle,
}

/// The registry. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    entries: Arc<Mutex<Vec<Entry>>>,
    refusals: Refusals,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    since: Time,
    registered: Registered,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Dialled(Multiaddr),
    Accepted { local: Multiaddr, send_back: Multiaddr },
}

impl Registry {
    /// The connection that a dial to that address made; the address with its uplink, with or
    /// without `/p2p`. Once only.
    pub fn claim_dialled(&self, dialled: &Multiaddr) -> Option<Registered> {
        self.claim(&Key::dialled(dialled))
    }

    /// The connection that was accepted at those addresses, as the swarm tells them. Once
    /// only.
    pub fn claim_accepted(&self, local: &Multiaddr, send_back: &Multiaddr) -> Option<Registered> {
        self.claim(&Key::Accepted { local: local.clone(), send_back: send_back.clone() })
    }

    /// What was turned away, or failed.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    pub(super) fn register(&self, key: Key, registered: Registered) {
        self.register_at(Clock::now(), key, registered);
    }

    fn claim(&self, key: &Key) -> Option<Registered> {
        let mut entries = self.entries(Clock::now());
        let newest = entries.iter().rposition(|entry| key.is_for(&entry.key))?;
        Some(entries.remove(newest).registered)
    }

    fn register_at(&self, now: Time, key: Key, registered: Registered) {
        let mut entries = self.entries(now);
        if entries.len() >= UNCLAIMED_LINKS_MAX {
            entries.remove(0);
        }
        entries.push(Entry { key, since: now, registered });
    }

    fn entries(&self, now: Time) -> MutexGuard<'_, Vec<Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| {
            now.since(entry.since) < UNCLAIMED_US_MAX && entry.registered.handle.is_alive()
        });
        entries
    }
}

impl Key {
    /// Whether this asks for that. A dial that named no uplink was given one by
    /// [`super::ways::Routed`], of which the swarm does not know.
    fn is_for(&self, registered: &Self) -> bool {
        match (self, registered) {
            (Self::Dialled(asked), Self::Dialled(dialled)) => {
                asked == dialled || *asked == split_uplink(dialled).1
            }
            (Self::Accepted { .. }, Self::Accepted { .. }) => self == registered,
            (Self::Dialled(_), Self::Accepted { .. })
            | (Self::Accepted { .. }, Self::Dialled(_)) => false,
        }
    }

    pub(super) fn dialled(address: &Multiaddr) -> Self {
        Self::Dialled(without_peer(address))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::net::address::with_uplink;

    async fn connection() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Arc::new(here), listener.accept().await.unwrap().0)
    }

    fn registered(stream: &Arc<TcpStream>) -> Registered {
        Registered {
            uplink: "lo".into(),
            uplink_id: UplinkId(1),
            protocol: Protocol::Tcp,
            handle: LinkHandle::tcp(stream),
        }
    }

    fn key(port: usize) -> Key {
        Key::Dialled(format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap())
    }

    #[tokio::test]
    async fn a_connection_is_claimed_once() {
        let (stream, _far) = connection().await;
        let registry = Registry::default();
        registry.register(key(1), registered(&stream));
        let dialled = format!("/ip4/127.0.0.1/tcp/1/p2p/{}", libp2p::PeerId::random());
        assert!(registry.claim_dialled(&dialled.parse().unwrap()).is_some());
        assert!(registry.claim_dialled(&dialled.parse().unwrap()).is_none());
    }

    #[tokio::test]
    async fn a_dial_that_named_no_uplink_finds_the_connection_that_was_given_one() {
        let (stream, _far) = connection().await;
        let registry = Registry::default();
        let bare: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        registry.register(Key::dialled(&with_uplink(&bare, "eth0")), registered(&stream));
        assert!(registry.claim_dialled(&with_uplink(&bare, "wlan0")).is_none());
        assert!(registry.claim_dialled(&bare).is_some());
    }

    #[tokio::test]
    async fn what_is_gone_or_old_is_dropped() {
        let (stream, _far) = connection().await;
        let registry = Registry::default();
        let now = Clock::now();
        registry.register_at(now, key(1), registered(&stream));
        assert_eq!(registry.entries(now.after(UNCLAIMED_US_MAX - 1)).len(), 1);
        assert_eq!(registry.entries(now.after(UNCLAIMED_US_MAX)).len(), 0);
        registry.register_at(now, key(1), registered(&stream));
        drop(stream);
        assert_eq!(registry.entries(now).len(), 0);
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let (stream, _far) = connection().await;
        let registry = Registry::default();
        let now = Clock::now();
        for port in 0..=UNCLAIMED_LINKS_MAX {
            registry.register_at(now, key(port), registered(&stream));
        }
        assert!(registry.claim(&key(0)).is_none());
        assert!(registry.claim(&key(1)).is_some());
        assert!(registry.claim(&key(UNCLAIMED_LINKS_MAX)).is_some());
    }
}
