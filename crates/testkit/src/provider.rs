//! The provider as a test sees it: how to set one up, script it and look at what arrived.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::answers::{Keys, Persona};
use crate::exchange::Exchanges;
use crate::script::{Answering, Script};
use crate::server::{self, Shared};
use crate::{RecordedRequest, Reply};

/// A running provider. Dropping it closes its port and every connection.
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Provider {
    /// Starts describing a provider. The name is in every answer.
    #[must_use]
    pub fn builder(name: &str) -> Builder {
        Builder { persona: Persona::named(name), script: Script::default(), record: true, port: 0 }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.persona.name
    }

    /// What a route map wants: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request that arrived whole since the start or the last [`Provider::clear`].
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        locked(&self.shared.requests).clone()
    }

    /// How many requests arrived whole, recorded or not.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.exchanges.received()
    }

    /// Waits until that many requests have arrived whole.
    pub async fn wait_requests(&self, requests: u64) {
        self.shared.exchanges.until(|counts| counts.received() >= requests).await;
    }

    /// How many exchanges the caller left before the last byte of the answer, also before its first.
    #[must_use]
    pub fn aborted(&self) -> u64 {
        self.shared.exchanges.aborted()
    }

    /// Waits until that many exchanges were left.
    pub async fn wait_aborted(&self, exchanges: u64) {
        self.shared.exchanges.until(|counts| counts.aborted() >= exchanges).await;
    }

    /// How many exchanges are under way: head arrived, last byte not yet handed over.
    #[must_use]
    pub fn open_streams(&self) -> u64 {
        self.shared.exchanges.open()
    }

    /// Waits until exactly that many exchanges are under way.
    pub async fn wait_open_streams(&self, exchanges: u64) {
        self.shared.exchanges.until(|counts| counts.open() == exchanges).await;
    }

    /// Forgets recorded requests and sets `count` and `aborted` to zero. Scripts stay.
    pub fn clear(&self) {
        locked(&self.shared.requests).clear();
        self.shared.exchanges.clear();
    }

    /// From now on answers this method and path so; `"*"` is any. The latest wins.
    pub fn on(&self, method: &str, path: &str, reply: Reply) {
        locked(&self.shared.script).add(method, path, reply.into());
    }

    /// From now on asks a closure what to answer.
    pub fn on_call<F>(&self, method: &str, path: &str, call: F)
    where
        F: Fn(&RecordedRequest) -> Reply + Send + Sync + 'static,
    {
        locked(&self.shared.script).add(method, path, Answering::Call(Arc::new(call)));
    }

    /// Answers so one time, before every lasting script; several queue up.
    pub fn once(&self, method: &str, path: &str, reply: Reply) {
        locked(&self.shared.script).add_once(method, path, reply.into());
    }

    /// Back to standard answers.
    pub fn clear_script(&self) {
        *locked(&self.shared.script) = Script::default();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Provider({} at {})", self.name(), self.address)
    }
}

/// Describes a provider before it starts.
#[derive(Debug)]
pub struct Builder {
    persona: Persona,
    script: Script,
    record: bool,
    port: u16,
}

impl Builder {
    /// Whether requests are kept for [`Provider::requests`]. On by default; off for load.
    #[must_use]
    pub fn record(mut self, record: bool) -> Builder {
        self.record = record;
        self
    }

    /// A fixed port instead of a free one: for a provider that goes and comes back.
    #[must_use]
    pub fn port(mut self, port: u16) -> Builder {
        self.port = port;
        self
    }

    /// Standard answers are for this key alone; any other, or none, gets a 401.
    #[must_use]
    pub fn require_key(mut self, key: &str) -> Builder {
        self.persona.keys = Keys::Only(key.to_owned());
        self
    }

    /// Standard answers also go to requests without `Authorization`.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Builder {
        self.persona.keys = Keys::Optional;
        self
    }

    /// How many content chunks a standard stream has (8 unless told; at least 1).
    #[must_use]
    pub fn chunks(mut self, chunks: usize) -> Builder {
        self.persona.chunks = chunks.max(1);
        self
    }

    /// Waits this long before each content chunk of a standard stream.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Builder {
        self.persona.pace = Some(pause);
        self
    }

    /// What `GET /v1/models` lists.
    #[must_use]
    pub fn models<I>(mut self, models: I) -> Builder
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.persona.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// Answers this method and path so; `"*"` is any. The latest wins.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str, reply: Reply) -> Builder {
        self.script.add(method, path, reply.into());
        self
    }

    /// Asks a closure what to answer.
    #[must_use]
    pub fn on_call<F>(mut self, method: &str, path: &str, call: F) -> Builder
    where
        F: Fn(&RecordedRequest) -> Reply + Send + Sync + 'static,
    {
        self.script.add(method, path, Answering::Call(Arc::new(call)));
        self
    }

    /// Answers so one time, before every lasting script; several queue up.
    #[must_use]
    pub fn once(mut self, method: &str, path: &str, reply: Reply) -> Builder {
        self.script.add_once(method, path, reply.into());
        self
    }

    /// Starts it, for tests.
    ///
    /// # Panics
    /// When the port cannot be had: no test can go on without it.
    #[expect(
        clippy::expect_used,
        reason = "a test has nothing better to do with this error; demo uses try_start"
    )]
    pub async fn start(self) -> Provider {
        self.try_start().await.expect("a loopback port for the provider")
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn try_start(self) -> io::Result<Provider> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            persona: self.persona,
            script: Mutex::new(self.script),
            record: self.record,
            requests: Mutex::default(),
            exchanges: Arc::new(Exchanges::default()),
        });
        let accepting = tokio::spawn(server::accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Provider { address, shared, accepting })
    }
}

/// A test that panicked while it held the lock must not hide its own message behind a poisoned one.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
