//! What pushback teaches of how much a target takes, and how the lesson fades.
//!
//! A single pushback lowers the limit gently, since it came right where the limit is; one soon after the other lower
//! it firmly. Growth is by the clock and not by the number of answers, so that a target with short answers is not
//! pushed to its limit all the time: next to nothing near the place of the last pushback, then ever faster. After a fall,
//! when a target took nothing for a while, it is fast at once.

use std::time::Duration;

/// The unit of the limit: it moves by parts of a place.
pub(super) const PLACE: u64 = 1_000_000;

/// Never below four places: with fewer, one long stream would keep out everyone, and nothing could be kept for a
/// higher class. A target that takes less costs at most so many refused attempts at once.
pub(super) const FEWEST: u32 = 4;
const FLOOR: u64 = FEWEST as u64 * PLACE;

/// Pushback again within this time means that the last decrease was too small.
const AGAIN: Duration = Duration::from_secs(5);

/// What is left of the limit after a pushback, after another one soon, and after each that follows, in percent. The second
/// is gentle too: a provider counts an answer out a moment after we do, so that one may come at the very limit.
const GENTLE: u64 = 97;
const GENTLE_AGAIN: u64 = 95;
const FIRM: u64 = 90;

/// After so long without pushback and without anybody kept out, nothing is left of the lesson.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Growth in parts per million of the limit and second: on the way back from a fall; and at the most, at other times.
const CATCH_UP: u64 = 250_000;
const FASTEST: u64 = 70_000;

/// A limit that was learnt. Amounts are in millionths of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Learnt {
    limit: u64,
    /// What the last pushback left possible: one place less than was too much, or the limit if it came again soon.
    tolerated: u64,
    /// Where the last decrease left the limit.
    fallen_to: u64,
    /// Where it was before it fell, without end if there was none; the pushbacks of one fall come soon one after the
    /// other and without growth between.
    before: u64,
    lowered: Duration,
    /// How many decreases came soon one after the other before the last.
    in_a_row: u32,
    /// How many attempts were answered since.
    answered: u64,
    /// When it was last looked at for growth, and whether it has kept somebody out since.
    grown: Duration,
    keeps_out: bool,
    /// When it was last lowered or kept somebody out.
    busy: Duration,
}

impl Learnt {
    /// The lesson of a pushback: `among` places were one too many. `known` is what was learnt before.
    pub(super) fn lower(known: Option<Learnt>, among: u32, now: Duration) -> Learnt {
        let among = u64::from(among) * PLACE;
        let was = known.map_or(among, |learnt| learnt.limit.max(learnt.tolerated));
        let again = known.filter(|learnt| now.saturating_sub(learnt.lowered) < AGAIN);
        // However high the limit stood, so many were too much; but one pushback at a quiet time is no proof of that.
        let too_much = among.clamp(was / 2, was);
        let in_a_row = again.map_or(0, |learnt| learnt.in_a_row.saturating_add(1));
        let share = match in_a_row {
            0 => GENTLE,
            1 => GENTLE_AGAIN,
            _ => FIRM,
        };
        let limit = (too_much / 100 * share).min(too_much.saturating_sub(PLACE)).max(FLOOR);
        let tolerated = if again.is_some() { limit } else { too_much.saturating_sub(PLACE) };
        let falling = again.filter(|learnt| learnt.limit < learnt.fallen_to.saturating_add(PLACE));
        let before = match (known, falling) {
            (None, _) => u64::MAX,
            (Some(_), None) => was,
            (Some(_), Some(falling)) => falling.before,
        };
        Learnt {
            limit,
            tolerated,
            fallen_to: limit,
            before,
            lowered: now,
            in_a_row,
            answered: 0,
            grown: now,
            keeps_out: false,
            busy: now,
        }
    }

    /// How many may hold a place; more for those that a lower class makes room for.
    pub(super) fn places(&self, at_a_lower_classs_expense: bool) -> u32 {
        let most = if at_a_lower_classs_expense { self.limit.max(self.tolerated) } else { self.limit };
        u32::try_from(most / PLACE).unwrap_or(u32::MAX)
    }

    /// Somebody found no place.
    pub(super) fn keep_out(&mut self, now: Duration) {
        self.keeps_out = true;
        self.busy = self.busy.max(now);
    }

    /// Nobody has found it too low for a while, nor the target too high.
    pub(super) fn is_forgotten(&self, now: Duration) -> bool {
        now.saturating_sub(self.busy) >= FORGOTTEN
    }

    /// One of `in_flight` attempts was answered. Grows by what the time since the last look is worth, if the limit
    /// kept somebody out in it; by one place at the most, since one answer shows no more.
    pub(super) fn raise(&mut self, in_flight: u32, now: Duration) {
        if u64::from(in_flight).saturating_add(1).saturating_mul(PLACE) > self.limit {
            self.keep_out(now);
        }
        self.answered = self.answered.saturating_add(1);
        let passed = now.saturating_sub(self.grown);
        self.grown = self.grown.max(now);
        if !std::mem::take(&mut self.keeps_out) {
            return;
        }
        let microseconds = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        let parts = u128::from(self.growth(now)) * u128::from(microseconds);
        let growth = u128::from(self.limit).saturating_mul(parts) / 1_000_000_000_000;
        let growth = u64::try_from(growth).unwrap_or(u64::MAX).min(PLACE);
        self.limit = self.limit.saturating_add(growth);
    }

    /// In parts per million of the limit and second.
    fn growth(&self, now: Duration) -> u64 {
        if self.limit < self.before / 5 * 4 {
            return CATCH_UP;
        }
        // 4 % in the first 30 s, a third in one minute, tenfold in two. Slower where one place gives fewer than one
        // answer in 2 s: with long answers it takes long until those above the limit are gone.
        let answers_for_each = self.answered.saturating_mul(2 * PLACE) / self.limit.max(PLACE);
        let quiet = now.saturating_sub(self.lowered).as_secs().min(answers_for_each);
        quiet.saturating_mul(quiet).saturating_mul(4).min(FASTEST)
    }
}
