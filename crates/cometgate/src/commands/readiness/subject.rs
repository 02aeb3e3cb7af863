//! What is to be reviewed of a route, as its map says it.

use config::Loaded;
use decisions::exposure::ways_out;
use decisions::lent::aliases_of;
use decisions::plan::{Plan, Watched, gate_identity, target_of};
use decisions::{AliasId, ProviderId, RouteId};
use evidence::Moment;
use readiness::review::{Model, Subject};

use crate::checks::Checked;
use crate::checks::prior::{Prior, explain};
use crate::cli::Readiness;
use crate::exit::Failure;
use crate::state::digest::Digest;

pub(super) fn subject(options: &Readiness, checked: &Checked, id: RouteId) -> Result<Subject, Failure> {
    let loaded = &checked.loaded;
    let plan = &loaded.plan;
    let route = plan.route(id);
    let Prior { found, lack, .. } = Prior::of(checked);
    let away = Watched::ALL.into_iter().find_map(|watched| Some((watched, target_of(route, watched)?.0)));
    let aliases: Vec<AliasId> = aliases_of(plan, id).collect();
    let models = |provider: ProviderId| -> Vec<Model> {
        aliases.iter().filter_map(|alias| model(plan, *alias, provider)).collect()
    };
    let fallback = route.fallback.map(models).unwrap_or_default();
    let mut identities: Vec<String> = ways_out(route)
        .filter_map(|watched| gate_identity(plan, id, watched))
        .map(|identity| identity.to_string())
        .collect();
    identities.dedup();
    let random = getrandom::u32().map_err(Failure::internal)?;
    Ok(Subject {
        route: route.name.clone(),
        check_id: format!("readiness-{random:08x}"),
        environment: loaded.environment.clone(),
        route_version: plan.route_version().to_owned(),
        config_sha256: Digest::of(&checked.texts.routes).into(),
        rollback_route_version: loaded.rollback_route_version.clone(),
        no_way_back: lack.map(|lack| explain(checked, lack, &route.name)),
        current: away.map_or_else(|| models(route.primary), |(_, provider)| models(provider)),
        rollback: found
            .as_ref()
            .map_or_else(|| models(route.primary), |(back, _)| rollback(plan, &aliases, back, &route.name)),
        rollback_there: found
            .as_ref()
            .zip(away)
            .map(|((back, _), (_, there))| models_at(plan, &aliases, back, &plan.provider(there).name))
            .unwrap_or_default(),
        fallback,
        identities,
        rollback_sha256: found.as_ref().map(|(_, text)| Digest::of(text).into()),
        is_gated: away.is_none_or(|(watched, _)| watched.rules(&route.gates).is_some()),
        vouched: loaded
            .rollback_override
            .as_ref()
            .map(|vouched| (vouched.by.clone(), Moment::from_ms(vouched.until.as_millisecond()))),
        ages: checked.settings.check_ages,
        approver: options.by.clone(),
        link: options.link.clone(),
        store: checked.settings.state_dir.join("evidence").display().to_string(),
    })
}

fn model(plan: &Plan, alias: AliasId, provider: ProviderId) -> Option<Model> {
    let model_id = plan.alias(alias).model_ids.get(provider.index())?.clone()?;
    Some(Model { provider: plan.provider(provider).name.clone(), model_id })
}

/// Where the version to go back to has the same aliases served at home.
fn rollback(plan: &Plan, aliases: &[AliasId], back: &Loaded, route: &str) -> Vec<Model> {
    let known = &back.plan;
    let home = known.route_named(route).map_or(known.parts().primary_provider, |(_, route)| route.primary);
    models_at(plan, aliases, back, &known.provider(home).name)
}

/// The models that another version has for the same aliases at a provider.
fn models_at(plan: &Plan, aliases: &[AliasId], other: &Loaded, provider: &str) -> Vec<Model> {
    let other = &other.plan;
    let Some(provider) = other.provider_named(provider) else { return Vec::new() };
    let there = |alias: &AliasId| model(other, other.alias_named(&plan.alias(*alias).name)?, provider);
    aliases.iter().filter_map(there).collect()
}
