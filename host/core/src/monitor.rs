//! The monitor: what this node measured of itself and of its busiest peers, a sample a step.
//!
//! A track keeps the last [`SAMPLES_MAX`] samples of each measure. The Node samples once a
//! step, from numbers that it has anyway, so a packet costs nothing here. A step that passed
//! without a sample, because the machine slept or the loop was late, is one without a measure.
//!
//! It never decides what is out of the ordinary: that is the anomaly policy's question.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pointsman_sdk::UNKNOWN;
use pointsman_sdk::anomaly::{Metric, Series};

use crate::id::{PeerNumber, Time};
use crate::limits::{SAMPLES_MAX, WATCHED_PEERS_MAX};
use crate::policy::AnomalyQuestion;

/// Time between two samples, in microseconds.
pub(crate) const STEP_US: u64 = 1_000_000;

/// The anomaly policy is asked once in so many steps.
const INSPECT_STEPS: u64 = 5;

/// What a track of this node measures.
pub(crate) const NODE_METRICS: [Metric; 6] = [
    Metric::LoopLagUs,
    Metric::MessagesExpired,
    Metric::MessagesRefused,
    Metric::FramesMalformed,
    Metric::Strikes,
    Metric::DuplicateBytes,
];

/// What a track of a peer measures.
pub(crate) const PEER_METRICS: [Metric; 5] =
    [Metric::SrttUs, Metric::LatePpm, Metric::QueueBytes, Metric::MessagesDelivered, Metric::Moves];

/// No measure.
const NONE: i64 = -1;

/// A number at the end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// What it is now; `None` where there is nothing to measure.
    Level(Option<u64>),
    /// What it has come to since the start: a sample is what the step added.
    Total(u64),
}

/// The last samples of some measures of one subject.
#[derive(Clone, Debug)]
struct Track<const N: usize> {
    samples: [VecDeque<i64>; N],
    /// Totals at the last step; `None` before the first one.
    before: Option<[u64; N]>,
    /// Steps since the subject was in use.
    idle: u64,
}

impl<const N: usize> Track<N> {
    fn new(before: Option<[u64; N]>) -> Self {
        Self { samples: core::array::from_fn(|_| VecDeque::new()), before, idle: 0 }
    }

    fn push(&mut self, missed: u64, measures: [Measure; N]) {
        let mut totals = [0; N];
        for (at, measure) in measures.into_iter().enumerate() {
            let value = match measure {
                Measure::Level(level) => level,
                Measure::Total(total) => {
                    totals[at] = total;
                    self.before.map(|before| total.saturating_sub(before[at]))
                }
            };
            let sample = value.map_or(NONE, |value| i64::try_from(value).unwrap_or(i64::MAX));
            let samples = &mut self.samples[at];
            for _ in 0..missed.min(SAMPLES_MAX as u64) {
                samples.push_back(NONE);
            }
            samples.push_back(sample);
            let excess = samples.len().saturating_sub(SAMPLES_MAX);
            samples.drain(..excess);
        }
        self.before = Some(totals);
    }

    fn series(&self, metrics: [Metric; N], subject: u32) -> impl Iterator<Item = Series> {
        metrics.into_iter().zip(&self.samples).map(move |(metric, samples)| Series {
            metric: metric as u32,
            subject,
            step_ms: (STEP_US / 1000) as u32,
            samples: samples.iter().copied().collect(),
        })
    }
}

/// The tracks of one Node.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// Steps are counted from here.
    began: Time,
    /// Whole steps that have passed at the last sample.
    steps: u64,
    /// Steps without a sample before that one.
    missed: u64,
    node: Track<{ NODE_METRICS.len() }>,
    peers: BTreeMap<PeerNumber, Track<{ PEER_METRICS.len() }>>,
    lag_us_max: u64,
}

impl Monitor {
    pub(crate) fn new(began: Time) -> Self {
        let node = Track::new(Some([0; NODE_METRICS.len()]));
        Self { began, steps: 0, missed: 0, node, peers: BTreeMap::new(), lag_us_max: 0 }
    }

    /// The loop ran late by so much.
    pub(crate) fn lagged(&mut self, lag_us: u64) {
        self.lag_us_max = self.lag_us_max.max(lag_us);
    }

    /// Begins a sample; false where no step has passed since the last one.
    pub(crate) fn step(&mut self, now: Time) -> bool {
        let steps = now.since(self.began) / STEP_US;
        let passed = steps.saturating_sub(self.steps);
        self.missed = passed.saturating_sub(1);
        self.steps = steps;
        passed > 0
    }

    /// When the next step ends.
    pub(crate) fn next_step(&self) -> Time {
        self.began.after((self.steps + 1).saturating_mul(STEP_US))
    }

    /// The sample of this node; the lag of its loop is known here.
    pub(crate) fn sample_node(&mut self, totals: [u64; NODE_METRICS.len() - 1]) {
        let lag_us = Measure::Level(Some(std::mem::take(&mut self.lag_us_max)));
        let [expired, refused, malformed, strikes, duplicates] = totals.map(Measure::Total);
        self.node.push(self.missed, [lag_us, expired, refused, malformed, strikes, duplicates]);
    }

