//! Arithmetic on samples.

/// The value below which `permille` thousandths of the samples lie, by the nearest rank; 0
/// without samples.
pub(crate) fn quantile(samples: &[f64], permille: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * permille).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

/// The middle one by the nearest rank.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 500)
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn quantiles_take_the_nearest_rank() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(median(&samples), 50.0);
        assert_eq!(quantile(&samples, 990), 99.0);
        assert_eq!(quantile(&samples, 1_000), 100.0);
        assert_eq!(quantile(&[7.0], 990), 7.0);
    }
}
