//! How much of a route is copied to its canary before, or beside, real requests.

use crate::bucket::Share;

/// A share of what stays at the primary is sent to the canary too, and the answer thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Of the requests that may be copied, so much is.
    pub share: Share,
    /// Copies in a second, at the most.
    pub most_per_second: u32,
    /// Copies under way at one time, at the most, in each process.
    pub most_in_flight: u32,
    /// Larger bodies are not copied.
    pub max_body_bytes: usize,
}
