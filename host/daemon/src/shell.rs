//! The loop: the one task that owns the Node.
//!
//! Facts from all over the daemon meet here as one closed [`Event`]; the Node's orders are
//! carried out here. A turn of the loop is: what links brought, then timers, then operators,
//! then applications, then uplinks and discovery, then answers from off the loop, each source up
//! to its bound so that none starves another; then all of the Node's orders; then waking whoever
//! waits, once for the batch.
//!
//! It begins when [`crate::app`] has built everything, and ends when it is told to stop:
//! nothing new is taken, what is under way gets [`DRAIN_TIME`], links are closed in order.
//! It never blocks, waits only for its sources, and decides nothing.

mod carry;
mod command;
mod event;
mod facts;
pub(crate) mod findings;
pub(crate) mod journal;
pub(crate) mod mail;
pub(crate) mod sends;
mod taps;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pointsman_core::Node;
use pointsman_core::id::{LinkId, PeerId, Time, UplinkId};
use pointsman_core::input::{Input, Uplink};
use pointsman_core::output::Delivery;
use pointsman_core::reputation::Level;
use pointsman_radio::Bluetooth;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub(crate) use command::{Applied, Command, Placed};
pub use command::{CutError, Report, Tally};
use event::Event;
use findings::Findings;
pub use findings::OpenFinding;

use crate::aside::{AsideFact, AsideHandle};
use crate::clock::Clock;
use crate::decision_log::DecisionLog;
use crate::net::bindings::Bindings;
use crate::net::{LinkFact, LinkSender, Net, NetFact};
use crate::power::Power;
use crate::radio::{RadioNews, RadioState};
use crate::remembering::Memory;
use crate::uplinks::UplinkFact;
use journal::{Happening, Journal, LinkInfo};
use mail::Mail;
use sends::{Submission, Waiters};
use taps::Taps;

/// How long messages that are under way may take when the node stops.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// How long links may take to close after that: a little more than each allows itself.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Facts of links that one turn takes beyond the first. Each is a batch of frames already.
const LINK_FACTS_PER_TURN: usize = 64;
/// Orders of operators that one turn takes.
const COMMANDS_PER_TURN: usize = 16;
/// Messages of applications that one turn takes: enough to share a wake-up among many, few
/// enough that acknowledgements wait less than a millisecond.
const SUBMISSIONS_PER_TURN: usize = 256;
/// Facts about uplinks, and about the network, that one turn takes.
const NET_FACTS_PER_TURN: usize = 16;
/// News of radios that one turn takes: each is one advertisement, which costs microseconds.
const RADIO_NEWS_PER_TURN: usize = 64;
/// Answers from off the loop that one turn takes.
const ASIDE_FACTS_PER_TURN: usize = 64;

/// Where facts come from.
pub(crate) struct Sources {
    pub(crate) links: mpsc::Receiver<LinkFact>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) submissions: mpsc::Receiver<Submission>,
    pub(crate) uplinks: mpsc::Receiver<UplinkFact>,
    pub(crate) net: mpsc::Receiver<NetFact>,
    pub(crate) radio: mpsc::Receiver<RadioNews>,
    pub(crate) power: watch::Receiver<Power>,
    pub(crate) aside: mpsc::Receiver<AsideFact>,
    /// Turns true when the node shall stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// A link, as long as the daemon below has it.
#[derive(Debug)]
struct Live {
    /// `None` once the Node closed it.
    sender: Option<LinkSender>,
    info: Arc<LinkInfo>,
}

/// Where to listen, on every uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) quic: Option<u16>,
    pub(crate) tcp: Option<u16>,
}

