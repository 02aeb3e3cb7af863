//! The budgets of a request's targets, as the machine that decides about attempts sees them.

use std::time::Duration;

use decisions::attempts::Ledger;

use crate::attempt::call::Call;
use crate::target_state::TargetState;

/// Withdraws from the budgets in force for one call.
pub(crate) struct Budgets<'c> {
    pub(crate) call: &'c Call,
    pub(crate) now: Duration,
    /// The target that has failed would not be asked now: leaving it is a choice of route, which costs nothing.
    pub(crate) is_left: bool,
}

impl Budgets<'_> {
    fn state(&self, target: u8) -> Option<&TargetState> {
        let about = &self.call.about;
        let aim = self.call.aim(target)?;
        Some(about.snapshot.targets(about.route).of(aim.role))
    }
}

impl Ledger for Budgets<'_> {
    fn withdraw_retry(&mut self, target: u8) -> bool {
        // A check spends nothing of what callers may need; the number of its attempts bounds it.
        self.call.about.check.is_some()
            || self.state(target).is_some_and(|state| state.withdraw_retry(self.now))
    }

    fn withdraw_fallback(&mut self, target: u8) -> bool {
        self.is_left
            || self.call.about.check.is_some()
            || self.state(target).is_some_and(|state| state.withdraw_fallback(self.now))
    }
}
