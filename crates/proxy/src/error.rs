//! Every way in which the gateway itself answers with an error. Closed; `error_response.rs` gives each its face.

use decisions::ErrorClass;
use decisions::tenant_limits::OverLimit;
use upstream::SendError;

use crate::request::peek::PeekError;

/// An error that the caller is told of.
#[derive(Debug)]
pub enum Error {
    /// The path is not below `/v1`.
    OutsideV1,
    /// It would be a known path with `/v1` before it.
    LacksV1,
    /// It begins with `/v1/v1`.
    DoubledV1,
    /// The path has dot segments, empty segments or an encoded spelling of a routed endpoint.
    OddPath,
    /// CONNECT, TRACE, or OPTIONS where no origin is listed.
    Method,
    /// No `Host`, more than one, one that cannot be, or one that differs from `:authority`.
    Host,
    /// A header of HTTP/2 whose value begins or ends with white space.
    PaddedValue,
    /// An `Expect` other than `100-continue`.
    Expectation,
    /// No bearer key.
    MissingKey,
    /// More than one `Authorization` header.
    TwoKeys,
    /// A key of one tenant, over a connection with the certificate of another.
    KeyAndCertificateDiffer,
    /// No key, for a provider that takes the caller's own.
    OwnKeyMissing {
        /// The provider.
        provider: String,
    },
    /// A key that nobody has listed.
    UnknownKey,
    /// A listed key whose time is over.
    ExpiredKey,
    /// The tenant has used up one of its limits.
    OverLimit(OverLimit),
    /// A check's key without a lease that holds.
    NoLease,
    /// A request of a check that is none of what was lent to it.
    NotLent(&'static str),
    /// An unlisted key for a provider that is paid by a credential of ours, which no primary has vouched for.
    UnprovenKey,
    /// A key that the gateway made, on the way to a provider that takes the caller's own.
    GatewayKeyNotForwarded {
        /// The provider.
        provider: String,
    },
    /// A `model` in the query string.
    ModelInQuery,
    /// A compressed request body.
    EncodedBody,
    /// The body is longer than the limit.
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The `model` of a form comes after more than may be held.
    ModelTooLate {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    BodyTimeout,
    /// The caller's connection failed while it sent the body, or its chunks are malformed.
    BodyBroken,
    /// All buffers for bodies are in use.
    NoRoom,
    /// The body cannot be routed.
    Body(PeekError),
    /// No such alias for this tenant.
    UnknownModel {
        /// As sent.
        model: String,
    },
    /// The tenant is limited to aliases, and this path has none.
    RestrictedTenant,
    /// The tenant may not use the provider that would serve it.
    ProviderNotAllowed,
    /// It refers to what does not exist for this tenant.
    StateNotFound,
    /// It would list what other tenants have.
    OthersListed,
    /// It needs two providers at once.
    StateContradicts,
    /// The route is switched off.
    RouteDisabled {
        /// Its name.
        route: String,
    },
    /// The provider could not be reached, or ended the connection without an answer.
    Unreachable {
        /// The provider.
        provider: String,
        /// How far it got.
        source: SendError,
    },
    /// The provider did not begin to answer in time.
    HeadTimeout {
        /// The provider.
        provider: String,
        /// The time it had, in milliseconds.
        timeout_ms: u128,
    },
    /// The first content of a streamed answer did not come in time.
    FirstTokenTimeout {
        /// The provider.
        provider: String,
        /// The time it had, in milliseconds.
        timeout_ms: u128,
    },
    /// The time for all attempts ran out.
    TotalTimeout {
        /// The provider that was being asked.
        provider: String,
    },
    /// The answer broke off before any of it was handed on.
    Interrupted {
        /// The provider.
        provider: String,
        /// How.
        class: ErrorClass,
    },
    /// The answer is not what the endpoint answers.
    ProviderMalformed {
        /// The provider.
        provider: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The provider refuses the gateway's credential.
    ProviderAuth {
        /// The provider.
        provider: String,
    },
    /// An error event came before any content.
    InStream {
        /// The provider.
        provider: String,
        /// What it was.
        class: ErrorClass,
        /// The provider's code.
        code: Option<String>,
        /// The provider's type.
        kind: Option<String>,
        /// The provider's words.
        message: Option<String>,
    },
    /// Every target that the request may go to is passed over after failures.
    BreakerOpen {
        /// The first of them.
        provider: String,
    },
    /// Every target that the request may go to is passed over, and the first has asked for a pause.
    Paused {
        /// The first of them.
        provider: String,
    },
    /// Every target that the request may go to has as many requests as it takes.
    Full {
        /// The first of them.
        provider: String,
    },
    /// A fault of the gateway.
    Internal,
}

impl From<PeekError> for Error {
    fn from(error: PeekError) -> Error {
        Error::Body(error)
    }
}
