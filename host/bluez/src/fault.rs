//! What may be made to go wrong: calls, and frames on a link.

use std::collections::BTreeMap;
use std::time::Duration;

/// A call that can be made to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `Device1.Connect`.
    Connect,
    /// `GattCharacteristic1.StartNotify`.
    StartNotify,
    /// `GattCharacteristic1.WriteValue`, of both types.
    WriteValue,
    /// `Adapter1.StartDiscovery`.
    StartDiscovery,
    /// `LEAdvertisingManager1.RegisterAdvertisement`.
    RegisterAdvertisement,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with `org.bluez.Error.Failed`.
    Fail,
    /// It is never answered.
    Hang,
    /// The link breaks instead: a call over it fails; a connect succeeds, and breaks before any
    /// service is resolved.
    LoseLink,
}

/// What happens to frames of write commands and notifications between two adapters, both ways.
///
/// Requests are only delayed: on a real link what is lost is sent again.
#[derive(Default)]
pub struct Frames {
    /// How long each frame takes.
    pub delay: Duration,
    /// Told the number of each frame, from 0 since this was set: whether that one is lost.
    pub lose: Option<Box<dyn FnMut(u64) -> bool + Send>>,
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("delay", &self.delay).finish_non_exhaustive()
    }
}

/// The faults that are still to come, by adapter and call: how many calls pass before each.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: BTreeMap<(usize, Call), Vec<(u64, Fault)>>,
}

impl Faults {
    /// Plans a fault for the call after `passing` more of them.
    pub(crate) fn plan(&mut self, adapter: usize, call: Call, passing: u64, fault: Fault) {
        self.planned.entry((adapter, call)).or_default().push((passing, fault));
    }

    /// A call is made: whether it goes wrong.
    pub(crate) fn strikes(&mut self, adapter: usize, call: Call) -> Option<Fault> {
        let planned = self.planned.get_mut(&(adapter, call))?;
        let due = planned.iter().position(|(passing, _)| *passing == 0);
        let fault = due.map(|index| planned.remove(index).1);
        for (passing, _) in planned.iter_mut() {
            *passing = passing.saturating_sub(1);
        }
        fault
    }
}
