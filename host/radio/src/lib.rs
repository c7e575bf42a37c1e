//! The Bluetooth radio: hears adverts, says its own, and makes connections that carry bytes.
//!
//! [`start`] brings the radio of this machine up and [`Bluetooth`] orders it about; what it hears
//! and who connects comes out of [`Told`]. A radio that is absent, off or denied is no error but a
//! fact, [`Adapter::Unusable`], with the remedy in it, and a radio that comes back is taken up
//! again without being asked.
//!
//! Below, a [`Radio`] is ordered in [`Order`]s and answers in [`Fact`]s. There is one for BlueZ,
//! one for other systems, which can't be connected to, and a [`scripted`] one for tests. Above it
//! one task for each connection drives the byte stream of `pointsman_core::bluetooth`; it ends
//! with its [`Channel`]. Nothing here knows peers, keys or policies: an address proves nothing,
//! and who is behind it is for a handshake over the channel to find out.

mod adapter;
mod bluetooth;
mod central;
mod channel;
mod driver;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod hub;
#[cfg(target_os = "linux")]
mod linux;
mod options;
mod radio;
pub mod scripted;
mod shared;

pub use adapter::{Adapter, Why};
pub use bluetooth::{Bluetooth, Counters, DialError, Heard, RadioFact, Told};
pub use channel::{Channel, Gauge, Reading};
pub use options::{Options, Scanning};
pub use pointsman_core::bluetooth::stream::Carrier;
pub use radio::{ConnectionId, Fact, Order, Radio};

#[cfg(not(target_os = "linux"))]
use elsewhere as platform;
#[cfg(target_os = "linux")]
use linux as platform;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The name of the thread on which BlueZ's radio lives. A panic there ends a life of the radio at
/// most, and often nothing: libraries leave tasks behind that fail when BlueZ goes. Whoever ends
/// the process at a panic should except it.
pub const THREAD: &str = "bluetooth";

/// Starts the radio of this machine. It never fails: what is wrong with the radio is told, and
/// tried again. Must be called within a tokio runtime. The radio stops when the last [`Bluetooth`]
/// is dropped and the last connection has ended.
pub fn start(options: Options) -> (Bluetooth, Told) {
    let (radio, facts) = platform::start(options.clone());
    start_with(radio, facts, options)
}

/// Starts with a radio of one's own, which tells its facts through `facts`.
pub fn start_with(
    radio: impl Radio,
    facts: mpsc::Receiver<Fact>,
    options: Options,
) -> (Bluetooth, Told) {
    hub::start(Arc::new(radio), facts, &options)
}
