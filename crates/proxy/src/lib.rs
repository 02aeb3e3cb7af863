//! The request path: everything that happens to one request, and all of its IO.
//!
//! It knows nothing of files, flags or global state: whoever runs it hands in a [`Snapshot`], [`Limits`] and an
//! [`Observer`]. All of it is plain async, to be read top-down in `handler.rs`.
//!
//! Reading order: `handler` (the steps), `request::peek` (what is read of a body), `attempt` (to which targets it goes
//! and what comes of it), `gates` (who judges that), `response::stream` (the stream back), `series` (what is counted of all that), `trace` (what is
//! left of one request), then `gateway`, `worker` and `connection` (how a request gets here).

mod affinity;
mod attempt;
mod auth;
mod caller_tls;
mod connection;
mod cors;
mod dialect;
mod dispatch;
mod edge;
mod error;
mod error_response;
mod first_bytes;
mod frame_guard;
mod framing_guard;
mod gates;
mod gateway;
mod handler;
mod leak;
mod leases;
mod limits;
mod live;
mod mirror;
mod models;
mod observer;
mod pass_through;
mod passed_on;
mod placing;
pub mod request;
mod response;
pub mod scan;
mod secrets;
mod series;
mod snapshot;
mod stream_stall;
mod target_state;
mod tenant_state;
mod trace;
mod unlisted;
mod websocket;
mod worker;
mod write_stall;

pub use affinity::{Affinity, Kept, Known, Made};
pub use auth::{Holder, KEY_PREFIX, KeyRing};
pub use caller_tls::{CallerCertificates, CallerTls, CallerTlsError, CallerTlsParts};
pub use cors::Cors;
pub use error::Error;
pub use gates::{
    CopyCounts, GateId, GateKeeper, GateLog, GateState, Gates, NoKeeper, NotCounted, Progress, Restored,
    RolledBack, RouteGate, Tally,
};
pub use gateway::{Gateway, Setup};
pub use leases::{LAPSES_AFTER, Leases, NoLease, RunningLease, Seen, SeenAttempt, Terms};
pub use limits::Limits;
pub use observer::{AttemptKind, AttemptRecord, Observer, Outcome, Record, UsageSource};
pub use request::forwards::Forwards;
pub use series::Measured;
pub use snapshot::{Provider, Snapshot, SnapshotHandle};
pub use trace::{
    Happened, Moment, ToldTrace, TracePlace, TraceSink, Traced, TracedAttempt, TracedDecision, TracedEnd,
};
pub use unlisted::UnlistedModel;
