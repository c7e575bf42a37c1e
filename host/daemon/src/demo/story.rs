//! The script: link, send, swap, cut, heal, count.
//!
//! Every step follows from what the nodes say; the clock decides only when the uplink goes and
//! comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout_at};

use super::cast::Cast;
use super::ears::{Ears, Heard, Word};
use super::result::DemoResult;
use super::stage::Stage;
use super::tally::Pair;
use super::voice::Voice;
use super::{DemoError, NODES, Options};
use crate::control::views::EventView;

/// Messages a second from each node to the next one.
const RATE: u32 = 200;
/// Their length.
const MESSAGE_BYTES: usize = 256;
/// Every node is linked twice to every other within this.
const LINKED_WITHIN: Duration = Duration::from_secs(20);
/// After the last message was sent, all have arrived within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(15);
/// The node that loses an uplink.
const VICTIM: usize = 0;
/// The selector that all nodes get while messages flow.
const NEWCOMER: &str = "earliest-completion";

/// When what happened for the first time.
#[derive(Debug, Default)]
struct Moments {
    cut: Option<Instant>,
    healed: Option<Instant>,
    suspect: Option<Instant>,
    hedged: Option<Instant>,
    moved: Option<Instant>,
    returned: Option<Instant>,
}

pub(super) struct Story<'a> {
    stage: &'a Stage,
    cast: &'a Cast,
    voice: &'a Voice,
    options: Options,
    started: Instant,
    /// The links that are up: peer and uplink, by node and link.
    links: BTreeMap<(usize, u32), (usize, String)>,
    pairs: Vec<Pair>,
    cut_uplink: String,
    slowest_swap: Duration,
    moments: Moments,
}

