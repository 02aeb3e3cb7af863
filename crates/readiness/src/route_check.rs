//! What the checks of one route through the running gateway have in common: which request shape, which requests, what their
//! answers and the gateway's decision log show.
//!
//! Reading order: [`family`] (which shape, and why), [`subject`] (what is looked at), [`making`] (the requests are made),
//! [`shape`] (what an answer is), [`facts`] (what an attempt has shown).

pub mod facts;
pub mod family;
pub mod making;
pub mod shape;
pub mod subject;

pub use facts::Facts;
pub use family::{Choice, choose};
pub use making::{AllMade, Made, Planned, make};
pub use subject::Subject;