    /// Chooses the peers to watch out of those that are in use, given with how busy they have
    /// been: the busiest. One that was watched and is idle stays as long as there is room and
    /// its samples say something.
    pub(crate) fn watch(&mut self, mut in_use: Vec<(PeerNumber, u64)>) {
        in_use.sort_by_key(|&(number, busy)| (core::cmp::Reverse(busy), number));
        in_use.truncate(WATCHED_PEERS_MAX);
        let mut chosen: BTreeSet<PeerNumber> = in_use.iter().map(|&(number, _)| number).collect();
        for (number, track) in &mut self.peers {
            track.idle = if chosen.contains(number) { 0 } else { track.idle + 1 };
        }
        let idle = self.peers.iter().filter(|(_, track)| track.idle > 0);
        let mut idle: Vec<_> = idle.map(|(&number, track)| (track.idle, number)).collect();
        idle.sort_unstable();
        let room = WATCHED_PEERS_MAX - chosen.len();
        let fresh = idle.into_iter().filter(|&(steps, _)| steps < SAMPLES_MAX as u64);
        chosen.extend(fresh.take(room).map(|(_, number)| number));
        self.peers.retain(|number, _| chosen.contains(number));
        for number in chosen {
            self.peers.entry(number).or_insert_with(|| Track::new(None));
        }
    }

    /// The peers that are watched.
    pub(crate) fn watched(&self) -> Vec<PeerNumber> {
        self.peers.keys().copied().collect()
    }

    /// The sample of a watched peer; `None` where it is gone.
    pub(crate) fn sample_peer(
        &mut self,
        number: PeerNumber,
        measures: Option<[Measure; PEER_METRICS.len()]>,
    ) {
        match measures {
            None => {
                self.peers.remove(&number);
            }
            Some(measures) => {
                if let Some(track) = self.peers.get_mut(&number) {
                    let missed = if track.before.is_some() { self.missed } else { 0 };
                    track.push(missed, measures);
                }
            }
        }
    }

    /// The question that is due with this sample, if one is.
    pub(crate) fn question(&self, now: Time) -> Option<AnomalyQuestion> {
        let before = self.steps.saturating_sub(self.missed + 1);
        if self.steps / INSPECT_STEPS == before / INSPECT_STEPS {
            return None;
        }
        let mut window: Vec<Series> = self.node.series(NODE_METRICS, UNKNOWN).collect();
        for (number, track) in &self.peers {
            window.extend(track.series(PEER_METRICS, number.0));
        }
        Some(AnomalyQuestion { now_ms: now.0 / 1000, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Time {
        Time(s * STEP_US)
    }

    /// Samples at these steps, the totals being the step's number times ten.
    fn sampled(steps: &[u64]) -> Monitor {
        let mut monitor = Monitor::new(seconds(0));
        for &step in steps {
            assert!(monitor.step(seconds(step)));
            monitor.sample_node([step * 10; 5]);
        }
        monitor
    }

    fn samples(monitor: &Monitor, metric: Metric) -> Vec<i64> {
        let mut series = monitor.node.series(NODE_METRICS, UNKNOWN);
        series.find(|series| series.metric == metric as u32).expect("of the node").samples
    }

    #[test]
    fn a_total_is_sampled_by_what_each_step_added() {
        let monitor = sampled(&[1, 2, 3]);
        assert_eq!(samples(&monitor, Metric::MessagesExpired), [10, 10, 10]);
    }

    #[test]
    fn a_step_that_passed_unseen_has_no_measure() {
        let monitor = sampled(&[1, 4]);
        assert_eq!(samples(&monitor, Metric::Strikes), [10, NONE, NONE, 30]);
        assert_eq!(samples(&monitor, Metric::LoopLagUs), [0, NONE, NONE, 0]);
    }

    #[test]
    fn a_night_of_sleep_leaves_no_more_samples_than_a_minute() {
        let monitor = sampled(&[1, 30_000]);
        let lag = samples(&monitor, Metric::LoopLagUs);
        assert_eq!((lag.len(), lag[SAMPLES_MAX - 1]), (SAMPLES_MAX, 0));
        assert!(lag[..SAMPLES_MAX - 1].iter().all(|&sample| sample == NONE));
    }

    #[test]
    fn questions_come_every_five_steps_and_once_after_a_pause() {
        let asked = |steps: &[u64]| {
            let mut monitor = Monitor::new(seconds(0));
            let mut asked = Vec::new();
            for &step in steps {
                monitor.step(seconds(step));
                asked.extend(monitor.question(seconds(step)).map(|_| step));
            }
            asked
        };
        assert_eq!(asked(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), [5, 10]);
        assert_eq!(asked(&[4, 23, 24, 25]), [23, 25]);
    }

    #[test]
    fn the_busiest_peers_are_watched_and_no_more_than_there_is_room_for() {
        let mut monitor = Monitor::new(seconds(0));
        let all = |busy: fn(u32) -> u64| (0..500).map(|n| (PeerNumber(n), busy(n))).collect();
        monitor.watch(all(u64::from));
        let watched = monitor.watched();
        assert_eq!(watched.len(), WATCHED_PEERS_MAX);
        assert_eq!(watched[0], PeerNumber(500 - WATCHED_PEERS_MAX as u32));
        monitor.watch(all(|n| 1_000 - u64::from(n)));
        assert_eq!(monitor.watched()[0], PeerNumber(0));
        assert_eq!(monitor.watched().len(), WATCHED_PEERS_MAX);
    }

    #[test]
    fn a_peer_that_is_idle_is_watched_for_another_minute() {
        let mut monitor = Monitor::new(seconds(0));
        monitor.watch(vec![(PeerNumber(1), 1)]);
        for _ in 1..SAMPLES_MAX {
            monitor.watch(Vec::new());
            assert_eq!(monitor.watched(), [PeerNumber(1)]);
        }
        monitor.watch(Vec::new());
        assert!(monitor.watched().is_empty());
    }
}
