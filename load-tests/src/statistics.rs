//! Medians and ratios. Ratios are taken within a round, where both sides saw the same machine, before any median.

/// The median; of an even count, the mean of the middle two. `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(sorted.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

/// Least and greatest. `None` of nothing.
pub(crate) fn range(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let greatest = values.iter().copied().max_by(f64::total_cmp)?;
    Some((least, greatest))
}

/// The median over rounds of value ÷ base. `None` if they do not pair up.
pub(crate) fn median_ratio(values: &[f64], bases: &[f64]) -> Option<f64> {
    if values.len() != bases.len() || bases.iter().any(|base| *base <= 0.0) {
        return None;
    }
    median(&values.iter().zip(bases).map(|(value, base)| value / base).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(range(&[3.0, 1.0, 2.0]), Some((1.0, 3.0)));
    }

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        // The machine was twice as slow in the second round: the ratio does not see it, that of the medians would.
        assert_eq!(median_ratio(&[15.0, 30.0, 15.0], &[10.0, 20.0, 10.0]), Some(1.5));
        assert_eq!(median_ratio(&[1.0], &[0.0]), None);
        assert_eq!(median_ratio(&[1.0, 2.0], &[1.0]), None);
    }
}
