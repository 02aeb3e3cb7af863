//! How far a request got before it failed. Closed, because retry rules and labels are made of it.

use std::fmt;
use std::sync::Arc;

use decisions::ErrorClass;

/// A request that got no answer.
#[derive(Clone, Debug)]
pub struct SendError {
    /// Where it failed.
    pub kind: SendErrorKind,
    /// What the layer below said; never holds a byte of the request.
    source: Arc<dyn std::error::Error + Send + Sync>,
}

/// The phase in which a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// The provider's name could not be resolved.
    Dns,
    /// No address accepted a connection.
    Connect,
    /// Connecting, TLS included, took longer than the provider's `connect_timeout_ms`.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// The request was sent, at least in part, and the connection was closed before an answer began.
    NoAnswer,
    /// The request was sent, at least in part, and the connection broke before an answer began.
    Reset,
    /// What came back is not HTTP.
    Malformed,
}

impl SendErrorKind {
    /// The name used in logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SendErrorKind::Dns => "dns",
            SendErrorKind::Connect => "connect",
            SendErrorKind::ConnectTimeout => "connect_timeout",
            SendErrorKind::Tls => "tls",
            SendErrorKind::NoAnswer => "no_answer",
            SendErrorKind::Reset => "reset",
            SendErrorKind::Malformed => "malformed",
        }
    }
}

impl From<SendErrorKind> for ErrorClass {
    fn from(kind: SendErrorKind) -> ErrorClass {
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
}

impl SendError {
    pub(crate) fn new(
        kind: SendErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SendError {
        SendError { kind, source: source.into().into() }
    }

    pub(crate) fn from_exchange(error: hyper::Error) -> SendError {
        let kind = if error.is_parse() {
            SendErrorKind::Malformed
        } else if is_broken(&error) {
            SendErrorKind::Reset
        } else {
            SendErrorKind::NoAnswer
        };
        SendError::new(kind, error)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            SendErrorKind::Dns => "its name could not be resolved",
            SendErrorKind::Connect => "it accepts no connection",
            SendErrorKind::ConnectTimeout => "connecting took too long",
            SendErrorKind::Tls => "the TLS handshake failed",
            SendErrorKind::NoAnswer => "the connection ended before an answer",
            SendErrorKind::Reset => "the connection broke before an answer",
            SendErrorKind::Malformed => "the answer is not HTTP",
        };
        f.write_str(what)?;
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self.source.as_ref());
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for SendError {}

/// The system says that the connection broke, where a closed one would merely have ended.
fn is_broken(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        if one.is::<std::io::Error>() {
            return true;
        }
        cause = one.source();
    }
    false
}
