//! What loading the route map and the tenants file yields, and the one function that does it.

use std::path::PathBuf;
use std::time::Duration;

use decisions::TenantId;
use decisions::plan::Plan;

use crate::base_url::BaseUrl;
use crate::document::{Document, Source};
use crate::map_file::MapFile;
use crate::problem::{Place, Problem, Problems};
use crate::tenants_file::TenantsFile;
use crate::{check, resolve};

/// A loaded pair of files.
#[derive(Debug)]
pub struct Loaded {
    /// What decides.
    pub plan: Plan,
    /// `environment` of the map.
    pub environment: Option<String>,
    /// How providers are reached, in the order of the plan's ids.
    pub providers: Vec<ProviderSettings>,
    /// Who holds which gateway key.
    pub keys: Vec<TenantKey>,
    /// `version` of the tenants file.
    pub tenants_version: String,
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
    /// How long a connection may take to be made, TLS included.
    pub connect_timeout: Duration,
    /// Where the credential is named, for the message about one that is missing.
    pub place: Place,
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

/// A gateway key, of which only the hash is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// Loads a route map together with its tenants.
///
/// # Errors
/// Every problem of both files, the map's first. Where one file is no TOML at all, what the other says about it is not
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

    let mut problems = map_document.into_problems();
    problems.extend(tenants_document.into_problems());
    Problems::none(problems)?;

    let (Some(map), Some(tenants), Some(parts)) = (map, tenants, made) else {
        return Err(unexplained(routes, "a part of it was left out without a problem"));
    };
    let plan = Plan::new(parts).map_err(|error| unexplained(routes, &error.to_string()))?;
    let keys = (0..)
        .map(TenantId)
        .zip(&tenants.tenants)
        .flat_map(|(tenant, entry)| {
            entry.keys.iter().map(move |key| TenantKey { tenant, sha256: key.sha256 })
        })
        .collect();
    Ok(Loaded {
        plan,
        environment: map.environment.clone(),
        providers: map.providers.into_iter().filter_map(|entry| entry.settings).collect(),
        keys,
        tenants_version: tenants.version.map(|version| version.text).unwrap_or_default(),
    })
}

/// A fault of this crate: better said than passed over.
fn unexplained(source: Source<'_>, why: &str) -> Problems {
    let place = Place { path: source.path.to_owned(), line: 1, column: 1 };
    let message = format!("the map cannot be used: {why}");
    Problems::new(Problem { place, message, help: Some("this is a bug in Cometgate".to_owned()) }, Vec::new())
}
