//! The closed sets that labels take their values from, and the place of each value in its set. A set that grows without
//! a place for the newcomer does not compile, or fails the test below.

use std::time::Duration;

use decisions::attempts::MOST_ATTEMPTS;
use decisions::decide::Reason;
use decisions::plan::StickyBy;
use decisions::{Barred, ErrorClass};
use http::StatusCode;

use crate::observer::{AttemptKind, Outcome};
use crate::target_state::TurnedAway;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An answer of success was passed on whole, or was the gateway's own.
    Ok,
    /// The provider's own error was passed on.
    ProviderError,
    /// The gateway refused what was asked.
    Refused,
    /// The gateway turned it away: a limit, or no target takes an attempt.
    Shed,
    /// No attempt has succeeded.
    Failed,
    /// The answer broke off in its middle.
    Cut,
    /// The caller left.
    ClientGone,
}

/// In the order of [`End`].
pub(super) const ENDS: [&str; 7] =
    ["ok", "provider_error", "refused", "shed", "failed", "cut", "client_gone"];

impl End {
    pub(crate) fn as_str(self) -> &'static str {
        ENDS.get(self as usize).copied().unwrap_or_default()
    }

    /// Nobody who asked can be at fault alone: something here or at a provider has failed.
    pub(crate) fn is_bad(self, status: Option<StatusCode>) -> bool {
        let status = status.unwrap_or_default();
        match self {
            End::Cut | End::Failed => true,
            // A success that turned out to be none, or what says that a provider cannot go on.
            End::ProviderError => {
                status.is_success() || status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
            }
            End::Shed => status.is_server_error(),
            End::Ok | End::Refused | End::ClientGone => false,
        }
    }

    pub(crate) fn of(outcome: Outcome, status: Option<StatusCode>) -> End {
        let status = status.unwrap_or_default();
        let is_error = status.is_client_error() || status.is_server_error();
        match outcome {
            Outcome::ClientGone => End::ClientGone,
            Outcome::Cut => End::Cut,
            Outcome::Complete if is_error => End::ProviderError,
            Outcome::Complete => End::Ok,
            // What a stream said instead of content, in the words of the provider.
            Outcome::Answered("provider_error") => End::ProviderError,
            Outcome::Answered(_) if !is_error => End::Ok,
            Outcome::Answered(_) => match status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => End::Shed,
                _ if status.is_server_error() => End::Failed,
                _ => End::Refused,
            },
        }
    }
}

/// How many attempts a request has had, up to as many as are ever made.
pub(super) const ATTEMPTS: [&str; 1 + MOST_ATTEMPTS as usize] = ["0", "1", "2", "3"];

pub(super) const KINDS: [AttemptKind; 4] =
    [AttemptKind::First, AttemptKind::Retry, AttemptKind::Fallback, AttemptKind::Hedge];

/// `None` for a copy: no request of a caller waits for it, so its durations are not among theirs, and `status` counts it.
pub(super) fn kind_at(kind: AttemptKind) -> Option<usize> {
    match kind {
        AttemptKind::First => Some(0),
        AttemptKind::Retry => Some(1),
        AttemptKind::Fallback => Some(2),
        AttemptKind::Hedge => Some(3),
        AttemptKind::Mirror => None,
    }
}

/// How an attempt ended: well, lost to another, or in one of the classes.
pub(super) const RESULTS: usize = 2 + ErrorClass::ALL.len();

pub(super) fn result_at(failure: Option<ErrorClass>, is_lost: bool) -> usize {
    match failure {
        Some(class) => 2 + class as usize,
        None => usize::from(is_lost),
    }
}

/// The labels `outcome` and `error_class` of a result.
pub(super) fn result_named(at: usize) -> (&'static str, &'static str) {
    match at {
        0 => ("ok", ""),
        1 => ("lost", ""),
        _ => ("failed", ErrorClass::ALL.get(at - 2).map_or("", |class| class.as_str())),
    }
}

/// Until when makes no difference here.
pub(super) const TURNED_AWAY: [TurnedAway; 6] = [
    TurnedAway::Open { until: Duration::ZERO },
    TurnedAway::Paused { until: Duration::ZERO },
    TurnedAway::Full,
    TurnedAway::Barred(Barred::Unusable),
    TurnedAway::Barred(Barred::Suspended),
    TurnedAway::Barred(Barred::Latched),
];

pub(super) fn turned_away_at(why: TurnedAway) -> usize {
    match why {
        TurnedAway::Open { .. } => 0,
        TurnedAway::Paused { .. } => 1,
        TurnedAway::Full => 2,
        TurnedAway::Barred(Barred::Unusable) => 3,
        TurnedAway::Barred(Barred::Suspended) => 4,
        TurnedAway::Barred(Barred::Latched) => 5,
    }
}

