//! Peers that the config begins or ceases to allow.

use crate::lone::Lone;
use crate::scene::config;
use pointsman_core::config::{Allow, NodeConfig};
use pointsman_core::id::{PeerId, Token};
use pointsman_core::input::Input;
use pointsman_core::output::{Fate, Output, Refusal};

fn only(peers: Vec<PeerId>) -> Input {
    Input::Configured(NodeConfig { allow: Allow::Listed(peers), ..config() })
}

#[test]
fn a_message_to_a_peer_that_is_not_allowed_any_more_is_refused() {
    let mut lone = Lone::new();
    lone.send(1, None);
    let orders = lone.tell(only(vec![]));
    let fate = Fate::Refused(Refusal::NotAllowed);
    assert!(orders.contains(&Output::Fate { token: Token(1), fate }), "{orders:?}");
}

#[test]
fn a_peer_is_dialled_as_soon_as_it_is_allowed() {
    let other = PeerId([8; 32]);
    let mut lone = Lone::new();
    lone.tell(only(vec![]));
    lone.sight(other, "/ip4/192.0.2.1/udp/1/quic-v1");
    assert_eq!(lone.counter("dials"), 0);
    lone.tell(only(vec![other]));
    assert_eq!(lone.counter("dials"), 1);
}
