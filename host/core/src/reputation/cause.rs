//! What a peer was seen to do: the closed list of observations, each with its sentence.
//!
//! A cause says what happened; its [`Kind`] is what the reputation policy is told of it.

use pointsman_sdk::reputation::Kind;

macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident = $name:literal, $kind:ident, $sentence:literal;)*) => {
        /// Something that a peer was seen to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause { $($(#[$doc])* $cause,)* }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$cause),*];

            /// Its name in JSON and in what is stored: it never changes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$cause => $name,)* }
            }

            /// What the reputation policy is told of it.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$cause => Kind::$kind,)* }
            }

            /// What the peer did, to stand after "it".
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$cause => $sentence,)* }
            }
        }
    };
}

causes! {
    /// A packet was acknowledged in time.
    Acked = "acked", Ack, "acknowledged a packet in time";
    /// A packet was acknowledged late, or not at all.
    AckedLate = "acked-late", Timeout, "acknowledged a packet late, or not at all";
    /// A link that we dialled greeted.
    Greeted = "greeted", Served, "answered a dial of ours";
    /// Its address refused a dial.
    DialRefused = "dial-refused", Refused, "refused a connection";
    /// It ended a link because it does not want us.
    Unwelcome = "unwelcome", Refused, "ended a link because it does not want us";
    /// It opened more links than a peer may have.
    TooManyLinks = "too-many-links", Spam, "opened more links than a peer may have";
    /// It sent bytes that are no frame.
    Malformed = "malformed", Invalid, "sent bytes that are no frame";
    /// It acknowledged what was never sent.
    FalseAck = "false-ack", Invalid, "acknowledged what was never sent";
    /// It sent more than it was granted.
    OverCredit = "over-credit", Spam, "sent more than it was granted";
    /// It greeted out of turn.
    HelloOrder = "hello-order", Invalid, "greeted out of turn";
    /// It sent a frame on a channel where that does not belong.
    WrongChannel = "wrong-channel", Invalid, "sent a frame where it does not belong";
    /// It sent pieces of a message that contradict each other.
    BadPiece = "bad-piece", Invalid, "sent pieces of a message that contradict each other";
    /// It answered a question.
    QueryAnswered = "query-answered", Served, "answered a question of ours";
    /// It left a question without an answer.
    QueryUnanswered = "query-unanswered", Timeout, "left a question of ours without an answer";
    /// It refused a question.
    QueryRefused = "query-refused", Refused, "refused a question of ours";
    /// Its answer contradicts what is proven.
    LyingReply = "lying-reply", Invalid, "gave an answer that contradicts what is proven";
    /// It asked for neighbours more often than it may.
    FindFlood = "find-flood", Spam, "asked for neighbours more often than it may";
    /// It asked for more records to be kept than it may.
    PutFlood = "put-flood", Spam, "asked to keep more records than it may";
    /// A record that is none.
    BadRecord = "bad-record", Invalid, "passed on a record that is none";
    /// A record from the future.
    FutureRecord = "future-record", Invalid, "passed on a record from the future";
    /// An older record in place of a newer one.
    RolledBackRecord = "rolled-back-record", Invalid, "passed on an older record as the newest";
    /// A record that somebody else signed.
    ForeignSignature = "foreign-signature", Invalid, "passed on a record that somebody else signed";
    /// A record or an answer that is too large.
    Oversized = "oversized", Invalid, "sent more bytes than an answer may have";
    /// More addresses than a peer may have.
    TooManyAddresses = "too-many-addresses", Invalid, "named more addresses than a peer may have";
    /// Addresses that lead into our own networks.
    InwardAddresses = "inward-addresses", Invalid, "named addresses that lead into private networks";
    /// It passed on a packet for us.
    Relayed = "relayed", Relayed, "passed on traffic for us";
    /// It refused to relay.
    RelayRefused = "relay-refused", Refused, "refused to relay for us";
    /// What it relayed broke off.
    RelayBroken = "relay-broken", Timeout, "broke off what it relayed for us";
    /// It used more of our relay than it may.
    RelayAbused = "relay-abused", Spam, "used more of our relay than it may";
}

impl Cause {
    /// The cause of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name)
    }

    /// Whether it speaks against the peer.
    pub const fn is_bad(self) -> bool {
        match self.kind() {
            Kind::Ack | Kind::Served | Kind::Relayed => false,
            Kind::Timeout | Kind::Invalid | Kind::Refused | Kind::Spam => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_comes_back_from_its_name_and_none_shares_it() {
        for &cause in Cause::ALL {
            assert_eq!(Cause::named(cause.name()), Some(cause));
        }
        assert_eq!(Cause::named("none"), None);
    }

    #[test]
    fn there_is_a_cause_for_every_kind() {
        for kind in Kind::ALL {
            assert!(Cause::ALL.iter().any(|cause| cause.kind() == kind), "{kind:?}");
        }
    }
}
