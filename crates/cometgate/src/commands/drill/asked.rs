//! What a drill is of, as the map and the command line say it; or why there is nothing to drill.

use std::time::Duration;

use anyhow::anyhow;
use config::parse_share;
use decisions::bucket::Share;
use decisions::lent::{aliases_of, takes_endpoint};
use decisions::plan::{
    Bucketing, CHECKS_TENANT, CredentialKind, Plan, Route, StickyBy, Watched, gate_identity, target_of,
};
use decisions::proof::{Lack, Rollback};
use decisions::rolled_back::LEAST_JUDGED;
use decisions::{AliasId, Endpoint, ProviderId, Role, RouteId};
use readiness::drill::{DrillPlan, Limits, Standing, body};

use crate::checks::Checked;
use crate::checks::prior::{Prior, explain};
use crate::cli::{Drill, DrillTarget};
use crate::exit::Failure;
use crate::state::digest::Digest;

/// Tokens of one request at the most, where nobody says.
const TOKENS_OF_ONE: u64 = 500;

/// Beyond what the route gives an answer, for the way to the gateway and back.
const GRACE: Duration = Duration::from_secs(5);

/// A drill that can be made.
pub(super) struct Asked {
    pub(super) plan: DrillPlan,
    pub(super) watched: Watched,
}

impl Asked {
    pub(super) fn of(options: &Drill, checked: &Checked) -> Result<Asked, Failure> {
        let plan = &checked.loaded.plan;
        let (id, route) = plan.route_named(&options.route).ok_or_else(|| {
            let names: Vec<&str> = plan.routes().map(|(_, route)| route.name.as_str()).collect();
            invalid(format!("the map has no route {:?}; it has {}", options.route, names.join(", ")))
        })?;
        let watched = watched(options, route)?;
        let (provider, generation) =
            target_of(route, watched).ok_or_else(|| invalid(format!("the route {} has none", route.name)))?;
        let identity = gate_identity(plan, id, watched)
            .ok_or_else(|| invalid(format!("the route {} has no such target", route.name)))?;
        if checked.settings.check_client_key.is_none() {
            check_credentials(plan, route, provider)?;
        }
        let (rollback_version, rollback_sha256, rollback_model_id) =
            way_back(checked, route, options.rollback_model)?;
        let (alias, endpoint) = request_of(plan, id, options)?;
        let share = parse_share(&options.share).map_err(|error| invalid(format!("--share: {error}")))?;
        if share == Share::NONE || share == Share::ALL {
            return Err(invalid("--share: a small cohort is more than nothing and less than all".to_owned()));
        }
        let split = match (&route.canary, watched) {
            // This API refuses fields that it does not know, so its requests carry no key.
            (Some(canary), Watched::Canary) if endpoint == Endpoint::Messages => {
                Bucketing { share, sticky_by: vec![StickyBy::Request], ..canary.bucketing.clone() }
            }
            (Some(canary), Watched::Canary) => Bucketing { share, ..canary.bucketing.clone() },
            // A fallback has no share of its own; which requests go there is for the drill to say.
            _ => Bucketing { share, sticky_by: vec![StickyBy::User], salt: route.name.clone() },
        };
        let model = |provider: ProviderId| {
            let model_ids = &plan.alias(alias).model_ids;
            let model_id = model_ids.get(provider.index()).and_then(Option::as_deref).unwrap_or("*");
            format!("{}/{model_id}", plan.provider(provider).name)
        };
        let requests = DrillPlan::planned_requests(options.requests, LEAST_JUDGED);
        let random = getrandom::u32().map_err(Failure::internal)?;
        let plan = DrillPlan {
            route: route.name.clone(),
            check_id: format!("drill-{random:08x}"),
            by: options.by.clone(),
            link: options.link.clone(),
            environment: checked.loaded.environment.clone(),
            route_version: plan.route_version().to_owned(),
            config_sha256: Digest::of(&checked.texts.routes).into(),
            rollback_route_version: rollback_version,
            rollback_config_sha256: rollback_sha256.into(),
            role: if watched == Watched::Canary { Role::Canary } else { Role::Fallback },
            target: model(provider),
            prior_target: model(route.primary),
            identity: identity.to_string(),
            generation,
            endpoint,
            alias: plan.alias(alias).name.clone(),
            split,
            share: options.share.clone(),
            tenant: CHECKS_TENANT.to_owned(),
            requests: options.requests,
            baseline: LEAST_JUDGED,
            limits: Limits {
                requests,
                tokens: options.max_tokens.unwrap_or(requests * TOKENS_OF_ONE),
                time: Duration::from_secs(options.time_limit),
                cohort: options.requests,
            },
            timeout: route.timeout + GRACE,
            while_live: options.while_live,
            rollback_model_id,
        };
        Ok(Asked { plan, watched })
    }

