//! Asking a provider directly, with sanitised requests and within a budget, what it does of what a route would need of it
//! (runbook 3, section 2 and "Pre-cutover validation"; runbook 1, "Contract details to verify").
//!
//! Reading order: [`Question`] (what can be asked), [`plan`] (which of it, and what that may cost), [`Ledger`] (the budget),
//! [`ask`] (the one part that sends), [`Seen`] (what an answer shows), [`judge`] (what came of it), then what all
//! together say: [`matrix`], [`checks`], [`decide`] and the worksheets.

mod ask;
mod budget;
mod checks;
mod decision;
mod features;
mod judge;
mod leaks;
mod matrix;
mod plan;
mod question;
mod record;
mod requests;
mod run;
mod seen;
mod stream;
mod worksheet;

pub use ask::ask;
pub use budget::{Ledger, Overrun};
pub use checks::{RetryFacts, checks};
pub use decision::{decide, next_steps};
pub use judge::judge;
pub use leaks::Needles;
pub use matrix::matrix;
pub use plan::{Manner, Needs, Options, Plan, Planned, Target, Untried, plan};
pub use question::Question;
pub use record::{Context, record};
pub use run::{Found, concerning, run};
pub use seen::{Echo, Ending, Seen, Shape, Usage};
pub use worksheet::{ITEMS, Item, settled};
