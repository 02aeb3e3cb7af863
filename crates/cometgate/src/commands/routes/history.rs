//! `cometgate routes history`: what was live, since when and why.

use config::Settings;
use serde_json::json;

use crate::cli::{Format, History};
use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::state::StateDir;
use crate::state::record::Accepted;
use crate::terminal;

pub(super) fn run(options: &History) -> Result<(), Failure> {
    let settings = read_settings(&options.config.path)?;
    let Some(state) = StateDir::read(&settings.state_dir).map_err(Failure::invalid)? else {
        let path = settings.state_dir.display();
        return Err(Failure::invalid(anyhow::anyhow!(
            "{path} is not there yet: a gateway that runs with these settings makes it"
        )));
    };
    let records = state.history().iter().rev().take(options.last);
    match options.format {
        Format::Json => {
            let records: Vec<_> = records.map(|record| to_json(&state, record)).collect();
            terminal::result(&json!(records).to_string());
        }
        Format::Text => print_text(&settings, &state, records),
    }
    Ok(())
}

fn to_json(state: &StateDir, record: &Accepted) -> serde_json::Value {
    json!({
        "at": record.at.to_string(),
        "why": record.why.to_string(),
        "environment": record.environment,
        "route_version": record.route_version,
        "routes_sha256": record.routes.to_string(),
        "tenants_version": record.tenants_version,
        "tenants_sha256": record.tenants.to_string(),
        "held": record.held,
        "held_and_more": record.and_more,
        "text_is_kept": is_kept(state, record),
    })
}

fn print_text<'r>(settings: &Settings, state: &StateDir, records: impl Iterator<Item = &'r Accepted>) {
    let mut is_any = false;
    for record in records {
        is_any = true;
        let held = if record.held.is_empty() {
            String::new()
        } else {
            let more =
                if record.and_more > 0 { format!(" and {} more", record.and_more) } else { String::new() };
            format!("  held: {}{more}", record.held.join(", "))
        };
        let gone = if is_kept(state, record) { "" } else { "  (its text is no longer kept)" };
        terminal::result(&format!(
            "{:.0}  {:<24} {:<10} tenants {}{held}{gone}",
            record.at, record.route_version, record.why, record.tenants_version
        ));
    }
    if !is_any {
        terminal::say(&format!("{}: nothing was live yet", settings.state_dir.display()));
    }
}

fn is_kept(state: &StateDir, record: &Accepted) -> bool {
    matches!(state.routes_text(record.routes), Ok(Some(_)))
}
