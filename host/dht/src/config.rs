//! What a phone book is given when it is made.

use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use pointsman_core::dht::contact::{Contact, Scope};

use crate::clock::Clock;
use crate::record::Capabilities;
use crate::requests::Route;

/// How a phone book behaves. [`Config::new`] gives what suits the internet.
#[derive(Clone)]
pub struct Config {
    /// The network's name: only nodes of the same one hear each other.
    pub network: String,
    /// Who we are.
    pub keypair: Keypair,
    /// Which addresses are asked, kept and published.
    pub scope: Scope,
    /// Peers to begin with.
    pub bootstrap: Vec<Contact>,
    /// What to dial for an address: by default itself.
    pub route: Route,
    /// The clocks.
    pub clock: Clock,
    /// How long a question may take, with its dial.
    pub answer_within: Duration,
    /// The first wait after nobody answered; it doubles up to [`Config::retry_max`].
    pub retry: Duration,
    /// See [`Config::retry`].
    pub retry_max: Duration,
    /// Between the lookups that fill the table after joining, on average.
    pub stagger: Duration,
    /// Between the lookups that keep the table fresh, on average.
    pub refresh: Duration,
    /// How long a record of ours holds: at most two days.
    pub record_lifetime: Duration,
    /// Between two times that the same record is published.
    pub republish: Duration,
    /// Records are not made more often than this, however often addresses change.
    pub issue_pause: Duration,
    /// The highest sequence of a record that this node published in an earlier life, if known.
    pub sequence_floor: u64,
    /// What this node can do for others.
    pub capabilities: Capabilities,
    /// The X25519 key that messages for this node are sealed with.
    pub sealing_key: [u8; 32],
    /// Whether a record of ours is published.
    pub publishes: bool,
}

impl Config {
    /// For the internet.
    pub fn new(network: &str, keypair: Keypair) -> Self {
        Self {
            network: network.to_owned(),
            keypair,
            scope: Scope::Public,
            bootstrap: Vec::new(),
            route: Arc::new(|address| vec![address.clone()]),
            clock: Clock::default(),
            answer_within: Duration::from_secs(10),
            retry: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            stagger: Duration::from_millis(500),
            refresh: Duration::from_secs(120),
            record_lifetime: Duration::from_secs(24 * 3600),
            republish: Duration::from_secs(3600),
            issue_pause: Duration::from_secs(60),
            sequence_floor: 0,
            capabilities: Capabilities::default(),
            sealing_key: [0; 32],
            publishes: true,
        }
    }
}
