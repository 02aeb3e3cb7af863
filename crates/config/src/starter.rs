//! The first configuration that `cometgate init` and `cometgate demo` write.
//!
//! It is a text for people: it says what each part is for and which line shifts the canary. What it says is checked by
//! the loader before it is returned, so that nobody's first try starts with an error message.

mod text;

use std::path::Path;

use decisions::bucket::Share;
use jiff::civil::Date;

use crate::base_url::BaseUrl;
use crate::document::Source;
use crate::load::load_map;
use crate::names::{EXACT_RULE, NAME_RULE, is_exact_text, is_name};
use crate::provider_entry::is_variable;
use crate::settings::load_settings;
use crate::share::parse_share;

/// What to write.
#[derive(Clone, Debug)]
pub struct StarterOptions {
    /// Base URL of the provider that serves today.
    pub primary: String,
    /// The environment variable with its key; without one the caller's own key goes on.
    pub primary_key_env: Option<String>,
    /// Base URL of the provider to try.
    pub canary: String,
    /// The environment variable with its key.
    pub canary_key_env: String,
    /// How much the canary gets at first, as in `5%`.
    pub share: String,
    /// The canary's provider is also the primary's fallback.
    pub fallback: bool,
    /// The model names that take part, each with what the two providers call it if that differs.
    pub models: Vec<(String, Option<ModelIds>)>,
    /// Where the gateway listens.
    pub listen: String,
    /// The first tenant.
    pub tenant: String,
    /// SHA-256 of the first tenant's gateway key.
    pub key_sha256: Option<[u8; 32]>,
    /// The day that the version carries.
    pub today: Date,
}

/// What the two providers call a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelIds {
    /// The primary.
    pub primary: String,
    /// The canary.
    pub canary: String,
}

/// The three files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// `cometgate.toml`
    pub settings: String,
    /// `routes.toml`
    pub routes: String,
    /// `tenants.toml`
    pub tenants: String,
    /// The first alias and the name of its route, for whoever shows what to do next.
    pub first_route: Option<(String, String)>,
}

/// Why an option cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: {reason}")]
pub struct StarterError {
    /// The flag of `cometgate init`.
    pub flag: &'static str,
    /// What is wrong with its value.
    pub reason: String,
}

impl StarterOptions {
    /// The defaults, without any model.
    #[must_use]
    pub fn new(primary: impl Into<String>, canary: impl Into<String>, today: Date) -> StarterOptions {
        StarterOptions {
            primary: primary.into(),
            primary_key_env: None,
            canary: canary.into(),
            canary_key_env: "COMETAPI_KEY".to_owned(),
            share: "5%".to_owned(),
            fallback: false,
            models: Vec::new(),
            listen: "127.0.0.1:8080".to_owned(),
            tenant: "default".to_owned(),
            key_sha256: None,
            today,
        }
    }
}

/// The options, read.
struct Checked<'o> {
    options: &'o StarterOptions,
    primary: ProviderText,
    canary: ProviderText,
    share: Share,
    version: String,
}

struct ProviderText {
    name: &'static str,
    base_url: BaseUrl,
}

/// Writes a first configuration.
///
/// # Errors
/// Names the flag whose value cannot be used.
pub fn starter(options: &StarterOptions) -> Result<Starter, StarterError> {
    let checked = check_options(options)?;
    let mut starter = Starter {
        settings: text::settings(&checked),
        routes: text::routes(&checked),
        tenants: text::tenants(&checked),
        first_route: None,
    };
    let source = |name, text| Source { path: Path::new(name), text };
    load_settings(source("cometgate.toml", &starter.settings))
        .map_err(|problems| error("--listen", problems.to_string()))?;
    let loaded = load_map(source("routes.toml", &starter.routes), source("tenants.toml", &starter.tenants))
        .map_err(|problems| error("--model", problems.to_string()))?;
    let route = loaded.plan.parts().routes.first().map(|route| route.name.clone());
    starter.first_route = options.models.first().map(|(alias, _)| alias.clone()).zip(route);
    Ok(starter)
}

fn error(flag: &'static str, reason: impl Into<String>) -> StarterError {
    StarterError { flag, reason: reason.into() }
}

fn check_options(options: &StarterOptions) -> Result<Checked<'_>, StarterError> {
    let url = |flag, text: &str| text.parse::<BaseUrl>().map_err(|problem| error(flag, problem.to_string()));
    let primary_url = url("--primary", &options.primary)?;
    let canary_url = url("--canary", &options.canary)?;
    if primary_url == canary_url {
        return Err(error("--canary", "it is the same as --primary; a canary is another provider"));
    }
    let variables = [
        ("--primary-key-env", options.primary_key_env.as_deref()),
        ("--canary-key-env", Some(options.canary_key_env.as_str())),
    ];
    for (flag, variable) in variables {
        if variable.is_some_and(|name| !is_variable(name)) {
            // Most likely the key itself, so it is not repeated.
            return Err(error(flag, "it takes the name of an environment variable, not the key"));
        }
    }
    if options.listen.parse::<std::net::SocketAddr>().is_err() {
        return Err(error("--listen", "it takes an IP address with a port, as in 127.0.0.1:8080"));
    }
    if !is_name(&options.tenant) {
        return Err(error("--tenant", format!("a tenant's name has {NAME_RULE}")));
    }
    check_models(options)?;
    let primary_name = known_name(&primary_url).unwrap_or("primary");
    let canary_name = known_name(&canary_url).filter(|name| *name != primary_name).unwrap_or("canary");
    Ok(Checked {
        options,
        primary: ProviderText { name: primary_name, base_url: primary_url },
        canary: ProviderText { name: canary_name, base_url: canary_url },
        share: parse_share(&options.share).map_err(|problem| error("--share", problem.to_string()))?,
        version: format!("{}.1", options.today),
    })
}

fn check_models(options: &StarterOptions) -> Result<(), StarterError> {
    let mut seen = std::collections::HashSet::new();
    for (alias, ids) in &options.models {
        let ids = ids.iter().flat_map(|ids| [&ids.primary, &ids.canary]);
        if !std::iter::once(alias).chain(ids).all(|text| is_exact_text(text)) {
            return Err(error("--model", format!("a model name has {EXACT_RULE}")));
        }
        if alias == "*" {
            return Err(error("--model", "`*` is no model name; name each model that may move"));
        }
        if !seen.insert(alias) {
            return Err(error("--model", format!("{alias:?} is given twice")));
        }
    }
    Ok(())
}

/// What everybody calls the providers behind these hosts.
fn known_name(url: &BaseUrl) -> Option<&'static str> {
    match url.host.as_str() {
        "api.openai.com" => Some("openai"),
        "api.cometapi.com" => Some("cometapi"),
        _ => None,
    }
}