/// By which field a request falls into a share makes no difference here.
pub(super) const REASONS: [Reason; 16] = [
    Reason::Unlisted,
    Reason::NoRoute,
    Reason::Mode,
    Reason::InShare(StickyBy::Request),
    Reason::OutsideShare(StickyBy::Request),
    Reason::NoKey,
    Reason::Stateful,
    Reason::Unproven,
    Reason::NotAllowed,
    Reason::Feature,
    Reason::Held,
    Reason::Barred(Barred::Unusable),
    Reason::Barred(Barred::Suspended),
    Reason::Barred(Barred::Latched),
    Reason::Pinned,
    Reason::Check,
];

pub(super) fn reason_at(reason: Reason) -> usize {
    match reason {
        Reason::Unlisted => 0,
        Reason::NoRoute => 1,
        Reason::Mode => 2,
        Reason::InShare(_) => 3,
        Reason::OutsideShare(_) => 4,
        Reason::NoKey => 5,
        Reason::Stateful => 6,
        Reason::Unproven => 7,
        Reason::NotAllowed => 8,
        Reason::Feature => 9,
        Reason::Held => 10,
        Reason::Barred(Barred::Unusable) => 11,
        Reason::Barred(Barred::Suspended) => 12,
        Reason::Barred(Barred::Latched) => 13,
        Reason::Pinned => 14,
        Reason::Check => 15,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use decisions::attempts::Stop;

    use super::*;

    #[test]
    fn each_value_is_at_its_place() {
        for (at, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind_at(kind), Some(at));
        }
        for (at, class) in ErrorClass::ALL.into_iter().enumerate() {
            assert_eq!(result_named(result_at(Some(class), false)), ("failed", class.as_str()));
            assert_eq!(result_at(Some(class), false), at + 2);
        }
        assert_eq!(result_named(result_at(None, false)), ("ok", ""));
        assert_eq!(result_named(result_at(None, true)), ("lost", ""));
        for (at, stop) in Stop::ALL.into_iter().enumerate() {
            assert_eq!(stop as usize, at);
        }
        for (at, reason) in REASONS.into_iter().enumerate() {
            assert_eq!(reason_at(reason), at);
        }
        for (at, why) in TURNED_AWAY.into_iter().enumerate() {
            assert_eq!(turned_away_at(why), at);
        }
    }

    #[test]
    fn no_two_values_have_the_same_name() {
        let reasons: HashSet<&str> = REASONS.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(reasons.len(), REASONS.len());
        let ends: HashSet<&str> = ENDS.into_iter().collect();
        assert_eq!(ends.len(), ENDS.len());
        assert_eq!(ENDS[End::ClientGone as usize], "client_gone");
    }

    #[test]
    fn an_end_says_whose_doing_it_was() {
        let of = |outcome, status: u16| End::of(outcome, StatusCode::from_u16(status).ok());
        assert_eq!(of(Outcome::Complete, 200), End::Ok);
        assert_eq!(of(Outcome::Complete, 500), End::ProviderError);
        assert_eq!(of(Outcome::Complete, 307), End::Ok);
        assert_eq!(of(Outcome::Answered("ok"), 200), End::Ok);
        assert_eq!(of(Outcome::Answered("provider_error"), 429), End::ProviderError);
        assert_eq!(of(Outcome::Answered("x"), 401), End::Refused);
        assert_eq!(of(Outcome::Answered("x"), 429), End::Shed);
        assert_eq!(of(Outcome::Answered("x"), 503), End::Shed);
        assert_eq!(of(Outcome::Answered("x"), 502), End::Failed);
        assert_eq!(End::of(Outcome::ClientGone, None), End::ClientGone);
        assert_eq!(of(Outcome::Cut, 200), End::Cut);
    }

    #[test]
    fn what_the_caller_alone_can_be_at_fault_for_is_not_bad() {
        let bad = |end: End, status: u16| end.is_bad(StatusCode::from_u16(status).ok());
        for (end, status) in [
            (End::Cut, 200),
            (End::Failed, 502),
            (End::ProviderError, 500),
            (End::ProviderError, 429),
            (End::ProviderError, 200),
            (End::Shed, 503),
        ] {
            assert!(bad(end, status), "{end:?} {status}");
        }
        for (end, status) in [
            (End::Ok, 200),
            (End::Refused, 401),
            (End::ProviderError, 400),
            (End::Shed, 429),
            (End::ClientGone, 200),
        ] {
            assert!(!bad(end, status), "{end:?} {status}");
        }
    }
}
