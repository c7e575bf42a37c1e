//! One Node with its interfaces, and what its application saw.

use std::collections::BTreeMap;

use pointsman_core::Node;
use pointsman_core::id::{LinkId, PeerId, Time, Token};
use pointsman_core::output::{Delivery, Event, Fate};
use pointsman_core::policy::{AnomalyQuestion, Decision, ReputationQuestion};
use pointsman_core::reputation::Subject;
use pointsman_sdk::Outcome;

use crate::wire::Port;

/// A message that reached the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Time,
    /// What.
    pub delivery: Delivery,
}

/// A Node in its world.
#[derive(Debug)]
pub struct Site {
    /// Its identity.
    pub id: PeerId,
    /// The Node; `None` while it is crashed.
    pub node: Option<Node>,
    pub(crate) ports: Vec<Port>,
    pub(crate) next_link: u32,
    pub(crate) links: BTreeMap<LinkId, Ends>,
    pub(crate) consumes: bool,
    /// What was delivered, in order.
    pub arrivals: Vec<Arrival>,
    /// What became of each message, in order of the news.
    pub fates: BTreeMap<Token, Vec<Fate>>,
    /// What happened, with its time.
    pub events: Vec<(Time, Event)>,
    /// Questions to the reputation policy, which nobody here answers.
    pub folds: Vec<(Time, Subject, ReputationQuestion)>,
    /// The last question to the anomaly policy.
    pub inspected: Option<AnomalyQuestion>,
    /// The decisions that were sampled, with their time.
    pub decisions: Vec<(Time, Decision)>,
    /// What became of them, with its time.
    pub outcomes: Vec<(Time, Outcome)>,
}

/// Where a link leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) port: usize,
    pub(crate) there: usize,
    pub(crate) there_port: usize,
    pub(crate) there_link: LinkId,
    pub(crate) quic: bool,
    /// The last arrival on each channel at the other end: channels keep their order.
    pub(crate) last: [Time; 4],
}

impl Site {
    pub(crate) fn new(id: PeerId, node: Node) -> Self {
        Self {
            id,
            node: Some(node),
            ports: Vec::new(),
            next_link: 1,
            links: BTreeMap::new(),
            consumes: true,
            arrivals: Vec::new(),
            fates: BTreeMap::new(),
            events: Vec::new(),
            folds: Vec::new(),
            inspected: None,
            decisions: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// The last news of a message.
    pub fn fate(&self, token: Token) -> Option<Fate> {
        self.fates.get(&token).and_then(|fates| fates.last().copied())
    }

    /// Longest time between two deliveries within a span, its ends included, in microseconds.
    pub fn longest_gap_us(&self, from: Time, to: Time) -> u64 {
        let within = self.arrivals.iter().map(|arrival| arrival.at);
        let mut last = from;
        let mut longest = 0;
        for at in within.filter(|&at| at > from && at <= to).chain([to]) {
            longest = longest.max(at.since(last));
            last = at;
        }
        longest
    }
}
