//! From the strength of a radio signal to metres, with what they are worth.
//!
//! The model is the log-distance path loss (Rappaport, *Wireless Communications*, 4.9.1):
//! `dBm(d) = dBm(1 m) − 10 · exponent · log10(d / m)`, around which the strength scatters by
//! some dB as walls, bodies and the three advertising channels have it. Strengths are
//! filtered in dB, where that scatter is symmetric: a median throws single outliers away, a
//! one-dimensional Kalman filter follows what is left. Metres are computed from the filter's
//! estimate, and a band around them from its variance and from the scatter that no filter can
//! take away, because a wall stays where it is.
//!
//! The trend is the slope of a straight line through the estimates of the last seconds: one
//! sample, however weak, makes no trend.

use std::collections::VecDeque;

use crate::id::Time;

/// The least and the most metres that are told. Below, antennas are in each other's near field;
/// above, no usual radio is heard.
pub const METRES: (f64, f64) = (0.1, 100.0);
/// Strengths that a controller can measure, in dBm (Bluetooth Core 5.4, vol. 4, part E, 7.7.65.2).
pub const RSSI_DBM: (i16, i16) = (-127, 20);
/// What a controller says that has no strength to tell (same place).
pub const RSSI_UNKNOWN: i16 = 127;
/// Exponents that the model takes: 1.5 is a corridor that guides waves, 2 free space, 6 walls.
pub const EXPONENT: (f64, f64) = (1.5, 6.0);

/// Samples that the median is taken of: two outliers in a row are thrown away.
const MEDIAN_SAMPLES: usize = 5;
/// Variance of a sample in dB²: a deviation of 5 dB, the upper middle of what indoor
/// measurements of single samples show.
const SAMPLE_VARIANCE: f64 = 25.0;
/// How fast the estimate may wander, in dB² a second. At ten samples a second the filter
/// follows within 2 s, which lags a walker at 5 m by about 1 m.
const WANDER_VARIANCE: f64 = 0.5;
/// Deviation in dB of what stays the same for as long as nobody moves: no filter averages it
/// away, so the band never claims less.
const MODEL_DEVIATION: f64 = 4.0;
/// Longest gap that old samples are worth anything after, in microseconds.
const GAP_US_MAX: u64 = 10_000_000;
/// The trend is taken over this long, in microseconds, of one estimate every half second.
const TREND_US: u64 = 8_000_000;
const TREND_STEP_US: u64 = 500_000;
const TREND_POINTS_MAX: usize = 16;
/// Fewer estimates, or a shorter while, are no trend.
const TREND_POINTS_MIN: usize = 5;
const TREND_US_MIN: u64 = 2_500_000;

/// A distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The estimate, in metres, within [`METRES`].
    pub metres: f64,
    /// One standard deviation nearer, in metres.
    pub low_m: f64,
    /// One standard deviation farther, in metres.
    pub high_m: f64,
}

/// The log-distance path loss model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathLoss {
    power_at_1m_dbm: f64,
    exponent: f64,
}

impl PathLoss {
    /// A model of a sender that arrives with `power_at_1m_dbm` at one metre. What is out of
    /// [`RSSI_DBM`] or [`EXPONENT`] is taken as the nearest that is not.
    pub fn new(power_at_1m_dbm: i16, exponent: f64) -> Self {
        let power = power_at_1m_dbm.clamp(RSSI_DBM.0, RSSI_DBM.1);
        let exponent = if exponent.is_nan() { 2.0 } else { exponent };
        Self { power_at_1m_dbm: f64::from(power), exponent: exponent.clamp(EXPONENT.0, EXPONENT.1) }
    }

    /// How far a sender of this strength is, in metres within [`METRES`].
    pub fn metres(&self, dbm: f64) -> f64 {
        let metres = 10_f64.powf((self.power_at_1m_dbm - dbm) / (10.0 * self.exponent));
        metres.clamp(METRES.0, METRES.1)
    }

    /// How strong a sender at so many metres is, in dBm.
    pub fn dbm(&self, metres: f64) -> f64 {
        let metres = metres.clamp(METRES.0, METRES.1);
        self.power_at_1m_dbm - 10.0 * self.exponent * metres.log10()
    }

    /// A distance with its band, for a strength that is known to so many dB.
    fn range(&self, dbm: f64, deviation: f64) -> Range {
        Range {
            metres: self.metres(dbm),
            low_m: self.metres(dbm + deviation),
            high_m: self.metres(dbm - deviation),
        }
    }
}

