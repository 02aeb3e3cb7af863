//! Whether nothing continues to use what was left, by the same function that proves a rollback of callers' traffic.

use decisions::gate::Outcome;
use decisions::rolled_back::{Both, Connections, Count, Finding, Look, USUAL_LIMIT, Watch};

use crate::drill::tally::outcome;
use crate::gateway::SeenAttempt;

/// The attempts, as a proof counts them. What is under way is of nobody knows which target: it counts as one that was left.
#[must_use]
pub fn counts<'a>(attempts: impl IntoIterator<Item = &'a SeenAttempt>, in_flight: u64) -> Both {
    let mut both = Both::default();
    for attempt in attempts {
        let is_home = attempt.role == "primary";
        let counts = if is_home { &mut both.prior } else { &mut both.left };
        let count = match (attempt.route_reason.as_str(), attempt.kind.as_str()) {
            ("pinned", _) => &mut counts.pinned,
            (_, "retry") => &mut counts.retries,
            (_, "fallback") => &mut counts.fallbacks,
            (_, "hedge") => &mut counts.hedges,
            _ => &mut counts.first,
        };
        *count = Count { begun: count.begun + 1, ended: count.ended + 1 };
        let outcome = outcome(attempt);
        counts.judged += u64::from(outcome != Outcome::NotCounted);
        counts.failed += u64::from(!matches!(outcome, Outcome::Good | Outcome::NotCounted));
    }
    both.left.first.begun += in_flight;
    both
}

/// What is left, and how the prior route does, after requests of the drill were taken back: `at_return` is what was
/// counted until then, `now` until now.
#[must_use]
pub fn judge_way_back(at_return: Both, now: Both, connections: Connections) -> Vec<Finding> {
    let pinned_lately = now.left.pinned.begun.saturating_sub(at_return.left.pinned.begun);
    let look = Look { at_ms: 0, counts: now, pinned_lately, connections };
    Watch::begin(at_return, USUAL_LIMIT).look(&look).to_vec()
}
