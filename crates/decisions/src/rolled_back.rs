//! Whether a rollback has taken: what is left on the target that was left, and whether callers are as well off as before
//! (runbook 3, "Rollback validation").
//!
//! A [`Watch`] is begun at the rollback and looks every second at counts that somebody else keeps. It proves nothing by
//! silence: where no request has come since, the way home is not shown to work, and where too few were answered, nothing
//! is known of their errors.

/// Attempts of which the error rate is told at the least.
pub const LEAST_JUDGED: u64 = 30;

/// The share of failures at the prior route that is allowed where neither its own past nor the gate says.
pub const USUAL_LIMIT: f64 = 0.02;

/// Attempts of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// So many have begun.
    pub begun: u64,
    /// So many are over.
    pub ended: u64,
}

impl Count {
    /// Begun and not over.
    #[must_use]
    pub fn under_way(self) -> u64 {
        self.begun.saturating_sub(self.ended)
    }
}

/// The attempts at a target since the process was started, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The first of their requests.
    pub first: Count,
    /// Another at the same target.
    pub retries: Count,
    /// After another target.
    pub fallbacks: Count,
    /// Beside a slow one.
    pub hedges: Count,
    /// Where what their request refers to lives; no rollback moves that.
    pub pinned: Count,
    /// Those that ended in a way that says something of the target.
    pub judged: u64,
    /// Of these, those that failed.
    pub failed: u64,
}

impl Counts {
    /// Under way, of whatever kind.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.moved().map(Count::under_way).sum::<u64>() + self.pinned.under_way()
    }

    /// Begun by requests that a rollback moves.
    fn moved_begun(&self) -> u64 {
        self.moved().map(|count| count.begun).sum()
    }

    fn moved(&self) -> impl Iterator<Item = Count> {
        [self.first, self.retries, self.fallbacks, self.hedges].into_iter()
    }
}

/// The counts of the target that was left and of the prior route's, which is the primary, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both {
    /// Of the target that was left.
    pub left: Counts,
    /// Of the primary.
    pub prior: Counts,
}

/// The connections to the provider that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Others use that provider as well, so its connections are theirs.
    Shared,
    /// So many are open.
    Own(u64),
}

/// What is seen at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Milliseconds of a clock that only ever goes on.
    pub at_ms: u64,
    /// The counts now.
    pub counts: Both,
    /// Attempts within the last minute for what lives at the target.
    pub pinned_lately: u64,
    /// What is open to its provider.
    pub connections: Connections,
}

/// Something that has to be so after a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// Requests go to the prior route, and none begins at the target.
    NewRequests,
    /// Nothing is under way at the target.
    InFlight,
    /// No retry is.
    Retries,
    /// No hedge is.
    Hedges,
    /// Nobody asks for what lives there.
    PinnedSessions,
    /// No connection to its provider is open.
    ConnectionPools,
    /// The share of requests that begin at the target is the one in force: none.
    ObservedShare,
    /// The prior route fails no more than before.
    ErrorRate,
}

impl Item {
    /// All of them, in the order of records.
    pub const ALL: [Item; 8] = [
        Item::NewRequests,
        Item::InFlight,
        Item::Retries,
        Item::Hedges,
        Item::PinnedSessions,
        Item::ConnectionPools,
        Item::ObservedShare,
        Item::ErrorRate,
    ];

    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Item::NewRequests => "new_requests_on_prior_route",
            Item::InFlight => "in_flight",
            Item::Retries => "retries",
            Item::Hedges => "hedges",
            Item::PinnedSessions => "pinned_sessions",
            Item::ConnectionPools => "connection_pools",
            Item::ObservedShare => "observed_share",
            Item::ErrorRate => "error_rate",
        }
    }
}

/// How one of them stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Which.
    pub item: Item,
    /// Whether it is so.
    pub is_proven: bool,
    /// The number that has to be reached, or not exceeded; `None` where there is none.
    pub expected: Option<f64>,
    /// The number that is seen; `None` if there is nothing to see.
    pub observed: Option<f64>,
    /// Of how many requests or attempts that is; 0 where it is no part of any.
    pub of: u64,
    /// Since when it is so, on the clock of the looks.
    pub since_ms: Option<u64>,
}

/// A rollback that is being watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    at_rollback: Both,
    /// Since then nothing has begun at the target.
    quiet_from: Both,
    /// Since then the prior route's failures are counted.
    judged_from: Counts,
    /// What was last judged, and of that failed, where it was enough to tell.
    told: (u64, u64),
    expected_errors: f64,
    since_ms: [Option<u64>; Item::ALL.len()],
}

