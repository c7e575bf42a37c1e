//! What a choice would come to, as far as the question tells.
//!
//! A packet on a path is acknowledged after what is before it has left at the measured rate,
//! and a round trip: `srtt + (in flight + queued + the packet) / rate`, as earliest-completion
//! schedulers reckon (ECF, Lim et al., CoNEXT 2017). It is a forecast from the same rows that
//! the policy saw, and no measurement: it tells candidates apart, not what will happen.

use pointsman_core::policy::{Decision, Question, SelectorQuestion, Verdict};
use pointsman_sdk::failover;
use pointsman_sdk::selector::{Mode, Verdict as Choice};
use pointsman_sdk::{Path, Paths, UNKNOWN};

/// What the live choices would come to, and the candidate's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Predicted {
    /// Packets that both send, over paths that were measured.
    pub packets: u64,
    /// Sum of the times to their acknowledgement as the live policy chose, in microseconds.
    pub live_us: u64,
    /// As the candidate would have chosen.
    pub candidate_us: u64,
    /// Bytes of copies as the live policy chose.
    pub live_copies_bytes: u64,
    /// As the candidate would have chosen.
    pub candidate_copies_bytes: u64,
    /// Packets that the live policy sends, and the candidate holds, keeps or gives up.
    pub withheld: u64,
    /// The other way round.
    pub released: u64,
    /// Moves of traffic by the live policy.
    pub live_moves: u64,
    /// By the candidate.
    pub candidate_moves: u64,
}

/// What a selector's verdict would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forecast {
    /// `None`: nothing is sent now.
    sent: Option<Sent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    /// `None`: over a path that was not measured.
    us: Option<u64>,
    copies_bytes: u64,
}

impl Predicted {
    /// Adds a decision and what the candidate would have decided.
    pub(super) fn add(&mut self, live: &Decision, candidate: &Verdict) {
        match (&live.question, &live.verdict, candidate) {
            (Question::Selector(question), Verdict::Selector(live), Verdict::Selector(other)) => {
                self.add_choices(forecast(question, *live), forecast(question, *other));
            }
            (Question::Failover(_), Verdict::Failover(live), Verdict::Failover(other)) => {
                self.live_copies_bytes += hedged(*live);
                self.candidate_copies_bytes += hedged(*other);
                self.live_moves += u64::from(matches!(live, failover::Verdict::Move { .. }));
                self.candidate_moves += u64::from(matches!(other, failover::Verdict::Move { .. }));
            }
            (
                Question::Selector(_)
                | Question::Failover(_)
                | Question::Reputation(_)
                | Question::Anomaly(_),
                _,
                _,
            ) => {}
        }
    }

    fn add_choices(&mut self, live: Forecast, candidate: Forecast) {
        match (live.sent, candidate.sent) {
            (Some(live), Some(candidate)) => {
                if let (Some(live_us), Some(candidate_us)) = (live.us, candidate.us) {
                    self.packets += 1;
                    self.live_us += live_us;
                    self.candidate_us += candidate_us;
                }
            }
            (Some(_), None) => self.withheld += 1,
            (None, Some(_)) => self.released += 1,
            (None, None) => {}
        }
        let copies = |forecast: Forecast| forecast.sent.map_or(0, |sent| sent.copies_bytes);
        self.live_copies_bytes += copies(live);
        self.candidate_copies_bytes += copies(candidate);
    }

    /// Mean time of the live choices, in microseconds, where any was compared.
    pub fn live_mean_us(&self) -> Option<u64> {
        self.live_us.checked_div(self.packets)
    }

    /// Mean time of the candidate's choices, in microseconds.
    pub fn candidate_mean_us(&self) -> Option<u64> {
        self.candidate_us.checked_div(self.packets)
    }
}

fn hedged(verdict: failover::Verdict) -> u64 {
    match verdict {
        failover::Verdict::Hedge { budget_bytes, .. } => budget_bytes.into(),
        failover::Verdict::Stay { .. }
        | failover::Verdict::Move { .. }
        | failover::Verdict::Probe { .. }
        | failover::Verdict::Dial(_)
        | failover::Verdict::Close(_)
        | failover::Verdict::Store
        | failover::Verdict::Abstain => 0,
    }
}

