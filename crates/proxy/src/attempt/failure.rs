//! An attempt that failed: what it was, what the provider asks for, and what the caller would be shown.

use bytes::Bytes;
use decisions::ErrorClass;
use decisions::attempts::{RetryHint, Signs, classify, read_hint};
use http::response;
use upstream::SendErrorKind;

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
        let class = classify(&signs.as_signs(Some(head.status.as_u16())));
        let hint = hint(&head.headers);
        Failure { class, hint, shown: Shown::Provider(head, body) }
    }
}

/// What a provider wishes of whoever tries again.
pub(crate) fn hint(headers: &http::HeaderMap) -> RetryHint {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    read_hint(|name| headers.get(name).and_then(|value| value.to_str().ok()), since_1970)
}

/// How far a request got, as a class.
pub(crate) fn class_of(kind: SendErrorKind) -> ErrorClass {
    match kind {
        SendErrorKind::Dns => ErrorClass::Dns,
        SendErrorKind::Connect => ErrorClass::Connect,
        SendErrorKind::ConnectTimeout => ErrorClass::ConnectTimeout,
        SendErrorKind::Tls => ErrorClass::Tls,
        SendErrorKind::NoAnswer => ErrorClass::NoAnswer,
        SendErrorKind::Reset => ErrorClass::Reset,
        SendErrorKind::Malformed => ErrorClass::Malformed,
    }
}

/// The fields of an error body that say what went wrong. Everything else of it stays unread.
#[derive(Default)]
struct ErrorBody {
    is_error_object: bool,
    code: Option<String>,
    kind: Option<String>,
    message: Option<String>,
}

impl ErrorBody {
    fn read(body: &[u8]) -> ErrorBody {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
            return ErrorBody::default();
        };
        let error = value.get("error").unwrap_or(&value);
        let text = |name: &str| {
            let field = error.get(name)?;
            // Some relays send a number.
            field.as_str().map(str::to_owned).or_else(|| field.as_i64().map(|number| number.to_string()))
        };
        ErrorBody {
            is_error_object: value.get("error").is_some_and(|error| !error.is_null()),
            code: text("code"),
            kind: text("type"),
            message: text("message").or_else(|| error.as_str().map(str::to_owned)),
        }
    }

    fn as_signs(&self, status: Option<u16>) -> Signs<'_> {
        Signs {
            status,
            code: self.code.as_deref(),
            kind: self.kind.as_deref(),
            message: self.message.as_deref(),
            is_error_object: self.is_error_object,
        }
    }
}
