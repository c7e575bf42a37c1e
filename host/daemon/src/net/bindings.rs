//! What sockets are bound to: the uplinks by name, as the transports see them.
//!
//! The shell writes here what the uplink watch tells it; the transports read, and are woken
//! by every change. An uplink that goes and comes back starts a new *life*, even where
//! nobody looked in between, so that no socket survives that is bound to an interface which
//! no longer exists.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use pointsman_core::id::UplinkId;
use tokio::sync::watch;

pub use super::cut::Cut;

/// How sockets of an uplink are bound.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its number.
    pub id: UplinkId,
    /// Its name; what a `/ip6zone/` component says.
    pub name: String,
    /// The interface that sockets are tied to; `None`: they are bound to an address only.
    pub interface: Option<String>,
    /// Local addresses, best first.
    pub addresses: Vec<IpAddr>,
    /// The switch that blackholes it. An uplink that comes back has the same one.
    pub cut: Arc<Cut>,
}

/// The table of all uplinks. Cheap to clone; all clones are one table.
#[derive(Clone, Debug)]
pub struct Bindings(Arc<watch::Sender<Table>>);

#[derive(Debug, Default)]
struct Table {
    by_name: BTreeMap<String, Bound>,
    lives: u64,
}

/// A binding, and which of its lives this is.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) binding: Binding,
    pub(super) life: u64,
}

impl Default for Bindings {
    fn default() -> Self {
        Self::new()
    }
}

impl Bindings {
    /// An empty table.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Table::default())))
    }

    /// Adds an uplink, or replaces what is known of it.
    pub fn set(&self, binding: Binding) {
        self.0.send_modify(|table| {
            let same = |old: &&Bound| {
                old.binding.id == binding.id && old.binding.interface == binding.interface
            };
            let life = match table.by_name.get(&binding.name).filter(same) {
                Some(old) => old.life,
                None => {
                    table.lives += 1;
                    table.lives
                }
            };
            table.by_name.insert(binding.name.clone(), Bound { binding, life });
        });
    }

    /// Takes an uplink out; its sockets close.
    pub fn remove(&self, id: UplinkId) {
        self.0.send_modify(|table| table.by_name.retain(|_, bound| bound.binding.id != id));
    }

    /// The uplink of that name.
    pub fn named(&self, name: &str) -> Option<Binding> {
        self.bound(name).map(|bound| bound.binding)
    }

    /// The uplink of that number.
    pub fn numbered(&self, id: UplinkId) -> Option<Binding> {
        let table = self.0.borrow();
        let bound = table.by_name.values().find(|bound| bound.binding.id == id);
        bound.map(|bound| bound.binding.clone())
    }

    /// All uplinks, by name.
    pub fn all(&self) -> Vec<Binding> {
        self.0.borrow().by_name.values().map(|bound| bound.binding.clone()).collect()
    }

    pub(super) fn bound(&self, name: &str) -> Option<Bound> {
        self.0.borrow().by_name.get(name).cloned()
    }

    /// Yields `()` after every change, and once at the start.
    pub(super) fn changes(&self) -> futures::stream::BoxStream<'static, ()> {
        let receiver = self.0.subscribe();
        Box::pin(futures::stream::unfold((receiver, true), |(mut receiver, first)| async move {
            if !first {
                receiver.changed().await.ok()?;
            }
            Some(((), (receiver, false)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eth0(id: u32, address: &str) -> Binding {
        Binding {
            id: UplinkId(id),
            name: "eth0".into(),
            interface: Some("eth0".into()),
            addresses: vec![address.parse().unwrap()],
            cut: Arc::default(),
        }
    }

    #[test]
    fn another_address_is_the_same_life_and_coming_back_is_a_new_one() {
        let bindings = Bindings::new();
        bindings.set(eth0(3, "192.0.2.1"));
        let first = bindings.bound("eth0").unwrap();
        bindings.set(eth0(3, "192.0.2.2"));
        let second = bindings.bound("eth0").unwrap();
        assert_eq!(second.life, first.life);
        assert_eq!(second.binding.addresses, ["192.0.2.2".parse::<IpAddr>().unwrap()]);
        bindings.remove(UplinkId(3));
        assert!(bindings.named("eth0").is_none());
        bindings.set(eth0(3, "192.0.2.2"));
        assert!(bindings.bound("eth0").unwrap().life > second.life);
    }

    #[test]
    fn all_clones_are_one_table() {
        let bindings = Bindings::new();
        bindings.clone().set(eth0(3, "192.0.2.1"));
        assert_eq!(bindings.numbered(UplinkId(3)).unwrap().name, "eth0");
        assert_eq!(bindings.all().len(), 1);
    }
}
