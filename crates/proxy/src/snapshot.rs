//! What one request sees of the configuration, from its beginning to its end, whatever a reload does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use decisions::attempts::breaker::State;
use decisions::plan::{CredentialHeader, Plan};
use decisions::{Endpoint, ProviderId, Role, RouteId, TenantId};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use upstream::{Credential, Origin};

use crate::auth::KeyRing;
use crate::gates::{GateKeeper, Gates};
use crate::request::forwards::Forwards;
use crate::secrets::Secrets;
use crate::series::PlanSeries;
use crate::target_state::{RouteTargets, Targets};
use crate::tenant_state::{TenantState, TenantStates};
use crate::trace::ToldTrace;

/// A plan with what is needed to act on it.
#[derive(Debug)]
pub struct Snapshot {
    plan: Plan,
    providers: Vec<Provider>,
    keys: KeyRing,
    targets: Targets,
    tenants: TenantStates,
    series: PlanSeries,
    gates: Gates,
    version_header: HeaderValue,
    provider_headers: Vec<HeaderValue>,
    route_headers: Vec<HeaderValue>,
    secrets: Secrets,
}

/// How one provider of the plan is reached.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its server; shared with earlier snapshots when the address did not change.
    pub origin: Arc<Origin>,
    /// What it is shown.
    pub credential: Credential,
    /// Which header carries that.
    pub credential_header: CredentialHeader,
    /// What the map adds to every request, or puts in place of the caller's; without a credential.
    pub headers: HeaderMap,
    /// What of the caller's headers goes on besides what goes to every provider; nothing, almost always.
    pub forwards: Option<Box<Forwards>>,
    /// Which trace it is told of.
    pub told_trace: ToldTrace,
    /// What the gateway's own checks show it, where callers bring their own key; without it checks cannot ask there.
    pub check_credential: Option<Credential>,
    /// In the order of [`Endpoint::ALL`], which is that of its values.
    endpoints: Box<[EndpointPath]>,
}

/// Where a provider serves a routed endpoint.
#[derive(Clone, Debug)]
struct EndpointPath {
    /// Under the base URL.
    path: Box<str>,
    /// With what the base URL has before it; for a request without a query, which is almost every one.
    whole: PathAndQuery,
}

impl Provider {
    /// Builds the paths of the routed endpoints once. `path_of` says where the provider serves one, under its base URL.
    ///
    /// # Errors
    /// When the origin's base path makes no path.
    pub fn new(
        origin: Arc<Origin>,
        credential: Credential,
        headers: HeaderMap,
        path_of: impl Fn(Endpoint) -> String,
    ) -> Result<Provider, http::uri::InvalidUri> {
        let serve = |endpoint: &Endpoint| -> Result<EndpointPath, http::uri::InvalidUri> {
            let path = path_of(*endpoint).into_boxed_str();
            Ok(EndpointPath { whole: origin.path(&path)?, path })
        };
        let endpoints = Endpoint::ALL.iter().map(serve).collect::<Result<_, _>>()?;
        let credential_header = CredentialHeader::default();
        Ok(Provider {
            endpoints,
            origin,
            credential,
            credential_header,
            headers,
            forwards: None,
            told_trace: ToldTrace::default(),
            check_credential: None,
        })
    }

    /// As a check asks it, if that is otherwise than callers do: the same in all but its credential, which is that of checks where callers bring their own, or, for the
    /// twin, nobody's.
    pub(crate) fn for_check(&self, is_twin: bool) -> Option<Box<Provider>> {
        let credential = match &self.check_credential {
            _ if is_twin => Credential::invalid(self.credential_header),
            Some(credential) => credential.clone(),
            None => return None,
        };
        Some(Box::new(Provider { credential, ..self.clone() }))
    }

    /// Whether a check can ask it.
    pub(crate) fn takes_checks(&self) -> bool {
        self.check_credential.is_some() || !matches!(self.credential, Credential::Client)
    }

