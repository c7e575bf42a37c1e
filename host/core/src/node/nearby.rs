//! Radio neighbours: what radios hear goes to the neighbourhood, and what it wishes is done.
//!
//! The neighbourhood knows addresses on the air, distances and trends. The Node knows peers and
//! links: it tells what became of each link, asks the failover policy when one fades, and closes
//! those that the neighbourhood has no more use for, as it closes any other.

use super::Node;
use super::timers::Timer;
use crate::bluetooth::RadioAddress;
use crate::bluetooth::neighbours::{self, Heard, Why, Wish};
use crate::id::{DialId, LinkId, PeerNumber, UplinkId};
use crate::input::{DialFailure, NewLink};
use crate::limits::DIALS_MAX;
use crate::links::{Link, saturate};
use crate::output::{CloseReason, Event, Output};
use crate::reputation::Level;
use pointsman_sdk::{PathRow, Transport, failover};

impl Node {
    pub(super) fn overheard(
        &mut self,
        uplink: UplinkId,
        address: RadioAddress,
        payload: &[u8],
        rssi: Option<i16>,
    ) {
        self.neighbours.heard(self.now, uplink, Heard { address, payload, rssi });
    }

    /// Does what the neighbourhood wishes, until it wishes no more.
    pub(super) fn obey_neighbours(&mut self) {
        while let Some(wish) = self.neighbours.poll() {
            match wish {
                Wish::Dial { uplink, address } => self.approach(uplink, address),
                Wish::Close { link, why } => self.close(link, close_reason(why)),
                Wish::Scan { uplink, scanning } => {
                    self.orders.push_back(Output::Scan { uplink, scanning });
                }
                Wish::Advertise { uplink, payload } => {
                    self.orders.push_back(Output::Advertise { uplink, payload });
                }
                Wish::Tell(event) => self.neighbourhood_told(event),
            }
        }
        if let Some(at) = self.neighbours.deadline() {
            self.timers.by(Timer::Neighbours, at.max(self.now.after(1)));
        }
    }

    /// Connects to whoever is there, as long as there is room for a dial.
    fn approach(&mut self, uplink: UplinkId, address: RadioAddress) {
        if self.dials_under_way() >= DIALS_MAX {
            self.neighbours.dial_failed(self.now, uplink, address);
            return;
        }
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        self.approaches.insert(dial, (uplink, address));
        self.counters.dials += 1;
        self.orders.push_back(Output::Approach { dial, address, uplink });
    }

    /// Dials of both kinds.
    pub(super) fn dials_under_way(&self) -> usize {
        self.dials.len() + self.approaches.len()
    }

    /// A dial came to nothing; tells whether it was one to a neighbour.
    pub(super) fn approach_failed(&mut self, dial: DialId, failure: DialFailure) -> bool {
        let Some((uplink, address)) = self.approaches.remove(&dial) else { return false };
        self.neighbours.dial_failed(self.now, uplink, address);
        self.tell(Event::ApproachFailed { uplink, address, failure });
        true
    }

    /// A link over a radio is there. Where it was turned away at once, the dial came to nothing.
    pub(super) fn neighbour_linked(&mut self, new: &NewLink, is_kept: bool) {
        if new.transport != Transport::Bluetooth {
            return;
        }
        let approach = new.dial.and_then(|dial| self.approaches.remove(&dial));
        let remote = RadioAddress::from_multiaddr(&new.remote);
        let Some(address) = approach.map(|(_, address)| address).or(remote) else { return };
        if is_kept {
            let dialled = new.dial.is_some();
            self.neighbours.linked(self.now, new.uplink, address, new.link, new.peer, dialled);
        } else if approach.is_some() {
            self.neighbours.dial_failed(self.now, new.uplink, address);
        }
    }

    /// A link over a radio was heard; once a packet on it was acknowledged it can carry traffic.
    pub(super) fn neighbour_heard(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id).filter(|link| is_radio(link)) else { return };
        let is_proven = link.is_proven();
        self.neighbours.link_heard(self.now, id, None);
        if is_proven {
            self.neighbours.settled(self.now, id);
        }
    }

    /// A peer is treated so from now on: whether it is dialled when it is near.
    pub(super) fn neighbour_stood(&mut self, number: PeerNumber, level: Level) {
        if let Some(peer) = self.peers.get(number).map(|peer| peer.id) {
            self.neighbours.standing(self.now, peer, level != Level::Shunned);
        }
    }

    fn neighbourhood_told(&mut self, event: neighbours::Event) {
        match event {
            neighbours::Event::Discovered { uplink, address, range, .. } => {
                let distance_cm = range.map(|range| cm(range.metres));
                self.tell(Event::NeighbourFound { uplink, address, distance_cm });
            }
            neighbours::Event::RangeChanged { uplink, address, range, within } => {
                self.tell(Event::RangeChanged {
                    uplink,
                    address,
                    distance_cm: cm(range.metres),
                    least_cm: cm(range.low_m),
                    most_cm: cm(range.high_m),
                    in_range: within,
                });
            }
            neighbours::Event::Lost { uplink, address } => {
                self.tell(Event::NeighbourLost { uplink, address });
            }
            neighbours::Event::Fading { link } => {
                self.tell(Event::Fading(link));
                self.ask_about_trend(link, failover::Event::Fading);
            }
            neighbours::Event::Steady { link } => {
                self.tell(Event::Steady(link));
                self.ask_about_trend(link, failover::Event::Recovered);
            }
        }
    }

    fn ask_about_trend(&mut self, id: LinkId, event: failover::Event) {
        let Some(link) = self.links.get(&id).filter(|link| link.is_live()) else { return };
        let number = link.peer;
        self.paths_changed(number);
        self.ask_failover(number, event, Some(id));
    }

    /// What the radio adds to a link as a policy sees it.
    pub(super) fn radio_row(&self, link: &Link, row: PathRow) -> PathRow {
        if !is_radio(link) {
            return row;
        }
        let Some(signal) = self.neighbours.signal(self.now, link.id()) else { return row };
        let forecast_ms = signal.gone_in_us.map(|us| saturate(us / 1000));
        PathRow {
            rssi: signal.dbm.map_or(row.rssi, |dbm| (dbm.round() as i32).cast_unsigned()),
            trend: signal
                .trend_db_per_s
                .map_or(row.trend, |trend| ((trend * 100.0).round() as i32).cast_unsigned()),
            down_forecast_ms: forecast_ms.unwrap_or(row.down_forecast_ms),
            ..row
        }
    }
}

fn is_radio(link: &Link) -> bool {
    link.new.transport == Transport::Bluetooth
}

fn close_reason(why: Why) -> CloseReason {
    match why {
        Why::OutOfSight => CloseReason::OutOfSight,
        Why::Faded => CloseReason::Faded,
        Why::Spare => CloseReason::Spare,
        Why::Full => CloseReason::Limited,
    }
}

fn cm(metres: f64) -> u32 {
    (metres * 100.0).round() as u32
}
