//! `cometgate tenants rotate` and `revoke`: keys come and go while the gateway runs.

use anyhow::Context as _;
use config::ListedKey;
use config::edit::{KeyEdit, edit_keys};
use jiff::{Timestamp, Zoned};
use serde_json::json;

use crate::cli::{Format, TenantsRevoke, TenantsRotate};
use crate::commands::tenants::add::warn_of_callers_keys;
use crate::commands::tenants::list::describe;
use crate::commands::tenants::{Given, show_key};
use crate::exit::Failure;
use crate::gateway_key::GatewayKey;
use crate::terminal;

/// Makes a key, shows it once, and gives the others an end.
pub(super) fn rotate(options: &TenantsRotate) -> Result<(), Failure> {
    let others_end = end_after(&options.grace)?;
    let (given, _locked) = Given::to_edit(&options.given.config)?;
    let path = given.settings.tenants.display();
    let key = GatewayKey::generate().map_err(Failure::internal)?;
    let edit = KeyEdit::Rotate { sha256: key.sha256(), name: options.key_name.clone(), others_end };
    let today = Zoned::now().date();
    let edited = edit_keys(given.source(), &options.name, &edit, today).map_err(Failure::invalid)?;
    let made = edited.tenant.keys.iter().find(|listed| listed.sha256 == key.sha256());
    let name = made.and_then(|made| made.name.as_deref()).unwrap_or_default();
    match options.given.format {
        Format::Json => {
            let others: Vec<_> = edited.touched.iter().map(to_json).collect();
            let result = json!({
                "tenant": options.name,
                "key": key.text(),
                "key_name": name,
                "tenants_file": path.to_string(),
                "version": edited.version,
                "ending": others,
            });
            show_key(&result.to_string())?;
            given.replace(&edited.text)?;
            warn_of_callers_keys(&given.settings, &edited.text);
        }
        Format::Text => {
            show_key(key.text())?;
            given.replace(&edited.text)?;
            warn_of_callers_keys(&given.settings, &edited.text);
            terminal::say(&format!(
                "This is key `{name}` of tenant `{}`. It is shown this once; {path} (now version {}) holds its SHA-256 \
                 only.",
                options.name, edited.version
            ));
            for ending in &edited.touched {
                terminal::say(&format!("  {}", describe(ending, Timestamp::now())));
            }
        }
    }
    Ok(())
}

/// Removes keys.
pub(super) fn revoke(options: &TenantsRevoke) -> Result<(), Failure> {
    let given = Given::of(&options.config)?;
    let path = given.settings.tenants.display();
    let edit = KeyEdit::Revoke { key: options.key.clone() };
    let today = Zoned::now().date();
    let edited = edit_keys(given.source(), &options.name, &edit, today).map_err(Failure::invalid)?;
    terminal::say(&format!("Of tenant `{}` these keys are removed:", options.name));
    for key in &edited.touched {
        terminal::say(&format!("  {}", describe(key, Timestamp::now())));
    }
    let now = Timestamp::now();
    if !edited.tenant.keys.iter().any(|key| key.expires_at.is_none_or(|end| end > now)) {
        terminal::say("It has no other key that is good: nobody can call as this tenant then.");
    }
    terminal::confirm(options.answer.yes, &format!("Write {path}?"), "nothing was written")?;
    let _locked = given.lock()?;
    given.replace(&edited.text)?;
    terminal::result(&format!(
        "{path} is now version {}; a running gateway takes it within a second",
        edited.version
    ));
    Ok(())
}

/// In whole seconds, as times are written in the file.
fn end_after(grace: &str) -> Result<Timestamp, Failure> {
    let span = grace.parse::<jiff::Span>().ok().filter(|span| !span.is_negative());
    let end = span.and_then(|span| Zoned::now().checked_add(span).ok());
    let end = end.and_then(|end| Timestamp::from_second(end.timestamp().as_second()).ok());
    end.context(format!("--grace {grace}: it takes how long from now, as 24h, 7d or 0s"))
        .map_err(Failure::invalid)
}

fn to_json(key: &ListedKey) -> serde_json::Value {
    json!({
        "name": key.name,
        "sha256_begins": key.hash_beginning(),
        "expires_at": key.expires_at.map(|end| end.to_string()),
    })
}
