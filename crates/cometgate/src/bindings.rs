//! Where state lives, as the request path asks for it: the store of `affinity` with the time of day.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use affinity::{Found, Store};
use proxy::{Affinity, Kept, Known, Made};
use tokio::sync::oneshot;

/// Below the state directory.
const DIRECTORY: &str = "affinity";

/// The store of this process.
struct Bindings(Store);

/// Where the files of the store are.
pub(crate) fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join(DIRECTORY)
}

/// Opens what is below the state directory. Where that cannot be written, what is learned lasts as long as the process.
pub(crate) fn open(state_dir: &Path) -> Arc<dyn Affinity> {
    let path = directory(state_dir);
    let store = Store::open(&path, now()).unwrap_or_else(|error| {
        tracing::error!(
            "where state lives is kept in memory only, and nothing that stores state is canaried: {}: {error}\n  help: \
             make `state_dir` a directory that the gateway may write to",
            path.display()
        );
        Store::in_memory()
    });
    Arc::new(Bindings(store))
}

impl Affinity for Bindings {
    fn find(&self, tenant: &str, id: &str) -> Known {
        match self.0.find(tenant, id, now()) {
            Found::Unknown => Known::Unknown,
            Found::Anothers => Known::Anothers,
            Found::Own { provider, is_expired } => Known::Own { provider, is_expired },
        }
    }

    fn learn(&self, tenant: &str, provider: &str, made: &[Made]) -> Kept {
        let now = now();
        let expires = |made: &Made| match made.lifetime {
            None => 0,
            Some(lifetime) => now.saturating_add(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)),
        };
        let ids: Vec<(&str, u32)> = made.iter().map(|made| (&*made.id, expires(made))).collect();
        let (kept, answer) = oneshot::channel();
        // Nobody waits for the answer any more once the caller has left.
        let acknowledge = Box::new(move |is_durable| {
            kept.send(is_durable).ok();
        });
        self.0.learn(&affinity::Made { tenant, provider, ids: &ids }, now, acknowledge);
        answer
    }

    fn is_durable(&self) -> bool {
        self.0.is_durable()
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
