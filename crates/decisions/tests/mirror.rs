//! Which requests may be copied to a canary, and that copies count as leaving home.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod small;

use decisions::bucket::Share;
use decisions::decide::Chosen;
use decisions::exposure::{exposed, raised};
use decisions::mirror::{NotMirrored, mirror_of, tried_ppm};
use decisions::plan::{
    CohortMembers, CredentialKind, Feature, FeatureSet, Mirror, Mode, Plan, PlanParts, Scope,
};
use decisions::{
    Barred, Caller, Decision, Endpoint, Facts, ProviderId, ProviderSet, RouteId, Standing, StickyKeys,
    TenantId, decide, explain, no_gates,
};

use crate::small::{route, small_plan, split};

fn ppm(ppm: u32) -> Share {
    Share::from_ppm(ppm).unwrap()
}

/// A canary of nothing, and so much copied of the one tenant, which has agreed; `edit` makes it another.
fn parts(edit: impl FnOnce(&mut PlanParts)) -> PlanParts {
    let mut canary = route(Scope::Tenant(TenantId(0)), Some(split(0, "s")));
    let (most_per_second, most_in_flight, max_body_bytes) = (5, 4, 1_000);
    canary.mirror = Some(Mirror { share: ppm(10_000), most_per_second, most_in_flight, max_body_bytes });
    let nobody = || CohortMembers::Tenants(Vec::new());
    let mut parts = small_plan([nobody(), nobody()], vec![canary]);
    parts.tenants[0].allow_mirror = true;
    edit(&mut parts);
    parts
}

fn facts() -> Facts<'static> {
    Facts {
        tenant: TenantId(0),
        caller: Caller::Known,
        endpoint: Endpoint::Chat,
        model: "alias",
        keys: StickyKeys { user: Some("u"), ..StickyKeys::default() },
        stateful: false,
        features: FeatureSet::EMPTY,
        draw: 0,
    }
}

fn copied(parts: PlanParts, facts: &Facts<'_>, standing: Standing) -> Result<ProviderId, NotMirrored> {
    let plan = Plan::new(parts).unwrap();
    let decision = decide(&plan, facts, |_| standing);
    let Decision::Send(chosen) = decision else { return Err(NotMirrored::NoMirror) };
    let found = mirror_of(&plan, facts, &chosen, |_| standing).map(|(_, canary)| canary.provider);
    // What is explained is the same.
    assert_eq!(explain(&plan, facts, |_| standing).mirror.map(|_| ()), found.map(|_| ()));
    found
}

#[test]
fn a_plain_request_at_home_for_its_share_alone_is_copied() {
    let none = Standing::default();
    assert_eq!(copied(parts(|_| ()), &facts(), none), Ok(ProviderId(1)));
    let without_key = Facts { keys: StickyKeys::default(), ..facts() };
    assert_eq!(copied(parts(|_| ()), &without_key, none), Ok(ProviderId(1)));
}

#[test]
fn what_must_stay_or_does_harm_twice_is_not() {
    let none = Standing::default();
    let with = |edit: fn(&mut PlanParts)| copied(parts(edit), &facts(), none);
    assert_eq!(with(|parts| parts.routes[0].mirror = None), Err(NotMirrored::NoMirror));
    assert_eq!(with(|parts| parts.tenants[0].allow_mirror = false), Err(NotMirrored::NotAllowed));
    let at_home: [fn(&mut PlanParts); 4] = [
        |parts| parts.routes[0].mode = Mode::Primary,
        |parts| parts.routes[0].held = true,
        |parts| parts.routes[0].canary.as_mut().unwrap().bucketing.share = Share::ALL,
        |parts| parts.tenants[0].allowed_providers = ProviderSet::EMPTY.with(ProviderId(0)),
    ];
    for edit in at_home {
        assert_eq!(with(edit), Err(NotMirrored::NotAtHome));
    }
    let theirs = with(|parts| parts.providers[1].credential = CredentialKind::Client);
    assert_eq!(theirs, Err(NotMirrored::NotPaidByUs));

    let asked =
        |facts: Facts<'_>| copied(parts(|parts| parts.routes[0].stateful_canary = true), &facts, none);
    assert_eq!(asked(Facts { stateful: true, ..facts() }), Err(NotMirrored::Stateful));
    let images = Facts { endpoint: Endpoint::ImageGenerations, ..facts() };
    assert_eq!(asked(images), Err(NotMirrored::Endpoint));
    for tool in [Feature::Tools, Feature::WebSearch] {
        let used = Facts { features: FeatureSet::EMPTY.with(tool), ..facts() };
        assert_eq!(asked(used), Err(NotMirrored::Tools));
    }
    for barred in [Barred::Suspended, Barred::Unusable, Barred::Latched] {
        let standing = Standing { canary: Some(barred), ..none };
        assert_eq!(copied(parts(|_| ()), &facts(), standing), Err(NotMirrored::Barred(barred)));
    }
}

#[test]
fn copies_leave_home_and_more_of_them_is_a_raise() {
    let plan = |edit: fn(&mut PlanParts)| Plan::new(parts(edit)).unwrap();
    let (some, none) = (plan(|_| ()), plan(|parts| parts.routes[0].mirror = None));
    let more = plan(|parts| parts.routes[0].mirror.as_mut().unwrap().share = ppm(20_000));
    let others = plan(|parts| parts.tenants[0].allow_mirror = false);
    assert_eq!((exposed(&some), exposed(&none)), (vec![RouteId(0)], vec![]));
    for (before, after) in [(&none, &some), (&some, &more), (&others, &some)] {
        assert_eq!(raised(before, after), [RouteId(0)]);
    }
    for (before, after) in [(&some, &some), (&some, &none), (&more, &some), (&some, &others)] {
        assert_eq!(raised(before, after), []);
    }
}

#[test]
fn errors_are_compared_with_all_attempts_that_the_canary_gets() {
    let plan = Plan::new(parts(|_| ())).unwrap();
    let route = plan.route(RouteId(0));
    assert_eq!(tried_ppm(route, Share::NONE), 10_000);
    assert_eq!(tried_ppm(route, ppm(500_000)), 505_000);
    assert_eq!(tried_ppm(route, Share::ALL), 1_000_000);
    let plan = Plan::new(parts(|parts| parts.routes[0].held = true)).unwrap();
    assert_eq!(tried_ppm(plan.route(RouteId(0)), Share::NONE), 0);
    let decision = decide(&plan, &facts(), no_gates);
    assert!(matches!(decision, Decision::Send(Chosen { route: Some(RouteId(0)), .. })));
}
