//! Which traces are kept, decided once a request is over, when it is known what became of it.
//!
//! By the trace's own ID, as OpenTelemetry's consistent sampling does: whoever else keeps the same share keeps the same
//! traces, and a larger share keeps all that a smaller one does.

use std::time::Duration;

use crate::trace_context::TraceId;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of traces that begin here, in parts per million. One that has a parent is kept as that one is.
    pub share_ppm: u32,
    /// All requests that ended badly.
    pub errors: bool,
    /// All requests that another target than the first was asked for.
    pub fallbacks: bool,
    /// All requests that took so long, and longer.
    pub slow: Option<Duration>,
    /// Of requests that went to a canary, in parts per million.
    pub canary_ppm: u32,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its trace.
    pub trace_id: TraceId,
    /// Whether its parent is kept; `None` where it began here.
    pub parent_is_kept: Option<bool>,
    /// It ended badly.
    pub is_error: bool,
    /// Another target than the first was asked.
    pub is_fallback: bool,
    /// Its first target was a canary, or it was copied to one.
    pub is_canary: bool,
    /// From its beginning to its end.
    pub took: Duration,
}

/// Why a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptFor {
    /// Its parent is kept.
    Parent,
    /// It is in the share.
    Share,
    /// It ended badly.
    Error,
    /// Another target was asked.
    Fallback,
    /// It was slow.
    Slow,
    /// It is in the share of canaries.
    Canary,
}

impl KeptFor {
    /// The value of the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeptFor::Parent => "parent",
            KeptFor::Share => "share",
            KeptFor::Error => "error",
            KeptFor::Fallback => "fallback",
            KeptFor::Slow => "slow",
            KeptFor::Canary => "canary",
        }
    }
}

impl Sampling {
    /// What is told to others while the request is under way: whether it is kept as far as that is known.
    #[must_use]
    pub fn expects(&self, trace_id: TraceId, parent_is_kept: Option<bool>) -> bool {
        parent_is_kept.unwrap_or_else(|| is_within(trace_id, self.share_ppm))
    }

    /// Whether it is kept, and why; the first reason that holds.
    #[must_use]
    pub fn keeps(&self, ended: &Ended) -> Option<KeptFor> {
        let reasons = [
            (KeptFor::Error, self.errors && ended.is_error),
            (KeptFor::Fallback, self.fallbacks && ended.is_fallback),
            (KeptFor::Slow, self.slow.is_some_and(|slow| ended.took >= slow)),
            (KeptFor::Parent, ended.parent_is_kept == Some(true)),
            (KeptFor::Share, ended.parent_is_kept.is_none() && is_within(ended.trace_id, self.share_ppm)),
            (KeptFor::Canary, ended.is_canary && is_within(ended.trace_id, self.canary_ppm)),
        ];
        reasons.into_iter().find(|(_, holds)| *holds).map(|(reason, _)| reason)
    }
}

/// Whether a trace is within a share: its last seven bytes, which are random, against a threshold.
fn is_within(TraceId(id): TraceId, share_ppm: u32) -> bool {
    const WHOLE: u128 = 1 << 56;
    let random = u128::from_be_bytes(id) % WHOLE;
    let kept = WHOLE * u128::from(share_ppm.min(1_000_000)) / 1_000_000;
    random >= WHOLE - kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Sampling =
        Sampling { share_ppm: 0, errors: false, fallbacks: false, slow: None, canary_ppm: 0 };

    fn ended(trace_id: TraceId) -> Ended {
        Ended {
            trace_id,
            parent_is_kept: None,
            is_error: false,
            is_fallback: false,
            is_canary: false,
            took: Duration::from_millis(10),
        }
    }

    #[test]
    fn a_share_keeps_about_so_many() {
        let mut rng = fastrand::Rng::with_seed(7);
        let sampling = Sampling { share_ppm: 10_000, ..NOTHING };
        let ids = (0..100_000).map(|_| TraceId(rng.u128(1..).to_be_bytes()));
        let kept = ids.filter(|id| sampling.keeps(&ended(*id)).is_some()).count();
        // Six standard deviations of a binomial: about 190.
        assert!((810..1_190).contains(&kept), "{kept}");
    }

    proptest! {
        #[test]
        fn all_and_none(id: u128) {
            let of = |share_ppm| {
                Sampling { share_ppm, ..NOTHING }.keeps(&ended(TraceId(id.to_be_bytes())))
            };
            prop_assert_eq!(of(0), None);
            prop_assert_eq!(of(1_000_000), Some(KeptFor::Share));
        }

        #[test]
        fn a_larger_share_keeps_what_a_smaller_one_does(id: u128, one in 0..=1_000_000_u32, two in 0..=1_000_000_u32) {
            let keeps = |share| is_within(TraceId(id.to_be_bytes()), share);
            prop_assert!(!keeps(one.min(two)) || keeps(one.max(two)));
        }

        /// Whatever the share: a parent decides both ways, and what must be kept is kept in spite of it.
        #[test]
        fn a_parent_decides_unless_it_must_be_kept(id: u128, share_ppm in 0..=1_000_000_u32, kept: bool, how in 0..5) {
            let sampling = Sampling {
                share_ppm,
                errors: true,
                fallbacks: true,
                slow: Some(Duration::from_secs(1)),
                canary_ppm: 1_000_000,
            };
            let plain = Ended { parent_is_kept: Some(kept), ..ended(TraceId(id.to_be_bytes())) };
            let (ended, expected) = match how {
                0 => (plain, kept.then_some(KeptFor::Parent)),
                1 => (Ended { is_error: true, ..plain }, Some(KeptFor::Error)),
                2 => (Ended { is_fallback: true, ..plain }, Some(KeptFor::Fallback)),
                3 => (Ended { took: Duration::from_secs(1), ..plain }, Some(KeptFor::Slow)),
                _ => (
                    Ended { is_canary: true, ..plain },
                    Some(if kept { KeptFor::Parent } else { KeptFor::Canary }),
                ),
            };
            prop_assert_eq!(sampling.keeps(&ended), expected);
            prop_assert_eq!(sampling.expects(plain.trace_id, plain.parent_is_kept), kept);
        }

        /// What others were told while it was under way holds.
        #[test]
        fn what_is_expected_is_kept(id: u128, share_ppm in 0..=1_000_000_u32, parent in any::<Option<bool>>()) {
            let (sampling, id) = (Sampling { share_ppm, ..NOTHING }, TraceId(id.to_be_bytes()));
            let kept = sampling.keeps(&Ended { parent_is_kept: parent, ..ended(id) }).is_some();
            prop_assert_eq!(sampling.expects(id, parent), kept);
        }
    }
}
