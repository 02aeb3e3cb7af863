//! The negative tests of runbook 2: what must fail, and how. One that fails otherwise makes later alerts point elsewhere.

use std::time::Duration;

use http::Method;

use super::ask::Asked;
use super::outcome::Class;
use crate::provider::Auth;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegativeCase {
    /// No token.
    OmittedToken,
    /// One that is nobody's.
    InvalidToken,
    /// `POST` where a list is read.
    WrongMethod,
    /// A path that nobody serves.
    WrongBasePath,
    /// No time to answer.
    ForcedTimeout,
}

/// Nothing answers within it: see [`ask`](super::ask()).
const NO_TIME: Duration = Duration::ZERO;

impl NegativeCase {
    /// All of them.
    pub const ALL: [NegativeCase; 5] = [
        NegativeCase::OmittedToken,
        NegativeCase::InvalidToken,
        NegativeCase::WrongMethod,
        NegativeCase::WrongBasePath,
        NegativeCase::ForcedTimeout,
    ];

    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            NegativeCase::OmittedToken => "omitted_token",
            NegativeCase::InvalidToken => "invalid_token",
            NegativeCase::WrongMethod => "wrong_method",
            NegativeCase::WrongBasePath => "wrong_base_path",
            NegativeCase::ForcedTimeout => "forced_timeout",
        }
    }

    /// How it has to fail.
    #[must_use]
    pub fn expected(self) -> Class {
        match self {
            NegativeCase::OmittedToken | NegativeCase::InvalidToken => Class::Auth,
            NegativeCase::WrongMethod | NegativeCase::WrongBasePath => Class::PathOrMethod,
            NegativeCase::ForcedTimeout => Class::Timeout,
        }
    }

    /// What differs from a plain list in nothing else.
    #[must_use]
    pub fn asked<'p>(self, path: &'p str, wrong_path: &'p str, timeout: Duration) -> Asked<'p> {
        let plain = Asked { method: Method::GET, path, auth: Auth::Ours, timeout };
        match self {
            NegativeCase::OmittedToken => Asked { auth: Auth::Omitted, ..plain },
            NegativeCase::InvalidToken => Asked { auth: Auth::Invalid, ..plain },
            NegativeCase::WrongMethod => Asked { method: Method::POST, ..plain },
            NegativeCase::WrongBasePath => Asked { path: wrong_path, ..plain },
            NegativeCase::ForcedTimeout => Asked { timeout: NO_TIME, ..plain },
        }
    }
}

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negative {
    /// What was tried.
    pub case: NegativeCase,
    /// What came.
    pub came: Class,
    /// The status, where there was one.
    pub status: Option<u16>,
}

impl Negative {
    /// Whether it failed as it has to.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        self.came == self.case.expected()
    }
}
