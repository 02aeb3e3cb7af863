//! `cometgate models diff`.

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow};
use evidence::{Body, Name};
use http::Method;
use readiness::Auth;
use readiness::catalog::{Asked, Drift, Seen, ask, configured, drift};
use serde_json::{Value, json};

use crate::catalog::snapshots::{Snapshot, Snapshots, Taken};
use crate::catalog::{drift_record, severity_of};
use crate::checks::Checked;
use crate::checks::prior::Prior;
use crate::cli::{Format, ModelsDiff};
use crate::clock::now;
use crate::exit::Failure;
use crate::running::block_on;
use crate::terminal;

/// What was found at one provider.
enum Found {
    /// No list, or none to measure by.
    Nothing(Seen),
    /// The first list.
    First(BTreeSet<String>),
    /// Fewer than half of the IDs before: not kept unasked.
    Shrunk(Snapshot, BTreeSet<String>, Drift),
    Drift(Snapshot, BTreeSet<String>, Drift),
}

pub(super) fn run(options: &ModelsDiff) -> Result<(), Failure> {
    let checked = options.asked.open()?;
    let places = options.asked.places(&checked)?;
    let snapshots = Snapshots::of(&checked.settings.state_dir);
    let back = Prior::of(&checked).into_map();
    let mut printed = Vec::new();
    let mut records: Vec<(Option<String>, Body)> = Vec::new();
    let (mut unlisted, mut gone) = (Vec::new(), Vec::new());
    for at in places {
        let provider = checked.providers[at].name.clone();
        let seen = block_on(async { Ok(list(&checked, at).await) })?;
        let used = configured(&checked.loaded.plan, back.as_ref().map(|back| &back.plan), &provider);
        let used: BTreeSet<&str> = used.iter().map(|model| model.model_id.as_str()).collect();
        let found = compare(&snapshots, &provider, seen, &used)?;
        keep(&snapshots, &provider, &found, options)?;
        match &found {
            Found::Nothing(_) => unlisted.push(provider.clone()),
            Found::First(_) => {}
            Found::Shrunk(before, now, drift) | Found::Drift(before, now, drift) => {
                let said = (options.asked.by(), options.asked.link.as_deref());
                records.push((None, drift_record(&checked, said, before, now, drift).into()));
                if !drift.gone_in_use.is_empty() {
                    gone.push(provider.clone());
                }
            }
        }
        printed.push((provider, found));
    }
    if !records.is_empty() {
        checked.record(options.asked.by(), records)?;
    }
    print(options, &printed);
    if !gone.is_empty() {
        let why = anyhow!("IDs that the map names are gone from the list of {}", gone.join(", "));
        return Err(Failure::not_allowed(why));
    }
    if !unlisted.is_empty() {
        return Err(Failure::unreachable(anyhow!(
            "{} gave no list to measure by; what was reviewed stays as it is. `cometgate models check` says why",
            unlisted.join(", ")
        )));
    }
    Ok(())
}

async fn list(checked: &Checked, at: usize) -> Seen {
    let path = checked.loaded.providers[at].models_path();
    let timeout = checked.settings.catalog.timeout;
    ask(&checked.providers[at], Asked { method: Method::GET, path, auth: Auth::Ours, timeout }).await
}

fn compare(
    snapshots: &Snapshots,
    provider: &str,
    seen: Seen,
    used: &BTreeSet<&str>,
) -> Result<Found, Failure> {
    let Some(catalog) = seen.catalog.as_ref().filter(|found| !found.ids.is_empty() && !found.is_partial)
    else {
        return Ok(Found::Nothing(seen));
    };
    let reviewed = snapshots
        .read(provider, Taken::Reviewed)
        .with_context(|| format!("the reviewed list of {provider} cannot be read"))
        .map_err(Failure::invalid)?;
    let now = catalog.ids.clone();
    let Some(before) = reviewed else { return Ok(Found::First(now)) };
    let found = drift(&before.ids, &now, used);
    Ok(if before.dwarfs(&now) { Found::Shrunk(before, now, found) } else { Found::Drift(before, now, found) })
}

