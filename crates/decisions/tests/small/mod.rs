//! A plan that fits into one's head: one tenant, one alias, three providers, two cohorts and whatever routes.

use std::time::Duration;

use decisions::bucket::Share;
use decisions::plan::{
    Alias, Bucketing, Canary, Cohort, CohortMembers, Mode, ModelMatch, PlanParts, Provider, Route, Scope,
    StickyBy, Tenant, UnlistedModels,
};
use decisions::{AliasId, ProviderId};

/// The first provider is everyone's home, the second every canary's.
pub(crate) fn small_plan(cohorts: [CohortMembers; 2], routes: Vec<Route>) -> PlanParts {
    let named = |name: String, members| Cohort { name, members };
    PlanParts {
        route_version: "1".to_owned(),
        unlisted_models: UnlistedModels::Refuse,
        primary_provider: ProviderId(0),
        default_tenant: None,
        shared_state: false,
        providers: ["home", "away", "spare"].map(Provider::paid_by_us).to_vec(),
        families: Vec::new(),
        aliases: vec![Alias::of(
            "alias".to_owned(),
            ["at home", "away", "at spare"].map(|id| Some(id.to_owned())).to_vec(),
        )],
        tenants: vec![Tenant::unrestricted("tenant")],
        cohorts: (0..).zip(cohorts).map(|(at, members)| named(format!("cohort-{at}"), members)).collect(),
        routes,
    }
}

/// A share of users.
pub(crate) fn split(percent: u32, salt: &str) -> Bucketing {
    Bucketing {
        share: Share::from_ppm(percent * 10_000).unwrap_or(Share::ALL),
        sticky_by: vec![StickyBy::User],
        salt: salt.to_owned(),
    }
}

/// A route for the alias: in mode canary with a split, else in mode primary.
pub(crate) fn route(scope: Scope, split: Option<Bucketing>) -> Route {
    let (alias, timeout) = (ModelMatch::Alias(AliasId(0)), Duration::from_secs(1));
    Route {
        mode: if split.is_some() { Mode::Canary } else { Mode::Primary },
        canary: split.map(|bucketing| Canary { provider: ProviderId(1), bucketing, generation: 1, timeout }),
        first_token_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        stream_timeout: Duration::from_secs(3600),
        ..Route::at_home("route".to_owned(), scope, alias, ProviderId(0), timeout)
    }
}
