//! How much a tenant may ask for: requests and tokens in a minute, requests at one time.
//!
//! A bucket for each of the two rates. It holds a minute's worth, so a tenant that was silent may send that at once, and
//! it fills at the rate: over any time no more is admitted than the rate gives in it and one bucket full. What is in it
//! is counted in nanoseconds times the limit, of which one request is a minute's worth: nothing is ever rounded, so the
//! rate in the long run is the limit and not nearly the limit.
//!
//! What a request costs in tokens is known when it is over. So one is admitted while the bucket is not empty, and is
//! charged afterwards, below zero if need be: one long answer does not break, and what comes next waits for it.
//!
//! There is no queue: who is refused learns at once, and when to come back.

use std::time::Duration;

/// One request or token, in the unit of a bucket: the nanoseconds of a minute.
const ONE: i128 = 60_000_000_000;

/// The most that one answer is charged. No model takes or gives as many, so more is a provider's mistake, and a mistake
/// must not shut a tenant out for days.
pub const MOST_CHARGED: u64 = 10_000_000;

/// When a tenant that has too many requests under way is asked to come back: when one of them ends, nobody knows.
const AFTER_A_PLACE: Duration = Duration::from_secs(1);

/// The limits of one tenant; what is `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// Requests in a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens in a minute, those of the request and of the answer together.
    pub tokens_per_minute: Option<u64>,
    /// Requests at one time, until the last byte of their answers.
    pub max_concurrent_requests: Option<u32>,
}

impl TenantLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == TenantLimits::default()
    }
}

/// What of a tenant's is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Requests in a minute.
    Requests,
    /// Tokens in a minute.
    Tokens,
    /// Requests at one time.
    Concurrency,
}

/// Why a request is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// Which limit; of several the one that holds longest.
    pub limited: Limited,
    /// The limit.
    pub limit: u64,
    /// When there will be room again. Of a place among those at one time this is a guess.
    pub after: Duration,
}

/// What is left under a limit in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: u64,
    /// Whole requests or tokens that are left now.
    pub remaining: u64,
    /// Until all of the limit is left again, if nothing more is asked for.
    pub reset: Duration,
}

/// What one tenant has used of its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantUse {
    limits: TenantLimits,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    under_way: u32,
}

impl TenantUse {
    /// Nothing used yet.
    #[must_use]
    pub fn new(limits: TenantLimits) -> TenantUse {
        TenantUse {
            limits,
            requests: limits.requests_per_minute.map(Bucket::full),
            tokens: limits.tokens_per_minute.map(Bucket::full),
            under_way: 0,
        }
    }

    /// Other limits from now on. What was used of one that stays the same is not forgotten, nor what is under way; one
    /// that changes begins anew.
    pub fn change(&mut self, limits: TenantLimits) {
        let next = TenantUse::new(limits);
        let kept = |old: Option<Bucket>, new: Option<Bucket>| match (old, new) {
            (Some(old), Some(new)) if old.limit == new.limit => Some(old),
            (_, new) => new,
        };
        self.requests = kept(self.requests, next.requests);
        self.tokens = kept(self.tokens, next.tokens);
        self.limits = limits;
    }

    /// Lets one request begin, which then [ends](TenantUse::end). One that is refused costs nothing.
    ///
    /// # Errors
    /// [`OverLimit`] when there is no room for it.
    pub fn begin(&mut self, now: Duration) -> Result<(), OverLimit> {
        for bucket in [&mut self.requests, &mut self.tokens].into_iter().flatten() {
            bucket.fill(now);
        }
        let of = |bucket: Option<Bucket>, limited, needed| {
            let bucket = bucket.filter(|bucket| bucket.level < needed)?;
            Some(OverLimit { limited, limit: bucket.limit, after: bucket.until(needed) })
        };
        let full = self.limits.max_concurrent_requests.filter(|most| self.under_way >= *most);
        let refusals = [
            of(self.requests, Limited::Requests, ONE),
            of(self.tokens, Limited::Tokens, 1),
            full.map(|most| OverLimit {
                limited: Limited::Concurrency,
                limit: u64::from(most),
                after: AFTER_A_PLACE,
            }),
        ];
        if let Some(over) = refusals.into_iter().flatten().max_by_key(|over| over.after) {
            return Err(over);
        }
        if let Some(requests) = &mut self.requests {
            requests.take(1);
        }
        self.under_way = self.under_way.saturating_add(1);
        Ok(())
    }

    /// A request that was let begin is over.
    pub fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// An answer has cost so many tokens, of which [`MOST_CHARGED`] count.
    pub fn charge(&mut self, tokens: u64, now: Duration) {
        if let Some(bucket) = &mut self.tokens {
            bucket.fill(now);
            bucket.take(tokens.min(MOST_CHARGED));
        }
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.under_way
    }

    /// What is left of the requests of a minute, where these are limited.
    #[must_use]
    pub fn requests_left(&self, now: Duration) -> Option<Left> {
        self.requests.map(|bucket| bucket.left(now))
    }

    /// What is left of the tokens of a minute, where these are limited.
    #[must_use]
    pub fn tokens_left(&self, now: Duration) -> Option<Left> {
        self.tokens.map(|bucket| bucket.left(now))
    }
}

