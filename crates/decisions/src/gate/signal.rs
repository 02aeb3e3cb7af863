//! The signals, and which outcomes speak of which.

use super::outcome::Outcome;

/// What a gate judges a canary by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// 5xx, connect, reset, a truncated stream.
    HardFailure,
    /// To the first token, idle, total.
    Timeout,
    /// Unparsable, or a required field is missing.
    Malformed,
    /// The first token comes later than at 95 of 100 of the primary's attempts.
    FirstToken,
    /// Applications could not use the answer.
    Acceptance,
    /// 401 or 403, once.
    Auth,
    /// Spent more than planned.
    Usage,
    /// More requests wait than may.
    QueueDepth,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 8] = [
        Signal::HardFailure,
        Signal::Timeout,
        Signal::Malformed,
        Signal::FirstToken,
        Signal::Acceptance,
        Signal::Auth,
        Signal::Usage,
        Signal::QueueDepth,
    ];

    /// The name used in the route map, in records and in labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::HardFailure => "hard_failure",
            Signal::Timeout => "timeout",
            Signal::Malformed => "malformed",
            Signal::FirstToken => "first_token",
            Signal::Acceptance => "acceptance",
            Signal::Auth => "auth",
            Signal::Usage => "usage",
            Signal::QueueDepth => "queue_depth",
        }
    }
}

/// The signals that are rates, and so have a limit and a part of the budget for false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// [`Signal::HardFailure`]
    HardFailure,
    /// [`Signal::Timeout`]
    Timeout,
    /// [`Signal::Malformed`]
    Malformed,
    /// [`Signal::FirstToken`]
    FirstToken,
    /// [`Signal::Acceptance`]
    Acceptance,
}

impl Rate {
    /// All of them, in the order of every array that has one place for each.
    pub const ALL: [Rate; 5] =
        [Rate::HardFailure, Rate::Timeout, Rate::Malformed, Rate::FirstToken, Rate::Acceptance];

    /// Those that the outcome of every attempt speaks of, the first of [`ALL`](Rate::ALL).
    pub(super) const OF_OUTCOMES: [Rate; 3] = [Rate::HardFailure, Rate::Timeout, Rate::Malformed];

    /// Its place in such arrays.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The same as a signal.
    #[must_use]
    pub fn signal(self) -> Signal {
        match self {
            Rate::HardFailure => Signal::HardFailure,
            Rate::Timeout => Signal::Timeout,
            Rate::Malformed => Signal::Malformed,
            Rate::FirstToken => Signal::FirstToken,
            Rate::Acceptance => Signal::Acceptance,
        }
    }

    /// Whether such an outcome is the canary's failure under this signal.
    pub(super) fn fails(self, outcome: Outcome) -> bool {
        match self {
            Rate::HardFailure => outcome == Outcome::HardFailure,
            Rate::Timeout => outcome == Outcome::Timeout,
            Rate::Malformed => outcome == Outcome::Malformed,
            Rate::FirstToken | Rate::Acceptance => false,
        }
    }

    /// Whether such an outcome shows that the primary has the same trouble. One outage makes connections fail here and
    /// time out there, so these two speak of each other.
    pub(super) fn is_shared_by(self, outcome: Outcome) -> bool {
        match self {
            Rate::HardFailure | Rate::Timeout => {
                matches!(outcome, Outcome::HardFailure | Outcome::Timeout)
            }
            Rate::Malformed => outcome == Outcome::Malformed,
            Rate::FirstToken | Rate::Acceptance => false,
        }
    }
}
