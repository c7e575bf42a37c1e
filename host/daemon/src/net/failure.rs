//! Why a connection did not come about, in terms that the Node treats differently.

use std::error::Error;
use std::io;

use libp2p::PeerId;
use pointsman_core::input::DialFailure;
use pointsman_core::reputation::Cause;

use super::address::Family;

/// Why a dial or an accepted connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The uplink of the address is not there.
    #[error("uplink `{0}` is not there: it went away, or nothing of that name was found")]
    NoUplink(String),
    /// The uplink has no address of that kind.
    #[error("uplink `{0}` has no {1} address")]
    NoFamily(String, Family),
    /// The name does not resolve to an address that the uplink can reach.
    #[error("no usable address behind the name")]
    NoAddress,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// Somebody else answered.
    #[error("{found} answered where {expected} was expected")]
    WrongPeer {
        /// Who should have.
        expected: Box<PeerId>,
        /// Who did.
        found: Box<PeerId>,
    },
    /// The other end breaks the protocol, or speaks another one.
    #[error("handshake failed: {0}")]
    Handshake(String),
    /// A dial to that address is under way already.
    #[error("a dial to that address is under way already")]
    Busy,
    /// The listener-role dial lacks a listener on its uplink, or the peer to expect.
    #[error("to be the listener of a dial needs a listener on its uplink, and a peer to expect")]
    NoListener,
    /// The relay came to no circuit.
    #[error("through the relay: {0}")]
    Circuit(Box<libp2p::relay::client::transport::Error>),
    /// The radio came to no channel.
    #[error(transparent)]
    Radio(#[from] pointsman_radio::DialError),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ConnectError {
    /// What the Node is told.
    pub fn failure(&self) -> DialFailure {
        match self {
            Self::NoUplink(_) | Self::NoFamily(..) | Self::NoAddress => DialFailure::Unreachable,
            Self::TimedOut => DialFailure::TimedOut,
            Self::WrongPeer { .. } => DialFailure::WrongPeer,
            Self::Busy => DialFailure::Limited,
            Self::Circuit(error) => of_circuit(error),
            Self::Handshake(_) | Self::NoListener => DialFailure::Other,
            Self::Radio(error) => of_radio(error),
            Self::Io(error) => of_kind(error.kind()),
        }
    }
}

/// A relay that has no reservation of the peer's is as good as nobody who listens.
fn of_circuit(error: &libp2p::relay::client::transport::Error) -> DialFailure {
    use libp2p::relay::client::transport::Error;
    use libp2p::relay::outbound::hop::ConnectError as Hop;
    match error {
        Error::Connect(Hop::NoReservation) => DialFailure::Refused,
        Error::Connect(Hop::ResourceLimitExceeded | Hop::PermissionDenied) => DialFailure::Limited,
        Error::Connect(Hop::ConnectionFailed) => DialFailure::Unreachable,
        Error::Connect(Hop::Unsupported | Hop::Io(_) | Hop::Protocol(_))
        | Error::MissingRelayPeerId
        | Error::MissingRelayAddr
        | Error::MissingDstPeerId
        | Error::InvalidHash
        | Error::SendingMessageToBehaviour(_)
        | Error::ResponseFromBehaviourCanceled(_)
        | Error::MultipleCircuitRelayProtocolsUnsupported
        | Error::MalformedMultiaddr
        | Error::Reservation(_) => DialFailure::Other,
    }
}

