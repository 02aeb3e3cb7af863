//! What a check of a route looks at: found in the map, before anything is asked.

use anyhow::anyhow;
use config::CredentialSource;
use decisions::lent::{aliases_of, provider_in, takes_endpoint};
use decisions::plan::{CredentialHeader, Mode, Route};
use decisions::proof::Lack;
use decisions::{AliasId, Role, RouteId};
use evidence::EndpointFamily;
use readiness::route_check::{Subject, choose, family};

use crate::checks::Checked;
use crate::checks::prior::{Prior, explain};
use crate::cli::{Family, LookedAt, TargetRole};
use crate::exit::Failure;
use crate::state::digest::Digest;

/// Finds it.
///
/// # Errors
/// There is no such route, target or alias, or the route does not serve the request shape (3).
pub(crate) fn find(checked: &Checked, looked_at: &LookedAt) -> Result<Subject, Failure> {
    let plan = &checked.loaded.plan;
    let invalid = |why: String| Failure::invalid(anyhow!(why));
    let (id, route) = plan.route_named(&looked_at.route).ok_or_else(|| {
        invalid(format!("the route map ({}) has no route {:?}", plan.route_version(), looked_at.route))
    })?;
    let role = role_of(route, looked_at.role);
    let (provider, _) = provider_in(route, role)
        .ok_or_else(|| invalid(format!("the route {} has no {}", route.name, role.as_str())))?;
    let alias = plan.alias(alias(checked, id, looked_at.model.as_deref())?);
    let model_id = alias.model_ids.get(provider.index()).and_then(Option::as_deref);
    let name = &plan.provider(provider).name;
    let model_id =
        model_id.ok_or_else(|| invalid(format!("the alias {:?} has no model ID at {name}", alias.name)))?;
    let said = looked_at.endpoint.map(|family| match family {
        Family::Chat => EndpointFamily::ChatCompletions,
        Family::Responses => EndpointFamily::Responses,
    });
    let choice = choose(said, route.endpoint).map_err(Failure::invalid)?;
    debug_assert!(takes_endpoint(route, family::endpoint(choice.family)));
    let settings = checked.loaded.providers.get(provider.index());
    Ok(Subject {
        route: route.name.clone(),
        route_version: plan.route_version().to_owned(),
        map_sha256: Digest::of(&checked.texts.routes).to_string(),
        environment: checked.loaded.environment.clone(),
        role,
        provider: name.clone(),
        alias: alias.name.clone(),
        model_id: model_id.to_owned(),
        choice,
        is_bearer_from_secret: settings.is_some_and(|settings| {
            settings.credential != CredentialSource::Client
                && settings.credential_header == CredentialHeader::Authorization
        }),
        is_serving: is_serving(route, role),
        retries: route.retry_policy.retries,
    })
}

/// The model ID that the version to go back to has for the same alias at the same provider; why not, where it is not known.
pub(crate) fn rollback_id(checked: &Checked, subject: &Subject) -> Result<String, String> {
    let prior = Prior::of(checked);
    let Some((map, _)) = prior.found else {
        return Err(explain(checked, prior.lack.unwrap_or(Lack::NotFound), &subject.route).0);
    };
    let (plan, version) = (&map.plan, map.plan.route_version());
    let provider = plan.provider_named(&subject.provider);
    let provider = provider.ok_or_else(|| format!("{version} has no provider {}", subject.provider))?;
    let alias = plan.alias_named(&subject.alias);
    let alias = alias.ok_or_else(|| format!("{version} has no alias {:?}", subject.alias))?;
    let id = plan.alias(alias).model_ids.get(provider.index()).cloned().flatten();
    id.ok_or_else(|| format!("{version} has no model ID for {:?} at {}", subject.alias, subject.provider))
}

fn role_of(route: &Route, said: Option<TargetRole>) -> Role {
    match said {
        Some(TargetRole::Canary) => Role::Canary,
        Some(TargetRole::Primary) => Role::Primary,
        Some(TargetRole::Fallback) => Role::Fallback,
        None if route.canary.is_some() => Role::Canary,
        None if route.fallback.is_some() => Role::Fallback,
        None => Role::Primary,
    }
}

/// The one that is named, or the only one.
fn alias(checked: &Checked, route: RouteId, said: Option<&str>) -> Result<AliasId, Failure> {
    let plan = &checked.loaded.plan;
    let served: Vec<AliasId> = aliases_of(plan, route).collect();
    let names = || {
        let names: Vec<String> = served.iter().map(|id| format!("{:?}", plan.alias(*id).name)).collect();
        names.join(", ")
    };
    let name = &plan.route(route).name;
    match (said, &served[..]) {
        (Some(said), _) => {
            let found = served.iter().find(|id| plan.alias(**id).name == said);
            found.copied().ok_or_else(|| {
                Failure::invalid(anyhow!("the route {name} does not serve {said:?}, but {}", names()))
            })
        }
        (None, [only]) => Ok(*only),
        (None, []) => Err(Failure::invalid(anyhow!("the route {name} serves no alias"))),
        (None, _) => {
            Err(Failure::invalid(anyhow!("say which with --model: the route {name} serves {}", names())))
        }
    }
}

/// Whether the map sends anything there.
fn is_serving(route: &Route, role: Role) -> bool {
    match role {
        Role::Primary => matches!(route.mode, Mode::Primary | Mode::Canary),
        Role::Canary => route.canary_in_use().is_some_and(|canary| canary.bucketing.share.ppm() > 0),
        Role::Fallback => route.mode == Mode::Fallback && !route.held,
    }
}
