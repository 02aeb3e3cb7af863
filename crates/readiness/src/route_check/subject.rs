//! What a check of a route looks at, as the map says it.

use decisions::Role;
use evidence::EndpointFamily;

use crate::route_check::family::Choice;

/// One target of one route, for one alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The route's name.
    pub route: String,
    /// `route_version` of the map that was read.
    pub route_version: String,
    /// SHA-256 of its text, as 64 hexadecimal digits: of two texts of one version only one can be in force.
    pub map_sha256: String,
    /// `environment` of that map.
    pub environment: Option<String>,
    /// In which role the target is looked at.
    pub role: Role,
    /// Which provider that is.
    pub provider: String,
    /// What applications call the model.
    pub alias: String,
    /// What the provider calls it.
    pub model_id: String,
    /// Which request shape is sent.
    pub choice: Choice,
    /// The provider's key is the gateway's own and goes out as a bearer token.
    pub is_bearer_from_secret: bool,
    /// Requests go there now.
    pub is_serving: bool,
    /// Attempts after the first that the route allows at the same target.
    pub retries: u8,
}

impl Subject {
    /// Role and provider, as records name them.
    #[must_use]
    pub fn target(&self) -> String {
        target(self.role.as_str(), &self.provider)
    }

    /// Which request shape is sent.
    #[must_use]
    pub fn family(&self) -> EndpointFamily {
        self.choice.family
    }
}

/// Role and provider, as records name them.
pub(crate) fn target(role: &str, provider: &str) -> String {
    format!("{role} {provider}")
}
