//! A gateway of one event loop before a provider on loopback, as small as one can be that still does all that a request
//! of a gated canary route asks for: the key, the route, the draw, breaker, limit, budgets, gate, series.
//!
//! It is `proxy` without the program around it: no files, no control thread, no lines and no traces, all of which do
//! things by the clock. So what it does for a request can be counted.

use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use decisions::gate::{GateRules, GateSettings};
use decisions::plan::{Plan, PlanError, PlanParts, Scope, Tenant, UnlistedModels};
use decisions::{AliasId, Endpoint, ProviderId, TenantId};
use http::HeaderMap;
use proxy::{
    Affinity, AttemptRecord, Cors, Gateway, Holder, Kept, KeyRing, Known, Leases, Limits, Made, NoKeeper,
    Observer, Provider, Record, Setup, Snapshot, SnapshotHandle,
};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};
use upstream::{Address, Credential, Origin, Scheme};

/// The key that its only tenant shows.
pub const CALLERS_KEY: &str = "cgk-counted-0000000000000000000000000000";

/// The alias that its only route has.
pub const MODEL: &str = "support-summary-0";

const PROVIDERS_KEY: &str = "sk-counted";

/// One worker: all of a request is on its thread.
const WORKERS: usize = 1;

/// A running gateway, and the runtime that accepts for it.
pub struct Relaying {
    runtime: Runtime,
    gateway: Gateway,
}

impl Relaying {
    /// Starts it; both of its providers are at one address.
    ///
    /// # Errors
    /// When there is no port, no thread, or the map is wrong.
    pub fn start(provider: SocketAddr) -> Result<Relaying> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entered = runtime.enter();
        let gateway = Gateway::start(Setup {
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
            workers: WORKERS,
            snapshot: Arc::new(SnapshotHandle::new(snapshot(provider)?, Arc::new(NoKeeper))),
            limits: Limits::default(),
            tls: None,
            cors: Cors::default(),
            trust_forwarded_for: false,
            server_timing: false,
            observer: Arc::new(Nobody),
            traces: None,
            affinity: Arc::new(Nobody),
            leases: Arc::new(Leases::default()),
        })?;
        drop(entered);
        Ok(Relaying { runtime, gateway })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Ends it, and what is under way.
    pub fn stop(self) {
        self.runtime.block_on(self.gateway.drain(Duration::ZERO));
    }
}

fn snapshot(provider: SocketAddr) -> Result<Snapshot> {
    let address = Address {
        scheme: Scheme::Http,
        host: provider.ip().to_string(),
        port: provider.port(),
        base_path: "/v1".to_owned(),
        connect_timeout: Duration::from_secs(10),
        http2: None,
        allow_private: true,
    };
    let origin = Arc::new(Origin::new(address, None, WORKERS).map_err(Error::other)?);
    let credential = Credential::bearer(PROVIDERS_KEY).map_err(Error::other)?;
    let path_of = |endpoint: Endpoint| endpoint.path().to_owned();
    let provider = Provider::new(origin, credential, HeaderMap::new(), path_of).map_err(Error::other)?;
    let holder = Holder { tenant: TenantId(0), expires_at: None };
    let keys = KeyRing::new([(Sha256::digest(CALLERS_KEY).into(), holder)]);
    let plan = small_plan().map_err(Error::other)?;
    Ok(Snapshot::new(plan, vec![provider.clone(), provider], keys))
}

/// One tenant, one alias, one route with a canary that is judged.
///
/// # Errors
/// Never, unless this generator is wrong.
pub fn small_plan() -> std::result::Result<Plan, PlanError> {
    let mut route = crate::canary_route("route".to_owned(), Scope::Tenant(TenantId(0)), AliasId(0));
    route.gates.canary = GateRules::new(GateSettings::default()).ok();
    Plan::new(PlanParts {
        route_version: "2026-11-21.1".to_owned(),
        unlisted_models: UnlistedModels::Primary,
        primary_provider: ProviderId(0),
        default_tenant: None,
        shared_state: false,
        providers: crate::providers(),
        families: Vec::new(),
        aliases: vec![crate::alias(0)],
        tenants: vec![Tenant::unrestricted("tenant")],
        cohorts: Vec::new(),
        routes: vec![route],
    })
}

/// Hears of requests, remembers things, and does neither.
struct Nobody;

impl Observer for Nobody {
    fn attempted(&self, _: &AttemptRecord<'_>) {}

    fn finished(&self, _: &Record<'_>) {}
}

impl Affinity for Nobody {
    fn find(&self, _: &str, _: &str) -> Known {
        Known::Unknown
    }

    fn learn(&self, _: &str, _: &str, _: &[Made]) -> Kept {
        tokio::sync::oneshot::channel().1
    }

    fn is_durable(&self) -> bool {
        false
    }
}