    /// Where a request for a routed endpoint goes; `query` is what the caller sent after the `?`.
    pub(crate) fn endpoint_path(
        &self,
        endpoint: Endpoint,
        query: Option<&str>,
    ) -> Result<PathAndQuery, http::uri::InvalidUri> {
        let at = self.endpoints.get(endpoint as usize);
        match (at, query) {
            (Some(at), None) => Ok(at.whole.clone()),
            (Some(at), Some(query)) => self.origin.path(&format!("{}?{query}", at.path)),
            (None, _) => self.origin.path(endpoint.path()),
        }
    }
}

impl Snapshot {
    /// `providers` stand in the plan's order.
    #[must_use]
    pub fn new(plan: Plan, providers: Vec<Provider>, keys: KeyRing) -> Snapshot {
        let header = |text: &str| {
            // Names are checked to be header-safe when the file is loaded.
            HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static("?"))
        };
        let parts = plan.parts();
        Snapshot {
            version_header: header(&parts.route_version),
            provider_headers: parts.providers.iter().map(|provider| header(&provider.name)).collect(),
            route_headers: parts.routes.iter().map(|route| header(&route.name)).collect(),
            secrets: Secrets::of(&providers),
            targets: Targets::new(&plan, &providers, None),
            tenants: TenantStates::new(&plan, None),
            series: PlanSeries::new(&plan, None),
            gates: Gates::default(),
            plan,
            providers,
            keys,
        }
    }

    /// What is remembered of a route's targets.
    pub(crate) fn targets(&self, route: Option<RouteId>) -> &RouteTargets {
        self.targets.of(route)
    }

    /// What is counted.
    pub(crate) fn series(&self) -> &PlanSeries {
        &self.series
    }

    /// A route of it has got a request since the process began.
    #[must_use]
    pub fn is_used(&self, route: RouteId) -> bool {
        self.series.is_used(route)
    }

    /// Whether the breaker of a route's target lets attempts through, at `now_ms` of
    /// [`Gateway::now_ms`](crate::Gateway::now_ms).
    #[must_use]
    pub fn breaker(&self, route: RouteId, role: Role, now_ms: u64) -> State {
        self.targets.of(Some(route)).of(role).breaker(Duration::from_millis(now_ms))
    }

    /// What a tenant has used of its limits; `None` where it has none.
    pub(crate) fn tenant_state(&self, tenant: TenantId) -> Option<&Arc<TenantState>> {
        self.tenants.of(tenant)
    }

    /// The gates of its routes; none before it is in force.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// All providers, in the plan's order.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    pub(crate) fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.providers.get(id.index())
    }

    /// What no answer may show.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(crate) fn version_header(&self) -> HeaderValue {
        self.version_header.clone()
    }

    pub(crate) fn provider_header(&self, id: ProviderId) -> Option<HeaderValue> {
        self.provider_headers.get(id.index()).cloned()
    }

    pub(crate) fn route_header(&self, id: RouteId) -> Option<HeaderValue> {
        self.route_headers.get(id.index()).cloned()
    }
}

/// Where the snapshot in force is found and replaced.
#[derive(Debug)]
pub struct SnapshotHandle {
    current: ArcSwap<Snapshot>,
    keeper: Arc<dyn GateKeeper>,
}

impl SnapshotHandle {
    /// Starts with one. `keeper` remembers gates over the process's end.
    #[must_use]
    pub fn new(mut snapshot: Snapshot, keeper: Arc<dyn GateKeeper>) -> SnapshotHandle {
        snapshot.gates = Gates::new(&snapshot.plan, None, &keeper);
        SnapshotHandle { current: ArcSwap::from_pointee(snapshot), keeper }
    }

    /// The one in force.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts another in force for every request that begins from now on.
    ///
    /// What is remembered of targets, tenants and gates that it shares with the one before goes on, as do the counts.
    pub fn swap(&self, mut snapshot: Snapshot) {
        let before = self.current();
        snapshot.targets =
            Targets::new(&snapshot.plan, &snapshot.providers, Some((&before.plan, &before.targets)));
        snapshot.tenants = TenantStates::new(&snapshot.plan, Some((&before.plan, &before.tenants)));
        snapshot.series = PlanSeries::new(&snapshot.plan, Some((&before.plan, &before.series)));
        snapshot.gates = Gates::new(&snapshot.plan, Some(&before.gates), &self.keeper);
        self.current.store(Arc::new(snapshot));
    }
}
