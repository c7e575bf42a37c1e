//! The radio as the daemon uses it.

use std::sync::Arc;

use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::mpsc;

use crate::{Adapter, Channel, Options, Scanning};

/// A handle on the radio, cheap to clone.
#[derive(Clone, Debug)]
pub struct Bluetooth {
    shared: Arc<Shared>,
}

/// What the radio tells. Both channels are bounded: adverts are dropped and counted when nobody
/// takes them, and a connection that nobody takes is ended.
#[derive(Debug)]
pub struct Told {
    /// The adapter's state and what was heard.
    pub facts: mpsc::Receiver<RadioFact>,
    /// Connections that others made to us, opened and ready to carry bytes.
    pub arrived: mpsc::Receiver<(RadioAddress, Channel)>,
}

/// A fact about the radio, or from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadioFact {
    /// The state of the adapter changed.
    Adapter(Adapter),
    /// An advert of our network was heard.
    Heard(Heard),
}

/// An advert of our network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who said it: an address that changes, and proves nothing.
    pub address: RadioAddress,
    /// The manufacturer data, as it came.
    pub payload: Vec<u8>,
    /// The strength of the signal in dBm.
    pub rssi: Option<i16>,
}

/// Why a dial led to no channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The adapter can't be used now; see its last [`Adapter::Unusable`] for the remedy.
    #[error("the Bluetooth adapter can't be used now")]
    Unusable,
    /// There are as many connections as there may be.
    #[error("there are already {0} Bluetooth connections")]
    Full(usize),
    /// The radio made no connection.
    #[error("no connection to {address}: {why}")]
    Unreachable {
        /// Who was dialled.
        address: RadioAddress,
        /// What the system says.
        why: String,
    },
    /// A connection was made, and its other side opened no stream, or broke off.
    #[error("{address} opened no stream: {why}")]
    Unopened {
        /// Who was dialled.
        address: RadioAddress,
        /// What went wrong.
        why: String,
    },
    /// The radio was stopped.
    #[error("the radio was stopped")]
    Stopped,
}

/// What was refused or dropped since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Adverts that nobody took in time.
    pub adverts_dropped: u64,
    /// Inbound connections refused because there were too many.
    pub arrivals_refused: u64,
    /// Inbound connections that did not open in time, or said what is no frame.
    pub arrivals_unopened: u64,
    /// Inbound connections that opened, and that nobody took.
    pub arrivals_untaken: u64,
}

#[derive(Debug)]
struct Shared {
    _facts: mpsc::Sender<RadioFact>,
    _arrived: mpsc::Sender<(RadioAddress, Channel)>,
}

impl Bluetooth {
    /// Listens for adverts from now on, or stops to.
    pub fn scan(&self, scanning: Scanning) {
        let _ = (&self.shared, scanning);
    }

    /// Advertises with this payload from now on, or stops to.
    pub fn advertise(&self, payload: Option<[u8; 6]>) {
        let _ = payload;
    }

    /// Connects and opens a stream. Dropping the future gives up.
    ///
    /// # Errors
    /// No channel came about; see [`DialError`].
    #[expect(clippy::unused_async, reason = "not finished")]
    pub async fn dial(&self, address: RadioAddress) -> Result<Channel, DialError> {
        let _ = address;
        Err(DialError::Unusable)
    }

    /// What was refused or dropped since the start.
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}

pub(crate) fn idle(options: Options) -> (Bluetooth, Told) {
    let (facts_in, facts) = mpsc::channel(options.facts_max);
    let (arrived_in, arrived) = mpsc::channel(options.connections_max);
    let shared = Shared { _facts: facts_in, _arrived: arrived_in };
    (Bluetooth { shared: Arc::new(shared) }, Told { facts, arrived })
}
