//! How a provider is reached: DNS, TCP, TLS, connection pool and credential.
//!
//! It knows nothing of routes, attempts or retries: it sends one request over one connection and says precisely how
//! far that got. The only thing it repeats by itself is a request that a stale pooled connection handed back unsent.
//!
//! Why not hyper-util's pooled client: it retries invisibly, cannot be divided by worker, and hides which phase of
//! connecting failed (see `docs/adr/0003-own-connection-pool.md`).

mod body;
mod connect;
mod credential;
mod error;
mod error_body;
mod framing;
mod http2;
mod origin;
mod pinned;
mod pool;
mod resolve;
mod tls;

pub use body::{BoxError, RequestBody, StreamedBody};
pub use credential::Credential;
pub use error::{SendError, SendErrorKind};
pub use error_body::ErrorBody;
pub use http2::Http2;
pub use origin::{Address, Answered, MaySwitch, Origin, OriginId, Scheme};
pub use pool::Lease;
pub use tls::{ClientIdentity, TlsClient, TlsIdentity, TlsSetupError, bundled_roots, system_roots};
