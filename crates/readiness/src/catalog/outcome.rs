//! What came of asking: the eight cases of runbook 2, "Endpoint reachability", and success, never collapsed. Whoever is
//! called has to know whether it is credentials, configuration, the network or the provider.

use http::StatusCode;
use upstream::SendErrorKind;

use super::parse::{Catalog, SchemaFailure};
use crate::provider::Unanswered;

/// What came of asking, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A list with at least one ID.
    Ok,
    /// A list without any.
    Empty,
    /// The name or the server was not reached, or the connection broke.
    Network,
    /// The TLS handshake failed.
    Tls,
    /// It took too long.
    Timeout,
    /// 401 or 403.
    Auth,
    /// 404 or 405, and a redirect, which a wrong base URL gives too: wrong path, base or method.
    PathOrMethod,
    /// 429.
    RateLimited,
    /// 5xx.
    Service,
    /// 2xx, and its body is no list of models.
    Unparsable,
    /// Another status, which the runbook has no case for.
    OtherStatus,
    /// Not asked, since no key is named that could be shown.
    NoKey,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 12] = [
        Class::Ok,
        Class::Empty,
        Class::Network,
        Class::Tls,
        Class::Timeout,
        Class::Auth,
        Class::PathOrMethod,
        Class::RateLimited,
        Class::Service,
        Class::Unparsable,
        Class::OtherStatus,
        Class::NoKey,
    ];

    /// The name used in records, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Ok => "ok",
            Class::Empty => "empty",
            Class::Network => "network",
            Class::Tls => "tls",
            Class::Timeout => "timeout",
            Class::Auth => "auth",
            Class::PathOrMethod => "path_or_method",
            Class::RateLimited => "rate_limited",
            Class::Service => "service",
            Class::Unparsable => "unparsable",
            Class::OtherStatus => "other_status",
            Class::NoKey => "no_key",
        }
    }

    /// What to look at, for whoever reads it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Class::Ok => "",
            Class::Empty => "see the five steps of the triage; delete nothing because of one empty list",
            Class::Network => "check DNS, egress and the provider's address from this network",
            Class::Tls => "check the certificate, the clock and what stands between",
            Class::Timeout => "look at the provider's state and the network, then repeat; nothing is known",
            Class::Auth => "check which key the map names, whether it was rotated, and its permissions",
            Class::PathOrMethod => {
                "check `base_url` and `paths.models` of the provider against its documentation"
            }
            Class::RateLimited => "wait, then repeat; poll less often if it stays so",
            Class::Service => "the provider has trouble: repeat later, and keep its request ID",
            Class::Unparsable => {
                "compare the answer with the documented shape: a page of some proxy, or a change of schema"
            }
            Class::OtherStatus => "look the status up in the provider's documentation",
            Class::NoKey => "name an environment variable with a key for checks: --client-key-env NAME",
        }
    }

    /// Whether nobody answered at all.
    #[must_use]
    pub fn is_unreached(self) -> bool {
        matches!(self, Class::Network | Class::Tls | Class::Timeout)
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In a word.
    pub class: Class,
    /// More exactly, from a closed set: `dns`, `connect`, a [`SchemaFailure`], …
    pub detail: &'static str,
    /// Of the answer, where one came.
    pub status: Option<u16>,
}

impl Outcome {
    /// Of a success, or of one whose list is empty.
    #[must_use]
    pub fn of_list(status: u16, catalog: &Catalog) -> Outcome {
        let class = if catalog.ids.is_empty() { Class::Empty } else { Class::Ok };
        let detail = if catalog.is_partial { "partial" } else { "" };
        Outcome { class, detail, status: Some(status) }
    }

    /// Of a 2xx whose body is no list.
    #[must_use]
    pub fn of_schema(status: u16, failure: SchemaFailure) -> Outcome {
        Outcome { class: Class::Unparsable, detail: failure.as_str(), status: Some(status) }
    }
}

/// What a status says; `None` for 2xx, of which the body decides.
#[must_use]
pub fn classify_status(status: StatusCode) -> Option<Outcome> {
    let (class, detail) = match status.as_u16() {
        200..=299 => return None,
        401 | 403 => (Class::Auth, ""),
        404 | 405 => (Class::PathOrMethod, ""),
        300..=399 => (Class::PathOrMethod, "redirect"),
        429 => (Class::RateLimited, ""),
        500..=599 => (Class::Service, ""),
        _ => (Class::OtherStatus, ""),
    };
    Some(Outcome { class, detail, status: Some(status.as_u16()) })
}

/// What it says that there is no answer, or no whole one; `status` where its head came.
#[must_use]
pub fn classify_failure(error: &Unanswered, status: Option<u16>) -> Outcome {
    let (class, detail) = match error {
        Unanswered::Send(error) => match error.kind {
            SendErrorKind::Tls => (Class::Tls, ""),
            SendErrorKind::ConnectTimeout => (Class::Timeout, error.kind.as_str()),
            SendErrorKind::Dns
            | SendErrorKind::Connect
            | SendErrorKind::NoAnswer
            | SendErrorKind::Reset
            | SendErrorKind::Malformed => (Class::Network, error.kind.as_str()),
        },
        Unanswered::Timeout(_) => (Class::Timeout, "answer"),
        Unanswered::Cut => (Class::Network, "cut"),
        Unanswered::TooLong(_) => (Class::Unparsable, SchemaFailure::TooLarge.as_str()),
        Unanswered::Path(_) => (Class::PathOrMethod, "no_path"),
        Unanswered::NoKey => (Class::NoKey, ""),
    };
    Outcome { class, detail, status }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_own_case() {
        let class =
            |status: u16| classify_status(StatusCode::from_u16(status).unwrap()).map(|found| found.class);
        for (statuses, expected) in [
            (&[200, 204, 299][..], None),
            (&[401, 403], Some(Class::Auth)),
            (&[301, 302, 307, 308, 404, 405], Some(Class::PathOrMethod)),
            (&[429], Some(Class::RateLimited)),
            (&[500, 502, 503, 504, 524], Some(Class::Service)),
            (&[400, 402, 408, 410, 418], Some(Class::OtherStatus)),
        ] {
            statuses.iter().for_each(|status| assert_eq!(class(*status), expected, "{status}"));
        }
    }

    #[test]
    fn no_two_cases_have_one_name() {
        let names: std::collections::BTreeSet<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
        assert_eq!(names.len(), Class::ALL.len());
        let silent: Vec<_> = Class::ALL.into_iter().filter(|class| class.advice().is_empty()).collect();
        assert_eq!(silent, [Class::Ok]);
    }
}
