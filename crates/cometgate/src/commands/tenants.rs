//! `cometgate tenants`: gateway keys and who holds them.

use anyhow::Context as _;
use config::edit::add_tenant;
use config::{CredentialSource, Settings, Source, load_map};
use serde_json::json;

use crate::cli::{Format, TenantsAdd};
use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::gateway_key::GatewayKey;
use crate::{edit_lock, files, terminal};

/// Makes a key, writes its hash, and shows the key once.
pub(crate) fn add(options: &TenantsAdd) -> Result<(), Failure> {
    let settings = read_settings(&options.config.path)?;
    let path = &settings.tenants;
    let _locked =
        edit_lock::lock(path).with_context(|| path.display().to_string()).map_err(Failure::invalid)?;
    let text = files::read(path)
        .with_context(|| format!("{} cannot be read", path.display()))
        .map_err(Failure::invalid)?;
    let key = GatewayKey::generate().map_err(Failure::internal)?;
    let today = jiff::Zoned::now().date();
    let edited = add_tenant(Source { path, text: &text }, &options.name, &key.sha256(), today)
        .map_err(Failure::invalid)?;
    let shown = match options.format {
        Format::Json => {
            json!({"tenant": options.name, "key": key.text(), "tenants_file": path.display().to_string()})
                .to_string()
        }
        Format::Text => key.text().to_owned(),
    };
    // Before it is written: a key that nobody saw would be of no use, and would keep its name taken.
    terminal::try_result(&shown)
        .context("the key could not be shown, so nothing was written; run it again for another key")
        .map_err(Failure::internal)?;
    files::replace(path, &edited)
        .with_context(|| {
            format!("{} cannot be written, so the key that was shown is not valid", path.display())
        })
        .map_err(Failure::invalid)?;
    warn_of_callers_keys(&settings, &edited);
    if options.format == Format::Text {
        terminal::say(&format!(
            "This is the key of tenant `{}`. It is shown this once; {} holds its SHA-256 only.",
            options.name,
            path.display()
        ));
    }
    Ok(())
}

/// A key of the gateway is of no use where the primary takes the caller's own.
fn warn_of_callers_keys(settings: &Settings, tenants: &str) {
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
