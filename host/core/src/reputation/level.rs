//! Levels: what a score has the host do.
//!
//! Discouraged comes before shunned: no peer falls from unknown to shunned in one step. A level
//! is left only a good way from where it began, so that a score that wavers at an edge changes
//! nothing. To be trusted or shunned takes what was seen first hand: neither hearsay nor
//! neighbours in a subnet can do it.
//!
//! Where the edges lie follows from the shipped policy: a stranger who breaks the protocol once
//! is discouraged, and may be shunned after the second time; so is one who is late so often that
//! nobody would wait. Eight good deeds without a bad one make trusted.

/// Where a peer begins to be trusted, and where it no longer is.
const TRUSTED: (i32, i32) = (400, 300);
/// Where a peer begins to be discouraged, and where it no longer is.
const DISCOURAGED: (i32, i32) = (-300, -200);
/// Where a peer begins to be shunned, and where it no longer is.
const SHUNNED: (i32, i32) = (-850, -700);

/// How a peer is treated, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Dialled first, kept longest.
    Trusted,
    /// As any other.
    #[default]
    Unknown,
    /// Dialled last and less often, evicted first; in no bucket, not recommended, and no relay
    /// as long as there is a better one.
    Discouraged,
    /// Its links are refused and closed, and nothing goes through it.
    Shunned,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Trusted, Self::Unknown, Self::Discouraged, Self::Shunned];

    /// Its name in logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Unknown => "unknown",
            Self::Discouraged => "discouraged",
            Self::Shunned => "shunned",
        }
    }

    /// Whether the peer may stand in buckets and be recommended.
    pub const fn is_encouraged(self) -> bool {
        match self {
            Self::Trusted | Self::Unknown => true,
            Self::Discouraged | Self::Shunned => false,
        }
    }

    /// What follows from it, as a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Trusted => "It is dialled first and kept longest.",
            Self::Unknown => "It is treated as any peer.",
            Self::Discouraged => {
                "It is dialled last, evicted first, relays where nobody better does, and is recommended to nobody."
            }
            Self::Shunned => "Its links are closed and refused.",
        }
    }

    /// The score above which it ends for a better one; `None` where there is nothing to end.
    pub const fn ends_above(self) -> Option<i32> {
        match self {
            Self::Trusted | Self::Unknown => None,
            Self::Discouraged => Some(DISCOURAGED.1),
            Self::Shunned => Some(SHUNNED.1),
        }
    }

    /// The level after this one: of a peer that scores so in all, and so first hand.
    pub(crate) fn after(self, score: i32, first_hand: i32) -> Self {
        let edge = |(begins, ends): (i32, i32), is_there| if is_there { ends } else { begins };
        let shunned = edge(SHUNNED, self == Self::Shunned);
        let discouraged = edge(DISCOURAGED, self >= Self::Discouraged);
        let trusted = edge(TRUSTED, self == Self::Trusted);
        if score <= shunned && first_hand <= shunned && self >= Self::Discouraged {
            Self::Shunned
        } else if score <= discouraged {
            Self::Discouraged
        } else if score >= trusted && first_hand >= trusted {
            Self::Trusted
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use pointsman_beta::Beta;
    use pointsman_sdk::reputation::{Kind, Observation, Reputation as _, Standing};

    use super::*;

    fn through(scores: &[i32]) -> Vec<Level> {
        let next = |level: &mut Level, &score: &i32| {
            *level = level.after(score, score);
            Some(*level)
        };
        scores.iter().scan(Level::Unknown, next).collect()
    }

    /// How the shipped policy has a stranger stand after so many deeds of a kind.
    fn stands(kind: Kind, weight: u32) -> i32 {
        let seen = [Observation { kind, weight, at_ms: 1 }];
        Beta::default().fold(1, &Standing::default(), &seen).score
    }

    #[test]
    fn the_edges_lie_where_the_shipped_policy_gives_them_a_meaning() {
        let after = |kind, weight| {
            let score = stands(kind, weight);
            Level::Discouraged.after(score, score)
        };
        assert_eq!(after(Kind::Invalid, 1), Level::Discouraged);
        assert_eq!(after(Kind::Invalid, 2), Level::Shunned);
        assert_eq!(after(Kind::Timeout, 1), Level::Unknown);
        assert_eq!(after(Kind::Timeout, 5), Level::Discouraged);
        assert_eq!(
            (after(Kind::Served, 7), after(Kind::Served, 8)),
            (Level::Unknown, Level::Trusted)
        );
    }

    #[test]
    fn a_peer_is_discouraged_before_it_is_shunned() {
        assert_eq!(through(&[-1000, -1000]), [Level::Discouraged, Level::Shunned]);
    }

    #[test]
    fn a_score_that_wavers_at_an_edge_changes_nothing() {
        let down = through(&[-299, -300, -201, -300, -200, -201]);
        use Level::{Discouraged, Trusted, Unknown};
        assert_eq!(
            down,
            [Unknown, Discouraged, Discouraged, Discouraged, Discouraged, Discouraged]
        );
        assert_eq!(
            through(&[400, 300, 399, 299, 300]),
            [Trusted, Trusted, Trusted, Unknown, Unknown]
        );
    }

    #[test]
    fn a_shunned_peer_comes_back_step_by_step_as_its_score_rises() {
        use Level::{Discouraged, Shunned, Unknown};
        let up = through(&[-900, -900, -700, -699, -199]);
        assert_eq!(up, [Discouraged, Shunned, Shunned, Discouraged, Unknown]);
    }

    #[test]
    fn what_others_say_neither_shuns_nor_makes_trusted() {
        assert_eq!(Level::Discouraged.after(-1000, -500), Level::Discouraged);
        assert_eq!(Level::Unknown.after(1000, 399), Level::Unknown);
    }
}
