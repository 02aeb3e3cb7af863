//! How many attempts a target takes at once, and who goes without when it is full.
//!
//! The limit follows the target's own pushback, never its latency: how long a model answers is how much it writes.
//! There is none until the first pushback. A pushback lowers it, once for all that was in flight; answered attempts
//! raise it while it keeps anybody out: hardly at first, ever faster the longer no pushback comes, up to a doubling in
//! ten seconds. A minute without pushback and without anybody kept out ends it.
//!
//! There is no queue: who is refused learns it at once. What a higher class of requests needs is kept free for it, as
//! much as its demand of late asks for; nothing is kept for a class that nobody uses.

mod demand;
mod learnt;

use std::time::Duration;

use crate::attempts::limiter::demand::Demand;
use crate::attempts::limiter::learnt::Learnt;
use crate::plan::Criticality;

/// How an admitted attempt ended, as far as the target's capacity is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Answered.
    Ok,
    /// The target said that it is full.
    Pushback,
    /// Says nothing about capacity.
    Neutral,
}

/// A place that an attempt holds from [`Limiter::admit`] to [`Limiter::release`]. It knows which limit it was given
/// under, so that what was sent before a decrease never causes another, and among how many: of those that were pushed
/// back, the first one was one too many, while others may have come and gone until that is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    criticality: Criticality,
    epoch: u64,
    /// How many held a place when it was given, itself included.
    among: u32,
}

/// The concurrency limit of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limiter {
    most: Option<u32>,
    /// What pushback has taught, if any.
    learnt: Option<Learnt>,
    /// Goes up with each decrease.
    epoch: u64,
    /// Lowest class first, as in [`Criticality::ALL`].
    classes: [Demand; 4],
}

impl Limiter {
    /// One that never lets more than `most` in at once, and as many as come if that is `None`, until the target pushes
    /// back.
    #[must_use]
    pub fn new(most: Option<u32>) -> Limiter {
        Limiter { most, learnt: None, epoch: 0, classes: [Demand::default(); 4] }
    }

    /// Takes a place, if there is one for this class. Whoever gets it gives it back, at the end of the body.
    #[must_use]
    pub fn admit(&mut self, criticality: Criticality, now: Duration) -> Option<Slot> {
        self.learnt = self.learnt.filter(|learnt| !learnt.is_forgotten(now));
        let has_place = self.has_place(criticality);
        let class = self.class_mut(criticality);
        if has_place {
            class.enter(now);
        } else {
            class.turn_away(now);
        }
        if let Some(learnt) = &mut self.learnt
            && !has_place
        {
            learnt.keep_out(now);
        }
        has_place.then(|| Slot { criticality, epoch: self.epoch, among: self.in_flight() })
    }

    /// Gives a place back.
    pub fn release(&mut self, slot: Slot, sample: Sample, now: Duration) {
        let in_flight = self.in_flight();
        self.class_mut(slot.criticality).leave(now);
        match sample {
            // Of so few at once none was one too many: that is a limit by the minute, whatever the target calls it.
            Sample::Pushback if self.learnt.is_none() && slot.among <= learnt::FEWEST => {}
            Sample::Pushback if slot.epoch == self.epoch => {
                self.learnt = Some(Learnt::lower(self.learnt, slot.among, now));
                self.epoch += 1;
            }
            Sample::Ok => self.raise(in_flight, now),
            Sample::Pushback | Sample::Neutral => {}
        }
    }