/// What becomes of the packet at the head.
fn forecast(question: &SelectorQuestion, verdict: Choice) -> Forecast {
    let paths = Paths::new(&question.paths);
    let named = || (0..16).filter(|at| verdict.paths >> at & 1 == 1).filter_map(|at| paths.at(at));
    let takes = |path: Path<'_>| path.room_bytes() >= question.head_bytes;
    let us = |path: Path<'_>| completion_us(path, question.head_bytes);
    let sent = match verdict.mode {
        // The host takes the first that has room, and waits for the first where none has.
        Mode::Send | Mode::Stripe => {
            let path = named().find(|path| takes(*path)).or_else(|| named().next());
            path.map(|path| Sent { us: us(path), copies_bytes: 0 })
        }
        Mode::Duplicate => {
            let copies = u64::try_from(named().count()).unwrap_or_default().saturating_sub(1);
            let budget = u64::from(question.duplicate_budget_bytes);
            let copies_bytes = (copies * u64::from(question.head_bytes)).min(budget);
            Some(Sent { us: named().filter_map(us).min(), copies_bytes })
        }
        Mode::Abstain | Mode::Hold | Mode::Store | Mode::Expire => None,
    };
    Forecast { sent }
}

/// Time until a packet is acknowledged, in microseconds; `None` where the path was not
/// measured. Of an unknown rate, what is before the packet costs nothing.
fn completion_us(path: Path<'_>, bytes: u32) -> Option<u64> {
    let known = |number: u32| if number == UNKNOWN { None } else { Some(u64::from(number)) };
    let srtt_us = known(path.srtt_us())?;
    let before =
        known(path.inflight_bytes()).unwrap_or(0) + known(path.queued_bytes()).unwrap_or(0);
    let bits = (before + u64::from(bytes)) * 8;
    // Kilobits per second are bits per millisecond.
    let rate = known(path.rate_kbps()).filter(|&rate| rate > 0);
    Some(srtt_us + rate.map_or(0, |rate| bits * 1_000 / rate))
}

#[cfg(test)]
mod tests {
    use pointsman_sdk::path::flags;
    use pointsman_sdk::{PathRow, selector};

    use super::*;

    fn question() -> SelectorQuestion {
        let mut paths = vec![PathRow::STRIDE as u32];
        for srtt_us in [10_000, 50_000] {
            let row = PathRow {
                flags: flags::UP,
                srtt_us,
                rate_kbps: 8_000,
                inflight_bytes: 4_000,
                queued_bytes: 0,
                room_bytes: 9_000,
                ..PathRow::default()
            };
            row.write(&mut paths);
        }
        PathRow { flags: flags::UP, ..PathRow::default() }.write(&mut paths);
        let duplicate_budget_bytes = 1_500;
        SelectorQuestion { head_bytes: 1_000, duplicate_budget_bytes, paths, ..Default::default() }
    }

    fn predicted(live: Choice, candidate: Choice) -> Predicted {
        let decision = Decision {
            number: 1,
            generation: 1,
            question: Question::Selector(question()),
            verdict: Verdict::Selector(live),
            by: pointsman_core::policy::Answerer::Module,
        };
        let mut predicted = Predicted::default();
        predicted.add(&decision, &Verdict::Selector(candidate));
        predicted
    }

    #[test]
    fn the_time_of_a_path_is_its_round_trip_and_what_is_before_the_packet() {
        // 5,000 bytes at 8 Mbit/s take 5 ms.
        let seen = predicted(selector::Verdict::send(0), selector::Verdict::send(1));
        assert_eq!((seen.packets, seen.live_us, seen.candidate_us), (1, 15_000, 55_000));
        assert_eq!((seen.live_mean_us(), seen.candidate_mean_us()), (Some(15_000), Some(55_000)));
    }

    #[test]
    fn copies_are_counted_within_the_budget_and_the_fastest_counts() {
        let seen = predicted(selector::Verdict::send(1), selector::Verdict::duplicate(0b111));
        assert_eq!((seen.candidate_us, seen.candidate_copies_bytes), (15_000, 1_500));
        assert_eq!(seen.live_copies_bytes, 0);
    }

    #[test]
    fn what_is_withheld_or_not_measured_has_no_time() {
        let seen = predicted(selector::Verdict::send(0), selector::Verdict::hold(10_000));
        assert_eq!((seen.packets, seen.withheld, seen.released), (0, 1, 0));
        let seen = predicted(selector::Verdict::store(), selector::Verdict::send(2));
        assert_eq!((seen.packets, seen.withheld, seen.released), (0, 0, 1));
        assert_eq!(predicted(Choice::send(0), Choice::send(2)).packets, 0);
    }
}