/// The loop and what it owns.
pub(crate) struct Shell {
    node: Node,
    clock: Clock,
    now: Time,
    net: Net,
    bindings: Bindings,
    ports: Ports,
    links: HashMap<LinkId, Live>,
    /// Gone in this turn: events may still speak of them.
    gone: Vec<LinkId>,
    uplinks: BTreeMap<UplinkId, Uplink>,
    /// By what others reach this node, as last written down.
    reached: (Option<bool>, Vec<String>),
    radios: Vec<(UplinkId, Bluetooth)>,
    /// How each radio is, as last told.
    radio_states: BTreeMap<UplinkId, RadioState>,
    waiters: Waiters,
    mail: Arc<Mail>,
    journal: Arc<Journal>,
    aside: AsideHandle,
    findings: Findings,
    deliveries: Vec<Delivery>,
    /// What the Node must hear of its own orders, in this turn or the next.
    echoes: Vec<Input>,
    /// Uplinks whose listeners the network task had no time for.
    unheard: Vec<UplinkId>,
    /// Where peers stand that the network task had no time to hear of.
    untold: BTreeMap<PeerId, (i32, Level)>,
    taps: Taps,
    tally: Tally,
    memory: Memory,
    /// How long the machine slept before this turn, in microseconds.
    asleep_us: u64,
    stopping: bool,
    /// Whether the network task has given back what others did for this node.
    has_left: bool,
}

impl Shell {
    /// Around a Node that was told nothing yet but its policies and static peers.
    pub(crate) fn new(
        node: Node,
        net: Net,
        bindings: Bindings,
        ports: Ports,
        mail: Arc<Mail>,
        journal: Arc<Journal>,
        aside: AsideHandle,
    ) -> Self {
        Self {
            node,
            clock: Clock::new(),
            now: Clock::now(),
            net,
            bindings,
            ports,
            links: HashMap::new(),
            gone: Vec::new(),
            uplinks: BTreeMap::new(),
            reached: Default::default(),
            radios: Vec::new(),
            radio_states: BTreeMap::new(),
            waiters: Waiters::default(),
            mail,
            journal,
            aside,
            findings: Findings::default(),
            deliveries: Vec::new(),
            echoes: Vec::new(),
            unheard: Vec::new(),
            untold: BTreeMap::new(),
            taps: Taps::default(),
            tally: Tally::default(),
            memory: Memory::default(),
            asleep_us: 0,
            stopping: false,
            has_left: false,
        }
    }

    /// The same, recording what policies decide.
    pub(crate) fn recording(mut self, log: DecisionLog) -> Self {
        self.taps.record(log);
        self
    }

    /// The same, remembering over a restart.
    pub(crate) fn remembering(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// The same, with these radios to order about.
    pub(crate) fn with_radios(mut self, radios: Vec<(UplinkId, Bluetooth)>) -> Self {
        self.radios = radios;
        self
    }

    /// Runs until it is told to stop, or until nobody is left who could tell it.
    pub(crate) async fn run(mut self, mut sources: Sources) {
        self.carry_out();
        loop {
            let mail = Arc::clone(&self.mail);
            let event = sources.next(&mail, self.sleep_until(), false).await;
            if matches!(event, Event::Stop) {
                break;
            }
            self.turn(event, &mut sources);
        }
        self.stop(&mut sources).await;
        self.remember();
        self.aside.close();
        self.mail.close();
        self.journal.close();
    }

    /// One turn: the event that woke the loop, what else is there by now, and all orders.
    fn turn(&mut self, first: Event, sources: &mut Sources) {
        self.read_clock();
        self.take(first);
        for _ in 0..LINK_FACTS_PER_TURN {
            let Ok(fact) = sources.links.try_recv() else { break };
            self.take(Event::Link(fact));
        }
        self.tick();
        for _ in 0..COMMANDS_PER_TURN {
            let Ok(command) = sources.commands.try_recv() else { break };
            self.take(Event::Ordered(command));
        }
        self.take(Event::MailTaken);
        for _ in 0..SUBMISSIONS_PER_TURN {
            let Ok(submission) = sources.submissions.try_recv() else { break };
            self.take(Event::Submitted(submission));
        }
        for _ in 0..NET_FACTS_PER_TURN {
            let Ok(fact) = sources.uplinks.try_recv() else { break };
            self.take(Event::Uplink(fact));
        }
        for _ in 0..NET_FACTS_PER_TURN {
            let Ok(fact) = sources.net.try_recv() else { break };
            self.take(Event::Net(fact));
        }
        for _ in 0..RADIO_NEWS_PER_TURN {
            let Ok(news) = sources.radio.try_recv() else { break };
            self.take(Event::Radio(news));
        }
        for _ in 0..ASIDE_FACTS_PER_TURN {
            let Ok(fact) = sources.aside.try_recv() else { break };
            self.take(Event::Aside(fact));
        }
        self.carry_out();
        if self.memory.is_due(self.now) {
            self.remember();
        }
    }

    /// Stores where peers stand, as far as that changed.
    fn remember(&mut self) {
        let changed = self.node.standings();
        self.memory.stood(&changed);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Due | Event::Stop => {}
            Event::Link(fact) => self.link_fact(fact),
            Event::Ordered(command) => self.ordered(command),
            Event::MailTaken => self.mail_taken(),
            Event::Submitted(submission) => self.submitted(submission),
            Event::Uplink(fact) => self.uplink_fact(fact),
            Event::Net(fact) => self.net_fact(fact),
            Event::Radio(news) => self.radio_news(news),
            Event::Aside(fact) => self.aside_fact(fact),
            Event::Powered(Power { battery_permille, charging }) => {
                let told = Input::Power { battery_permille, charging, saver: false };
                self.node.handle(self.now, told);
            }
        }
    }

