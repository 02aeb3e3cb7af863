//! The rollback drill (runbook 3, "Prove rollback, not just forward cutover"): requests of its own go to a canary by the way
//! of production, come back, and nothing may go on using what was left. Callers' requests are not moved.
//!
//! Reading order: [`Step`] (what is done), [`Limits`] (what ends it), [`judge`] (what is in order), [`run`] (doing it),
//! [`record`](Report::record) (what is written down). All but `run` is pure.

mod cohort;
mod judge;
mod plan;
mod record;
mod run;
mod steps;
mod stop;
mod tally;
mod way_back;

pub use cohort::{Key, body, faulty_body, keys};
pub use judge::{Acceptance, Expected, Sent, judge};
pub use plan::{DrillPlan, Standing, Surroundings};
pub use record::Report;
pub use run::run;
pub use steps::Step;
pub use stop::{Limits, Stop};
pub use tally::{Counted, Sums, Tally};
pub use way_back::{counts, judge_way_back};

#[cfg(test)]
mod tests;
