//! What became of a dial, in the Node's words.

use std::error::Error;
use std::io;

use libp2p::TransportError;
use libp2p::swarm::DialError;
use pointsman_core::input::DialFailure;

/// Why a dial failed. Of several addresses the first that says something specific counts.
pub(super) fn failure(error: &DialError) -> DialFailure {
    match error {
        DialError::LocalPeerId { .. } | DialError::WrongPeerId { .. } => DialFailure::WrongPeer,
        DialError::Denied { .. } => DialFailure::Limited,
        DialError::Transport(errors) => errors
            .iter()
            .map(|(_, error)| transport_failure(error))
            .find(|failure| *failure != DialFailure::Other)
            .unwrap_or(DialFailure::Other),
        DialError::NoAddresses | DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
            DialFailure::Other
        }
    }
}

/// The same for people: the error with all its causes, and no line breaks.
pub(super) fn text(error: &DialError) -> String {
    match error {
        DialError::Transport(errors) => {
            let texts = errors.iter().map(|(_, error)| chain_text(error));
            texts.collect::<Vec<_>>().join("; ")
        }
        other => chain_text(other),
    }
}

fn transport_failure(error: &TransportError<io::Error>) -> DialFailure {
    match error {
        TransportError::MultiaddrNotSupported(_) => DialFailure::Unreachable,
        TransportError::Other(error) => io_failure(error),
    }
}

/// The kind of the innermost error that has a telling one: libp2p wraps errors many times.
fn io_failure(error: &io::Error) -> DialFailure {
    let mut found = DialFailure::Other;
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            found = kind_failure(error.kind()).unwrap_or(found);
            // An error inside an io::Error is not among its sources.
            next = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
            continue;
        }
        if let Some(error) = error.downcast_ref::<quinn::ConnectionError>() {
            found = quic_failure(error).unwrap_or(found);
        }
        next = error.source();
    }
    found
}

fn kind_failure(kind: io::ErrorKind) -> Option<DialFailure> {
    use io::ErrorKind as Kind;
    match kind {
        Kind::ConnectionRefused => Some(DialFailure::Refused),
        Kind::TimedOut => Some(DialFailure::TimedOut),
        Kind::NetworkUnreachable
        | Kind::HostUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable => Some(DialFailure::Unreachable),
        _ => None,
    }
}

fn quic_failure(error: &quinn::ConnectionError) -> Option<DialFailure> {
    use quinn::ConnectionError as Quic;
    match error {
        Quic::TimedOut => Some(DialFailure::TimedOut),
        Quic::CidsExhausted => Some(DialFailure::Limited),
        Quic::VersionMismatch
        | Quic::TransportError(_)
        | Quic::ConnectionClosed(_)
        | Quic::ApplicationClosed(_)
        | Quic::Reset
        | Quic::LocallyClosed => None,
    }
}

fn chain_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_error_keeps_its_kind() {
        let cases = [
            (io::ErrorKind::ConnectionRefused, DialFailure::Refused),
            (io::ErrorKind::TimedOut, DialFailure::TimedOut),
            (io::ErrorKind::NetworkUnreachable, DialFailure::Unreachable),
            (io::ErrorKind::InvalidData, DialFailure::Other),
        ];
        for (kind, failure) in cases {
            let wrapped = io::Error::other(io::Error::other(io::Error::from(kind)));
            assert_eq!(io_failure(&wrapped), failure);
        }
        let quic = io::Error::other(quinn::ConnectionError::TimedOut);
        assert_eq!(io_failure(&quic), DialFailure::TimedOut);
    }
}
