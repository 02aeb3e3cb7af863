//! What went wrong with an attempt, as one closed list: what is retried, what falls back, what a breaker counts and
//! what a log line says all speak of these.

/// Why an attempt gave no good answer.
///
/// The names are those of the route map, of logs and of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The provider's name could not be resolved.
    Dns,
    /// No address accepted a connection.
    Connect,
    /// Connecting took too long.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// The request was sent, at least in part, and the connection was closed before an answer began.
    NoAnswer,
    /// The answer did not begin in time.
    HeadTimeout,
    /// The first content of a streamed answer did not come in time.
    FirstTokenTimeout,
    /// A streamed answer fell silent.
    IdleTimeout,
    /// The time for all attempts together ran out.
    TotalTimeout,
    /// The connection broke, before or in the middle of an answer.
    Reset,
    /// The answer ended in good form and is not complete.
    Truncated,
    /// The answer is not what the endpoint answers: no JSON, a page, a redirect, a required field missing.
    Malformed,
    /// 401 or 403: the credential is refused.
    Auth,
    /// The request is longer than the model takes.
    ContextLength,
    /// The provider refuses the content.
    ContentPolicy,
    /// Any other fault of the request.
    Validation,
    /// What is asked for does not exist there: a model, a path.
    NotFound,
    /// Too many requests or tokens in a time.
    RateLimit,
    /// The account has no credit left.
    Quota,
    /// The provider says that it is overloaded.
    Overloaded,
    /// Any other failure that the provider admits to.
    Server,
    /// The caller left.
    ClientGone,
}

impl ErrorClass {
    /// All of them.
    pub const ALL: [ErrorClass; 22] = [
        ErrorClass::Dns,
        ErrorClass::Connect,
        ErrorClass::ConnectTimeout,
        ErrorClass::Tls,
        ErrorClass::NoAnswer,
        ErrorClass::HeadTimeout,
        ErrorClass::FirstTokenTimeout,
        ErrorClass::IdleTimeout,
        ErrorClass::TotalTimeout,
        ErrorClass::Reset,
        ErrorClass::Truncated,
        ErrorClass::Malformed,
        ErrorClass::Auth,
        ErrorClass::ContextLength,
        ErrorClass::ContentPolicy,
        ErrorClass::Validation,
        ErrorClass::NotFound,
        ErrorClass::RateLimit,
        ErrorClass::Quota,
        ErrorClass::Overloaded,
        ErrorClass::Server,
        ErrorClass::ClientGone,
    ];

    /// Failures to be met before the first byte of a request is out: trying again cannot be billed twice.
    pub const BEFORE_SENDING: ClassSet =
        ClassSet::of(&[ErrorClass::Dns, ErrorClass::Connect, ErrorClass::Tls]);

    /// What a route's `retry_policy` may name. A target that was silent is not asked twice, and a request that was
    /// refused for what it is would be refused again.
    pub const RETRYABLE: ClassSet = ClassSet::of(&[
        ErrorClass::Dns,
        ErrorClass::Connect,
        ErrorClass::ConnectTimeout,
        ErrorClass::Tls,
        ErrorClass::NoAnswer,
        ErrorClass::Reset,
        ErrorClass::Truncated,
        ErrorClass::Malformed,
        ErrorClass::RateLimit,
        ErrorClass::Overloaded,
        ErrorClass::Server,
    ]);

    /// What a route's `fallback_on` may name: everything another target may do better at, and never a refused
    /// credential, a refused content or a faulty request.
    pub const MAY_FALL_BACK: ClassSet = ClassSet::of(&[
        ErrorClass::Dns,
        ErrorClass::Connect,
        ErrorClass::ConnectTimeout,
        ErrorClass::Tls,
        ErrorClass::NoAnswer,
        ErrorClass::HeadTimeout,
        ErrorClass::FirstTokenTimeout,
        ErrorClass::IdleTimeout,
        ErrorClass::Reset,
        ErrorClass::Truncated,
        ErrorClass::Malformed,
        ErrorClass::ContextLength,
        ErrorClass::NotFound,
        ErrorClass::RateLimit,
        ErrorClass::Quota,
        ErrorClass::Overloaded,
        ErrorClass::Server,
    ]);

    /// What falls back where a route does not say: all that may, but a request that is too long, since the other
    /// target takes more only if the operator knows so.
    pub const FALLS_BACK: ClassSet = ErrorClass::MAY_FALL_BACK.without(ErrorClass::ContextLength);

    /// The name used in the route map, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Dns => "dns",
            ErrorClass::Connect => "connect",
            ErrorClass::ConnectTimeout => "connect_timeout",
            ErrorClass::Tls => "tls",
            ErrorClass::NoAnswer => "no_answer",
            ErrorClass::HeadTimeout => "head_timeout",
            ErrorClass::FirstTokenTimeout => "first_token_timeout",
            ErrorClass::IdleTimeout => "idle_timeout",
            ErrorClass::TotalTimeout => "total_timeout",
            ErrorClass::Reset => "reset",
            ErrorClass::Truncated => "truncated",
            ErrorClass::Malformed => "malformed",
            ErrorClass::Auth => "auth",
            ErrorClass::ContextLength => "context_length",
            ErrorClass::ContentPolicy => "content_policy",
            ErrorClass::Validation => "validation",
            ErrorClass::NotFound => "not_found",
            ErrorClass::RateLimit => "rate_limit",
            ErrorClass::Quota => "quota",
            ErrorClass::Overloaded => "overloaded",
            ErrorClass::Server => "server",
            ErrorClass::ClientGone => "client_gone",
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet(u32);

impl ClassSet {
    /// None.
    pub const EMPTY: ClassSet = ClassSet(0);

    /// These.
    #[must_use]
    pub const fn of(classes: &[ErrorClass]) -> ClassSet {
        let mut set = ClassSet::EMPTY;
        let mut rest = classes;
        while let [first, others @ ..] = rest {
            set = set.with(*first);
            rest = others;
        }
        set
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, class: ErrorClass) -> ClassSet {
        ClassSet(self.0 | 1 << class as u32)
    }

    /// The set with one less.
    #[must_use]
    pub const fn without(self, class: ErrorClass) -> ClassSet {
        ClassSet(self.0 & !(1 << class as u32))
    }

    /// Whether a class is a member.
    #[must_use]
    pub const fn contains(self, class: ErrorClass) -> bool {
        self.0 & (1 << class as u32) != 0
    }

    /// Whether no class is a member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members, in the order of [`ErrorClass::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ErrorClass> + Clone {
        ErrorClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_a_set_holds_what_was_put_in() {
        for class in ErrorClass::ALL {
            let same = ErrorClass::ALL.into_iter().filter(|other| other.as_str() == class.as_str());
            assert_eq!(same.count(), 1, "{class:?}");
            let only = ClassSet::of(&[class]);
            assert_eq!(only.iter().collect::<Vec<_>>(), [class]);
            assert!(only.without(class).is_empty());
        }
    }

    #[test]
    fn a_silent_target_is_never_asked_twice_and_a_refusal_never_falls_back() {
        for silent in [ErrorClass::HeadTimeout, ErrorClass::FirstTokenTimeout, ErrorClass::IdleTimeout] {
            assert!(!ErrorClass::RETRYABLE.contains(silent));
        }
        for refused in [ErrorClass::Auth, ErrorClass::ContentPolicy, ErrorClass::Validation] {
            assert!(!ErrorClass::RETRYABLE.contains(refused) && !ErrorClass::MAY_FALL_BACK.contains(refused));
        }
    }
}