    /// Looks at the clock, and tells the Node that the machine slept if it did.
    fn read_clock(&mut self) {
        self.now = Clock::now();
        let asleep_us = self.clock.asleep_us();
        if asleep_us > 0 {
            self.node.handle(self.now, Input::Resumed { asleep_us });
        }
        self.asleep_us = asleep_us;
        self.listen_again();
        self.tell_standings();
    }

    /// Tells the Node the time if it asked for it. Acknowledgements that wait here are told
    /// before: they are not overdue, this loop is.
    fn tick(&mut self) {
        if let Some(due) = self.node.deadline().filter(|&due| due <= self.now) {
            let lag_us = self.now.since(due).saturating_sub(self.asleep_us);
            self.tally.lag_us_max = self.tally.lag_us_max.max(lag_us);
            self.node.handle(self.now, Input::Tick { lag_us });
        }
    }

    /// When the Node wants to hear the time, or an answer that is left from this turn. `None`:
    /// never, unless something happens.
    fn sleep_until(&self) -> Option<Instant> {
        if !self.echoes.is_empty() {
            return Some(Instant::now());
        }
        let left = self.node.deadline()?.since(Clock::now());
        Some(Instant::now() + Duration::from_micros(left))
    }

    /// Ends in good order, within [`DRAIN_TIME`] and [`CLOSE_TIME`].
    async fn stop(&mut self, sources: &mut Sources) {
        self.stopping = true;
        self.journal.write(Happening::Stopping);
        for uplink in self.uplinks.values() {
            // A network task that is too busy to hear this is dropped below all the same.
            let _ = self.net.unlisten(uplink.name.clone());
        }
        self.has_left = self.net.leave().is_err();
        let drained = Instant::now() + DRAIN_TIME;
        while self.waiters.len() > 0 && self.turn_before(drained, sources).await {}
        for live in self.links.values_mut() {
            if let Some(sender) = live.sender.take() {
                carry::say_goodbye(sender);
            }
        }
        let closed = Instant::now() + CLOSE_TIME;
        let is_busy = |shell: &Self| !shell.links.is_empty() || !shell.has_left;
        while is_busy(self) && self.turn_before(closed, sources).await {}
    }

    /// A turn, if anything comes before `end`.
    async fn turn_before(&mut self, end: Instant, sources: &mut Sources) -> bool {
        let mail = Arc::clone(&self.mail);
        let due = self.sleep_until().map_or(end, |due| due.min(end));
        let event = sources.next(&mail, Some(due), true).await;
        self.turn(event, sources);
        Instant::now() < end
    }
}
