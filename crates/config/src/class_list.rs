//! Lists of failures, as `retry_policy` and `fallback_on` have them, and why some failures stand in neither.
//!
//! A name that is known and refused is answered with the reason: who writes `head_timeout` under `retry_policy` knows
//! what it is and has to be told where it belongs.

use decisions::{ClassSet, ErrorClass};

use crate::code::Code;
use crate::document::{Document, Named};
use crate::names::{closest, quote};

/// What a list of failures is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Another attempt at the same target.
    Retry,
    /// An attempt at the next target.
    Fallback,
}

/// A failure and where it stands.
pub(crate) type Listed = (ErrorClass, usize);

impl Use {
    /// What such a list may name.
    pub(crate) fn allowed(self) -> ClassSet {
        match self {
            Use::Retry => ErrorClass::RETRYABLE,
            Use::Fallback => ErrorClass::MAY_FALL_BACK,
        }
    }

    fn refusal(self, class: ErrorClass) -> String {
        let name = class.as_str();
        match self {
            Use::Retry => format!("`{name}` is never retried: {}", not_retried(class)),
            Use::Fallback => format!("`{name}` never goes to another target: {}", not_passed_on(class)),
        }
    }

    fn nothing(self, word: &str) -> String {
        match self {
            Use::Retry => format!("nothing is retried on {}", quote(word)),
            Use::Fallback => format!("nothing falls back on {}", quote(word)),
        }
    }
}

pub(crate) fn set_of(list: &[Listed]) -> ClassSet {
    list.iter().fold(ClassSet::EMPTY, |set, (class, _)| set.with(*class))
}

/// The failures that a list names.
pub(crate) fn read_classes(document: &Document<'_>, list_use: Use, words: &[Named]) -> Vec<Listed> {
    let mut list: Vec<Listed> = Vec::new();
    for word in words {
        let Some(class) = ErrorClass::ALL.into_iter().find(|class| class.as_str() == word.text) else {
            report_unknown(document, list_use, word);
            continue;
        };
        if !list_use.allowed().contains(class) {
            report_refused(document, list_use, word.at, class);
        } else if let Some((_, first_at)) = list.iter().find(|(listed, _)| *listed == class) {
            let message = format!("{} is listed twice", quote(&word.text));
            document.problem_beside(Code::ListedTwice, word.at, *first_at, "first here", message);
        } else {
            list.push((class, word.at));
        }
    }
    list
}

fn report_unknown(document: &Document<'_>, list_use: Use, word: &Named) {
    let known = list_use.allowed().iter().map(ErrorClass::as_str);
    let help = match closest(&word.text, known.clone()) {
        Some(close) => format!("did you mean {}?", quote(close)),
        None => format!("there is: {}", known.map(quote).collect::<Vec<_>>().join(", ")),
    };
    document.problem_with_help(Code::NotAChoice, word.at, list_use.nothing(&word.text), help);
}

fn report_refused(document: &Document<'_>, list_use: Use, at: usize, class: ErrorClass) {
    let message = list_use.refusal(class);
    if list_use == Use::Retry && ErrorClass::MAY_FALL_BACK.contains(class) {
        let help = "it may stand in `fallback_on`: another target may do better";
        document.problem_with_help(Code::NotAChoice, at, message, help);
    } else {
        document.problem(Code::NotAChoice, at, message);
    }
}

/// Why a failure is not tried again at the same target; nothing is asked of one that may be.
fn not_retried(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::HeadTimeout | ErrorClass::FirstTokenTimeout | ErrorClass::IdleTimeout => {
            "a target that was silent is not asked twice"
        }
        ErrorClass::TotalTimeout => NO_TIME,
        ErrorClass::Auth => "a credential that was refused would be refused again",
        ErrorClass::ContextLength => "a request that is too long would be too long again",
        ErrorClass::ContentPolicy => "content that was refused would be refused again",
        ErrorClass::Validation => "a faulty request would be faulty again",
        ErrorClass::NotFound => "what is not there would be missing again",
        ErrorClass::Quota => "an account without credit has none a moment later",
        ErrorClass::ClientGone => NOBODY_WAITS,
        ErrorClass::Dns
        | ErrorClass::Connect
        | ErrorClass::ConnectTimeout
        | ErrorClass::Tls
        | ErrorClass::NoAnswer
        | ErrorClass::Reset
        | ErrorClass::Truncated
        | ErrorClass::Malformed
        | ErrorClass::RateLimit
        | ErrorClass::Overloaded
        | ErrorClass::Server => "",
    }
}

/// Why a failure is not taken to another target; nothing is asked of one that may be.
fn not_passed_on(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Auth => "a refused credential is to be mended, and another target would hide it",
        ErrorClass::ContentPolicy => "refused content is not offered to one provider after the other",
        ErrorClass::Validation => "a faulty request is faulty everywhere",
        ErrorClass::TotalTimeout => NO_TIME,
        ErrorClass::ClientGone => NOBODY_WAITS,
        ErrorClass::Dns
        | ErrorClass::Connect
        | ErrorClass::ConnectTimeout
        | ErrorClass::Tls
        | ErrorClass::NoAnswer
        | ErrorClass::HeadTimeout
        | ErrorClass::FirstTokenTimeout
        | ErrorClass::IdleTimeout
        | ErrorClass::Reset
        | ErrorClass::Truncated
        | ErrorClass::Malformed
        | ErrorClass::ContextLength
        | ErrorClass::NotFound
        | ErrorClass::RateLimit
        | ErrorClass::Quota
        | ErrorClass::Overloaded
        | ErrorClass::Server => "",
    }
}

const NO_TIME: &str = "it is the end of the time for all attempts";

const NOBODY_WAITS: &str = "nobody waits for the answer any more";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_allowed_or_there_is_a_reason() {
        for class in ErrorClass::ALL {
            let has_reason = !not_retried(class).is_empty();
            assert_ne!(has_reason, Use::Retry.allowed().contains(class), "{class:?} is retried");
            let has_reason = !not_passed_on(class).is_empty();
            assert_ne!(has_reason, Use::Fallback.allowed().contains(class), "{class:?} falls back");
        }
    }
}
