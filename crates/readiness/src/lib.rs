//! What operators do by hand before and after a change of route, as checks that classify, record and give a verdict.
//!
//! Judging is apart from asking: each check has a pure part, which is given what was seen, and a part that goes and sees.
//! Nothing here is on the path of a request, and nothing here changes a route.
//!
//! Reading order: [`Provider`] (asking a provider one thing), [`catalog`] (what it lists), [`probe`] (asking it what a route would
//! need of it), [`gateway`] (the running gateway as a check uses it), [`route_check`] (one route looked at through it: [`smoke`],
//! [`rollforward`]), [`drill`] (the rollback drill), [`review`] (what all of them together say).

pub mod catalog;
pub mod drill;
pub mod gateway;
pub mod probe;
mod provider;
pub mod review;
pub mod rollforward;
pub mod route_check;
pub mod smoke;

pub use gateway::{
    CheckRequest, Gateway, GatewayError, LeaseTerms, Leased, Paying, Reply, Seen, SeenAttempt,
};
pub use provider::{Answer, Auth, Message, Provider, Unanswered};
