//! How good the range filter is on strengths like those of real radios.
//!
//! No recording is in this repository; the traces are made from a seed, after these models:
//!
//! - log-normal shadowing around the log-distance path loss, of 3 to 6 dB indoors in line of
//!   sight (Rappaport, *Wireless Communications*, chapter 4);
//! - shadowing that is correlated in time, exponentially (Gudmundson, *Correlation model for
//!   shadow fading in mobile radio systems*, Electronics Letters 27(23), 1991): an AR(1) process;
//! - on top, scatter from one advertisement to the next, because it hops over three channels
//!   that fade differently (Faragher and Harle, *Location Fingerprinting With Bluetooth Low
//!   Energy Beacons*, IEEE JSAC 33(11), 2015).
//!
//! So the figures here say what the filter does to such noise. They say nothing about how well the
//! model fits a room.

use pointsman_core::bluetooth::range::{PathLoss, RangeFilter};
use pointsman_core::id::Time;

use crate::scene::MS;

/// Scatter of one radio path.
#[derive(Clone, Copy, Debug)]
struct Noise {
    /// From sample to sample, in dB.
    scatter_db: f64,
    /// Correlated, in dB.
    shadow_db: f64,
    /// How much of it remains after 100 ms.
    correlation: f64,
}

/// Mean absolute errors: raw and filtered, in metres and in dB, and how often the truth was
/// within the band.
#[derive(Clone, Copy, Debug, Default)]
struct Errors {
    raw_m: f64,
    filtered_m: f64,
    raw_db: f64,
    filtered_db: f64,
    in_band: f64,
}

struct Chance(u64);

impl Chance {
    /// Between 0 and 1.
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal, with a deviation of 1: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Stands at 2 m, goes to 8 m, stands, comes back to 3 m, stands: 100 s.
fn metres(s: f64) -> f64 {
    match s {
        s if s < 20.0 => 2.0,
        s if s < 30.0 => 2.0 + 0.6 * (s - 20.0),
        s if s < 60.0 => 8.0,
        s if s < 70.0 => 8.0 - 0.5 * (s - 60.0),
        _ => 3.0,
    }
}

fn errors(noise: Noise, step_ms: u64) -> Errors {
    let model = PathLoss::new(-59, 2.0);
    let mut sum = Errors::default();
    let mut count = 0.0;
    let kept = noise.correlation.powf(step_ms as f64 / 100.0);
    for seed in 1..=10 {
        let mut chance = Chance(seed);
        let mut filter = RangeFilter::default();
        let mut shadow = noise.shadow_db * chance.normal();
        for ms in (0..100_000).step_by(step_ms as usize) {
            let truth_m = metres(ms as f64 / 1000.0);
            let truth_db = model.dbm(truth_m);
            shadow = kept * shadow + (1.0 - kept * kept).sqrt() * noise.shadow_db * chance.normal();
            let rssi = (truth_db + shadow + noise.scatter_db * chance.normal()).round();
            filter.sample(Time(ms * MS), Some(rssi as i16));
            let range = filter.range(&model).expect("there is a sample");
            sum.raw_m += (model.metres(rssi) - truth_m).abs();
            sum.filtered_m += (range.metres - truth_m).abs();
            sum.raw_db += (rssi - truth_db).abs();
            sum.filtered_db += (filter.dbm().expect("there is a sample") - truth_db).abs();
            sum.in_band += f64::from(u8::from((range.low_m..=range.high_m).contains(&truth_m)));
            count += 1.0;
        }
    }
    let mean = |sum: f64| sum / count;
    Errors {
        raw_m: mean(sum.raw_m),
        filtered_m: mean(sum.filtered_m),
        raw_db: mean(sum.raw_db),
        filtered_db: mean(sum.filtered_db),
        in_band: mean(sum.in_band),
    }
}

const SCATTERED: Noise = Noise { scatter_db: 4.0, shadow_db: 2.5, correlation: 0.8 };
const CORRELATED: Noise = Noise { scatter_db: 0.0, shadow_db: 5.0, correlation: 0.9 };
const CALM: Noise = Noise { scatter_db: 3.0, shadow_db: 1.0, correlation: 0.8 };
const ROUGH: Noise = Noise { scatter_db: 5.0, shadow_db: 3.5, correlation: 0.8 };

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this test is for")]
fn the_filter_is_much_better_than_the_bare_formula_at_ten_advertisements_a_second() {
    for noise in [CALM, SCATTERED, ROUGH] {
        let errors = errors(noise, 100);
        println!("{noise:?} at 10/s: {errors:.2?}");
        assert!(errors.filtered_m <= 0.4 * errors.raw_m, "{noise:?}: {errors:?}");
        assert!(errors.filtered_db <= 0.45 * errors.raw_db, "{noise:?}: {errors:?}");
        assert!(errors.in_band >= 0.9, "{noise:?}: {errors:?}");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this test is for")]
fn the_filter_is_better_when_all_noise_is_correlated_or_advertisements_are_rare() {
    for (noise, step_ms) in [(CORRELATED, 100), (SCATTERED, 500), (ROUGH, 500)] {
        let errors = errors(noise, step_ms);
        println!("{noise:?} every {step_ms} ms: {errors:.2?}");
        assert!(errors.filtered_m <= 0.6 * errors.raw_m, "{noise:?}: {errors:?}");
    }
}

/// Seconds in ten minutes, of ten, in which a neighbour that stands still seems to go away at
/// more than half a dB a second.
#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this test is for")]
fn a_neighbour_that_stands_still_hardly_ever_seems_to_go_away_fast() {
    let (mut steep, mut count) = (0, 0);
    for seed in 1..=10 {
        let mut chance = Chance(seed);
        let mut filter = RangeFilter::default();
        let mut shadow = 0.0;
        for ms in (0..600_000_u64).step_by(100) {
            shadow = 0.8 * shadow + 0.6 * SCATTERED.shadow_db * chance.normal();
            let rssi = -75.0 + shadow + SCATTERED.scatter_db * chance.normal();
            filter.sample(Time(ms * MS), Some(rssi.round() as i16));
            if ms % 1000 == 0 {
                count += 1;
                let trend = filter.trend_db_per_s(Time(ms * MS));
                steep += u32::from(trend.is_some_and(|trend| trend < -0.5));
            }
        }
    }
    println!("{steep} of {count} seconds");
    assert!(steep * 20 < count, "{steep} of {count}");
}
