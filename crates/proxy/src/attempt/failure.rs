//! An attempt that failed: what it was, what the provider asks for, and what the caller would be shown.

use bytes::Bytes;
use decisions::ErrorClass;
use decisions::attempts::{RetryHint, classify, read_hint};
use http::response;
use upstream::ErrorBody;

use crate::error::Error;

/// What came of an attempt that gave no good answer.
pub(crate) struct Failure {
    pub(crate) class: ErrorClass,
    pub(crate) hint: RetryHint,
    pub(crate) shown: Shown,
}

/// What the caller sees if this is what it is told.
pub(crate) enum Shown {
    /// The provider's own answer.
    Provider(response::Parts, Bytes),
    /// The gateway's words.
    Own(Error),
}

impl Failure {
    /// One that the provider has not put into words.
    pub(crate) fn own(class: ErrorClass, error: Error) -> Failure {
        Failure { class, hint: RetryHint::default(), shown: Shown::Own(error) }
    }

    /// An answer that is itself a refusal, read whole.
    pub(crate) fn refused(head: response::Parts, body: Bytes) -> Failure {
        let signs = ErrorBody::read(&body);
        let class = classify(&signs.signs(Some(head.status.as_u16())));
        let hint = hint(&head.headers);
        Failure { class, hint, shown: Shown::Provider(head, body) }
    }
}

/// What a provider wishes of whoever tries again.
pub(crate) fn hint(headers: &http::HeaderMap) -> RetryHint {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    read_hint(|name| headers.get(name).and_then(|value| value.to_str().ok()), since_1970)
}
