//! The instruments of the gateway: what is measured and under which names, counters that cost a request some
//! nanoseconds, and the page that Prometheus reads.
//!
//! Nothing here knows what a request is, and there is no registry and no global: whoever counts holds its instruments,
//! and writes what they show to a [`Page`] when it is asked. So what is known anyway (a breaker, a gate, a share) is read
//! then and never counted, and a series exists only where somebody has written it.
//!
//! Reading order: [`names`] (every metric), [`Counter`], [`Histogram`], [`Page`].

mod buckets;
mod counter;
mod family;
mod histogram;
pub mod names;
mod page;

pub use buckets::Buckets;
pub use counter::{Counter, Counters};
pub use family::{Family, Kind};
pub use histogram::Histogram;
pub use page::{CONTENT_TYPE, Page};
