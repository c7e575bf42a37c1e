//! Facts in: how each event of the daemon is told to the Node.

use std::sync::Arc;

use pointsman_core::id::{PeerNumber, UplinkId};
use pointsman_core::input::{Input, Send, Uplink};
use pointsman_core::policy::Policy;
use pointsman_radio::Heard;
use pointsman_sdk::anomaly::Finding;

use super::findings::Change;
use super::journal::{Happening, LinkInfo, unix_ms};
use super::mail::Taken;
use super::sends::Submission;
use super::{Live, Shell};
use crate::aside::AsideFact;
use crate::net::nat::Reach;
use crate::net::{LinkFact, Listener, NetFact};
use crate::radio::{RadioNews, RadioState};
use crate::uplinks::UplinkFact;

impl Shell {
    pub(super) fn link_fact(&mut self, fact: LinkFact) {
        match fact {
            LinkFact::Up { new, sender } => {
                let info = Arc::new(LinkInfo {
                    link: new.link,
                    peer: new.peer,
                    transport: new.transport,
                    protocol: new.protocol,
                    uplink: self.uplink_name(new.uplink).unwrap_or_default(),
                    remote: new.remote.clone(),
                });
                self.links.insert(new.link, Live { sender: Some(sender), info });
                self.node.handle(self.now, Input::LinkUp(new));
            }
            LinkFact::Received { link, frames } => {
                for (channel, frame) in frames {
                    self.node.handle(self.now, Input::Received { link, channel, frame });
                }
            }
            LinkFact::Malformed { link, error } => {
                tracing::warn!(link = link.0, %error, "a peer sent bytes that are no frame");
                self.node.handle(self.now, Input::Malformed { link, error });
            }
            LinkFact::Measured { link, sample } => {
                self.node.handle(self.now, Input::Measured { link, sample });
            }
            LinkFact::Down { link, reason } => {
                self.gone.push(link);
                self.node.handle(self.now, Input::LinkDown { link, reason });
            }
        }
    }

    pub(super) fn net_fact(&mut self, fact: NetFact) {
        match fact {
            NetFact::DialFailed { dial, failure, text } => {
                tracing::debug!(dial = dial.0, ?failure, "a dial came to nothing: {text}");
                self.node.handle(self.now, Input::DialFailed { dial, failure });
            }
            NetFact::Listening(addresses) => {
                let texts = addresses.into_iter().map(|one| one.address.text).collect();
                self.journal.write(Happening::Listening(texts));
            }
            NetFact::Reached(reach) => self.reached(&reach),
            NetFact::ListenFailed { uplink, protocol, text } => {
                tracing::warn!(uplink, ?protocol, "cannot listen: {text}");
                self.journal.write(Happening::ListenFailed { uplink, protocol, why: text });
            }
            NetFact::Observed { peer, because, weight } => {
                self.node.handle(self.now, Input::Observed { peer, because, weight });
            }
            NetFact::Crowded { key, score } => {
                tracing::warn!(key, score, "nodes were made to lie next to a key of the DHT");
                let score_permille = (score * 1000.0) as u32;
                self.journal.write(Happening::Crowded { key, score_permille });
            }
            NetFact::Met(contacts) => self.memory.met(&contacts),
            NetFact::Shelved(records) => self.memory.kept(records),
            NetFact::Published { sequence, stored } => {
                self.memory.published(sequence);
                self.journal.write(Happening::Published { sequence, stored });
            }
            NetFact::Left => self.has_left = true,
            NetFact::Sighted { peer, address, source } => {
                self.node.handle(self.now, Input::Sighted { peer, address, source });
            }
            NetFact::Unsighted { peer, address, source } => {
                self.node.handle(self.now, Input::Unsighted { peer, address, source });
            }
        }
    }

    /// Writes down by what others reach this node, where that is news.
    fn reached(&mut self, reach: &Reach) {
        let addresses = reach.leading_here().map(ToString::to_string).collect();
        let news = (reach.is_reachable(), addresses);
        if self.reached != news {
            self.reached.clone_from(&news);
            let (direct, addresses) = news;
            self.journal.write(Happening::Reached { direct, addresses });
        }
    }

    /// An uplink is known to the sockets before the Node can order a dial over it, and gone
    /// for the Node before it is gone for the sockets.
    pub(super) fn uplink_fact(&mut self, fact: UplinkFact) {
        match fact {
            UplinkFact::Changed { uplink, binding } => {
                self.bindings.set(binding);
                self.listen(&uplink);
                self.uplinks.insert(uplink.id, uplink.clone());
                self.node.handle(self.now, Input::UplinkChanged(uplink));
            }
            UplinkFact::Gone(id) => {
                self.node.handle(self.now, Input::UplinkGone(id));
                if let Some(uplink) = self.uplinks.remove(&id)
                    && self.net.unlisten(uplink.name).is_err()
                {
                    tracing::warn!("the network task is busy: a listener closes by itself");
                }
                self.bindings.remove(id);
            }
        }
    }

