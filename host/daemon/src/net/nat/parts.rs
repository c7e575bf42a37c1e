//! The parts that are libp2p's, each as far as the config wants it.

use libp2p::autonat::v2::{client, server};
use libp2p::relay;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;

use super::fence::Fenced;
use super::probing::{Answering, Asking};
use super::punching::{PunchEvent, Punching};
use super::relays::{RelayEvent, Relays};

#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "PartEvent")]
pub(in crate::net) struct Parts {
    pub(super) relays: Toggle<Fenced<Relays>>,
    pub(super) server: Toggle<relay::Behaviour>,
    pub(super) punching: Toggle<Fenced<Punching>>,
    pub(super) asking: Toggle<Fenced<Asking>>,
    pub(super) answering: Toggle<Fenced<Answering>>,
}

#[derive(Debug)]
pub(in crate::net) enum PartEvent {
    Relays(RelayEvent),
    Server(relay::Event),
    Punching(PunchEvent),
    Asking(client::Event),
    Answering(server::Event),
}

macro_rules! part_events {
    ($($part:ident($event:ty),)*) => {$(
        impl From<$event> for PartEvent {
            fn from(event: $event) -> Self {
                Self::$part(event)
            }
        }
    )*};
}

part_events! {
    Relays(RelayEvent),
    Server(relay::Event),
    Punching(PunchEvent),
    Asking(client::Event),
    Answering(server::Event),
}
