//! What was looked at after a rollback, and whether it is proven that nothing is left on the old target
//! (runbook 3, "Rollback validation").

use serde::{Deserialize, Serialize};

use crate::{Digest, Exact, Moment, Name, Prose};

/// Whether something that has to be so after a rollback is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofState {
    /// It was seen.
    Proven,
    /// It was not, or not yet, or nobody could look.
    Remaining,
}

/// One thing that has to be so after a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProofItem {
    /// Which: `new_requests_on_prior_route`, `in_flight`, `retries`, `hedges`, `pinned_sessions`, `connection_pools`,
    /// `observed_share`, `error_rate`, …
    pub item: Name,
    /// Whether it is.
    pub state: ProofState,
    /// The number that has to be reached, where it is one.
    pub expected: Option<Exact>,
    /// The number that was seen; `None` if nothing was.
    pub observed: Option<Exact>,
    /// What is counted: `requests`, `connections`, `share`, …
    pub unit: Option<Name>,
    /// Since when it is so.
    pub since: Option<Moment>,
    /// More, in a sentence.
    pub note: Option<Prose>,
}

/// What all items together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofVerdict {
    /// Every item is proven.
    RollbackProven,
    /// At least one is not, or there is none.
    Remaining,
}

/// The proof of a rollback. Its verdict follows from its items, so the two cannot contradict each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollbackProof {
    /// When the looking ended.
    pub ts: Moment,
    /// That of the decision or action that rolled back.
    pub check_id: Name,
    /// The record of that.
    pub decision_sequence: Option<u64>,
    /// The version of the route map in force.
    pub route_version: Name,
    /// The version that was gone back to.
    pub rollback_route_version: Option<Name>,
    /// Provider and model that had to lose their traffic.
    pub target: Name,
    /// Of the route map in force.
    pub config_sha256: Digest,
    /// When the rollback took effect.
    pub rolled_back_at: Moment,
    items: Vec<ProofItem>,
    verdict: ProofVerdict,
}

impl RollbackProof {
    /// A proof of nothing: the fields are for the caller to fill, the items come by [`with_items`](Self::with_items).
    #[must_use]
    pub fn new(ts: Moment, check_id: Name, route_version: Name, target: Name) -> RollbackProof {
        RollbackProof {
            ts,
            check_id,
            decision_sequence: None,
            route_version,
            rollback_route_version: None,
            target,
            config_sha256: Digest::NONE,
            rolled_back_at: ts,
            items: Vec::new(),
            verdict: ProofVerdict::Remaining,
        }
    }

    /// The same with these items, and the verdict that follows from them.
    #[must_use]
    pub fn with_items(mut self, items: Vec<ProofItem>) -> RollbackProof {
        let is_proven = !items.is_empty() && items.iter().all(|item| item.state == ProofState::Proven);
        self.verdict = if is_proven { ProofVerdict::RollbackProven } else { ProofVerdict::Remaining };
        self.items = items;
        self
    }

    /// What was looked at.
    #[must_use]
    pub fn items(&self) -> &[ProofItem] {
        &self.items
    }

    /// What that says.
    #[must_use]
    pub fn verdict(&self) -> ProofVerdict {
        self.verdict
    }

    /// What is not proven.
    pub fn remaining(&self) -> impl Iterator<Item = &ProofItem> {
        self.items.iter().filter(|item| item.state == ProofState::Remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_is_proven_only_when_something_was_looked_at_and_nothing_remains() {
        let item = |state| ProofItem {
            item: "in_flight".into(),
            state,
            expected: Some(Exact(0.0)),
            observed: None,
            unit: None,
            since: None,
            note: None,
        };
        let verdict = |items| {
            RollbackProof::new(Moment::default(), "c".into(), "v".into(), "t".into())
                .with_items(items)
                .verdict()
        };
        let (proven, remaining) = (item(ProofState::Proven), item(ProofState::Remaining));
        assert_eq!(verdict(vec![]), ProofVerdict::Remaining);
        assert_eq!(verdict(vec![proven.clone(), remaining]), ProofVerdict::Remaining);
        assert_eq!(verdict(vec![proven.clone(), proven]), ProofVerdict::RollbackProven);
    }
}
