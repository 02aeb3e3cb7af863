//! The catalog checks with their IO: asking, remembering, recording; for the commands and for the running gateway alike.
//!
//! Reading order: `round` (one provider is checked), `remembered` (what records say of earlier checks), `snapshots` (the lists
//! that drift is measured against), `polling` (the running gateway's own checks), `standings` (what it tells of them).

mod compared;
mod mark;
pub(crate) mod polling;
mod promotion;
mod record;
pub(crate) mod remembered;
pub(crate) mod round;
pub(crate) mod snapshots;
pub(crate) mod standings;

pub(crate) use compared::Compared;
pub(crate) use record::{drift_record, severity_of};
