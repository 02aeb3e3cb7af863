//! When harm may begin: nobody knows, so every moment gets a part of the bet, and all parts together are one.
//!
//! Three scales are mixed, so that harm is noticed soon in the first minutes, after an hour and after weeks. Each part is
//! `a / ((k + a)(k + a + 1))`, which adds up to one over all `k` and needs no logarithm: plain divisions give the same
//! bits on every machine. It falls as 1/k², a mixture of it over three decades nearly as slowly as 1/(k ln² k), whose
//! constant is worse: at the ten thousandth attempt it gives less than a tenth of what this one does.

/// After how many attempts half of the parts are spent, one figure for each scale.
const SCALES: [f64; 3] = [30.0, 1_500.0, 60_000.0];

/// The part for harm that begins with attempt `k`, counted from 0. One division for all three scales, since it is asked for each
/// attempt.
pub(super) fn part(k: u64) -> f64 {
    let k = real(k);
    let [soon, later, late] = SCALES.map(|scale| (k + scale) * (k + scale + 1.0));
    let [a, b, c] = SCALES;
    let sum = a * (later * late) + b * (soon * late) + c * (soon * later);
    sum / (3.0 * (soon * later * late))
}

/// What all attempts before `k` were given together.
pub(super) fn given_before(k: u64) -> f64 {
    let k = real(k);
    let [soon, later, late] = SCALES.map(|scale| k / (k + scale));
    (soon + later + late) / 3.0
}

/// A count as a number to calculate with; exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "counts of attempts stay far below 2^53")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_what_was_given_and_never_to_more_than_one() {
        let mut sum = 0.0;
        for k in 0..200_000 {
            assert!((given_before(k) - sum).abs() < 1e-9, "{k}");
            sum += part(k);
        }
        assert!(sum < 1.0 && given_before(u64::MAX) <= 1.0);
    }
}
