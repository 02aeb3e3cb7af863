//! What is explained is what is done.

mod plans;
mod scale;

use decisions::decide::Reason;
use decisions::explain::Verdict;
use decisions::plan::Plan;
use decisions::{Decision, Refusal, Target, decide, explain, no_gates};
use proptest::prelude::*;

use crate::plans::{asked, plan_parts};
use crate::scale::scaled;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(50_000)))]

    #[test]
    fn the_rule_that_applies_is_the_one_that_decides(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let explained = explain(&plan, &facts, no_gates);
        prop_assert_eq!(&explained.decision, &decide(&plan, &facts, no_gates));
        if let Some(either) = &explained.either {
            prop_assert!(either.contains(&explained.decision));
        }
        prop_assert_eq!(explained.tried.len(), plan.parts().routes.len());
        let applies: Vec<_> =
            explained.tried.iter().filter(|tried| tried.verdict == Verdict::Applies).collect();
        prop_assert!(applies.len() <= 1);
        let applies = applies.first().map(|tried| tried.route);
        match explained.decision {
            Decision::Send(chosen) => {
                prop_assert_eq!(chosen.route, applies);
                if chosen.reason == Reason::Feature {
                    prop_assert!(explained.unfit.iter().any(|unfit| !unfit.features.is_empty()));
                }
                let is_unfit = |target: Target<'_>| {
                    explained.unfit.iter().any(|unfit| unfit.provider == target.provider && unfit.role == target.role)
                };
                prop_assert!(!chosen.order.iter().any(is_unfit));
                let Some(drawn) = explained.split.and_then(|split| split.drawn) else { return Ok(()) };
                match chosen.reason {
                    Reason::InShare(by) => prop_assert!(by == drawn.by && drawn.position < drawn.share.ppm()),
                    Reason::OutsideShare(by) => prop_assert!(by == drawn.by && drawn.position >= drawn.share.ppm()),
                    Reason::NoKey => prop_assert!(false, "drawn without a key"),
                    _ => {}
                }
            }
            Decision::Refuse(Refusal::RouteDisabled(route)) => prop_assert_eq!(Some(route), applies),
            Decision::Refuse(_) => {}
        }
    }

    #[test]
    fn what_matches_and_was_not_chosen_stands_after_what_was(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        let explained = explain(&plan, &asked.facts(), no_gates);
        let at = explained.tried.iter().position(|tried| tried.verdict == Verdict::Applies);
        let first_later = explained.tried.iter().position(|tried| tried.verdict == Verdict::Later);
        prop_assert!(first_later.is_none_or(|later| at.is_some_and(|at| at < later)));
    }
}
