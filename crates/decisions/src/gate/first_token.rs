//! The time below which 95 of 100 of the primary's attempts begin their answer, followed attempt by attempt.
//!
//! A longer time moves the figure up by 95 small steps, a shorter one down by five, so it settles where one in twenty is
//! longer. That takes one number and no sort. It is followed and not measured: of attempts like the primary's, 5 % are
//! slower, give or take two, and the limit of the signal is twice that.

/// How many of the primary's attempts must be known.
const FEWEST: u64 = 50;

/// The step, as a part of the figure, once it has settled; larger before.
const STEP: f64 = 0.05;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slowest {
    pub(super) seen: u64,
    pub(super) microseconds: f64,
}

impl Slowest {
    /// Counts an attempt of the primary.
    pub(super) fn count(&mut self, microseconds: u32) {
        let took = f64::from(microseconds.max(1));
        if self.seen == 0 {
            self.microseconds = took;
        }
        let step = if self.seen < 30 { 2.0 / (super::prior::real(self.seen) + 10.0) } else { STEP };
        self.seen = self.seen.saturating_add(1);
        if took > self.microseconds {
            self.microseconds *= 1.0 + step * 0.95;
        } else {
            self.microseconds *= 1.0 - step * 0.05;
        }
    }

    /// Whether an attempt was slower; `None` while too little is known.
    pub(super) fn is_slower(&self, microseconds: u32) -> Option<bool> {
        (self.seen >= FEWEST).then(|| f64::from(microseconds) > self.microseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_of_like_attempts_is_slower_at_any_scale() {
        for scale in [1, 1_000] {
            let mut slowest = Slowest::default();
            let (mut slower, mut asked) = (0, 0);
            for n in 0..20_000_u64 {
                let draw = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 1_000;
                // A long tail, as times have it.
                let took = u32::try_from(300 + 200_000 / (1_010 - draw)).unwrap() * scale;
                if let Some(is_slower) = slowest.is_slower(took) {
                    asked += 1;
                    slower += u32::from(is_slower);
                }
                slowest.count(took);
            }
            let share = f64::from(slower) / f64::from(asked);
            assert!((0.03..0.08).contains(&share), "{share}");
        }
    }

    #[test]
    fn nothing_is_said_of_a_primary_that_is_hardly_known() {
        let mut slowest = Slowest::default();
        for _ in 0..49 {
            slowest.count(1_000);
            assert_eq!(slowest.is_slower(u32::MAX), None);
        }
        slowest.count(1_000);
        assert_eq!(slowest.is_slower(u32::MAX), Some(true));
    }
}
