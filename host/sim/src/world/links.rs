//! Links between Nodes: how they come about, what happens to each frame, how they end.
//!
//! A link has an end at both sites from its handshake until each side has dropped it. Streams
//! keep their order and lose nothing; datagrams do neither. Nothing here looks into a frame.

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::frame::{Channel, Frame};
use pointsman_core::id::{DialId, LinkId, UplinkId};
use pointsman_core::input::{
    Address, DialFailure, DownReason, Input, NewLink, Protocol, Transport,
};
use pointsman_sdk::selector::Class;

use super::{Happening, World};
use crate::site::Ends;
use crate::wire::Cut;

/// A datagram frame is at most so large.
const DATAGRAM_BYTES: u32 = 1200;
/// A dial into the void ends after so many microseconds.
const DIAL_TIMEOUT_US: u64 = 5_000_000;
/// A stream sends a lost frame again after a round trip and so many microseconds.
const RETRANSMIT_US: u64 = 10_000;
/// While a path is cut, a stream tries again so often, in microseconds.
const CUT_RETRY_US: u64 = 50_000;

impl World {
    /// A frame is given to a link: it arrives, comes late, is tried again or is gone.
    pub(super) fn carry(
        &mut self,
        from: usize,
        link: LinkId,
        channel: Channel,
        frame: Frame,
        bytes: usize,
        tries: u32,
    ) {
        let Some(ends) = self.sites[from].links.get(&link).copied() else { return };
        let wire = self.segments[self.sites[from].ports[ends.port].segment];
        let datagram = ends.quic
            && channel == Channel::Data(Class::Realtime)
            && bytes <= DATAGRAM_BYTES as usize;
        let cut = self.sites[from].ports[ends.port].cut.out
            || self.sites[ends.there].ports[ends.there_port].cut.inward;
        let lost = self.draw() % 1_000_000 < u64::from(wire.loss_ppm);
        let left = self.sites[from].ports[ends.port].send(self.now, bytes, &wire);
        if (cut || lost) && datagram {
            return;
        }
        if cut {
            let again = Happening::Frame { from, link, channel, frame, bytes, tries: tries + 1 };
            return self.at(self.now.after(CUT_RETRY_US), again);
        }
        let late_us = if lost { 2 * wire.latency_us + RETRANSMIT_US } else { 0 };
        let jitter_us = if wire.jitter_us > 0 { self.draw() % wire.jitter_us } else { 0 };
        let mut arrival = left.after(wire.latency_us + jitter_us + late_us);
        if let Some(ends) = self.sites[from].links.get_mut(&link) {
            let last = &mut ends.last[channel.index()];
            if !datagram {
                arrival = arrival.max(last.after(u64::from(tries > 0)));
                *last = arrival;
            }
        }
        let (there, link) = (ends.there, ends.there_link);
        let life = self.lives[there];
        self.at(arrival, Happening::Arrive { there, life, link, channel, frame });
    }

    /// A dial begins; what becomes of it is seen when its handshake would be done.
    pub(super) fn dial(&mut self, from: usize, dial: DialId, address: Address, uplink: UplinkId) {
        let port = uplink.0 as usize;
        let wire = self.segments[self.sites[from].ports[port].segment];
        let life = self.lives[from];
        let round_trips = if address.protocol == Protocol::Quic { 1 } else { 2 };
        let ready = self.now.after(2 * round_trips * wire.latency_us);
        self.at(ready, Happening::Dialled { from, life, dial, port, address });
    }

    /// A handshake is done, or is not: there is a link, or a failure to tell.
    pub(super) fn connect(&mut self, from: usize, dial: DialId, port: usize, address: &Address) {
        let segment = self.sites[from].ports[port].segment;
        let target = self.sites.iter().enumerate().find_map(|(index, site)| {
            let ports = site.ports.iter().enumerate();
            let mut here = ports.filter(|(_, port)| {
                port.segment == segment
                    && *address == self::address(segment, index, address.protocol)
            });
            here.next().map(|(port, _)| (index, port))
        });
        let failure = match target {
            None => Some((DialFailure::Unreachable, 0)),
            Some((there, _)) if self.sites[there].node.is_none() => Some((DialFailure::Refused, 0)),
            Some((there, there_port)) => {
                let cut = self.sites[from].ports[port].cut != Cut::NONE
                    || self.sites[there].ports[there_port].cut != Cut::NONE;
                cut.then_some((DialFailure::TimedOut, DIAL_TIMEOUT_US))
            }
        };
        match (failure, target) {
            (Some((failure, after_us)), _) => {
                let failed = Input::DialFailed { dial, failure };
                self.fact(self.now.after(after_us), from, failed);
            }
            (None, Some((there, there_port))) => {
                self.join((from, port), (there, there_port), dial, address.protocol);
            }
            (None, None) => {}
        }
    }

    fn join(&mut self, a: (usize, usize), b: (usize, usize), dial: DialId, protocol: Protocol) {
        let links = [a.0, b.0].map(|index| {
            let site = &mut self.sites[index];
            site.next_link += 1;
            LinkId(site.next_link)
        });
        let ends = [(a, b, 0, Some(dial)), (b, a, 1, None)];
        for ((index, port), (there, there_port), side, dial) in ends {
            let quic = protocol == Protocol::Quic;
            let there_link = links[1 - side];
            let last = [self.now; 4];
            let end = Ends { port, there, there_port, there_link, quic, last };
            self.sites[index].links.insert(links[side], end);
            let segment = self.sites[index].ports[port].segment;
            let new = NewLink {
                link: links[side],
                peer: self.sites[there].id,
                transport: Transport::Lan,
                protocol,
                uplink: UplinkId(port as u32),
                dial,
                datagram_bytes: if quic { DATAGRAM_BYTES } else { 0 },
                remote: address(segment, there, protocol).text,
            };
            self.fact(self.now, index, Input::LinkUp(new));
        }
    }

    /// A Node closes a link: its own end goes now, the other behind what is under way.
    pub(super) fn close(&mut self, index: usize, link: LinkId) {
        let Some(ends) = self.sites[index].links.remove(&link) else { return };
        let wire = self.segments[self.sites[index].ports[ends.port].segment];
        let down = Input::LinkDown { link, reason: DownReason::Ordered };
        self.fact(self.now, index, down);
        let last = ends.last.into_iter().max().unwrap_or(self.now);
        let after = self.now.after(wire.latency_us).max(last).after(1);
        let (there, link) = (ends.there, ends.there_link);
        self.at(after, Happening::Drop { there, link, reason: DownReason::Closed });
    }
}

/// Where a node is reached on a segment.
pub(super) fn address(segment: usize, node: usize, protocol: Protocol) -> Address {
    let ending = match protocol {
        Protocol::Quic => "udp/4001/quic-v1",
        Protocol::Tcp => "tcp/4001",
        Protocol::Bluetooth => {
            return RadioAddress([2, 0, 0, 0, segment as u8, node as u8]).to_address();
        }
        Protocol::Circuit => unreachable!("no node of the simulator is a relay"),
    };
    Address { text: format!("/ip4/10.{segment}.0.{}/{ending}", node + 1), protocol }
}
