//! How many attempts at one target have begun and ended, by what they are. Numbers that only grow, each in a place of its
//! own: three additions for an attempt, no lock, and what is under way is a difference.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use decisions::gate::Outcome;
use decisions::rolled_back::{Both, Count, Counts};

use crate::observer::AttemptKind;

/// What an attempt is to a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    First,
    Retry,
    Fallback,
    Hedge,
    /// What its request refers to lives there, so no rollback moves it.
    Pinned,
}

impl Class {
    /// `None` for a copy, which is no caller's request and is counted apart.
    pub(crate) fn of(kind: AttemptKind, is_pinned: bool) -> Option<Class> {
        match kind {
            AttemptKind::Mirror => None,
            _ if is_pinned => Some(Class::Pinned),
            AttemptKind::First => Some(Class::First),
            AttemptKind::Retry => Some(Class::Retry),
            AttemptKind::Fallback => Some(Class::Fallback),
            AttemptKind::Hedge => Some(Class::Hedge),
        }
    }
}

/// The counts of one target of one route, for the life of the process.
#[derive(Debug, Default)]
pub struct Tally {
    begun: [AtomicU64; 5],
    ended: [AtomicU64; 5],
    judged: AtomicU64,
    failed: AtomicU64,
    rolled_back: OnceLock<RolledBack>,
}

/// The moment at which a target was taken out for good.
#[derive(Clone, Copy, Debug)]
pub struct RolledBack {
    /// By the gates' clock; `None` where it was taken out by somebody else, before this gateway heard of it.
    pub at_ms: Option<u64>,
    /// What had begun and ended by then.
    pub counts: Both,
}

impl Tally {
    pub(crate) fn begin(&self, class: Class) {
        if let Some(count) = self.begun.get(class as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn end(&self, class: Class, outcome: Outcome) {
        if outcome != Outcome::NotCounted {
            if outcome != Outcome::Good {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            self.judged.fetch_add(1, Ordering::Release);
        }
        // Whoever sees its end sees its beginning.
        if let Some(count) = self.ended.get(class as usize) {
            count.fetch_add(1, Ordering::Release);
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let ended = self.ended.each_ref().map(|count| count.load(Ordering::Acquire));
        let begun = self.begun.each_ref().map(|count| count.load(Ordering::Relaxed));
        let count = |at: usize| Count {
            begun: begun.get(at).copied().unwrap_or_default(),
            ended: ended.get(at).copied().unwrap_or_default(),
        };
        let judged = self.judged.load(Ordering::Acquire);
        Counts {
            first: count(0),
            retries: count(1),
            fallbacks: count(2),
            hedges: count(3),
            pinned: count(4),
            judged,
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// Its target is out for good from now on; `prior` are the counts of the primary. Only the first time counts.
    pub(super) fn roll_back(&self, at_ms: Option<u64>, prior: &Tally) {
        self.rolled_back.get_or_init(|| RolledBack {
            at_ms,
            counts: Both { left: self.counts(), prior: prior.counts() },
        });
    }

    /// When its target was taken out, if that was in the life of this process.
    #[must_use]
    pub fn rolled_back(&self) -> Option<&RolledBack> {
        self.rolled_back.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_count_of_its_own() {
        let tally = Tally::default();
        let classes = [Class::First, Class::Retry, Class::Fallback, Class::Hedge, Class::Pinned];
        for (more, class) in (1_u64..).zip(classes) {
            (0..more).for_each(|_| tally.begin(class));
        }
        let counts = tally.counts();
        let all = [counts.first, counts.retries, counts.fallbacks, counts.hedges, counts.pinned];
        assert_eq!(all.map(Count::under_way), [1, 2, 3, 4, 5]);
        assert_eq!(counts.under_way(), 15);

        tally.end(Class::Pinned, Outcome::Good);
        tally.end(Class::Pinned, Outcome::HardFailure);
        tally.end(Class::Retry, Outcome::NotCounted);
        let counts = tally.counts();
        assert_eq!((counts.under_way(), counts.judged, counts.failed), (12, 2, 1));
    }

    #[test]
    fn a_target_is_rolled_back_once() {
        let (tally, prior) = (Tally::default(), Tally::default());
        assert!(tally.rolled_back().is_none());
        prior.begin(Class::First);
        tally.roll_back(Some(7), &prior);
        tally.begin(Class::First);
        tally.roll_back(None, &prior);
        let rolled_back = tally.rolled_back().unwrap();
        assert_eq!(rolled_back.at_ms, Some(7));
        assert_eq!((rolled_back.counts.left.first.begun, rolled_back.counts.prior.first.begun), (0, 1));
    }
}
