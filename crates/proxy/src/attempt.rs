//! Attempts: one request to one target each, until one succeeds or no other may be made.
//!
//! `decisions::attempts` decides, this module executes. Reading order: [`run`] (the loop), [`call`] (what is sent),
//! [`answer`] (one attempt, from sending to an answer worth handing on), [`under_way`] (its one report).

pub(crate) mod about;
pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod caller_hints;
pub(crate) mod drain;
pub(crate) mod failure;
pub(crate) mod hedge;
mod ledger;
pub(crate) mod run;
mod tell;
pub(crate) mod under_way;
mod weigh;
