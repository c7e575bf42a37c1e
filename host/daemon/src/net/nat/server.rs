//! Relaying for others, within the limits of the config.

use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::{PeerId, relay};
use pointsman_core::config::RelayLimits;
use pointsman_core::limits::RELAY_RESERVATIONS_MAX;

/// How long a reservation lasts; it is renewed before.
const RESERVATION: Duration = Duration::from_secs(3600);

/// Reservations of one peer: one over each of its uplinks, and some of connections that are
/// gone without a word.
const RESERVATIONS_PER_PEER: usize = 8;

/// So many requests at once, and then one in so long, for each peer; and of each address, behind
/// which there may be a household, four times as many.
const BURST: NonZeroU32 = NonZeroU32::new(32).expect("it is not zero");
const ADDRESS_BURST: NonZeroU32 = NonZeroU32::new(128).expect("it is not zero");
const REFILL: Duration = Duration::from_secs(10);
const ADDRESS_REFILL: Duration = Duration::from_millis(2500);

/// libp2p's server, which offers itself as soon as an address is known to lead here.
pub(super) fn server(me: PeerId, limits: RelayLimits) -> relay::Behaviour {
    let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    let config = relay::Config {
        max_reservations: RELAY_RESERVATIONS_MAX,
        max_reservations_per_peer: RESERVATIONS_PER_PEER,
        reservation_duration: RESERVATION,
        reservation_rate_limiters: Vec::new(),
        max_circuits: count(limits.circuits),
        max_circuits_per_peer: count(limits.circuits_per_peer),
        max_circuit_duration: Duration::from_micros(limits.circuit_us),
        max_circuit_bytes: u64::from(limits.circuit_mib) << 20,
        circuit_src_rate_limiters: Vec::new(),
    };
    let config = config
        .reservation_rate_per_peer(BURST, REFILL)
        .reservation_rate_per_ip(ADDRESS_BURST, ADDRESS_REFILL)
        .circuit_src_per_peer(BURST, REFILL)
        .circuit_src_per_ip(ADDRESS_BURST, ADDRESS_REFILL);
    relay::Behaviour::new(me, config)
}
