//! What became of a dial, in the Node's words.

use std::error::Error;

use libp2p::swarm::DialError;
use pointsman_core::input::DialFailure;

use crate::net::failure::dial_failure;

/// Why a dial failed. Of several addresses the first that says something specific counts.
pub(in crate::net) fn failure(error: &DialError) -> DialFailure {
    match error {
        DialError::LocalPeerId { .. } | DialError::WrongPeerId { .. } => DialFailure::WrongPeer,
        DialError::Denied { .. } => DialFailure::Limited,
        DialError::Transport(errors) => errors
            .iter()
            .map(|(_, error)| dial_failure(error))
            .find(|failure| *failure != DialFailure::Other)
            .unwrap_or(DialFailure::Other),
        DialError::NoAddresses | DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
            DialFailure::Other
        }
    }
}

/// The same for people: the error with all its causes, and no line breaks.
pub(in crate::net) fn text(error: &DialError) -> String {
    match error {
        DialError::Transport(errors) => {
            let texts = errors.iter().map(|(_, error)| chain_text(error));
            texts.collect::<Vec<_>>().join("; ")
        }
        DialError::LocalPeerId { .. }
        | DialError::NoAddresses
        | DialError::DialPeerConditionFalse(_)
        | DialError::Aborted
        | DialError::WrongPeerId { .. }
        | DialError::Denied { .. } => chain_text(error),
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
    use std::io;

    use libp2p::TransportError;

    use super::*;

    fn failed(errors: Vec<io::Error>) -> DialError {
        let address: libp2p::Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        let at = |error| (address.clone(), TransportError::Other(error));
        DialError::Transport(errors.into_iter().map(at).collect())
    }

    #[test]
    fn the_first_specific_error_of_several_addresses_counts() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = failed(vec![io::Error::other("what?"), refused]);
        assert_eq!(failure(&error), DialFailure::Refused);
        assert_eq!(failure(&failed(vec![io::Error::other("what?")])), DialFailure::Other);
    }

    #[test]
    fn the_text_names_the_cause_on_one_line() {
        let error = failed(vec![io::Error::other("the\nlast straw"), io::Error::other("again")]);
        let text = text(&error);
        assert!(text.contains("the last straw") && text.contains("; "), "{text}");
    }
}
