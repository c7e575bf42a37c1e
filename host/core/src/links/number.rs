//! The number by which policies know a path. What one learned of it holds when its link is made
//! anew, and when the node is.

use core::hash::{Hash as _, Hasher as _};
use std::hash::DefaultHasher;

use pointsman_sdk::UNKNOWN;

use super::Link;
use crate::id::PeerId;

impl Link {
    /// Numbers the path by what makes it the same: whose it is, how it goes, and between which
    /// interfaces. Peers choose the names of theirs; the salt, which they don't know, keeps them
    /// from choosing the number of another peer's path.
    pub(crate) fn number_path(&mut self, salt: u64, peer: &PeerId, uplink: &str) {
        let theirs = self.hello.as_ref().map_or("", |hello| hello.uplink.as_str());
        let kind = (self.new.transport as u32, self.new.protocol);
        let mut hasher = DefaultHasher::new();
        (salt, peer.0, kind, uplink, theirs).hash(&mut hasher);
        self.path = (hasher.finish() as u32).min(UNKNOWN - 1);
    }
}