fn keep(snapshots: &Snapshots, provider: &str, found: &Found, options: &ModelsDiff) -> Result<(), Failure> {
    let ids = match found {
        // There is nothing that it could take the place of.
        Found::First(now) => now,
        Found::Drift(_, now, _) if !options.keep => now,
        Found::Shrunk(_, now, _) if options.accept => now,
        Found::Nothing(_) | Found::Shrunk(..) | Found::Drift(..) => return Ok(()),
    };
    let at = now();
    snapshots
        .write(&Snapshot::new(provider, at, ids.clone()), Taken::Reviewed)
        .with_context(|| {
            format!("the list of {provider} cannot be kept in {}", snapshots.directory().display())
        })
        .map_err(Failure::invalid)
}

fn print(options: &ModelsDiff, found: &[(String, Found)]) {
    match options.asked.given.format {
        Format::Json => {
            let each = found.iter().map(|(provider, found)| to_json(provider, found, options));
            terminal::result(&Value::Array(each.collect()).to_string());
        }
        Format::Text => {
            for (provider, found) in found {
                lines(provider, found, options).iter().for_each(|line| terminal::result(line));
            }
        }
    }
}

fn to_json(provider: &str, found: &Found, options: &ModelsDiff) -> Value {
    match found {
        Found::Nothing(seen) => json!({ "provider": provider, "outcome": seen.outcome.class.as_str() }),
        Found::First(ids) => json!({ "provider": provider, "outcome": "first", "identifiers": ids.len() }),
        Found::Shrunk(before, now, drift) | Found::Drift(before, now, drift) => {
            let mut value = json!({
                "provider": provider,
                "outcome": if matches!(found, Found::Shrunk(..)) { "near_empty" } else { "compared" },
                "since": before.taken_at,
                "identifiers_before": before.ids.len(),
                "identifiers": now.len(),
                "severity": (!drift.is_empty()).then(|| severity_of(drift).as_str()),
                "summary": drift.summary(),
                "gone_in_use": drift.gone_in_use,
            });
            if options.names {
                let pairs = |pairs: &[(String, String)]| json!(pairs);
                value["new"] = json!(drift.new);
                value["removed"] = json!(drift.removed);
                value["renamed_looking"] = pairs(&drift.renamed);
                value["case_only"] = pairs(&drift.case_only);
                value["alias_like"] = json!(drift.alias_like);
            }
            value
        }
    }
}

fn lines(provider: &str, found: &Found, options: &ModelsDiff) -> Vec<String> {
    match found {
        Found::Nothing(seen) => {
            vec![format!("{provider}: no list to measure by ({})", seen.outcome.class.as_str())]
        }
        Found::First(ids) => {
            vec![format!("{provider}: {} IDs are the first list, kept as reviewed", ids.len())]
        }
        Found::Shrunk(before, now, drift) | Found::Drift(before, now, drift) => {
            let (was, is, since) = (before.ids.len(), now.len(), before.taken_at);
            let mut lines = vec![format!("{provider}: {is} IDs, {was} at {since}")];
            if drift.is_empty() {
                lines.push("  nothing has changed".to_owned());
                return lines;
            }
            lines.push(format!("  {}: {}", severity_of(drift).as_str(), drift.summary()));
            if matches!(found, Found::Shrunk(..)) && !options.accept {
                lines.push(
                    "  fewer than half of before, so it is not kept: see `models check`, then --accept"
                        .to_owned(),
                );
            }
            lines.extend(
                drift.gone_in_use.iter().map(|id| format!("  gone, and the map names it: {}", shown(id))),
            );
            if options.names {
                lines.extend(named(drift));
            }
            lines
        }
    }
}

fn named(drift: &Drift) -> Vec<String> {
    let pair = |(before, now): &(String, String)| format!("{} to {}", shown(before), shown(now));
    let ids = |ids: &[String]| ids.iter().map(|id| shown(id)).collect::<Vec<_>>();
    let kinds = [
        ("new", ids(&drift.new)),
        ("removed", ids(&drift.removed)),
        ("renamed-looking", drift.renamed.iter().map(pair).collect()),
        ("case-only", drift.case_only.iter().map(pair).collect()),
        ("alias-like", ids(&drift.alias_like)),
    ];
    let lines = kinds
        .into_iter()
        .flat_map(|(kind, each)| each.into_iter().map(move |text| format!("  {kind:<16} {text}")));
    lines.collect()
}

/// Fit for a terminal.
fn shown(id: &str) -> String {
    Name::from(id).to_string()
}
