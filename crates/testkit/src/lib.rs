//! A scripted provider for tests and for `cometgate demo`: answers like OpenAI, or exactly as told.
//!
//! It owns no gateway code and asserts nothing. It serves HTTP/1.1 and HTTP/2 on a loopback port, remembers what arrived, and
//! shows when a caller left before an answer ended. Where a script is silent the answer is OpenAI-shaped and the
//! same every time, good enough for the real SDKs, and its text names the provider that gave it.
//!
//! Reading order: [`Provider`], [`Reply`] and [`Step`], [`Gate`] (for tests that must not sleep), [`Collector`] (where telemetry
//! goes).

mod answers;
mod authority;
mod chat;
mod collector;
mod embeddings;
mod exchange;
mod gate;
mod provider;
mod recorded;
mod reply;
mod responses;
mod script;
mod scripted_body;
mod server;
mod tls_front;

pub use authority::{Authority, Certified};
pub use collector::{Collected, Collector, Collects};
pub use gate::Gate;
pub use provider::{Builder, Provider};
pub use recorded::RecordedRequest;
pub use reply::{Reply, Step};
pub use tls_front::{TlsFront, TlsFrontOptions};
