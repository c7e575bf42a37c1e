//! Why a peer is treated as it is: one sentence, then what it rests on.

use std::collections::BTreeMap;

use pointsman_core::id::PeerId;
use pointsman_core::reputation::Level;
use pointsman_core::snapshot::{CauseSnapshot, Explanation};
use pointsman_sdk::reputation::Kind;
use serde::{Deserialize, Serialize};

/// Why a peer is treated as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyView {
    /// Who.
    pub peer: String,
    /// All of it in plain words.
    pub sentence: String,
    /// `trusted`, `unknown`, `discouraged` or `shunned`.
    pub level: String,
    /// For so long; `null` where the peer is only remembered.
    pub level_for_ms: Option<u64>,
    /// The level ends when the score is above this.
    pub ends_above: Option<i32>,
    /// The effective score, from -1000 over 0 (unknown) to 1000: the sum of the next three.
    pub score: i32,
    /// What this node saw itself.
    pub first_hand: i32,
    /// What its subnet takes away.
    pub subnet: i32,
    /// What others say adds or takes away: at most a fifth.
    pub hearsay: i32,
    /// What it was seen to do, the newest first.
    pub causes: Vec<CauseView>,
    /// How often it was seen to do what since it is known: `ack`, `timeout`, `invalid`,
    /// `refused`, `served`, `relayed`, `spam`.
    pub seen: BTreeMap<String, u64>,
    /// Subnets that its links came from, with their scores.
    pub subnets: BTreeMap<String, i32>,
    /// The median of what others say, each discounted by where they stand.
    pub hearsay_median: Option<i32>,
    /// How many others that are.
    pub hearsay_voices: usize,
    /// Trusted peers to whom this one alone of those that are linked says it has a link: for them
    /// it is not shunned.
    pub bridge_to: Vec<String>,
    /// It would be shunned, but is needed.
    pub excused: bool,
    /// By lot its score has no say in whom to dial first or to evict.
    pub spared: bool,
    /// Links of any state.
    pub links: usize,
    /// Until it is dialled next, where it waits for that.
    pub next_dial_in_ms: Option<u64>,
}

/// Something that a peer was seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseView {
    /// Its name: `bad-record`, `malformed` and the like.
    pub cause: String,
    /// What it did, to stand after "it".
    pub sentence: String,
    /// Whether that speaks against it.
    pub bad: bool,
    /// How often.
    pub count: u64,
    /// How long ago it last did.
    pub ms_ago: u64,
}

/// Why a peer is treated as it is.
pub fn why(told: &Explanation) -> WhyView {
    let (median, voices) = told.hearsay.unzip();
    WhyView {
        peer: told.peer.to_string(),
        sentence: sentence(told),
        level: told.level.name().to_owned(),
        level_for_ms: told.since.map(|since| told.at.since(since) / 1000),
        ends_above: told.level.ends_above(),
        score: told.score.effective(),
        first_hand: told.score.first_hand,
        subnet: told.score.subnet,
        hearsay: told.score.hearsay,
        causes: told.causes.iter().map(cause).collect(),
        seen: Kind::ALL.map(|kind| (kind.name().to_owned(), told.seen[kind as usize])).into(),
        subnets: told.subnets.iter().map(|(one, score)| (one.to_string(), *score)).collect(),
        hearsay_median: median,
        hearsay_voices: voices.unwrap_or(0),
        bridge_to: told.bridge_to.iter().map(PeerId::to_string).collect(),
        excused: told.is_excused,
        spared: told.is_spared,
        links: told.links,
        next_dial_in_ms: told.next_dial.map(|at| at.since(told.at) / 1000),
    }
}

fn cause(seen: &CauseSnapshot) -> CauseView {
    CauseView {
        cause: seen.cause.name().to_owned(),
        sentence: seen.cause.sentence().to_owned(),
        bad: seen.cause.is_bad(),
        count: seen.count,
        ms_ago: seen.age_ms,
    }
}

fn sentence(told: &Explanation) -> String {
    let score = told.score.effective();
    let mut text = format!("It is {} with a score of {score}", told.level.name());
    match reason(told) {
        Some(reason) => text.push_str(&format!(", mostly because {reason}. ")),
        None => text.push_str(". "),
    }
    text.push_str(&said(told));
    text.push_str(told.level.sentence());
    text.push_str(&kept(told));
    if told.is_spared && told.level == Level::Discouraged {
        text.push_str(" By lot it is spared being dialled last and evicted first.");
    }
    if let Some(above) = told.level.ends_above() {
        text.push_str(&format!(" That ends when its score is above {above}: it rises with time."));
    }
    text
}

/// What others say, where they do.
fn said(told: &Explanation) -> String {
    let Some((median, voices)) = told.hearsay else { return String::new() };
    let who = match voices {
        1 => "One other says that it stands".to_owned(),
        more => format!("{more} others say, in the median, that it stands"),
    };
    let effect = match told.score.hearsay {
        0 => "which changes nothing".to_owned(),
        less @ ..0 => format!("which takes {} away", less.unsigned_abs()),
        more => format!("which adds {more}"),
    };
    format!("{who} at {median}, {effect}. ")
}

