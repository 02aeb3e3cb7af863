//! The queue before a gated target: attempts that were sent there and whose answer has not begun. The gateway itself lets
//! nobody wait for a target, so those are all that wait, and they do so at the provider.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::gates::route_gate::RouteGate;

/// One of them, until it is dropped.
pub(crate) struct Waiting(Arc<RouteGate>);

impl Waiting {
    pub(super) fn at(gate: &Arc<RouteGate>) -> Waiting {
        gate.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(gate))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
