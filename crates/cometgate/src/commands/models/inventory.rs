//! `cometgate models inventory`: runbook 1's table of every place that can select a model.

use std::collections::HashMap;

use decisions::plan::{Alias, Plan, Route, Scope};
use evidence::{Body, Filter, Kind, Moment, Name, Reader};
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::checks::Checked;
use crate::checks::prior::Prior;
use crate::cli::{Format, ModelsInventory};
use crate::control_client::ask;
use crate::exit::Failure;
use crate::terminal;

/// Records that are looked at for the last time that an ID was seen.
const LOOKED_AT: usize = 2_000;

/// What the table shows where there is nothing.
const NONE: &str = "-";

/// One row.
#[derive(Debug, Serialize)]
struct Row {
    /// `None` for an alias that no route takes.
    route: Option<String>,
    alias: String,
    tenant_or_cohort: Option<String>,
    role: &'static str,
    provider: String,
    current_model_id: String,
    rollback_model_id: Option<String>,
    config_source: String,
    owner: Option<String>,
    last_validated: Option<Moment>,
}

pub(super) fn run(options: &ModelsInventory) -> Result<(), Failure> {
    let checked = Checked::read(&options.given.config.path)?;
    let rows = rows(&checked);
    // A gateway that does not run has seen no callers.
    let unlisted = ask(&checked.settings.state_dir, Method::GET, "/models/unlisted", &Value::Null).ok();
    match options.given.format {
        Format::Json => terminal::result(&json!({ "models": rows, "unlisted": unlisted }).to_string()),
        Format::Text => {
            rows.iter().for_each(|row| terminal::result(&line(row)));
            unlisted_lines(unlisted.as_ref()).iter().for_each(|line| terminal::result(line));
        }
    }
    Ok(())
}

fn rows(checked: &Checked) -> Vec<Row> {
    let plan = &checked.loaded.plan;
    let back = Prior::of(checked).into_map();
    let seen = last_seen(checked);
    let lines = Lines::of(checked);
    let mut rows = Vec::new();
    let mut is_routed = vec![false; plan.parts().aliases.len()];
    let mut add = |route: Option<&Route>, alias: &Alias, role: &'static str, provider: usize| {
        let Some(Some(model_id)) = alias.model_ids.get(provider) else { return };
        let provider = &plan.parts().providers[provider].name;
        let key = (provider.clone(), model_id.clone());
        rows.push(Row {
            route: route.map(|route| route.name.clone()),
            alias: alias.name.clone(),
            tenant_or_cohort: route.map(|route| scope(plan, route.scope)),
            role,
            provider: provider.clone(),
            current_model_id: model_id.clone(),
            rollback_model_id: back.as_ref().and_then(|back| {
                model_in(&back.plan, route.map(|route| route.name.as_str()), &alias.name, provider)
            }),
            config_source: lines.place(&alias.name, model_id),
            owner: checked.loaded.owner.clone(),
            last_validated: seen.get(&key).copied(),
        });
    };
    for (_, route) in plan.routes() {
        for ((id, alias), is_routed) in plan.aliases().zip(&mut is_routed) {
            if plan.is_for(route, id) {
                *is_routed = true;
                let canary = route.canary.as_ref().map(|canary| canary.provider);
                let roles =
                    [("primary", Some(route.primary)), ("canary", canary), ("fallback", route.fallback)];
                for (role, provider) in roles {
                    provider.into_iter().for_each(|provider| add(Some(route), alias, role, provider.index()));
                }
            }
        }
    }
    for ((_, alias), _) in plan.aliases().zip(is_routed).filter(|(_, is_routed)| !is_routed) {
        (0..plan.parts().providers.len()).for_each(|provider| add(None, alias, "unrouted", provider));
    }
    rows
}

fn scope(plan: &Plan, scope: Scope) -> String {
    match scope {
        Scope::Tenant(tenant) => plan.tenant(tenant).name.clone(),
        Scope::Cohort(cohort) => plan.cohort(cohort).name.clone(),
        Scope::Everyone => "*".to_owned(),
    }
}