    /// Whether it may begin.
    pub(super) fn check(&self, standing: &Standing, options: &Drill) -> Result<(), Failure> {
        let plan = &self.plan;
        if standing.config_sha256 != plan.config_sha256.to_string() {
            return Err(invalid(format!(
                "route map {} of the file is not what the gateway has in force ({})\n  help: see its log for why it was \
                 refused; `cometgate routes check` says the same",
                plan.route_version, standing.route_version
            )));
        }
        if !standing.is_live() || options.while_live {
            return Ok(());
        }
        let home = match self.watched {
            Watched::Canary => format!("take them home with `cometgate routes shift {} 0%`", plan.route),
            Watched::Fallback => "take `fallback_provider` out of the route".to_owned(),
        };
        Err(Failure::not_allowed(anyhow!(
            "nothing was sent: callers' requests go to the {} of {}, or may\n  help: {home}, or leave them alone with \
             --while-live",
            plan.role.as_str(),
            plan.route
        )))
    }
}

fn watched(options: &Drill, route: &Route) -> Result<Watched, Failure> {
    let has = |watched| target_of(route, watched).is_some();
    let wanted = match options.target {
        Some(DrillTarget::Canary) => Some(Watched::Canary),
        Some(DrillTarget::Fallback) => Some(Watched::Fallback),
        None => Watched::ALL.into_iter().find(|watched| has(*watched)),
    };
    let what = options.target.map_or("canary and no fallback", |target| match target {
        DrillTarget::Canary => "canary",
        DrillTarget::Fallback => "fallback",
    });
    wanted
        .filter(|watched| has(*watched))
        .ok_or_else(|| invalid(format!("the route {} has no {what}: there is nothing to drill", route.name)))
}

/// A check has no key but the gateway's, which is no provider's, unless one is named for it.
fn check_credentials(plan: &Plan, route: &Route, target: ProviderId) -> Result<(), Failure> {
    let is_callers = |id: &ProviderId| plan.provider(*id).credential == CredentialKind::Client;
    let Some(id) = [route.primary, target].into_iter().find(is_callers) else { return Ok(()) };
    Err(invalid(format!(
        "provider {} takes the callers' own key, and a drill has none\n  help: name one for checks, as `client_key` of \
         `[checks]`, give the provider a `credential` of yours, or vouch for the way back: `cometgate routes vouch --by WHO --incident ID --until TIME`",
        plan.provider(id).name
    )))
}

/// The version to go back to, its hash, and, where that is asked for, the model that it has the route's primary asked for.
fn way_back(
    checked: &Checked,
    route: &Route,
    wants_model: bool,
) -> Result<(String, Digest, Option<String>), Failure> {
    let Prior { rollback, found, lack } = Prior::of(checked);
    let (Rollback::Found { .. }, Some((back, text)), None) = (rollback, found, lack) else {
        let lack = lack.unwrap_or(Lack::NotFound);
        let (what, mend) = explain(checked, lack, &route.name);
        return Err(invalid(format!("there is nothing to go back to: {what}\n  help: {mend}")));
    };
    let version = back.plan.route_version().to_owned();
    let model = wants_model.then(|| {
        let (id, back_route) = back.plan.route_named(&route.name)?;
        let alias = aliases_of(&back.plan, id).next()?;
        back.plan.alias(alias).model_ids.get(back_route.primary.index())?.clone()
    });
    let no_model = || {
        invalid(format!(
            "version {version} has no route {} with a model: leave out --rollback-model",
            route.name
        ))
    };
    let model = model.map(|model| model.ok_or_else(no_model)).transpose()?;
    Ok((version, Digest::of(&text), model))
}

/// What is asked for: an alias of the route, at an endpoint that a drill knows.
fn request_of(plan: &Plan, id: RouteId, options: &Drill) -> Result<(AliasId, Endpoint), Failure> {
    let route = plan.route(id);
    let is_meant =
        |alias: &AliasId| options.model.as_deref().is_none_or(|name| plan.alias(*alias).name == name);
    let alias = aliases_of(plan, id).find(is_meant).ok_or_else(|| {
        invalid(format!("the route {} serves no such alias; --model names one", route.name))
    })?;
    let is_known = |endpoint: &Endpoint| {
        let is_wanted = options.endpoint.as_deref().is_none_or(|name| endpoint.as_str() == name);
        is_wanted && takes_endpoint(route, *endpoint) && body(*endpoint, "m", None).is_some()
    };
    let endpoint = Endpoint::ALL.into_iter().find(is_known).ok_or_else(|| {
        invalid(format!(
            "the route {} serves no such endpoint, or a drill knows no request for it",
            route.name
        ))
    })?;
    Ok((alias, endpoint))
}

fn invalid(why: String) -> Failure {
    Failure::invalid(anyhow!(why))
}
