//! The radio as the daemon uses it.

use std::sync::Arc;

use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::{mpsc, oneshot};

use crate::hub::{Dial, Tally};
use crate::{Adapter, Channel, Order, Radio, Scanning};

/// A handle on the radio, cheap to clone.
#[derive(Clone)]
pub struct Bluetooth {
    radio: Arc<dyn Radio>,
    dials: mpsc::Sender<Dial>,
    tally: Arc<Tally>,
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

impl Bluetooth {
    pub(crate) fn new(radio: Arc<dyn Radio>, dials: mpsc::Sender<Dial>, tally: Arc<Tally>) -> Self {
        Self { radio, dials, tally }
    }

    /// Listens for adverts from now on, or stops to. Holds also for an adapter that comes later.
    pub fn scan(&self, scanning: Scanning) {
        self.radio.order(Order::Scan(scanning));
    }

    /// Advertises this payload from now on, or stops to. Holds also for an adapter that comes
    /// later.
    pub fn advertise(&self, payload: Option<[u8; 6]>) {
        self.radio.order(Order::Advertise(payload));
    }

    /// Connects and opens a stream. Dropping the future gives up.
    ///
    /// # Errors
    /// No channel came about; see [`DialError`].
    pub async fn dial(&self, address: RadioAddress) -> Result<Channel, DialError> {
        let (reply, answer) = oneshot::channel();
        let dial = Dial { address, reply };
        self.dials.send(dial).await.map_err(|_| DialError::Stopped)?;
        answer.await.map_err(|_| DialError::Stopped)?
    }

    /// What was refused or dropped since the start.
    pub fn counters(&self) -> Counters {
        self.tally.read()
    }
}

impl std::fmt::Debug for Bluetooth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bluetooth").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