    /// How many hold a place.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.classes.iter().map(Demand::in_flight).sum()
    }

    /// How many may hold a place at once; `None` while nothing limits them.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.places(false)
    }

    /// A decrease is at the expense of the lowest class that is there: those above it may still use what was not too
    /// much.
    fn limit_of(&self, criticality: Criticality) -> Option<u32> {
        let mut lower = self.classes.iter().zip(Criticality::ALL).filter(|(_, class)| *class < criticality);
        self.places(lower.any(|(demand, _)| demand.in_flight() > 0))
    }

    fn places(&self, at_a_lower_classs_expense: bool) -> Option<u32> {
        let learnt = self.learnt.map(|learnt| learnt.places(at_a_lower_classs_expense));
        match (learnt, self.most) {
            (Some(learnt), Some(most)) => Some(learnt.min(most)),
            (learnt, most) => learnt.or(most),
        }
    }

    /// Whether a place is left besides those kept for higher classes.
    fn has_place(&self, criticality: Criticality) -> bool {
        let Some(limit) = self.limit_of(criticality) else { return true };
        let free = limit.saturating_sub(self.in_flight());
        let higher = self.classes.iter().zip(Criticality::ALL).filter(|(_, class)| *class > criticality);
        let kept: u32 = higher.map(|(demand, _)| demand.reserve(limit)).sum();
        free > kept
    }

    fn raise(&mut self, in_flight: u32, now: Duration) {
        let Some(learnt) = &mut self.learnt else { return };
        learnt.raise(in_flight, now);
        let has_met_ceiling = self.most.is_some_and(|most| learnt.places(false) >= most);
        if has_met_ceiling {
            self.learnt = None;
        }
    }

    fn class_mut(&mut self, criticality: Criticality) -> &mut Demand {
        let [sheddable, sheddable_plus, critical, critical_plus] = &mut self.classes;
        match criticality {
            Criticality::Sheddable => sheddable,
            Criticality::SheddablePlus => sheddable_plus,
            Criticality::Critical => critical,
            Criticality::CriticalPlus => critical_plus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRITICAL: Criticality = Criticality::Critical;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    fn admitted(limiter: &mut Limiter, criticality: Criticality, count: usize, now: Duration) -> Vec<Slot> {
        std::iter::from_fn(|| limiter.admit(criticality, now)).take(count).collect()
    }

    #[test]
    fn a_burst_of_pushbacks_is_one_decrease() {
        let mut limiter = Limiter::new(None);
        let slots = admitted(&mut limiter, CRITICAL, 200, at(0));
        assert_eq!((slots.len(), limiter.limit()), (200, None));
        for slot in &slots[150..] {
            limiter.release(*slot, Sample::Pushback, at(1));
        }
        assert_eq!(limiter.limit(), Some(146), "the first that was too much was the 151st");
        for slot in &slots[..150] {
            limiter.release(*slot, Sample::Pushback, at(2));
        }
        assert_eq!((limiter.limit(), limiter.in_flight()), (Some(146), 0));
    }

    #[test]
    fn the_limit_never_falls_below_four() {
        let mut limiter = Limiter::new(None);
        let others = admitted(&mut limiter, CRITICAL, 4, at(0));
        for second in 0..200 {
            if let Some(slot) = limiter.admit(CRITICAL, at(second)) {
                limiter.release(slot, Sample::Pushback, at(second));
            }
        }
        assert_eq!((others.len(), limiter.limit()), (4, Some(4)));
    }

    #[test]
    fn a_pushback_to_hardly_anybody_teaches_no_limit() {
        let mut limiter = Limiter::new(None);
        for count in [1, 4] {
            for slot in admitted(&mut limiter, CRITICAL, count, at(0)) {
                limiter.release(slot, Sample::Pushback, at(0));
            }
            assert_eq!(limiter.limit(), None, "{count} at once");
        }
        let five = admitted(&mut limiter, CRITICAL, 5, at(0));
        limiter.release(five[4], Sample::Pushback, at(0));
        assert_eq!(limiter.limit(), Some(4));
    }

    #[test]
    fn a_limit_that_keeps_nobody_out_neither_grows_nor_stays() {
        let mut limiter = Limiter::new(Some(500));
        let slots = admitted(&mut limiter, CRITICAL, 100, at(0));
        limiter.release(slots[99], Sample::Pushback, at(0));
        for slot in &slots[..99] {
            limiter.release(*slot, Sample::Neutral, at(0));
        }
        let learnt = limiter.limit();
        for second in 0..60 {
            assert_eq!(limiter.limit(), learnt);
            let slot = limiter.admit(CRITICAL, at(second)).unwrap();
            limiter.release(slot, Sample::Ok, at(second));
        }
        assert!(limiter.admit(CRITICAL, at(60)).is_some());
        assert_eq!(limiter.limit(), Some(500), "the ceiling stays");
    }

    #[test]
    fn the_lowest_class_has_every_place_that_nobody_above_wants() {
        let mut limiter = Limiter::new(Some(10));
        assert_eq!(admitted(&mut limiter, Criticality::Sheddable, 20, at(0)).len(), 10);
    }

    #[test]
    fn places_are_kept_for_a_class_that_was_there_of_late() {
        let mut limiter = Limiter::new(Some(40));
        let critical = admitted(&mut limiter, CRITICAL, 10, at(0));
        let low = admitted(&mut limiter, Criticality::Sheddable, 40, at(0)).len();
        assert!((15..30).contains(&low), "{low}");
        assert_eq!(admitted(&mut limiter, CRITICAL, 40, at(0)).len(), 30 - low);
        for slot in critical {
            limiter.release(slot, Sample::Ok, at(1));
        }
        let freed = admitted(&mut limiter, Criticality::Sheddable, 10, at(1)).len();
        assert!((1..8).contains(&freed), "{freed}");
    }
}
