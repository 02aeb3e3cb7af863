//! What a gate says, with every number that it was decided by.

use super::holds::HoldCause;
use super::signal::Signal;

/// What is to become of the canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// It grows by a step.
    Promote,
    /// It stays as large as it is.
    Hold,
    /// It stays as it is, and a person has to decide.
    Escalate,
    /// It is out, for good: only another try (a raised `generation`) reopens it.
    RollBack,
}

impl Decision {
    /// The name used in records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Promote => "promote",
            Decision::Hold => "hold",
            Decision::Escalate => "escalate",
            Decision::RollBack => "rollback",
        }
    }
}

/// What a verdict does to the canary's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing.
    None,
    /// It gets none, until a verdict restores or latches it.
    Suspend,
    /// It gets its share again.
    Restore,
    /// It gets none, ever.
    Latch,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A rate is above its limit, and nothing is there to compare with.
    OverLimit,
    /// A rate is above its limit, and the errors are the canary's own.
    OverLimitAndWorse,
    /// The canary fails clearly oftener than its primary.
    Worse,
    /// A rate was above its limit, and the primary has turned out to be well.
    PrimaryWell,
    /// A rate was above its limit, and no request went to the primary meanwhile.
    NoControl,
    /// A credential of ours was refused.
    Auth,
    /// More was spent than planned.
    OverBudget,
    /// Too many requests have waited for too long.
    QueueDepth,
    /// A hold has lasted as long as it may.
    HoldLimit,
    /// The route map has expired.
    Expired,
    /// An operator did it.
    ByHand,
    /// A rate is above its limit; the primary's next attempts are looked at.
    LookingAtPrimary,
    /// They have decided nothing in 200 attempts or 60 seconds.
    Undecided,
    /// Something holds the canary.
    Held(HoldCause),
}

impl Reason {
    /// The name used in records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::OverLimit => "over_limit",
            Reason::OverLimitAndWorse => "over_limit_and_worse",
            Reason::Worse => "worse_than_primary",
            Reason::PrimaryWell => "primary_well",
            Reason::NoControl => "no_control",
            Reason::Auth => "auth",
            Reason::OverBudget => "over_budget",
            Reason::QueueDepth => "queue_depth",
            Reason::HoldLimit => "hold_limit",
            Reason::Expired => "expired",
            Reason::ByHand => "by_hand",
            Reason::LookingAtPrimary => "looking_at_primary",
            Reason::Undecided => "undecided",
            Reason::Held(cause) => cause.as_str(),
        }
    }
}

/// One decision. Two with the same bits were made of the same numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The number of the event that led to it, counted from 1.
    pub event: u64,
    /// Milliseconds of the gate's own clock, which counts from its first event and never runs back.
    pub at_ms: u64,
    /// What is to become of the canary.
    pub decision: Decision,
    /// What that does to its traffic.
    pub action: Action,
    /// Whether it is carried out, or only what the gate would have done (`mode = observe`).
    pub acts: bool,
    /// Whether someone has to be called.
    pub page: bool,
    /// Why.
    pub reason: Reason,
    /// By which signal, where it was one.
    pub signal: Option<Signal>,
    /// The evidence of the signal against its limit: were the canary within it, so much would be seen in one of
    /// `e_value` canaries at most.
    pub e_value: f64,
    /// The likelihood of a false alarm that the signal may use up in the canary's life; it trips at `1 / alpha`.
    pub alpha: f64,
    /// The limit of the signal, as a share of attempts.
    pub theta: f64,
    /// Attempts of the canary that the signal has counted.
    pub n: u64,
    /// Those that failed by it.
    pub failures: u64,
    /// Attempts of the primary that were counted: in the look at it where there was one, else since the beginning.
    pub control_n: u64,
    /// Those that failed in the same way.
    pub control_failures: u64,
    /// The evidence that the errors belong to the canary.
    pub relative_e_value: f64,
    /// The canary's share of attempts that errors are measured by, from 0 to 1.
    pub share: f64,
    /// Whose requests fail, where it is one tenant's.
    pub tenant: Option<u64>,
}
