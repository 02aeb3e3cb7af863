//! `cometgate tenants add`: a new tenant and its first key.

use config::edit::add_tenant;
use config::{CredentialSource, Settings, Source, load_map};
use serde_json::json;

use crate::cli::{Format, TenantsAdd};
use crate::commands::tenants::{Given, show_key};
use crate::exit::Failure;
use crate::gateway_key::GatewayKey;
use crate::{files, terminal};

/// Makes a key, writes its hash, and shows the key once.
pub(super) fn run(options: &TenantsAdd) -> Result<(), Failure> {
    let (given, _locked) = Given::to_edit(&options.given.config)?;
    let path = &given.settings.tenants;
    let key = GatewayKey::generate().map_err(Failure::internal)?;
    let today = jiff::Zoned::now().date();
    let edited = add_tenant(given.source(), &options.name, &key.sha256(), today).map_err(Failure::invalid)?;
    match options.given.format {
        Format::Json => show_key(
            &json!({"tenant": options.name, "key": key.text(), "tenants_file": path.display().to_string()})
                .to_string(),
        )?,
        Format::Text => show_key(key.text())?,
    }
    given.replace(&edited)?;
    warn_of_callers_keys(&given.settings, &edited);
    if options.given.format == Format::Text {
        terminal::say(&format!(
            "This is the key of tenant `{}`. It is shown this once; {} holds its SHA-256 only.",
            options.name,
            path.display()
        ));
    }
    Ok(())
}

/// A key of the gateway is of no use where the primary takes the caller's own.
pub(super) fn warn_of_callers_keys(settings: &Settings, tenants: &str) {
    // A map that does not load is `serve`'s to complain about.
    let Ok(routes) = files::read(&settings.routes) else { return };
    let routes = Source { path: &settings.routes, text: &routes };
    let Ok(loaded) = load_map(routes, Source { path: &settings.tenants, text: tenants }) else { return };
    let wants = loaded.providers.iter().find(|provider| provider.credential == CredentialSource::Client);
    if let Some(provider) = wants {
        terminal::say(&format!(
            "Note: provider `{}` takes the caller's own key, so routes that lead there refuse this one; give the \
             provider a credential in {} to use keys of the gateway.",
            provider.name,
            settings.routes.display()
        ));
    }
}