impl<'a> Story<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        cast: &'a Cast,
        voice: &'a Voice,
        options: Options,
    ) -> Self {
        Self {
            stage,
            cast,
            voice,
            options,
            started: Instant::now(),
            links: BTreeMap::new(),
            pairs: (0..NODES).map(|from| Pair::new(from, (from + 1) % NODES)).collect(),
            cut_uplink: String::new(),
            slowest_swap: Duration::ZERO,
            moments: Moments::default(),
        }
    }

    pub(super) async fn tell(mut self) -> Result<DemoResult, DemoError> {
        let mut ears = Ears::open(self.cast).await?;
        self.link(&mut ears).await?;
        let linked_after = self.started.elapsed();
        self.voice.say("every node is linked twice to every other; messages flow");
        let part = Duration::from_secs(self.options.seconds) / 3;
        self.send(&mut ears).await?;
        let cut_at = Instant::now() + part;
        self.listen_until(&mut ears, Instant::now() + part / 2).await?;
        self.swap().await?;
        self.listen_until(&mut ears, cut_at).await?;
        self.cut().await?;
        self.listen_until(&mut ears, Instant::now() + part).await?;
        self.heal().await?;
        self.settle(&mut ears).await?;
        self.result(linked_after).await
    }

    async fn link(&mut self, ears: &mut Ears) -> Result<(), DemoError> {
        let deadline = self.started + LINKED_WITHIN;
        while !self.missing().is_empty() {
            match timeout_at(deadline.into(), ears.next()).await {
                Ok(heard) => self.hear(heard)?,
                Err(_) => {
                    let missing = self.missing().join(", ");
                    return Err(DemoError::NotLinked { waited: LINKED_WITHIN, missing });
                }
            }
        }
        Ok(())
    }

    /// Pairs of nodes without links over two uplinks.
    fn missing(&self) -> Vec<String> {
        let mut uplinks: BTreeMap<(usize, usize), BTreeSet<&str>> = BTreeMap::new();
        for ((node, _), (peer, uplink)) in &self.links {
            uplinks.entry((*node, *peer)).or_default().insert(uplink);
        }
        let all = (0..NODES).flat_map(|node| (0..NODES).map(move |peer| (node, peer)));
        let is_missing = |pair: &(usize, usize)| {
            pair.0 != pair.1 && uplinks.get(pair).is_none_or(|uplinks| uplinks.len() < 2)
        };
        all.filter(is_missing).map(|(node, peer)| format!("{} to {}", node + 1, peer + 1)).collect()
    }

    async fn send(&mut self, ears: &mut Ears) -> Result<(), DemoError> {
        let count = self.options.seconds * u64::from(RATE);
        for pair in &self.pairs {
            let peer = self.cast.actors[pair.to].peer;
            let api = &self.cast.actors[pair.from].api;
            ears.add_load(pair.from, api.load(peer, count, MESSAGE_BYTES, RATE).await?);
        }
        Ok(())
    }

    async fn listen_until(&mut self, ears: &mut Ears, end: Instant) -> Result<(), DemoError> {
        loop {
            tokio::select! {
                heard = ears.next() => self.hear(heard)?,
                () = sleep_until(end.into()) => return Ok(()),
            }
        }
    }

    /// Exchanges the selector of every node.
    async fn swap(&mut self) -> Result<(), DemoError> {
        for actor in &self.cast.actors {
            let began = Instant::now();
            actor.api.swap_selector(NEWCOMER).await?;
            self.slowest_swap = self.slowest_swap.max(began.elapsed());
        }
        self.voice.say(&format!("SWAPPED: every node asks {NEWCOMER} from now on"));
        Ok(())
    }

    /// Cuts the uplink that carries most of what the victim sends to its receiver.
    async fn cut(&mut self) -> Result<(), DemoError> {
        let api = &self.cast.actors[VICTIM].api;
        let receiver = self.cast.actors[self.pairs[VICTIM].to].peer.to_string();
        let mut sent: BTreeMap<String, u64> = BTreeMap::new();
        for link in api.links().await?.into_iter().filter(|link| link.peer == receiver) {
            *sent.entry(link.uplink).or_default() += link.sent_bytes;
        }
        let busiest = sent.into_iter().max_by_key(|(_, bytes)| *bytes);
        self.cut_uplink = busiest.map(|(uplink, _)| uplink).unwrap_or_default();
        self.moments.cut = Some(Instant::now());
        self.stage.set_cut(VICTIM, api, &self.cut_uplink, true).await?;
        let uplink = &self.cut_uplink;
        self.voice.say(&format!("CUT: {uplink} of node {} swallows everything", VICTIM + 1));
        Ok(())
    }

    async fn heal(&mut self) -> Result<(), DemoError> {
        let api = &self.cast.actors[VICTIM].api;
        self.moments.healed = Some(Instant::now());
        self.stage.set_cut(VICTIM, api, &self.cut_uplink, false).await?;
        self.voice.say(&format!("HEALED: {} of node {} works again", self.cut_uplink, VICTIM + 1));
        Ok(())
    }

    /// Until every message met its fate, what was delivered arrived, and the uplink is back.
    async fn settle(&mut self, ears: &mut Ears) -> Result<(), DemoError> {
        let rest = Duration::from_secs(self.options.seconds) / 3;
        let deadline = Instant::now() + rest + SETTLED_WITHIN;
        while !self.is_settled() {
            match timeout_at(deadline.into(), ears.next()).await {
                Ok(heard) => self.hear(heard)?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let settled = |pair: &Pair| pair.is_done && pair.arrived_once() >= pair.delivered;
        self.pairs.iter().all(settled) && self.moments.returned.is_some()
    }

    fn hear(&mut self, Heard { node, at, what }: Heard) -> Result<(), DemoError> {
        match what {
            Word::Event(event) => self.event(node, at, &event),
            Word::Arrival(message) => {
                let from = self.cast.number(&message.peer);
                let pair = self.pairs.iter_mut().find(|p| Some(p.from) == from && p.to == node);
                if let Some(pair) = pair {
                    pair.arrived(&message.session, message.number, at);
                }
            }
            Word::Load(load) => {
                let pair = &mut self.pairs[node];
                (pair.sent, pair.delivered) = (load.sent, load.delivered);
                (pair.expired, pair.refused) = (load.expired, load.refused);
                pair.is_done = load.delivered + load.expired + load.refused == load.count;
            }
            Word::Silence(why) => {
                return Err(DemoError::NodeDown(format!("node {}: {why}", node + 1)));
            }
        }
        Ok(())
    }

    fn event(&mut self, node: usize, at: Instant, event: &EventView) {
        self.keep_links(node, event);
        if !self.concerns_cut(node, event) {
            return;
        }
        let text = self.cast.with_numbers(&event.text);
        self.voice.say(&format!("node {}: {text}", node + 1));
        let moments = &mut self.moments;
        let back = moments.healed.is_some();
        match event.kind.as_str() {
            "suspect" => _ = moments.suspect.get_or_insert(at),
            "hedged" => _ = moments.hedged.get_or_insert(at),
            "moved" if !back => _ = moments.moved.get_or_insert(at),
            "recovered" | "link-up" if back => _ = moments.returned.get_or_insert(at),
            _ => {}
        }
    }

    fn keep_links(&mut self, node: usize, event: &EventView) {
        let Some(link) = event.link else { return };
        let peer = event.peer.as_deref().and_then(|peer| self.cast.number(peer));
        match (event.kind.as_str(), peer, &event.uplink) {
            ("link-up", Some(peer), Some(uplink)) => {
                self.links.insert((node, link), (peer, uplink.clone()));
            }
            ("link-down", ..) => _ = self.links.remove(&(node, link)),
            _ => {}
        }
    }

    /// Whether it happened after the cut, between the victim and another node, on the uplink
    /// that was cut or because of it.
    fn concerns_cut(&self, node: usize, event: &EventView) -> bool {
        let peer = event.peer.as_deref().and_then(|peer| self.cast.number(peer));
        let between = node == VICTIM || peer == Some(VICTIM);
        let uplink = event.uplink.as_deref();
        let on_it = event.kind == "moved" || uplink == Some(self.cut_uplink.as_str());
        self.moments.cut.is_some() && between && on_it
    }

    async fn result(self, linked_after: Duration) -> Result<DemoResult, DemoError> {
        let (mut copied, mut sent_bytes) = (0, 0);
        for actor in &self.cast.actors {
            for link in actor.api.links().await? {
                copied += link.duplicate_bytes;
                sent_bytes += link.sent_bytes;
            }
        }
        let sum = |count: fn(&Pair) -> u64| self.pairs.iter().map(count).sum();
        let cut = self.moments.cut.unwrap_or(self.started);
        let healed = self.moments.healed.unwrap_or(cut);
        let gap = |of_victim: bool| {
            let chosen = self.pairs.iter().filter(|pair| pair.touches(VICTIM) == of_victim);
            chosen.map(|pair| ms(pair.longest_gap(cut))).fold(0.0, f64::max)
        };
        let since = |start: Instant, end: Option<Instant>| {
            end.map(|end| ms(end.saturating_duration_since(start)))
        };
        Ok(DemoResult {
            stage: self.stage.name().to_owned(),
            nodes: NODES,
            linked_after_ms: linked_after.as_millis() as u64,
            sent: sum(|pair| pair.sent),
            arrived: sum(Pair::arrived_once),
            lost: sum(Pair::lost),
            duplicates: sum(Pair::duplicates),
            expired: sum(|pair| pair.expired),
            refused: sum(|pair| pair.refused),
            slowest_swap_ms: ms(self.slowest_swap),
            cut_ms: healed.duration_since(cut).as_millis() as u64,
            longest_gap_ms: gap(true),
            longest_gap_elsewhere_ms: gap(false),
            suspect_after_ms: since(cut, self.moments.suspect),
            hedged_after_ms: since(cut, self.moments.hedged),
            moved_after_ms: since(cut, self.moments.moved),
            returned_after_ms: since(healed, self.moments.returned),
            copied_permille: copied as f64 * 1e3 / f64::max(sent_bytes as f64, 1.0),
            cut_uplink: self.cut_uplink,
        })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
