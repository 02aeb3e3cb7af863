//! What the gateway says of itself: what is measured and under which names, counters that cost a request some
//! nanoseconds, the page that Prometheus reads, and what goes to a collector of OpenTelemetry.
//!
//! Nothing here knows what a request is, and there is no registry and no global: whoever counts holds its instruments,
//! and writes what they show to a [`Page`] when it is asked. So what is known anyway (a breaker, a gate, a share) is read
//! then and never counted, and a series exists only where somebody has written it.
//!
//! Reading order: [`names`] (every metric), [`Counter`], [`Histogram`], [`Page`]; for traces [`span_names`] (every attribute),
//! [`span`], [`trace_context`] (the header between processes), [`sampling`] (what is kept), [`otlp`] (what leaves); for lines of the log
//! [`line_names`] (every field).

mod buckets;
mod counter;
mod family;
mod histogram;
pub mod line_names;
pub mod names;
pub mod otlp;
mod page;
pub mod sampling;
pub mod span;
pub mod span_names;
pub mod trace_context;

pub use buckets::Buckets;
pub use counter::{Counter, Counters};
pub use family::{Family, Kind};
pub use histogram::Histogram;
pub use page::{CONTENT_TYPE, Number, Page};
