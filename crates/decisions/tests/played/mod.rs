//! Attempts for gates.

use decisions::gate::{Arm, Attempt, Outcome, Usage};

/// An attempt of a route whose canary has 5 %.
pub(crate) fn attempt(arm: Arm, outcome: Outcome, tenant: u64) -> Attempt {
    Attempt { arm, outcome, tenant, share_ppm: 50_000, first_token_us: None, usage: Usage::NotExpected }
}
