//! A gate that a test opens: how a script waits for the test instead of for the clock.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Something a script waits at. Clones are the same gate; it starts closed.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    /// Lets this many waiters through, now or when they come.
    pub fn release(&self, waiters: usize) {
        self.0.add_permits(waiters);
    }

    /// Lets everyone through from now on.
    pub fn open(&self) {
        self.0.close();
    }

    /// Waits to be let through.
    pub async fn pass(&self) {
        // An error means closed for good, which is how `open` says "everyone".
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new()
    }
}
