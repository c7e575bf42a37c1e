//! What the demonstration showed.

use serde::{Deserialize, Serialize};

/// What happened, in numbers. Times are in milliseconds; `null` where it did not happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemoResult {
    /// `namespaces` or `loopback`: where the nodes lived.
    pub stage: String,
    /// How many nodes took part.
    pub nodes: usize,
    /// From the start of the processes until each node was linked twice to each other.
    pub linked_after_ms: u64,
    /// Messages handed over by the sending applications.
    pub sent: u64,
    /// Messages that reached the receiving applications.
    pub arrived: u64,
    /// Messages that were handed over and never arrived.
    pub lost: u64,
    /// Messages that reached an application twice.
    pub duplicates: u64,
    /// Messages whose sender was told that they expired.
    pub expired: u64,
    /// Messages whose sender was told that they were not taken.
    pub refused: u64,
    /// How long the slowest node took to exchange its selector, from the order to the answer.
    pub slowest_swap_ms: f64,
    /// The uplink that was cut, of the first node.
    pub cut_uplink: String,
    /// How long it was cut.
    pub cut_ms: u64,
    /// Longest time without a new message at a receiver, between nodes of which one lost its
    /// uplink, while it was cut.
    pub longest_gap_ms: f64,
    /// The same between all other nodes: what the machine itself adds.
    pub longest_gap_elsewhere_ms: f64,
    /// From the cut until a node found the link suspect.
    pub suspect_after_ms: Option<f64>,
    /// From the cut until copies were sent over the other uplink.
    pub hedged_after_ms: Option<f64>,
    /// From the cut until the traffic moved.
    pub moved_after_ms: Option<f64>,
    /// From the healing until the uplink was in use again.
    pub returned_after_ms: Option<f64>,
    /// Bytes sent twice, over all nodes, in thousandths of all bytes sent.
    pub copied_permille: f64,
}
