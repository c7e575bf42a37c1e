//! What was asked of the service, and what became of it.

use std::collections::BTreeMap;

/// Numbers since the start; a restart of the service does not reset them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls by adapter and name of the method, those that were refused included. Adapter
    /// `usize::MAX` stands for calls on no adapter, such as `GetManagedObjects`.
    pub calls: BTreeMap<(usize, String), u64>,
    /// Links that came up.
    pub links: u64,
    /// Writes that reached a peripheral's application.
    pub writes: u64,
    /// Notifications that reached a central: one for each central.
    pub notifications: u64,
    /// Frames that [`Frames::lose`](crate::Frames::lose) took.
    pub frames_lost: u64,
    /// Write commands that were dropped because they were longer than the link takes.
    pub writes_too_long: u64,
    /// Notifications that were cut because they were longer than the link takes.
    pub notifications_cut: u64,
    /// Advertisements that a scanning adapter heard.
    pub adverts: u64,
}

impl Counters {
    /// How often a method was called on an adapter and what is beneath it.
    #[must_use]
    pub fn calls(&self, adapter: usize, method: &str) -> u64 {
        self.calls.get(&(adapter, method.to_owned())).copied().unwrap_or(0)
    }
}