    /// An adapter that can be used is an uplink like any other.
    pub(super) fn radio_news(&mut self, news: RadioNews) {
        match news {
            RadioNews::Usable { uplink, binding, state } => {
                self.note_radio(uplink.id, state);
                // As an uplink it may be another one than before: of another name or address.
                let same = |old: &Uplink| old.name == uplink.name && old.radio == uplink.radio;
                if self.uplinks.get(&uplink.id).is_some_and(|old| !same(old)) {
                    self.uplink_fact(UplinkFact::Gone(uplink.id));
                }
                self.uplink_fact(UplinkFact::Changed { uplink, binding });
            }
            RadioNews::Unusable { id, state } => {
                self.note_radio(id, state);
                if self.uplinks.contains_key(&id) {
                    self.uplink_fact(UplinkFact::Gone(id));
                }
            }
            RadioNews::Heard { id, heard } => {
                let Heard { address, payload, rssi } = heard;
                self.node.handle(self.now, Input::Overheard { uplink: id, address, payload, rssi });
            }
        }
    }

    /// Remembers how a radio is, and says so when it changed.
    fn note_radio(&mut self, id: UplinkId, state: RadioState) {
        if self.radio_states.get(&id) == Some(&state) {
            return;
        }
        tracing::info!("{}", state.sentence());
        self.journal.write(Happening::Radio(state.clone()));
        self.radio_states.insert(id, state);
    }

    /// An answer from off the loop. One that comes after what it is about is gone changes
    /// nothing.
    pub(super) fn aside_fact(&mut self, fact: AsideFact) {
        match fact {
            AsideFact::Stood { about, standing } => {
                self.node.handle(self.now, Input::Stood { about, standing });
            }
            AsideFact::Found(found) => self.found(&found),
            AsideFact::Answered(decision) => self.taps.answered(*decision),
            AsideFact::Happened(event) => self.happened(event),
            AsideFact::Learned { policy: Policy::Selector(module), generation } => {
                self.node.handle(self.now, Input::SelectorLearned { module, generation });
            }
            AsideFact::Learned { policy: Policy::Failover(module), generation } => {
                self.node.handle(self.now, Input::FailoverLearned { module, generation });
            }
            AsideFact::Learned { policy: Policy::Reputation(_) | Policy::Anomaly(_), .. } => {}
            AsideFact::LearnFailed { role, generation, why } => {
                tracing::warn!(role = role.name(), generation, "a policy did not learn: {why}");
                self.journal.write(Happening::LearnFailed { role, generation, why });
            }
        }
    }

    fn found(&mut self, found: &[Finding]) {
        let who = |subject| self.node.peer(PeerNumber(subject));
        for change in self.findings.take(unix_ms(), found, who) {
            self.journal.write(match change {
                Change::Raised(finding) => Happening::Anomaly(finding),
                Change::Over(finding) => Happening::AnomalyOver(finding),
            });
        }
    }

    pub(super) fn submitted(&mut self, submission: Submission) {
        // Dropping the waiter tells whoever waits that the node has stopped.
        if self.stopping {
            return;
        }
        let Submission { message, waiter } = submission;
        let deadline = message
            .ttl
            .map(|ttl| self.now.after(u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX)));
        let token = self.waiters.add(waiter);
        let send = Send {
            token,
            peer: message.peer,
            class: message.class,
            ordered: message.ordered,
            deadline,
            payload: message.payload,
        };
        self.node.handle(self.now, Input::Send(send));
    }

    pub(super) fn mail_taken(&mut self) {
        for ((peer, class), Taken { messages, bytes }) in self.mail.consumed() {
            self.node.handle(self.now, Input::Consumed { peer, class, messages, bytes });
        }
    }

    /// Opens the listeners that the network task had no time for.
    pub(super) fn listen_again(&mut self) {
        for id in std::mem::take(&mut self.unheard) {
            if let Some(uplink) = self.uplinks.get(&id).cloned() {
                self.listen(&uplink);
            }
        }
    }

    pub(super) fn uplink_name(&self, id: UplinkId) -> Option<String> {
        self.uplinks.get(&id).map(|uplink| uplink.name.clone())
    }

    fn listen(&mut self, uplink: &Uplink) {
        if self.stopping {
            return;
        }
        let (quic, tcp) = (self.ports.quic, self.ports.tcp);
        if self.net.listen(Listener { uplink: uplink.clone(), quic, tcp }).is_err() {
            self.unheard.push(uplink.id);
        }
    }
}
