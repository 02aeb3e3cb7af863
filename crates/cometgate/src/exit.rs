//! How a command ends: the exit codes are part of the interface, the same for every command.

use std::fmt;
use std::process::ExitCode;

/// Why a command failed. The parser of arguments gives 2 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something that should not happen.
    Internal = 1,
    /// Something has to be said on the command line.
    Usage = 2,
    /// A file or a value that cannot be used.
    InvalidInput = 3,
    /// What was asked for is in order and not allowed.
    NotAllowed = 4,
    /// Whoever is to answer is not there.
    Unreachable = 5,
    /// A drill did not pass.
    DrillFailed = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A failure with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn invalid(error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit: Exit::InvalidInput, error: error.into() }
    }

    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit: Exit::Usage, error: error.into() }
    }

    pub(crate) fn not_allowed(error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit: Exit::NotAllowed, error: error.into() }
    }

    pub(crate) fn unreachable(error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit: Exit::Unreachable, error: error.into() }
    }

    pub(crate) fn drill_failed(error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit: Exit::DrillFailed, error: error.into() }
    }

    pub(crate) fn internal(error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit: Exit::Internal, error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With every cause, on one line.
        write!(f, "{:#}", self.error)
    }
}