impl Watch {
    /// Begins with the counts at the rollback. What the prior route failed at before is what it may fail at now; where it
    /// had hardly any traffic that is not known, and `limit`, the share of failures that is allowed to the target, takes its place.
    #[must_use]
    pub fn begin(at_rollback: Both, limit: f64) -> Watch {
        let Counts { judged, failed, .. } = at_rollback.prior;
        let expected_errors = if judged < LEAST_JUDGED { limit } else { part(failed, judged) };
        let judged_from = at_rollback.prior;
        let since_ms = [None; Item::ALL.len()];
        Watch { at_rollback, quiet_from: at_rollback, judged_from, told: (0, 0), expected_errors, since_ms }
    }

    /// Attempts that began at the target although it was left: those that had been decided before.
    #[must_use]
    pub fn late(&self, now: &Both) -> u64 {
        now.left.moved_begun().saturating_sub(self.at_rollback.left.moved_begun())
    }

    /// How everything stands now.
    pub fn look(&mut self, look: &Look) -> [Finding; Item::ALL.len()] {
        let mut findings = Item::ALL.map(|item| self.find(item, look));
        for (finding, since) in findings.iter_mut().zip(&mut self.since_ms) {
            *since = finding.is_proven.then(|| since.unwrap_or(look.at_ms));
            finding.since_ms = *since;
        }
        if self.begun_since_quiet(&look.counts) > 0 {
            self.quiet_from = look.counts;
        }
        let judged = self.judged(&look.counts);
        if judged.0 >= LEAST_JUDGED {
            (self.told, self.judged_from) = (judged, look.counts.prior);
        }
        findings
    }

    fn find(&self, item: Item, look: &Look) -> Finding {
        let left = &look.counts.left;
        match item {
            Item::NewRequests => {
                let (begun, home) = (self.begun_since_quiet(&look.counts), self.went_home(&look.counts));
                Finding { is_proven: begun == 0 && home > 0, of: home, ..none_of(item, begun) }
            }
            Item::InFlight => none_of(item, left.under_way()),
            Item::Retries => none_of(item, left.retries.under_way()),
            Item::Hedges => none_of(item, left.hedges.under_way()),
            Item::PinnedSessions => none_of(item, left.pinned.under_way().max(look.pinned_lately)),
            Item::ConnectionPools => match look.connections {
                Connections::Own(open) => none_of(item, open),
                Connections::Shared => Finding { expected: None, observed: None, ..none_of(item, 0) },
            },
            Item::ObservedShare => self.find_share(&look.counts),
            Item::ErrorRate => self.find_errors(&look.counts),
        }
    }

    fn find_share(&self, now: &Both) -> Finding {
        let away = now.left.first.begun.saturating_sub(self.quiet_from.left.first.begun);
        let all = away + self.went_home(now);
        let observed = (all > 0).then(|| part(away, all));
        Finding { is_proven: all > 0 && away == 0, observed, of: all, ..none_of(Item::ObservedShare, away) }
    }

    /// Within three standard deviations of what is expected of so many, and one: a rate of nothing is no reason to take a
    /// single failure for trouble.
    fn find_errors(&self, now: &Both) -> Finding {
        let lately = self.judged(now);
        let is_enough = lately.0 >= LEAST_JUDGED || self.told.0 == 0;
        let (judged, failed) = if is_enough { lately } else { self.told };
        let (count, rate) = (real(judged), self.expected_errors);
        let most = count * rate + 3.0 * (count * rate * (1.0 - rate)).sqrt() + 1.0;
        Finding {
            item: Item::ErrorRate,
            is_proven: judged >= LEAST_JUDGED && real(failed) <= most,
            expected: Some(rate),
            observed: (judged > 0).then(|| part(failed, judged)),
            of: judged,
            since_ms: None,
        }
    }

    fn begun_since_quiet(&self, now: &Both) -> u64 {
        now.left.moved_begun().saturating_sub(self.quiet_from.left.moved_begun())
    }

    /// Requests that began at the prior route since nothing begins at the target.
    fn went_home(&self, now: &Both) -> u64 {
        now.prior.first.begun.saturating_sub(self.quiet_from.prior.first.begun)
    }

    fn judged(&self, now: &Both) -> (u64, u64) {
        let since = |now: u64, then: u64| now.saturating_sub(then);
        (since(now.prior.judged, self.judged_from.judged), since(now.prior.failed, self.judged_from.failed))
    }
}

/// Nothing of it is expected.
fn none_of(item: Item, observed: u64) -> Finding {
    Finding {
        item,
        is_proven: observed == 0,
        expected: Some(0.0),
        observed: Some(real(observed)),
        of: 0,
        since_ms: None,
    }
}

fn part(some: u64, all: u64) -> f64 {
    real(some) / real(all)
}

#[expect(clippy::cast_precision_loss, reason = "a part of 2^53 attempts is exact enough")]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
