//! What is counted of one tenant: how its requests ended, and what it took at each provider.

use decisions::price::Cost;
use telemetry::{Counter, Counters};

use crate::scan::Usage;
use crate::series::labels::{ENDS, End};

/// How its requests ended.
#[derive(Debug, Default)]
pub(crate) struct TenantSeries {
    pub(super) requests: Counters<{ ENDS.len() }>,
}

/// What its requests took at one provider, everything that was tried for them included.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    pub(super) input: Counter,
    pub(super) output: Counter,
    /// In billionths of the operator's money.
    pub(super) cost: Counter,
}

impl Spent {
    /// An attempt for it is over.
    pub(crate) fn add(&self, usage: &Usage, cost: Option<Cost>) {
        self.input.add(usage.input.unwrap_or_default());
        self.output.add(usage.output.unwrap_or_default());
        if let Some(Cost(billionths)) = cost {
            self.cost.add(billionths);
        }
    }
}

impl TenantSeries {
    /// One of its requests is over.
    pub(crate) fn request(&self, end: End) {
        self.requests.add_one(end as usize);
    }
}