/// What is left of one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    /// In a minute, and so in each nanosecond so many parts of [`ONE`]; also what it holds at most.
    limit: u64,
    /// In parts; below zero where more was charged than there was.
    level: i128,
    /// Up to when it was filled; never runs back.
    filled_to: Duration,
}

impl Bucket {
    fn full(limit: u64) -> Bucket {
        Bucket { limit, level: i128::from(limit) * ONE, filled_to: Duration::ZERO }
    }

    /// A moment that lies back changes nothing.
    fn fill(&mut self, now: Duration) {
        let Some(passed) = now.checked_sub(self.filled_to) else { return };
        self.filled_to = now;
        let passed = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX);
        let earned = passed.saturating_mul(i128::from(self.limit));
        self.level = self.level.saturating_add(earned).min(i128::from(self.limit) * ONE);
    }

    fn take(&mut self, number: u64) {
        self.level = self.level.saturating_sub(i128::from(number) * ONE);
    }

    /// How long until so much is in it, if nothing is taken.
    fn until(&self, needed: i128) -> Duration {
        let missing = needed.saturating_sub(self.level).max(0);
        let limit = i128::from(self.limit.max(1));
        let nanoseconds = missing / limit + i128::from(missing % limit != 0);
        u64::try_from(nanoseconds).map_or(Duration::MAX, Duration::from_nanos)
    }

    fn left(mut self, now: Duration) -> Left {
        self.fill(now);
        Left {
            limit: self.limit,
            remaining: u64::try_from(self.level.max(0) / ONE).unwrap_or(u64::MAX),
            reset: self.until(i128::from(self.limit) * ONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn limits(requests: Option<u64>, tokens: Option<u64>, at_once: Option<u32>) -> TenantLimits {
        TenantLimits {
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            max_concurrent_requests: at_once,
        }
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_one_by_one() {
        let mut used = TenantUse::new(limits(Some(60), None, None));
        assert_eq!((0..100).filter(|_| used.begin(START).is_ok()).count(), 60);
        let over = used.begin(START).unwrap_err();
        assert_eq!((over.limited, over.limit, over.after), (Limited::Requests, 60, Duration::from_secs(1)));
        assert!(used.begin(START + Duration::from_nanos(999_999_999)).is_err());
        assert!(used.begin(START + Duration::from_secs(1)).is_ok());
        assert!(used.begin(START + Duration::from_secs(1)).is_err());
        let left = used.requests_left(START + Duration::from_secs(31)).unwrap();
        assert_eq!((left.limit, left.remaining, left.reset), (60, 30, Duration::from_secs(30)));
    }

    #[test]
    fn one_long_answer_does_not_break_and_what_follows_waits_for_it() {
        let mut used = TenantUse::new(limits(None, Some(600), None));
        used.begin(START).unwrap();
        used.charge(1_200, START);
        let left = used.tokens_left(START).unwrap();
        assert_eq!((left.remaining, left.reset), (0, Duration::from_secs(120)));
        let over = used.begin(START).unwrap_err();
        assert_eq!((over.limited, over.limit), (Limited::Tokens, 600));
        assert_eq!(over.after, Duration::from_nanos(60_000_000_001));
        assert!(used.begin(START + Duration::from_secs(60)).is_err(), "an empty bucket is not enough");
        assert!(used.begin(START + over.after).is_ok());
    }

    #[test]
    fn a_mistake_of_a_provider_does_not_shut_a_tenant_out_for_days() {
        let mut used = TenantUse::new(limits(None, Some(1_000_000), None));
        used.charge(u64::MAX, START);
        assert!(used.begin(START).unwrap_err().after < Duration::from_secs(601));
    }

    #[test]
    fn who_is_refused_for_one_limit_uses_nothing_of_another() {
        let mut used = TenantUse::new(limits(Some(10), Some(100), Some(1)));
        used.begin(START).unwrap();
        for _ in 0..20 {
            assert_eq!(used.begin(START).unwrap_err().limited, Limited::Concurrency);
        }
        used.end();
        assert_eq!((used.requests_left(START).unwrap().remaining, used.under_way()), (9, 0));
    }

    #[test]
    fn of_several_limits_the_one_that_holds_longest_is_told() {
        let mut used = TenantUse::new(limits(Some(1), Some(60), Some(1)));
        used.begin(START).unwrap();
        assert_eq!(used.begin(START).unwrap_err().limited, Limited::Requests);
        used.charge(1_000, START);
        assert_eq!(used.begin(START).unwrap_err().limited, Limited::Tokens);
    }

    #[test]
    fn a_change_of_one_limit_forgets_nothing_of_the_others() {
        let mut used = TenantUse::new(limits(Some(2), Some(60), Some(2)));
        used.begin(START).unwrap();
        used.charge(100, START);
        used.change(limits(Some(3), Some(60), Some(1)));
        assert_eq!(used.requests_left(START).unwrap().remaining, 3);
        assert_eq!((used.tokens_left(START).unwrap().remaining, used.under_way()), (0, 1));
        used.change(limits(None, None, Some(1)));
        assert_eq!(used.begin(START).unwrap_err().limited, Limited::Concurrency);
    }
}
