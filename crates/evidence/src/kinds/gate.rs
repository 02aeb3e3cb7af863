//! What a gate and the rollout decided, with every number that they decided by.

use serde::{Deserialize, Serialize};

use crate::{Digest, Exact, Moment, Name, Prose};

/// What is to become of a canary (runbooks 4 and 5: promote, hold, roll back, escalate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It grows by a step.
    Promote,
    /// It stays as large as it is. Missing data leads here, never to a pass or a failure.
    Hold,
    /// It is out, for good.
    Rollback,
    /// A person has to decide.
    Escalate,
}

/// What a verdict did to the canary's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateAction {
    /// Nothing.
    None,
    /// It gets none, until it is restored or latched.
    Suspend,
    /// It gets its share again.
    Restore,
    /// It gets none, ever.
    Latch,
}

/// Whether a decision is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acts {
    /// It is.
    Act,
    /// It says what would have been done.
    Observe,
}

/// Whose attempts were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those of this gateway.
    Local,
    /// Those of all replicas.
    Pooled,
}

/// A verdict of a gate, and the numbers from which it followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateDecision {
    /// When it was decided.
    pub ts: Moment,
    /// Names this decision in logs and tickets.
    pub check_id: Name,
    /// The version of the route map in force.
    pub route_version: Name,
    /// The version that a rollback leads to.
    pub rollback_route_version: Option<Name>,
    /// Provider and model that are judged.
    pub target: Name,
    /// By which signal, where it was one: `hard_failure`, `timeout`, …
    pub signal: Option<Name>,
    /// What was decided.
    pub verdict: Verdict,
    /// The evidence against the limit; it trips at `1 / alpha`.
    pub e_value: Exact,
    /// The evidence that the errors belong to the canary.
    pub relative_e_value: Option<Exact>,
    /// The likelihood of a false alarm that this signal may use up in the canary's life.
    pub alpha: Exact,
    /// The limit, as a share of attempts.
    pub theta: Exact,
    /// Attempts of the canary that were counted.
    pub n: u64,
    /// Those that failed.
    pub failures: u64,
    /// Attempts of the primary that were counted.
    pub control_n: u64,
    /// Those that failed in the same way.
    pub control_failures: u64,
    /// Since when attempts are counted: the gate's first event, by its own clock.
    pub window_start: Moment,
    /// Whose.
    pub scope: Scope,
    /// Which gateway decided.
    pub replica: Name,
    /// Of the route map in force.
    pub config_sha256: Digest,
    /// Why, in a word or a sentence.
    pub reason: Prose,
    /// What it did to traffic.
    pub action: GateAction,
    /// Whether it was carried out.
    pub mode: Acts,
    /// The canary's share when it was decided, in parts per million of requests; a fallback has none.
    pub share_ppm: Option<u32>,
    /// The canary's share of attempts that its errors are measured by, from 0 to 1.
    pub measured_share: Exact,
    /// Whose requests fail, where it is one tenant's: a hash of the name.
    pub tenant_hash: Option<Name>,
    /// Whether somebody was to be called.
    pub page: bool,
    /// Milliseconds of the gate's own clock, which stands still while no gateway runs.
    pub clock_ms: u64,
    /// How many events the gate had been told in its life.
    pub told: u64,
    /// The name of the gate: the directory of its log below `gates/`.
    pub gate: Option<Name>,
    /// The run of the gateway whose log it is: several may write one gate's, each counting its own events.
    pub run: Option<Name>,
    /// The number of the event in that run that led to it, so that a replay finds the place; `None` where the log could not
    /// take it.
    pub event: Option<u64>,
}

/// A feature of the alias, and how often it was seen to work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// One of `enabled_features`.
    pub feature: Name,
    /// Requests with it that passed.
    pub passed: u64,
    /// As many are needed.
    pub required: u64,
}

/// Whether a check that a step asks for has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It has.
    Passed,
    /// It has not.
    Failed,
    /// It has once, too long ago.
    Stale,
    /// Nobody has run it.
    Missing,
}

/// A check that a step asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which.
    pub check: Name,
    /// How it stands.
    pub state: CheckState,
    /// The record that says so.
    pub sequence: Option<u64>,
}

/// Whether a canary grows by a step, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDecision {
    /// When it was decided.
    pub ts: Moment,
    /// Names this decision in logs and tickets.
    pub check_id: Name,
    /// The version of the route map in force.
    pub route_version: Name,
    /// Provider and model.
    pub target: Name,
    /// What was decided.
    pub verdict: Verdict,
    /// The step before, counted from 0.
    pub from_step: u32,
    /// The step after.
    pub to_step: u32,
    /// The share before, in parts per million of requests.
    pub from_share_ppm: u32,
    /// The share after.
    pub to_share_ppm: u32,
    /// The evidence that the canary is within its limit; enough is `1 / alpha`.
    pub e_value: Exact,
    /// The likelihood of promoting one that is not.
    pub alpha: Exact,
    /// The limit, as a share of attempts.
    pub theta: Exact,
    /// Attempts that were counted.
    pub n: u64,
    /// Those that failed.
    pub failures: u64,
    /// How long the canary was at the step before, in milliseconds.
    pub dwell_ms: u64,
    /// How long it has to be.
    pub required_dwell_ms: u64,
    /// Tenants that were seen.
    pub tenants: u32,
    /// As many are needed.
    pub required_tenants: u32,
    /// Coverage of features.
    pub features: Vec<Feature>,
    /// Checks that were asked for.
    pub checks: Vec<Check>,
    /// Of the route map in force.
    pub config_sha256: Digest,
    /// Why, in a word or a sentence.
    pub reason: Prose,
    /// What an operator did without.
    pub missing: Vec<Name>,
    /// Whether it was carried out.
    pub mode: Acts,
    /// Milliseconds of the gate's own clock.
    pub clock_ms: u64,
    /// As of a [`GateDecision`].
    pub gate: Option<Name>,
    /// As of a [`GateDecision`].
    pub run: Option<Name>,
    /// As of a [`GateDecision`].
    pub event: Option<u64>,
}
