//! What operators and the API may ask of the loop, and what it answers.

use std::sync::Arc;

use pointsman_core::config::{Allow, DhtConfig, NodeConfig};
use pointsman_core::id::PeerId;
use pointsman_core::input::{Address, Input, Source};
use pointsman_core::policy::{Failover, Role, Selector, Swap};
use pointsman_core::snapshot::{Explanation, Snapshot};
use pointsman_engine::shadow::Shadow;
use pointsman_radio::Counters;
use tokio::sync::oneshot;

use super::Shell;
use super::findings::OpenFinding;
use super::journal::Happening;
use super::mail::Waiting;
use crate::aside::AsideReport;
use crate::net::ListenAddress;
use crate::net::nat::Reach;
use crate::radio::{RadioState, Radios};

/// An order to the loop. A reply that nobody waits for any more is dropped.
#[derive(Debug)]
pub(crate) enum Command {
    /// Tell what is known.
    Report(oneshot::Sender<Report>),
    /// Tell why a peer is treated as it is; `None` where nothing is known of it.
    Why(PeerId, oneshot::Sender<Option<Explanation>>),
    /// Blackhole an uplink in these directions, or mend it.
    Cut {
        uplink: String,
        inbound: bool,
        outbound: bool,
        reply: oneshot::Sender<Result<(), CutError>>,
    },
    /// Take over what was built from an edited config.
    Apply(Box<Applied>, oneshot::Sender<()>),
    /// Ask another policy from the next question on.
    Swap(Placed, oneshot::Sender<()>),
    /// Hand decisions to this candidate, or to none.
    Shadow { role: Role, shadow: Option<Arc<Shadow>>, reply: oneshot::Sender<()> },
    /// Tell one decision in so many; 0: none.
    Sample { every: u32, reply: oneshot::Sender<()> },
    /// Bring back the policy that is kept warm; answers with the generation that went and the
    /// one that is back, or `None` where none is warm.
    RollBack(Role, oneshot::Sender<Option<(u64, u64)>>),
}

/// A policy on its way into a slot of the Node.
#[derive(Debug)]
pub(crate) enum Placed {
    /// A selector.
    Selector(Swap<dyn Selector>),
    /// A failover policy.
    Failover(Swap<dyn Failover>),
}

/// There is no such uplink to cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no uplink is called {name:?}; there is {known}")]
pub struct CutError {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: String,
}

/// What changes with an edited config; all of it was proven before.
#[derive(Debug)]
pub(crate) struct Applied {
    /// For the Node.
    pub(crate) node: NodeConfig,
    /// Who may connect.
    pub(crate) allow: Allow,
    /// Static addresses that are new.
    pub(crate) added: Vec<(PeerId, Address)>,
    /// Static addresses that are gone.
    pub(crate) removed: Vec<(PeerId, Address)>,
    /// `[dht]`.
    pub(crate) dht: DhtConfig,
    /// Peers that are wanted from now on, with whether they are.
    pub(crate) wanted: Vec<(PeerId, bool)>,
    /// The keys that changed.
    pub(crate) keys: Vec<String>,
}

/// What the loop knows at one instant.
#[derive(Clone, Debug)]
pub struct Report {
    /// The Node's part.
    pub node: Snapshot,
    /// Where it listens.
    pub listening: Arc<[ListenAddress]>,
    /// What others reach it by.
    pub reach: Arc<Reach>,
    /// What the policies off the loop counted.
    pub aside: AsideReport,
    /// What is out of the ordinary now, the worst first.
    pub findings: Vec<OpenFinding>,
    /// The Bluetooth adapters.
    pub radios: Vec<RadioState>,
    /// Uplinks that are cut: name, inbound, outbound.
    pub cuts: Vec<(String, bool, bool)>,
    /// Messages for applications here.
    pub mail: Waiting,
    /// Messages of applications here that have no last fate yet.
    pub under_way: usize,
    /// What the loop itself counted.
    pub tally: Tally,
}