/// Where the map to go back to sends the alias first: `openai/gpt-5.4`.
fn model_in(back: &Plan, route: Option<&str>, alias: &str, provider: &str) -> Option<String> {
    let alias = &back.parts().aliases[back.alias_named(alias)?.index()];
    let home = route.and_then(|name| back.route_named(name)).map(|(_, route)| route.primary);
    let at = home.or_else(|| back.provider_named(provider))?;
    let id = alias.model_ids.get(at.index())?.as_ref()?;
    Some(format!("{}/{id}", back.provider(at).name))
}

/// When a check last had an ID in a list, by provider and ID.
fn last_seen(checked: &Checked) -> HashMap<(String, String), Moment> {
    let mut seen = HashMap::new();
    let Ok(reader) = Reader::open(&checked.settings.state_dir.join("evidence")) else { return seen };
    let filter = Filter { kind: Some(Kind::CatalogCheck), limit: Some(LOOKED_AT), ..Filter::default() };
    for record in reader.list(&filter).unwrap_or_default() {
        let Ok(Body::CatalogCheck(said)) = record.body() else { continue };
        for model in said.models.iter().filter(|model| model.present == Some(true)) {
            let key = (said.provider.as_str().to_owned(), model.model_id.as_str().to_owned());
            // The newest comes first.
            seen.entry(key).or_insert(said.ts);
        }
    }
    seen
}

/// The text of the map, to find where an ID stands.
struct Lines<'c> {
    path: String,
    text: &'c str,
}

impl Lines<'_> {
    fn of(checked: &Checked) -> Lines<'_> {
        Lines { path: checked.paths.routes.display().to_string(), text: &checked.texts.routes }
    }

    /// The first line with the ID behind the heading of its alias; the file alone where that is written otherwise.
    fn place(&self, alias: &str, model_id: &str) -> String {
        let headings = [format!("[aliases.{alias}]"), format!("[aliases.\"{alias}\"]")];
        let quoted = format!("\"{model_id}\"");
        let lines = (1..).zip(self.text.lines());
        let mut within = lines.skip_while(|(_, line)| {
            !headings.iter().any(|heading| line.trim_start().starts_with(heading.as_str()))
        });
        let heading = within.next().map(|(number, _)| number);
        let found = within
            .take_while(|(_, line)| !line.trim_start().starts_with('['))
            .find(|(_, line)| line.contains(&quoted));
        match found.map(|(number, _)| number).or(heading) {
            Some(number) => format!("{}:{number}", self.path),
            None => self.path.clone(),
        }
    }
}

fn line(row: &Row) -> String {
    let text = |text: Option<&str>| text.map_or_else(|| NONE.to_owned(), |text| Name::from(text).to_string());
    let seen = row.last_validated.map_or_else(|| "never".to_owned(), |at| at.to_string());
    format!(
        "{:<20} {:<20} {:<12} {:<8} {}/{}  back {}  {}  owner {}  last validated {seen}",
        text(row.route.as_deref()),
        Name::from(row.alias.as_str()).as_str(),
        text(row.tenant_or_cohort.as_deref()),
        row.role,
        row.provider,
        Name::from(row.current_model_id.as_str()),
        text(row.rollback_model_id.as_deref()),
        row.config_source,
        text(row.owner.as_deref()),
    )
}

fn unlisted_lines(unlisted: Option<&Value>) -> Vec<String> {
    let Some(unlisted) = unlisted else {
        return vec!["no gateway runs here, so nobody knows which other names callers send".to_owned()];
    };
    let names = unlisted["models"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<String> = names
        .iter()
        .map(|model| {
            let name = Name::from(model["name"].as_str().unwrap_or_default());
            format!("no alias lists {name}, which callers sent {} times", model["requests"])
        })
        .collect();
    if let Some(others) = unlisted["others"].as_u64().filter(|others| *others > 0) {
        lines.push(format!("{others} more requests named models that are not remembered"));
    }
    lines
}
