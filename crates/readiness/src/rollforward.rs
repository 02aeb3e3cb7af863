//! Runbook 5: before traffic goes back to a recovered, newly promoted or edited route: exactly two attempts at its target, one
//! in order and one with a credential that is nobody's.
//!
//! [`plan()`] says which requests are made, [`judge()`] what they have shown, [`records`] what is taken down.

mod judge;
mod plan;
mod record;

pub use judge::{Found, Hold, Judged, judge};
pub use plan::{check_id, plan};
pub use record::{About, records};
