//! What gates may do to a decision: keep targets out, and send home what would have gone there.

mod plans;
mod scale;

use decisions::bucket::{Share, WHOLE};
use decisions::decide::Reason;
use decisions::plan::{Mode, Plan, PlanParts, Route};
use decisions::{
    Barred, Chosen, Decision, Facts, ProviderId, Role, RouteId, Standing, decide, decide_pinned,
    decide_unkept, explain, no_gates,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::plans::{asked, plan_parts};
use crate::scale::scaled;

fn barred() -> impl Strategy<Value = Option<Barred>> {
    select(vec![None, None, Some(Barred::Latched), Some(Barred::Suspended), Some(Barred::Unusable)])
}

/// What the gates of all routes say; `share` as a part of what is planned, or above it.
fn standing(share: impl Strategy<Value = Option<u32>>) -> impl Strategy<Value = Standing> {
    (barred(), barred(), share).prop_map(|(canary, fallback, share)| Standing {
        canary,
        fallback,
        share: share.and_then(Share::from_ppm),
    })
}

/// Canaries at every share, in routes that are mostly in that mode.
fn exposed_parts() -> impl Strategy<Value = PlanParts> {
    (plan_parts(), any::<[bool; 16]>(), any::<[bool; 16]>()).prop_map(|(mut parts, moved, shared)| {
        for (at, route) in parts.routes.iter_mut().enumerate() {
            if route.canary.is_some() && moved[at % 16] {
                route.mode = Mode::Canary;
            }
            // One provider in both roles.
            if shared[at % 16]
                && route.fallback.is_some()
                && let Some(canary) = &route.canary
            {
                route.fallback = Some(canary.provider);
            }
        }
        parts
    })
}

fn targets(decision: Decision<'_>) -> Vec<ProviderId> {
    match decision {
        Decision::Send(chosen) => chosen.order.iter().map(|target| target.provider).collect(),
        Decision::Refuse(_) => Vec::new(),
    }
}

/// What the request would be sent to outside of every share and with no mode of `fallback`.
fn at_home(plan: &Plan, parts: &PlanParts, facts: &Facts<'_>, id: RouteId) -> Vec<ProviderId> {
    let mut parts = parts.clone();
    let route = &mut parts.routes[id.index()];
    route.mode = if plan.route(id).mode == Mode::Disabled { Mode::Disabled } else { Mode::Primary };
    Plan::new(parts).map_or_else(|_| Vec::new(), |plan| targets(decide(&plan, facts, no_gates)))
}

fn route_of<'p>(plan: &'p Plan, chosen: &Chosen<'_>) -> Option<(RouteId, &'p Route)> {
    chosen.route.map(|id| (id, plan.route(id)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(20_000)))]

    #[test]
    fn a_barred_target_is_in_no_order_in_whatever_role(
        parts in exposed_parts(), asked in asked(), standing in standing(Just(None)),
    ) {
        let Ok(plan) = Plan::new(parts) else { return Ok(()) };
        let facts = asked.facts();
        for decision in [decide(&plan, &facts, |_| standing), decide_unkept(&plan, &facts, |_| standing)] {
            let Decision::Send(chosen) = decision else { continue };
            let Some((_, route)) = route_of(&plan, &chosen) else { continue };
            for target in chosen.order.iter().filter(|target| target.provider != route.primary) {
                let canary = route.canary.as_ref().map(|canary| canary.provider);
                // What a gate has decided of a target counts in each of its roles; that it cannot be kept, in its own.
                let is_decided = |barred: Option<Barred>| barred.is_some_and(|it| it != Barred::Unusable);
                prop_assert!(!is_decided(standing.canary) || Some(target.provider) != canary);
                prop_assert!(!is_decided(standing.fallback) || Some(target.provider) != route.fallback);
                let own = if target.role == Role::Canary { standing.canary } else { standing.fallback };
                prop_assert_eq!(own, None);
            }
        }
    }

    #[test]
    fn what_a_gate_keeps_out_goes_home_and_nowhere_that_is_new(
        parts in exposed_parts(), asked in asked(), standing in standing(Just(None)),
    ) {
        let Ok(plan) = Plan::new(parts.clone()) else { return Ok(()) };
        let facts = asked.facts();
        let (before, after) = (decide(&plan, &facts, no_gates), decide(&plan, &facts, |_| standing));
        let (Decision::Send(free), Decision::Send(chosen)) = (before, after) else { return Ok(()) };
        prop_assert_eq!(free.route, chosen.route);
        let Some((id, route)) = route_of(&plan, &chosen) else {
            prop_assert_eq!(before, after);
            return Ok(());
        };
        let (first, was) = (chosen.order.first(), free.order.first());
        let is_moved = first.provider != was.provider;
        prop_assert!(!is_moved || first.role == Role::Primary);
        prop_assert_eq!(matches!(chosen.reason, Reason::Barred(_)), first.role != was.role);
        let home = at_home(&plan, &parts, &facts, id);
        for target in chosen.order.iter() {
            let is_known = targets(before).contains(&target.provider) || home.contains(&target.provider);
            prop_assert!(is_known || target.provider == route.primary);
        }
    }

    /// A refusal may come of it only where home refuses the request too.
    #[test]
    fn a_gate_refuses_nothing_that_home_would_serve(
        parts in exposed_parts(), asked in asked(), standing in standing(Just(None)),
    ) {
        let Ok(plan) = Plan::new(parts.clone()) else { return Ok(()) };
        let facts = asked.facts();
        let (before, after) = (decide(&plan, &facts, no_gates), decide(&plan, &facts, |_| standing));
        if let (Decision::Send(free), Decision::Refuse(_)) = (before, after) {
            let Some((id, _)) = route_of(&plan, &free) else {
                return Err(TestCaseError::fail("refused without a route"));
            };
            prop_assert!(at_home(&plan, &parts, &facts, id).is_empty());
        }
    }

    #[test]
    fn a_share_in_force_decides_as_the_same_share_in_the_plan_would(
        parts in exposed_parts(), asked in asked(), ppm in 1..=WHOLE,
    ) {
        let mut planned = parts.clone();
        for canary in planned.routes.iter_mut().filter_map(|route| route.canary.as_mut()) {
            if canary.bucketing.share != Share::NONE {
                canary.bucketing.share = Share::from_ppm(ppm).unwrap_or(Share::NONE);
            }
        }
        let (Ok(plan), Ok(planned)) = (Plan::new(parts), Plan::new(planned)) else { return Ok(()) };
        let standing = Standing { share: Share::from_ppm(ppm), ..Standing::default() };
        let facts = asked.facts();
        prop_assert_eq!(decide(&plan, &facts, |_| standing), decide(&planned, &facts, no_gates));
    }

    #[test]
    fn what_lives_at_a_barred_target_is_still_asked_for_there(
        parts in exposed_parts(), asked in asked(), to in (0..4_u32).prop_map(ProviderId),
    ) {
        let Ok(plan) = Plan::new(parts) else { return Ok(()) };
        // It has no gates to ask: that is the promise. What it sends, it sends there alone.
        if let Decision::Send(chosen) = decide_pinned(&plan, &asked.facts(), Some(to)) {
            prop_assert!(chosen.order.iter().all(|target| target.provider == to));
        }
    }

    #[test]
    fn what_is_explained_is_what_is_decided(
        parts in exposed_parts(), asked in asked(), standing in standing(prop::option::of(0..=WHOLE)),
    ) {
        let Ok(plan) = Plan::new(parts) else { return Ok(()) };
        let facts = asked.facts();
        let explained = explain(&plan, &facts, |_| standing);
        prop_assert_eq!(explained.decision, decide(&plan, &facts, |_| standing));
        if let (Decision::Send(chosen), Some(split)) = (explained.decision, explained.split) {
            match (chosen.reason, split.drawn) {
                (Reason::InShare(_), Some(drawn)) => prop_assert!(drawn.position < drawn.share.ppm()),
                (Reason::OutsideShare(_), Some(drawn)) => prop_assert!(drawn.position >= drawn.share.ppm()),
                _ => {}
            }
        }
    }
}
