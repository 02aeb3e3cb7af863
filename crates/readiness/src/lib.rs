//! What operators do by hand before and after a change of route, as checks that classify, record and give a verdict.
//!
//! Judging is apart from asking: each check has a pure part, which is given what was seen, and a part that goes and sees.
//! Nothing here is on the path of a request, and nothing here changes a route.
//!
//! Reading order: [`Provider`] (asking a provider one thing), [`gateway`] (the running gateway as a check uses it).

pub mod gateway;
mod provider;

pub use gateway::{
    CheckRequest, Gateway, GatewayError, LeaseTerms, Leased, Paying, Reply, Seen, SeenAttempt,
};
pub use provider::{Answer, Auth, Message, Provider, Unanswered};
