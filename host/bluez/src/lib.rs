//! A BlueZ that exists only on a private D-Bus, on Linux: for tests, and to try things by hand.
//!
//! A [`Bus`] is a `dbus-daemon` of our own; a [`Bluez`] is the service `org.bluez` on it, with
//! adapters `hci0`, `hci1` and so on, which all hear each other. The real client libraries
//! (btleplug, bluer) meet on it without knowing, once `DBUS_SYSTEM_BUS_ADDRESS` in the environment
//! of their process names the bus. Whoever holds the [`Bluez`] may move adapters apart, unplug
//! them, lose links, refuse calls, and see what was asked of it.
//!
//! How it answers follows BlueZ 5.66 where a client can tell the difference, and is simpler
//! elsewhere: GATT by methods and signals only (no `AcquireWrite`, no `AcquireNotify`, no L2CAP),
//! no pairing, no descriptors but the one that subscribes, no radio. README.md lists it all.
//!
//! Bus, thread and temporary folder end with their handles, and the bus also when the process is
//! killed. It must never be reachable from outside the machine: the socket is a file in a folder of
//! its own.

#![cfg(target_os = "linux")]

mod bluez;
mod bus;
mod counters;
mod fault;
mod service;
mod stranger;
mod tree;
mod trial;
mod value;
mod view;
mod wire;
mod world;

pub use bluez::{Bluez, BluezError};
pub use bus::{ADDRESS_VARIABLE, Bus, BusError};
pub use counters::Counters;
pub use fault::{Call, Fault, Frames};
pub use stranger::Stranger;
pub use trial::trial;
pub use view::{AdapterView, LinkView, View};
