//! What a refusal says: the few fields of an error body by which it is classified, in whichever shape a provider writes it.
//!
//! The text is the provider's and may quote a request: it is compared with what is known, and never shown.

use std::fmt;

use decisions::attempts::Signs;

/// The fields of an error body that say what went wrong. Everything else of it stays unread.
#[derive(Default)]
pub struct ErrorBody {
    is_error_object: bool,
    has_param: bool,
    code: Option<String>,
    kind: Option<String>,
    message: Option<String>,
}

impl ErrorBody {
    /// Of the bytes of an answer, or of one event; of no JSON, nothing.
    #[must_use]
    pub fn read(body: &[u8]) -> ErrorBody {
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
            has_param: error.get("param").is_some(),
            code: text("code"),
            kind: text("type"),
            message: text("message").or_else(|| error.as_str().map(str::to_owned)),
        }
    }

    /// What [`classify`](decisions::attempts::classify()) reads; `None` for a status stands for an error inside a stream.
    #[must_use]
    pub fn signs(&self, status: Option<u16>) -> Signs<'_> {
        Signs {
            status,
            code: self.code.as_deref(),
            kind: self.kind.as_deref(),
            message: self.message.as_deref(),
            is_error_object: self.is_error_object,
        }
    }

    /// The body has an `error`.
    #[must_use]
    pub fn is_error_object(&self) -> bool {
        self.is_error_object
    }

    /// The error has a `param`, be it null: OpenAI's always does, that of a relay which refused before it asked anybody
    /// does not.
    #[must_use]
    pub fn has_param(&self) -> bool {
        self.has_param
    }

    /// `message`, or the error itself where it is a text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl fmt::Debug for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorBody").field("is_error_object", &self.is_error_object).finish_non_exhaustive()
    }
}
