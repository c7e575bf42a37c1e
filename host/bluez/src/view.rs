//! What the service looks like at a moment, for tests to wait for.

use crate::counters::Counters;

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterView {
    /// Such as `hci0`.
    pub name: String,
    /// The address that is on the air, which changes by rotation.
    pub address: String,
    /// Whether it is plugged in.
    pub present: bool,
    /// Whether it is switched on.
    pub powered: bool,
    /// How many clients discover on it.
    pub discoveries: usize,
    /// How many advertisements are registered.
    pub adverts: usize,
    /// How many GATT applications are registered.
    pub applications: usize,
    /// How many devices it knows.
    pub devices: usize,
}

/// A link between two adapters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The adapter that connected.
    pub central: usize,
    /// The adapter that was connected to.
    pub peripheral: usize,
    /// Its MTU, in bytes.
    pub mtu: u16,
    /// How many characteristics are subscribed to over it, of both sides.
    pub subscriptions: usize,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Whether the service is on the bus.
    pub up: bool,
    /// The adapters, `hci0` first.
    pub adapters: Vec<AdapterView>,
    /// The links, oldest first.
    pub links: Vec<LinkView>,
    /// What was asked so far.
    pub counters: Counters,
}

impl View {
    /// The link between two adapters, whoever of them connected.
    #[must_use]
    pub fn link(&self, one: usize, other: usize) -> Option<&LinkView> {
        self.links.iter().find(|link| {
            [(link.central, link.peripheral), (link.peripheral, link.central)]
                .contains(&(one, other))
        })
    }
}
