//! `cometgate tenants`: gateway keys and who holds them.

use anyhow::Context as _;
use config::Source;
use config::edit::add_tenant;
use serde_json::json;

use crate::cli::{Format, TenantsAdd};
use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::gateway_key::GatewayKey;
use crate::{files, terminal};

/// Makes a key, writes its hash, and shows the key once.
pub(crate) fn add(options: &TenantsAdd) -> Result<(), Failure> {
    let settings = read_settings(&options.config.path)?;
    let path = &settings.tenants;
    let text = files::read(path)
        .with_context(|| format!("{} cannot be read", path.display()))
        .map_err(Failure::invalid)?;
    let key = GatewayKey::generate().map_err(Failure::internal)?;
    let today = jiff::Zoned::now().date();
    let edited = add_tenant(Source { path, text: &text }, &options.name, &key.sha256(), today)
        .map_err(Failure::invalid)?;
    files::replace(path, &edited)
        .with_context(|| format!("{} cannot be written", path.display()))
        .map_err(Failure::invalid)?;
    match options.format {
        Format::Json => terminal::result(
            &json!({"tenant": options.name, "key": key.text(), "tenants_file": path.display().to_string()})
                .to_string(),
        ),
        Format::Text => {
            terminal::result(key.text());
            terminal::say(&format!(
                "This is the key of tenant `{}`. It is shown this once; {} holds its SHA-256 only.",
                options.name,
                path.display()
            ));
        }
    }
    Ok(())
}
