//! Whether there is a radio to use, and if not, why and what helps.

use pointsman_core::bluetooth::RadioAddress;

/// The state of the adapter, told when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// It can be used.
    Usable {
        /// What the system calls it, such as `hci0`.
        name: String,
        /// Its address, where the system says.
        address: Option<RadioAddress>,
        /// Whether it can scan and connect.
        central: bool,
        /// Whether it can advertise and be connected to.
        peripheral: bool,
        /// Whether connections may move from GATT to an L2CAP channel.
        l2cap: bool,
        /// The version of BlueZ, if it is known.
        bluez: Option<String>,
    },
    /// It can't be used now. It is tried again all the while.
    Unusable {
        /// What is missing.
        why: Why,
        /// One line for people: what is wrong, and the remedy.
        text: String,
    },
}

/// Why an adapter can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no D-Bus, or no Bluetooth service on it.
    NoService,
    /// The service has no adapter, or not the one that was named.
    NoAdapter,
    /// The adapter is switched off or blocked.
    Off,
    /// We may not use it.
    Denied,
    /// It was there, and went away.
    Lost,
    /// It can't do what is needed.
    Unsupported,
}
