//! How many attempts a target takes at once, and who goes without when it is full.
//!
//! The limit follows the target's own pushback, never its latency: how long a model answers is how much it writes.
//! There is none until the first pushback. A pushback lowers it, once for all that was in flight; answered attempts
//! raise it while it keeps anybody out: hardly at first, ever faster the longer no pushback comes, up to a doubling in
//! ten seconds. A minute without pushback and without anybody kept out ends it.
//!
//! There is no queue: who is refused learns it at once. What a higher class of requests needs is kept free for it, as
//! much as its [`Demand`] of late asks for; nothing is kept for a class that nobody uses.

use std::time::Duration;

use crate::attempts::demand::Demand;
use crate::plan::Criticality;

/// The unit of the limit: it moves by parts of a place.
const PLACE: u64 = 1_000_000;

/// A limit learnt from pushback never goes below four places: with fewer, one long stream would keep out everyone,
/// and nothing could be kept for a higher class. A target that takes less costs at most so many refused attempts.
const FLOOR: u64 = 4 * PLACE;

/// Pushback again within this time means that the last decrease was too small.
const AGAIN: Duration = Duration::from_secs(5);

/// What is left of the limit after a pushback, and after another one soon, in percent.
const GENTLE: u64 = 97;
const FIRM: u64 = 90;

/// After so long without pushback and without anybody kept out, there is no limit.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Growth in parts per million of the limit and second: on the way back from a fall; and at the most, at other times.
const CATCH_UP: u64 = 250_000;
const FASTEST: u64 = 70_000;

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

/// A limit in millionths of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Learnt {
    limit: u64,
    /// What the last pushback left possible: one place less than was too much, or the limit if it came again soon.
    tolerated: u64,
    /// Where the last decrease left it.
    fallen_to: u64,
    /// Where it was before it fell, without end if there was none; the pushbacks of one fall come soon one after the
    /// other and without growth between.
    before: u64,
    lowered: Duration,
    /// When it was last looked at for growth, and whether it has kept somebody out since.
    grown: Duration,
    keeps_out: bool,
    /// When it was last lowered or kept somebody out.
    busy: Duration,
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
        self.forget_if_idle(now);
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
            Sample::Pushback if slot.epoch == self.epoch => self.lower(u64::from(slot.among) * PLACE, now),
            Sample::Ok => self.raise(u64::from(in_flight) * PLACE, now),
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
        self.limited_to(self.learnt.map(|learnt| learnt.limit))
    }

    /// A decrease is at the expense of the lowest class that is there: those above it may still use what was not too
    /// much.
    fn limit_of(&self, criticality: Criticality) -> Option<u32> {
        let mut lower = self.classes.iter().zip(Criticality::ALL).filter(|(_, class)| *class < criticality);
        let spares_others = lower.any(|(demand, _)| demand.in_flight() > 0);
        let places = |learnt: Learnt| learnt.limit.max(if spares_others { learnt.tolerated } else { 0 });
        self.limited_to(self.learnt.map(places))
    }

    fn limited_to(&self, learnt: Option<u64>) -> Option<u32> {
        let learnt = learnt.map(|places| u32::try_from(places / PLACE).unwrap_or(u32::MAX));
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

    /// `among` places were one too many.
    fn lower(&mut self, among: u64, now: Duration) {
        let was = self.learnt.map_or(among, |learnt| learnt.limit.max(learnt.tolerated));
        let is_again = self.learnt.is_some_and(|learnt| now.saturating_sub(learnt.lowered) < AGAIN);
        let share = if is_again { FIRM } else { GENTLE };
        // However high the limit stood, so many were too much; but one pushback at a quiet time is no proof of that.
        let too_much = among.clamp(was / 2, was);
        let limit = (too_much / 100 * share).min(too_much.saturating_sub(PLACE)).max(FLOOR);
        let before = match self.learnt {
            Some(learnt) if is_again && learnt.limit < learnt.fallen_to + PLACE => learnt.before,
            Some(_) => was,
            None => u64::MAX,
        };
        let tolerated = if is_again { limit } else { too_much.saturating_sub(PLACE) };
        self.learnt = Some(Learnt {
            limit,
            fallen_to: limit,
            tolerated,
            before,
            lowered: now,
            grown: now,
            keeps_out: false,
            busy: now,
        });
        self.epoch += 1;
    }

    fn raise(&mut self, in_flight: u64, now: Duration) {
        let Some(learnt) = &mut self.learnt else { return };
        if in_flight.saturating_add(PLACE) > learnt.limit {
            learnt.keep_out(now);
        }
        learnt.grow(now);
        let has_met_ceiling = self.most.is_some_and(|most| learnt.limit >= u64::from(most) * PLACE);
        if has_met_ceiling {
            self.learnt = None;
        }
    }

    fn forget_if_idle(&mut self, now: Duration) {
        let is_idle = self.learnt.is_some_and(|learnt| now.saturating_sub(learnt.busy) >= FORGOTTEN);
        if is_idle {
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

impl Learnt {
    fn keep_out(&mut self, now: Duration) {
        self.keeps_out = true;
        self.busy = self.busy.max(now);
    }

    /// Grows by what the time since the last look is worth, if the limit kept somebody out in it; by one place at the
    /// most, since one answer shows no more.
    fn grow(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.grown);
        self.grown = self.grown.max(now);
        if !std::mem::take(&mut self.keeps_out) {
            return;
        }
        let quiet = now.saturating_sub(self.lowered).as_secs();
        let rate = if self.limit < self.before / 5 * 4 {
            CATCH_UP
        } else {
            // 4 % in the first 30 s, a third in one minute, tenfold in two.
            quiet.saturating_mul(quiet).saturating_mul(4).min(FASTEST)
        };
        let microseconds = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        let growth = u128::from(self.limit) * u128::from(rate) * u128::from(microseconds) / 1_000_000_000_000;
        let growth = u64::try_from(growth).unwrap_or(u64::MAX);
        self.limit = self.limit.saturating_add(growth.min(PLACE));
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
        for second in 0..200 {
            let slot = limiter.admit(CRITICAL, at(second)).unwrap();
            limiter.release(slot, Sample::Pushback, at(second));
        }
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
