//! What loading the route map and the tenants file yields, and the one function that does it.

use std::path::PathBuf;
use std::time::Duration;

use decisions::plan::{CredentialHeader, Plan};
use decisions::{Endpoint, TenantId};
use jiff::Timestamp;

use crate::base_url::BaseUrl;
use crate::document::{Document, Named, Source};
use crate::map_file::MapFile;
use crate::problem::{Place, Problem, Problems};
use crate::provider_connection::{Http2Settings, ProviderTls};
use crate::provider_forward::{ForwardHeader, TraceParentTold};
use crate::provider_request::MODELS_PATH;
use crate::tenants_file::TenantsFile;
use crate::warn::{Dated, Whole, warn};
use crate::{check, resolve};

/// A loaded pair of files.
#[derive(Debug)]
pub struct Loaded {
    /// What decides.
    pub plan: Plan,
    /// `environment` of the map.
    pub environment: Option<String>,
    /// Whom to ask about the map.
    pub owner: Option<String>,
    /// When the map is to be taken back.
    pub expires_at: Option<Timestamp>,
    /// The version to go back to.
    pub rollback_route_version: Option<String>,
    /// Who vouches for that version in place of a drill.
    pub rollback_override: Option<RollbackOverride>,
    /// How providers are reached, in the order of the plan's ids.
    pub providers: Vec<ProviderSettings>,
    /// Who holds which gateway key.
    pub keys: Vec<TenantKey>,
    /// Who holds which certificate; SHA-256 of its DER form.
    pub certificates: Vec<TenantKey>,
    /// `version` of the tenants file.
    pub tenants_version: String,
    /// What is probably not what was meant, in both files, the map's first.
    pub warnings: Vec<Problem>,
    /// Those that hold from some time on.
    dated: Vec<Dated>,
}

impl Loaded {
    /// What is about to end or has ended at that time, beyond [`Loaded::warnings`], in the order of the files, the map
    /// first.
    #[must_use]
    pub fn warnings_at(&self, now: Timestamp) -> Vec<Problem> {
        self.dated.iter().filter_map(|dated| dated.at(now)).cloned().collect()
    }
}

/// `rollback_override`: an operator vouches for a version that was not drilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackOverride {
    /// Who.
    pub by: String,
    /// The incident or ticket that says why.
    pub incident: String,
    /// Until when.
    pub until: Timestamp,
}

/// How a provider is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Its name in the map.
    pub name: String,
    /// Where it lives.
    pub base_url: BaseUrl,
    /// Who pays.
    pub credential: CredentialSource,
    /// Which header carries the key.
    pub credential_header: CredentialHeader,
    /// How long a connection may take to be made, TLS included.
    pub connect_timeout: Duration,
    /// How its certificate is judged, and what it is shown.
    pub tls: ProviderTls,
    /// Over HTTP/2, so; else HTTP/1.1.
    pub http2: Option<Http2Settings>,
    /// Where it serves an endpoint, where that is not where OpenAI does.
    pub paths: Vec<(Endpoint, String)>,
    /// Where it lists its models, where that is not where OpenAI does.
    pub models_path: Option<String>,
    /// What is added to every request; names in lower case.
    pub headers: Vec<(String, String)>,
    /// What goes on of the headers that callers send, besides what goes to every provider.
    pub forward_headers: Vec<ForwardHeader>,
    /// Which span it is told to be below of.
    pub trace_parent: TraceParentTold,
    /// Its name may stand for an address of a private network, or of this machine.
    pub allow_private_addresses: bool,
    /// Where the credential is named, for the message about one that is missing.
    pub place: Place,
}

impl ProviderSettings {
    /// Where a request goes and what it meets there, as one text; secrets are only named.
    pub(crate) fn reached_by(&self) -> String {
        let connection = (&self.tls, self.http2);
        format!(
            "{} {:?} {:?} {:?} {connection:?} {} {:?}",
            self.base_url,
            self.paths,
            self.headers,
            self.credential,
            self.credential_header.as_str(),
            self.forward_headers,
        )
    }

    /// Where it serves an endpoint, under its base URL.
    #[must_use]
    pub fn path_of(&self, endpoint: Endpoint) -> &str {
        let own = self.paths.iter().find(|(named, _)| *named == endpoint);
        own.map_or(endpoint.path(), |(_, path)| path)
    }

    /// Where it lists its models, under its base URL.
    #[must_use]
    pub fn models_path(&self) -> &str {
        self.models_path.as_deref().unwrap_or(MODELS_PATH)
    }
}

/// Where a provider's credential comes from; never the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The caller's own key goes on.
    Client,
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// A gateway key or a certificate, of which only the hash is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// Loads a route map together with its tenants.
///
/// # Errors
/// Every problem of both files, warnings among them, the map's first. Where one file is no TOML at all, what the other says about it is not
/// checked.
pub fn load_map(routes: Source<'_>, tenants: Source<'_>) -> Result<Loaded, Problems> {
    let map_document = Document::new(routes);
    let tenants_document = Document::new(tenants);
    let map = MapFile::read(&map_document);
    let tenants = TenantsFile::read(&tenants_document);
    let made = map.as_ref().and_then(|map| {
        let made = resolve::resolve(map, tenants.as_ref(), &map_document, &tenants_document);
        check::check(map, &made, &map_document);
        made.into_parts(map)
    });
    let is_refused = map_document.is_refused() || tenants_document.is_refused();
    let plan = made.filter(|_| !is_refused).map(Plan::new);
    let mut dated = Vec::new();
    if let (Some(map), Some(tenants), Some(Ok(plan))) = (&map, &tenants, &plan) {
        dated =
            warn(&Whole { map, tenants, plan, document: &map_document, tenants_document: &tenants_document });
    }

    let mut problems = map_document.into_problems();
    problems.extend(tenants_document.into_problems());
    let warnings = Problems::none(problems)?;

    let (Some(map), Some(tenants), Some(plan)) = (map, tenants, plan) else {
        return Err(unexplained(routes, "a part of it was left out without a problem"));
    };
    let plan = plan.map_err(|error| unexplained(routes, &error.to_string()))?;
    let keys = (0..)
        .map(TenantId)
        .zip(&tenants.tenants)
        .flat_map(|(tenant, entry)| {
            entry.keys.iter().map(move |key| TenantKey {
                tenant,
                sha256: key.sha256,
                expires_at: key.expires_at.map(|date| date.time),
            })
        })
        .collect();
    let certificates = (0..)
        .map(TenantId)
        .zip(&tenants.tenants)
        .flat_map(|(tenant, entry)| {
            let listed = entry.certificates.iter();
            listed.map(move |hash| TenantKey { tenant, sha256: hash.sha256, expires_at: None })
        })
        .collect();
    let text = |named: Named| named.text;
    Ok(Loaded {
        plan,
        environment: map.environment.map(text),
        owner: map.owner.map(text),
        expires_at: map.expires_at.map(|date| date.time),
        rollback_route_version: map.rollback_version.map(text),
        rollback_override: map.rollback_override.and_then(|vouched| {
            let until = vouched.until?.time;
            Some(RollbackOverride { by: vouched.by?.text, incident: vouched.incident?.text, until })
        }),
        providers: map.providers.into_iter().filter_map(|entry| entry.settings).collect(),
        keys,
        certificates,
        tenants_version: tenants.version.map(|version| version.text).unwrap_or_default(),
        warnings,
        dated,
    })
}

fn unexplained(source: Source<'_>, why: &str) -> Problems {
    Problems::new(Problem::unexplained(source.path, format!("the map cannot be used: {why}")), Vec::new())
}