/// A measured strength, or `None` where the controller had none or it can't be one.
pub fn plausible(rssi: Option<i16>) -> Option<i16> {
    rssi.filter(|dbm| (RSSI_DBM.0..=RSSI_DBM.1).contains(dbm))
}

/// The strength of one sender over time.
#[derive(Clone, Debug, Default)]
pub struct RangeFilter {
    recent: VecDeque<i16>,
    estimate: Option<Estimate>,
    points: VecDeque<(Time, f64)>,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    dbm: f64,
    variance: f64,
    at: Time,
}

impl RangeFilter {
    /// Takes a sample in dBm; what is not [`plausible`] says nothing, and is not one. Whether it
    /// was one.
    pub fn sample(&mut self, now: Time, rssi: Option<i16>) -> bool {
        let Some(dbm) = plausible(rssi) else { return false };
        if self.estimate.is_some_and(|estimate| now.since(estimate.at) > GAP_US_MAX) {
            *self = Self::default();
        }
        if self.recent.len() == MEDIAN_SAMPLES {
            self.recent.pop_front();
        }
        self.recent.push_back(dbm);
        let measured = f64::from(self.median().unwrap_or(dbm));
        let estimate = self
            .estimate
            .map_or(Estimate { dbm: measured, variance: SAMPLE_VARIANCE, at: now }, |before| {
                before.corrected(now, measured)
            });
        self.estimate = Some(estimate);
        self.note(estimate);
        true
    }

    /// The filtered strength in dBm, once there was a sample.
    pub fn dbm(&self) -> Option<f64> {
        self.estimate.map(|estimate| estimate.dbm)
    }

    /// How far the sender is by a model, once there was a sample.
    pub fn range(&self, model: &PathLoss) -> Option<Range> {
        let estimate = self.estimate?;
        let variance = estimate.variance + MODEL_DEVIATION * MODEL_DEVIATION;
        Some(model.range(estimate.dbm, variance.sqrt()))
    }

    /// The slope of the strength in dB a second: below 0 the sender goes away. `None` until
    /// enough was heard over enough time, and again when nothing was heard for a while.
    pub fn trend_db_per_s(&self, now: Time) -> Option<f64> {
        let points: Vec<(f64, f64)> = self
            .points
            .iter()
            .filter(|(at, _)| now.since(*at) <= TREND_US)
            .map(|(at, dbm)| (-(now.since(*at) as f64) / 1e6, *dbm))
            .collect();
        let span_s = points.last()?.0 - points.first()?.0;
        let is_enough = points.len() >= TREND_POINTS_MIN && span_s * 1e6 >= TREND_US_MIN as f64;
        is_enough.then(|| slope(&points))
    }

    fn median(&self) -> Option<i16> {
        let mut sorted: Vec<i16> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get((sorted.len().checked_sub(1)?) / 2).copied()
    }

    /// Keeps an estimate for the trend, one every [`TREND_STEP_US`].
    fn note(&mut self, estimate: Estimate) {
        let last = self.points.back().map(|(at, _)| *at);
        if last.is_some_and(|last| estimate.at.since(last) < TREND_STEP_US) {
            return;
        }
        if self.points.len() == TREND_POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back((estimate.at, estimate.dbm));
    }
}

impl Estimate {
    /// One step of the filter: wander for the time that passed, then lean towards the measured.
    fn corrected(self, now: Time, measured: f64) -> Self {
        let passed_s = now.since(self.at) as f64 / 1e6;
        let wandered = self.variance + WANDER_VARIANCE * passed_s;
        let gain = wandered / (wandered + SAMPLE_VARIANCE);
        Self {
            dbm: self.dbm + gain * (measured - self.dbm),
            variance: wandered * (1.0 - gain),
            at: now.max(self.at),
        }
    }
}