/// What the loop counts beside the Node, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Turns of the loop.
    pub turns: u64,
    /// Frames that a link's queue had no room for, because the peer does not read. Each closed
    /// its link.
    pub frames_unqueued: u64,
    /// Frames for links that went at the same moment.
    pub frames_without_link: u64,
    /// Dials that the network task had no time for.
    pub dials_unheard: u64,
    /// Largest delay of the loop, in microseconds.
    pub lag_us_max: u64,
    /// Inbound connections that were turned away: too many, or of a peer not allowed.
    pub connections_refused: u64,
    /// Inbound connections that never finished their handshake.
    pub handshakes_failed: u64,
    /// What the radios counted.
    pub radio: Counters,
}

impl Shell {
    pub(super) fn ordered(&mut self, command: Command) {
        match command {
            Command::Report(reply) => {
                let _ = reply.send(self.report());
            }
            Command::Why(peer, reply) => {
                let _ = reply.send(self.node.why(&peer));
            }
            Command::Cut { uplink, inbound, outbound, reply } => {
                let _ = reply.send(self.cut(uplink, inbound, outbound));
            }
            Command::Apply(applied, reply) => {
                self.apply(*applied);
                let _ = reply.send(());
            }
            Command::Swap(placed, reply) => {
                self.node.handle(self.now, placed.into());
                let _ = reply.send(());
            }
            Command::Shadow { role, shadow, reply } => {
                self.taps.shadow(role, shadow);
                let _ = reply.send(());
            }
            Command::Sample { every, reply } => {
                self.node.handle(self.now, Input::SampleDecisions { every });
                let _ = reply.send(());
            }
            Command::RollBack(role, reply) => {
                let _ = reply.send(self.roll_back(role));
            }
        }
    }

    fn report(&self) -> Report {
        let cuts = self.bindings.all().into_iter();
        let cuts = cuts.map(|one| (one.name, one.cut.inbound(), one.cut.outbound()));
        Report {
            node: self.node.snapshot(),
            listening: self.net.addresses(),
            reach: self.net.reach(),
            aside: self.aside.report(),
            findings: self.findings.list(),
            radios: self.radio_states.values().cloned().collect(),
            cuts: cuts.filter(|&(_, inbound, outbound)| inbound || outbound).collect(),
            mail: self.mail.waiting(),
            under_way: self.waiters.len(),
            tally: Tally {
                connections_refused: self.net.refusals().refused(),
                handshakes_failed: self.net.refusals().failed(),
                radio: Radios::counters(&self.radios),
                ..self.tally
            },
        }
    }

    fn cut(&mut self, name: String, inbound: bool, outbound: bool) -> Result<(), CutError> {
        let Some(binding) = self.bindings.named(&name) else {
            let names: Vec<_> = self.bindings.all().into_iter().map(|one| one.name).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(CutError { name, known });
        };
        binding.cut.set_inbound(inbound);
        binding.cut.set_outbound(outbound);
        self.journal.write(Happening::Cut { uplink: name, inbound, outbound });
        Ok(())
    }

    fn apply(&mut self, applied: Applied) {
        let Applied { node, allow, added, removed, dht, wanted, keys } = applied;
        self.node.handle(self.now, Input::Configured(node));
        if self.net.allow(allow).is_err() {
            tracing::warn!("the network task is busy: who may connect changes with the next edit");
        }
        if self.net.configure_dht(dht).is_err() {
            tracing::warn!("the network task is busy: [dht] changes with the next edit");
        }
        for (peer, wanted) in wanted {
            self.node.handle(self.now, Input::Wanted { peer, wanted });
        }
        for (peer, address) in removed {
            self.node.handle(self.now, Input::Unsighted { peer, address, source: Source::Config });
        }
        for (peer, address) in added {
            self.node.handle(self.now, Input::Sighted { peer, address, source: Source::Config });
        }
        self.journal.write(Happening::Reconfigured(keys));
    }

    fn roll_back(&mut self, role: Role) -> Option<(u64, u64)> {
        let before = self.node.generation(role)?;
        self.node.handle(self.now, Input::RollBack(role));
        let after = self.node.generation(role)?;
        (after != before).then_some((before, after))
    }
}

impl From<Placed> for Input {
    fn from(placed: Placed) -> Self {
        match placed {
            Placed::Selector(swap) => Self::SelectorSwapped(swap),
            Placed::Failover(swap) => Self::FailoverSwapped(swap),
        }
    }
}
