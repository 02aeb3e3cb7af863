//! Counts go on over reloads under the names that they had, and the page is bounded whatever the plan's size.

use std::time::Duration;

use decisions::plan::{Alias, ModelMatch, PlanParts, Provider, Scope, Tenant, UnlistedModels};
use decisions::price::Cost;
use decisions::{AliasId, TenantId};
use telemetry::Counter;

use super::*;
use crate::scan::Usage;
use crate::series::labels::End;

const SECOND: Duration = Duration::from_secs(1);

/// Routes of these names, in this order, each from the first provider to the second.
fn plan(version: &str, routes: &[String], providers: [&str; 2]) -> Plan {
    let route = |name: &String| {
        let models = ModelMatch::Alias(AliasId(0));
        let tenant = TenantId(u32::try_from(routes.iter().position(|each| each == name).unwrap()).unwrap());
        let mut route = Route::at_home(name.clone(), Scope::Tenant(tenant), models, ProviderId(0), SECOND);
        route.fallback = Some(ProviderId(1));
        route
    };
    let model_ids = vec![Some("a".to_owned()), Some("b".to_owned())];
    Plan::new(PlanParts {
        route_version: version.to_owned(),
        unlisted_models: UnlistedModels::Refuse,
        primary_provider: ProviderId(0),
        default_tenant: None,
        shared_state: false,
        providers: providers.map(Provider::paid_by_us).to_vec(),
        families: Vec::new(),
        aliases: vec![Alias::of("summary".to_owned(), model_ids)],
        tenants: routes.iter().map(|name| Tenant::unrestricted(name)).collect(),
        cohorts: Vec::new(),
        routes: routes.iter().map(route).collect(),
    })
    .unwrap()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn requests(series: &PlanSeries, route: u32, provider: u32, role: Role) -> Vec<(usize, u64)> {
    let route = Some(RouteId(route));
    series.target(route, ProviderId(provider), role).unwrap().requests.shown().collect()
}

fn answer(series: &PlanSeries, route: u32, provider: u32, role: Role) {
    let target = series.target(Some(RouteId(route)), ProviderId(provider), role).unwrap();
    target.request(End::Ok, 1, SECOND);
}

#[test]
fn counts_follow_the_names_and_not_the_positions() {
    let before = plan("1", &named(&["a", "b"]), ["one", "two"]);
    let old = PlanSeries::new(&before, None);
    answer(&old, 0, 0, Role::Primary);
    answer(&old, 0, 0, Role::Primary);
    answer(&old, 1, 1, Role::Fallback);
    let after = plan("2", &named(&["new", "b", "a"]), ["two", "one"]);
    let new = PlanSeries::new(&after, Some((&before, &old)));
    // The providers have changed places, so each has another role now: these are other series.
    assert_eq!(requests(&new, 2, 0, Role::Primary), []);
    assert_eq!(requests(&new, 1, 1, Role::Fallback), []);
    let again = plan("3", &named(&["b", "a"]), ["one", "two"]);
    let third = PlanSeries::new(&again, Some((&before, &old)));
    assert_eq!(requests(&third, 1, 0, Role::Primary), [(0, 2)]);
    assert_eq!(requests(&third, 0, 1, Role::Fallback), [(0, 1)]);
    // A request that began with the old plan counts where the new one shows it.
    answer(&old, 0, 0, Role::Primary);
    assert_eq!(requests(&third, 1, 0, Role::Primary), [(0, 3)]);
}

#[test]
fn the_version_before_is_shown_until_its_last_request_has_ended() {
    let plans = ["1", "2", "3"].map(|version| plan(version, &named(&["a"]), ["one", "two"]));
    let first = PlanSeries::new(&plans[0], None);
    first.version.enter();
    let second = PlanSeries::new(&plans[1], Some((&plans[0], &first)));
    let shown = |series: &PlanSeries| series.earlier.iter().map(|each| each.name.clone()).collect::<Vec<_>>();
    assert_eq!(shown(&second), ["1"]);
    // The same map once more: its count goes on.
    second.version.enter();
    let same = PlanSeries::new(&plans[1], Some((&plans[1], &second)));
    assert_eq!((same.version.begun.shown(), same.version.in_flight()), (1, 1));
    second.version.leave();
    first.version.leave();
    assert_eq!(shown(&PlanSeries::new(&plans[2], Some((&plans[1], &same)))), Vec::<String>::new());
}

#[test]
fn only_so_many_have_series_of_their_own_and_nothing_is_lost_beyond() {
    let names: Vec<String> = (0..3_000).map(|at| format!("r{at}")).collect();
    let plan = plan("1", &names, ["one", "two"]);
    let series = PlanSeries::new(&plan, None);
    assert!(!series.is_used(RouteId(0)), "nothing is used before a request comes");
    for at in 0..3_000 {
        answer(&series, at, 0, Role::Primary);
    }
    let used = (0..3_000).filter(|at| series.is_used(RouteId(*at))).count();
    assert_eq!(used, MOST_OF_THEIR_OWN);
    let together = series.target(None, ProviderId(0), Role::Primary).unwrap();
    assert_eq!(together.requests.shown().collect::<Vec<_>>(), [(0, 1_000)]);
    // Places that routes have left are free again.
    let smaller = self::plan("2", &names[..10], ["one", "two"]);
    let after = PlanSeries::new(&smaller, Some((&plan, &series)));
    assert_eq!(after.left.load(Ordering::Relaxed), MOST_OF_THEIR_OWN - 10);
}

#[test]
fn no_number_of_tenants_takes_a_route_from_the_page() {
    let names: Vec<String> = (0..MOST_OF_TENANTS + 100).map(|at| format!("t{at}")).collect();
    let mut parts = plan("1", &names[..1], ["one", "two"]).parts().clone();
    parts.tenants = names.iter().map(|name| Tenant::unrestricted(name)).collect();
    let plan = Plan::new(parts).unwrap();
    let series = PlanSeries::new(&plan, None);
    for at in 0..names.len() {
        series.tenant(TenantId(u32::try_from(at).unwrap())).request(End::Ok);
    }
    let own = series.by_tenant.iter().filter(|of| of.own.get().is_some()).count();
    let others: Vec<_> = series.other_tenants.own.get().unwrap().requests.shown().collect();
    assert_eq!((own, others), (MOST_OF_TENANTS, vec![(0, 100)]));
    answer(&series, 0, 0, Role::Primary);
    assert!(series.is_used(RouteId(0)));
    // What tenants have is theirs after a reload too, and no more.
    let after = PlanSeries::new(&plan, Some((&plan, &series)));
    let left = [&after.left, &after.tenants_left].map(|left| left.load(Ordering::Relaxed));
    assert_eq!(left, [MOST_OF_THEIR_OWN - 1, 0]);
}

#[test]
fn what_a_tenant_took_follows_the_names_and_beyond_the_limit_nobodys_does() {
    let before = plan("1", &named(&["a", "b"]), ["one", "two"]);
    let old = PlanSeries::new(&before, None);
    let usage = Usage { input: Some(3), output: Some(2), ..Usage::default() };
    old.spent(TenantId(1), ProviderId(0)).unwrap().add(&usage, Some(Cost(5)));
    old.tenant(TenantId(1)).request(End::Ok);
    let after = plan("2", &named(&["b", "new"]), ["two", "one"]);
    let new = PlanSeries::new(&after, Some((&before, &old)));
    let spent = |tenant, provider| {
        let spent = new.spent(TenantId(tenant), ProviderId(provider)).unwrap();
        [&spent.input, &spent.output, &spent.cost].map(Counter::shown)
    };
    assert_eq!((spent(0, 1), spent(0, 0), spent(1, 1)), ([3, 2, 5], [0, 0, 0], [0, 0, 0]));
    assert_eq!(new.tenant(TenantId(0)).requests.shown().count(), 1);
    new.tenants_left.store(0, Ordering::Relaxed);
    new.tenant(TenantId(1)).request(End::Ok);
    assert_eq!(new.other_tenants.own.get().unwrap().requests.shown().count(), 1);
}
