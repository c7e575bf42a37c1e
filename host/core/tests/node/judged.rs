//! A Node whose questions about peers are answered by the shipped policy, and peers around it.

use pointsman_core::frame::{Frame, Word};
use pointsman_core::id::PeerId;
use pointsman_core::input::{DownReason, Input, NewLink};
use pointsman_core::limits;
use pointsman_core::output::{CloseReason, Output};
use pointsman_core::policy::builtin;
use pointsman_core::reputation::{Cause, Level, Recollection};
use pointsman_core::snapshot::Explanation;
use pointsman_core::subnet::Subnet;

use crate::lone::{Lone, closed, hello, link_up};
use crate::scene::SECOND_US;

/// A Node whose questions about peers are answered.
pub(crate) struct Judged {
    pub(crate) lone: Lone,
    pub(crate) orders: Vec<Output>,
}

impl Judged {
    pub(crate) fn new() -> Self {
        Self { lone: Lone::new(), orders: Vec::new() }
    }

    pub(crate) fn tell(&mut self, input: Input) {
        let orders = self.lone.tell(input);
        self.obey(orders);
    }

    /// Answers questions and probes, and closes the links that are to be closed.
    pub(crate) fn obey(&mut self, orders: Vec<Output>) {
        let mut policy = builtin::default_reputation();
        for order in &orders {
            if let Output::Fold { about, question } = order {
                let standing = policy.fold(question).expect("it never fails");
                self.tell(Input::Stood { about: *about, standing });
            } else if let Output::Close { link, .. } = order {
                self.tell(Input::LinkDown { link: *link, reason: DownReason::Ordered });
            } else if let Output::Transmit { link, frame: Frame::Probe { sequence }, .. } = order {
                let sent = self.lone.acked(link.0, &[(1, *sequence)]);
                self.obey(sent);
            }
        }
        self.orders.extend(orders);
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let orders = self.lone.run(SECOND_US);
            self.obey(orders);
        }
    }

    /// A link from an address of its own subnet, greeted.
    pub(crate) fn link(&mut self, link: u32, peer: PeerId, remote: &str) {
        let Input::LinkUp(new) = link_up(link, peer, None) else { unreachable!() };
        self.tell(Input::LinkUp(NewLink { remote: remote.to_owned(), ..new }));
        let orders = self.lone.receive(link, Frame::Hello(hello(7, "e")));
        self.obey(orders);
    }

    /// A peer says this of others on a link.
    pub(crate) fn says(&mut self, link: u32, words: Vec<Word>) {
        let orders = self.lone.receive(link, Frame::Hearsay(words));
        self.obey(orders);
    }

    /// Three peers that are as good as any, with links 101 to 103.
    pub(crate) fn with_company(mut self) -> Self {
        for n in 1..=3 {
            self.link(100 + n, friend(n), &format!("/ip4/203.0.113.{n}/udp/1"));
        }
        self
    }

    pub(crate) fn observed(&mut self, peer: PeerId, because: Cause, weight: u32) {
        self.tell(Input::Observed { peer, because, weight });
    }

    /// The peer misbehaves until it would be shunned, and the grace is over.
    pub(crate) fn outlaw(&mut self, peer: PeerId) {
        self.observed(peer, Cause::PutFlood, 50);
        self.run(12);
    }

    pub(crate) fn why(&self, peer: PeerId) -> Explanation {
        self.lone.node.why(&peer).expect("known")
    }

    pub(crate) fn level(&self, peer: PeerId) -> Level {
        self.lone.node.level(&peer)
    }

    pub(crate) fn closed(&self) -> Vec<(u32, CloseReason)> {
        closed(&self.orders)
    }

    pub(crate) fn changes(&self, of: PeerId) -> Vec<Level> {
        let change = |order: &Output| {
            let Output::StandingChanged { peer, level, was, .. } = order else { return None };
            (*peer == of && level != was).then_some(*level)
        };
        self.orders.iter().filter_map(change).collect()
    }

    /// All that is to be stored.
    pub(crate) fn stored(&mut self) -> Vec<Recollection> {
        let mut all = Vec::new();
        loop {
            let some = self.lone.node.standings();
            assert!(some.len() <= limits::RECOLLECTIONS_MAX);
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }
}

pub(crate) fn friend(n: u32) -> PeerId {
    let mut id = [2; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    PeerId(id)
}

pub(crate) const HOME: &str = "/ip4/198.51.100.9/udp/1";

pub(crate) fn home() -> Subnet {
    Subnet::of_link(HOME).expect("an address")
}