/// The slope of the straight line with the least squares through points of which no two
/// share a time.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_t, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points.iter().map(|(t, y)| (t - mean_t) * (y - mean_y)).sum();
    let under: f64 = points.iter().map(|(t, _)| (t - mean_t) * (t - mean_t)).sum();
    if under > 0.0 { over / under } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: (i16, f64) = (-59, 2.0);

    fn model() -> PathLoss {
        PathLoss::new(MODEL.0, MODEL.1)
    }

    fn fed(samples: impl IntoIterator<Item = (u64, i16)>) -> RangeFilter {
        let mut filter = RangeFilter::default();
        for (ms, rssi) in samples {
            filter.sample(Time(ms * 1000), Some(rssi));
        }
        filter
    }

    #[test]
    fn the_model_is_exact_at_one_and_ten_metres_and_goes_both_ways() {
        assert!((model().metres(-59.0) - 1.0).abs() < 1e-9);
        assert!((model().metres(-79.0) - 10.0).abs() < 1e-9);
        for metres in [0.1, 0.5, 2.0, 33.0, 100.0] {
            assert!((model().metres(model().dbm(metres)) - metres).abs() < 1e-9);
        }
    }

    #[test]
    fn metres_and_settings_stay_within_sense() {
        assert_eq!(model().metres(20.0), 0.1);
        assert_eq!(model().metres(-127.0), 100.0);
        assert_eq!(PathLoss::new(999, 99.0), PathLoss::new(20, 6.0));
        assert_eq!(PathLoss::new(-999, -1.0), PathLoss::new(-127, 1.5));
        assert_eq!(PathLoss::new(-59, f64::NAN), PathLoss::new(-59, 2.0));
    }

    #[test]
    fn a_strength_that_is_none_is_no_sample_and_20_is_one() {
        let mut filter = RangeFilter::default();
        for rssi in [None, Some(RSSI_UNKNOWN), Some(21), Some(-128), Some(i16::MIN)] {
            assert!(!filter.sample(Time(1), rssi), "{rssi:?}");
            assert!(filter.range(&model()).is_none());
        }
        assert!(filter.sample(Time(1), Some(20)) && filter.sample(Time(1), Some(-127)));
    }

    #[test]
    fn the_band_is_around_the_estimate_and_narrows_as_samples_come() {
        let once = fed([(0, -70)]).range(&model()).expect("there is a sample");
        let often = fed((0..50).map(|n| (n * 100, -70))).range(&model()).expect("there are");
        for range in [once, often] {
            assert!(range.low_m < range.metres && range.metres < range.high_m);
        }
        assert!(often.high_m - often.low_m < once.high_m - once.low_m);
    }

    #[test]
    fn an_outlier_moves_the_estimate_by_nothing() {
        let mut filter = fed((0..20).map(|n| (n * 100, -70)));
        filter.sample(Time(2_000_000), Some(-110));
        filter.sample(Time(2_100_000), Some(-20));
        assert_eq!(filter.dbm(), Some(-70.0));
    }

    #[test]
    fn a_trend_takes_several_seconds_and_has_the_sign_of_the_change() {
        let leaving = fed((0..80).map(|n| (n * 100, -60 - n as i16 / 5)));
        let trend = leaving.trend_db_per_s(Time(8_000_000)).expect("it was heard long enough");
        // The filter begins without a slope, so the straight line has a bend at its beginning.
        assert!((-2.0..-1.2).contains(&trend), "of a fall of 2 dB/s: {trend}");
        let coming = fed((0..80).map(|n| (n * 100, -80 + n as i16 / 5)));
        assert!(coming.trend_db_per_s(Time(8_000_000)).is_some_and(|trend| trend > 1.2));
        assert_eq!(fed((0..15).map(|n| (n * 100, -60))).trend_db_per_s(Time(1_500_000)), None);
    }

    #[test]
    fn one_weak_sample_is_no_trend() {
        let mut filter = fed((0..60).map(|n| (n * 100, -65)));
        filter.sample(Time(6_000_000), Some(-95));
        let trend = filter.trend_db_per_s(Time(6_000_000)).expect("it was heard long enough");
        assert_eq!(trend, 0.0);
    }

    #[test]
    fn after_a_long_silence_it_begins_anew() {
        let mut filter = fed((0..60).map(|n| (n * 100, -60)));
        assert_eq!(filter.trend_db_per_s(Time(60_000_000)), None);
        filter.sample(Time(60_000_000), Some(-90));
        assert_eq!(filter.dbm(), Some(-90.0));
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_makes_no_nonsense() {
        let mut filter = RangeFilter::default();
        for n in 0..10_000 {
            filter.sample(Time(5_000_000 - n % 7), Some(-70 - (n % 3) as i16));
        }
        let dbm = filter.dbm().expect("there are samples");
        assert!((-72.0..=-70.0).contains(&dbm), "{dbm}");
        assert_eq!(filter.trend_db_per_s(Time(0)), None);
    }
}
