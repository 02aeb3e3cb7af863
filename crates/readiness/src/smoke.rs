//! Runbook 4: the smoke test of one target of a route. It collects evidence; that one request succeeds promotes nothing.
//!
//! [`plan()`] says which requests are made, [`judge()`] what they have shown, [`records`] what is taken down.

mod judge;
mod plan;
mod record;

pub use judge::{Before, Found, Hold, Judged, judge};
pub use plan::{Asked, plan};
pub use record::{About, records};