/// Why it is kept, where it is needed.
fn kept(told: &Explanation) -> String {
    let way = match &told.bridge_to[..] {
        [] => None,
        [one] => Some(format!("it is the only way to {one}")),
        [one, others @ ..] => {
            Some(format!("it is the only way to {one} and {} more", others.len()))
        }
    };
    match way {
        Some(way) if told.is_excused => format!(" It would be shunned, but {way}."),
        Some(way) => format!(" It is not shunned as long as {way}."),
        None if told.is_excused => {
            " It would be shunned, but too few other peers are linked.".to_owned()
        }
        None => String::new(),
    }
}

/// What weighs most in the score.
fn reason(told: &Explanation) -> Option<String> {
    let score = told.score;
    let (own, subnet, said) = (score.first_hand.abs(), score.subnet.abs(), score.hearsay.abs());
    if own == 0 && subnet == 0 && said == 0 {
        return None;
    }
    if subnet > own && subnet >= said {
        return Some("others of its subnet misbehaved, and little is known of itself".to_owned());
    }
    if said > own {
        return Some("others say so".to_owned());
    }
    let is_against = score.first_hand < 0;
    let fitting = told.causes.iter().filter(|seen| seen.cause.is_bad() == is_against);
    let heaviest = fitting.max_by_key(|seen| (weight(seen.cause.kind()), seen.count))?;
    Some(format!("it {}, {}", heaviest.cause.sentence(), times(heaviest.count)))
}

/// Which of two causes is told first: what is grave, then what is frequent.
fn weight(kind: Kind) -> u8 {
    match kind {
        Kind::Invalid | Kind::Spam => 2,
        Kind::Relayed => 1,
        Kind::Ack | Kind::Served | Kind::Timeout | Kind::Refused => 0,
    }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

#[cfg(test)]
mod tests {
    use pointsman_core::id::Time;
    use pointsman_core::reputation::{Cause, Score};

    use super::*;

    fn explanation(level: Level, score: Score, causes: &[(Cause, u64)]) -> Explanation {
        let seen = |&(cause, count): &(Cause, u64)| CauseSnapshot { cause, count, age_ms: 1 };
        Explanation {
            peer: PeerId([1; 32]),
            at: Time(2_000_000),
            level,
            since: Some(Time(1_000_000)),
            score,
            seen: [0; 7],
            causes: causes.iter().map(seen).collect(),
            subnets: Vec::new(),
            hearsay: None,
            bridge_to: Vec::new(),
            is_excused: false,
            is_spared: false,
            links: 0,
            next_dial: None,
        }
    }

    #[test]
    fn a_stranger_has_no_reason() {
        let view = why(&explanation(Level::Unknown, Score::default(), &[]));
        assert_eq!(view.sentence, "It is unknown with a score of 0. It is treated as any peer.");
        assert_eq!((view.level_for_ms, view.ends_above), (Some(1_000), None));
    }

    #[test]
    fn the_gravest_cause_is_told_before_the_most_frequent() {
        let score = Score { first_hand: -776, ..Score::default() };
        let causes = [(Cause::AckedLate, 9), (Cause::BadRecord, 1), (Cause::Acked, 99)];
        let view = why(&explanation(Level::Discouraged, score, &causes));
        assert_eq!(
            view.sentence,
            "It is discouraged with a score of -776, mostly because it passed on a record that is \
             none, once. It is dialled last, evicted first, relays where nobody better does, and \
             is recommended to nobody. That ends when its score is above -200: it rises with time."
        );
    }

    #[test]
    fn what_others_did_or_say_is_told_where_it_weighs_most() {
        let subnet = Score { subnet: -400, ..Score::default() };
        let said = Score { hearsay: -150, ..Score::default() };
        for (score, told) in [(subnet, "others of its subnet misbehaved"), (said, "others say so")]
        {
            let view = why(&explanation(Level::Discouraged, score, &[]));
            assert!(view.sentence.contains(told), "{}", view.sentence);
        }
    }

    #[test]
    fn what_others_say_is_told_with_what_it_changes() {
        let cases = [
            (1, -50, "One other says that it stands at -250, which takes 50 away."),
            (3, 0, "3 others say, in the median, that it stands at -250, which changes nothing."),
            (2, 40, "which adds 40."),
        ];
        for (voices, hearsay, told) in cases {
            let score = Score { hearsay, ..Score::default() };
            let told_of = explanation(Level::Unknown, score, &[]);
            let view = why(&Explanation { hearsay: Some((-250, voices)), ..told_of });
            assert!(view.sentence.contains(told), "{}", view.sentence);
        }
    }

    #[test]
    fn who_would_be_shunned_if_it_were_not_needed_is_told_why() {
        let score = Score { first_hand: -950, ..Score::default() };
        let cases = [
            (
                vec![PeerId([2; 32])],
                format!("shunned, but it is the only way to {}.", PeerId([2; 32])),
            ),
            (vec![PeerId([2; 32]), PeerId([3; 32])], " and 1 more.".to_owned()),
            (Vec::new(), "too few other".to_owned()),
        ];
        for (bridge_to, told) in cases {
            let told_of = explanation(Level::Discouraged, score, &[(Cause::PutFlood, 2)]);
            let view = why(&Explanation { bridge_to, is_excused: true, ..told_of });
            assert!(view.sentence.contains(&told), "{}", view.sentence);
        }
    }
}
