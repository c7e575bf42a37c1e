//! What the control API says: names and units that stay.
//!
//! Times are in the unit that the name ends in. Numbers that may pass 2^53 and identities are
//! text. A field is `null` where there is nothing to say; fields may be added, and are never
//! renamed or given another unit.

mod dht;
mod event;
mod finding;
mod link;
mod message;
mod peer;
mod policy;
mod radio;
mod reach;
mod shadow;
mod status;
mod why;

use serde::{Deserialize, Serialize};

pub use dht::{
    AskedView, BucketView, CrawlResultView, CrawlView, CrawledNodeView, DhtView, FoundView,
    OwnRecordView, RecordView, SizeView,
};
pub(crate) use dht::{crawling, dht, found, no_dht};
pub use event::{EventView, FollowedView, followed};
pub use finding::{FindingView, finding};
pub use link::{ChannelView, LinkView, links};
pub use message::{DeliveryView, FateView, LoadView, delivery, fate};
pub use peer::{AddressView, PeerView, QueueView, peers};
pub use policy::{HistoryView, PolicyView, SeatView, StepView, SwapView};
pub(crate) use policy::{policies, swapped};
pub use radio::{NeighbourView, RadioView, neighbours, radio};
pub use reach::{ExternalView, ReachView, ReservationView, reach};
pub(crate) use shadow::shadowed;
pub use shadow::{ExampleView, PredictedView, ShadowView};
pub use status::{CutView, ListenView, MailView, StatusView, UplinkView, status};
pub use why::{CauseView, WhyView, why};

/// What went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// What went wrong, as a sentence.
    pub error: String,
    /// What to do about it; empty where nothing can be.
    pub remedy: String,
}

/// What an edited config changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// The keys that changed and took effect.
    pub changed: Vec<String>,
    /// Slots with another policy than before, each as a sentence.
    pub swapped: Vec<String>,
    /// Slots that are not as the config says, and why, each as a sentence.
    pub notes: Vec<String>,
}

/// A number of 64 bits as text: sixteen hexadecimal digits.
pub fn hex64(number: u64) -> String {
    format!("{number:016x}")
}