/// What a relay did, where a circuit or a reservation came to nothing and the relay is why. One
/// that says yes, and lets nothing through, broke it off.
pub fn relay_fault(error: &(dyn Error + 'static)) -> Option<Cause> {
    use libp2p::relay::client::transport::Error as Circuit;
    use libp2p::relay::outbound::hop::{ConnectError as Hop, ReserveError as Reserve};
    match ours(error)? {
        ConnectError::TimedOut => Some(Cause::RelayBroken),
        ConnectError::Circuit(error) => match &**error {
            Circuit::Connect(Hop::ResourceLimitExceeded | Hop::PermissionDenied)
            | Circuit::Reservation(Reserve::Refused | Reserve::ResourceLimitExceeded) => {
                Some(Cause::RelayRefused)
            }
            Circuit::Connect(Hop::Io(_) | Hop::Protocol(_))
            | Circuit::Reservation(Reserve::Io(_) | Reserve::Protocol(_)) => {
                Some(Cause::RelayBroken)
            }
            Circuit::Connect(Hop::ConnectionFailed | Hop::NoReservation | Hop::Unsupported)
            | Circuit::Reservation(Reserve::Unsupported)
            | Circuit::MissingRelayPeerId
            | Circuit::MissingRelayAddr
            | Circuit::MissingDstPeerId
            | Circuit::InvalidHash
            | Circuit::SendingMessageToBehaviour(_)
            | Circuit::ResponseFromBehaviourCanceled(_)
            | Circuit::MultipleCircuitRelayProtocolsUnsupported
            | Circuit::MalformedMultiaddr => None,
        },
        ConnectError::NoUplink(_)
        | ConnectError::NoFamily(..)
        | ConnectError::NoAddress
        | ConnectError::WrongPeer { .. }
        | ConnectError::Handshake(_)
        | ConnectError::Busy
        | ConnectError::NoListener
        | ConnectError::Radio(_)
        | ConnectError::Io(_) => None,
    }
}

/// Our own error, out of libp2p's boxes.
fn ours<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ConnectError> {
    let boxed = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match (error.downcast_ref::<ConnectError>(), boxed) {
        (Some(ours), _) => Some(ours),
        (None, Some(inner)) => ours(inner),
        (None, None) => error.source().and_then(ours),
    }
}

fn of_radio(error: &pointsman_radio::DialError) -> DialFailure {
    use pointsman_radio::DialError;
    match error {
        DialError::Unusable | DialError::Unreachable { .. } | DialError::Stopped => {
            DialFailure::Unreachable
        }
        DialError::Full(_) => DialFailure::Limited,
        DialError::Unopened { .. } => DialFailure::TimedOut,
    }
}

fn of_kind(kind: io::ErrorKind) -> DialFailure {
    const KINDS: [(io::ErrorKind, DialFailure); 6] = [
        (io::ErrorKind::ConnectionRefused, DialFailure::Refused),
        (io::ErrorKind::TimedOut, DialFailure::TimedOut),
        (io::ErrorKind::HostUnreachable, DialFailure::Unreachable),
        (io::ErrorKind::NetworkUnreachable, DialFailure::Unreachable),
        (io::ErrorKind::NetworkDown, DialFailure::Unreachable),
        (io::ErrorKind::AddrNotAvailable, DialFailure::Unreachable),
    ];
    KINDS.iter().find(|(known, _)| *known == kind).map_or(DialFailure::Other, |(_, to)| *to)
}

/// What the Node is told of an error that came through libp2p's boxes.
pub fn dial_failure(error: &(dyn Error + 'static)) -> DialFailure {
    if let Some(ours) = ours(error) {
        return ours.failure();
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return match io.get_ref() {
            Some(inner) => dial_failure(inner),
            None => of_kind(io.kind()),
        };
    }
    error.source().map_or(DialFailure::Other, dial_failure)
}

#[cfg(test)]
mod tests {
    use libp2p::TransportError;

    use super::*;

    #[test]
    fn an_error_is_recognised_through_libp2ps_boxes() {
        let boxed = TransportError::Other(io::Error::other(ConnectError::TimedOut));
        assert_eq!(dial_failure(&boxed), DialFailure::TimedOut);
        let refused = ConnectError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        let boxed = TransportError::Other(io::Error::other(refused));
        assert_eq!(dial_failure(&boxed), DialFailure::Refused);
        let strange = TransportError::Other(io::Error::other("what?"));
        assert_eq!(dial_failure(&strange), DialFailure::Other);
    }

    #[test]
    fn a_relay_is_blamed_for_what_it_did_and_not_for_whom_it_leads_to() {
        use libp2p::relay::client::transport::Error as Circuit;
        use libp2p::relay::outbound::hop::{ConnectError as Hop, ReserveError as Reserve};
        let blame = |circuit| {
            let error = io::Error::other(ConnectError::Circuit(Box::new(circuit)));
            relay_fault(&TransportError::Other(error))
        };
        let refused = Some(Cause::RelayRefused);
        assert_eq!(blame(Circuit::Connect(Hop::ResourceLimitExceeded)), refused);
        assert_eq!(blame(Circuit::Reservation(Reserve::Refused)), refused);
        assert_eq!(blame(Circuit::Connect(Hop::NoReservation)), None);
        assert_eq!(blame(Circuit::Connect(Hop::ConnectionFailed)), None);
        let cut = Reserve::Io(io::ErrorKind::UnexpectedEof.into());
        assert_eq!(blame(Circuit::Reservation(cut)), Some(Cause::RelayBroken));
        let silent = io::Error::other(ConnectError::TimedOut);
        assert_eq!(relay_fault(&silent), Some(Cause::RelayBroken));
        assert_eq!(relay_fault(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }
}
