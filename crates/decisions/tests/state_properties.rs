//! State stays where it lives: held over random references, and over random plans for what decides them.

mod plans;
mod scale;

use decisions::decide::Reason;
use decisions::plan::{CredentialKind, Mode, Plan};
use decisions::route::choose_route;
use decisions::state::{Asked, Binding, Owner, Placement, Reference, ReferenceKind, StateClass, place};
use decisions::{
    Decision, ProviderId, Refusal, decide_pinned, decide_unkept, home_of, no_gates, tenant_home,
    tenant_pinned,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::plans::{asked, plan_parts};
use crate::scale::scaled;

const CLASSES: [StateClass; 5] =
    [StateClass::Free, StateClass::Creates, StateClass::Pinned, StateClass::PrimaryOnly, StateClass::List];

fn reference() -> impl Strategy<Value = Reference> {
    let binding = (
        prop_oneof![4 => Just(Owner::Caller), 1 => Just(Owner::Another)],
        prop::option::weighted(0.9, (0_u32..3).prop_map(ProviderId)),
        prop::bool::weighted(0.2),
    );
    let binding = binding.prop_map(|(owner, provider, is_expired)| Binding { owner, provider, is_expired });
    (select(vec![ReferenceKind::Id, ReferenceKind::Sealed]), prop::option::weighted(0.7, binding))
        .prop_map(|(kind, known)| Reference { kind, known })
}

fn what() -> impl Strategy<Value = Asked> {
    (select(CLASSES.to_vec()), prop::bool::weighted(0.3))
        .prop_map(|(class, keeps_to_primary)| Asked { class, keeps_to_primary })
}

/// The rule once more, written as what each answer needs.
fn oracle(asked: Asked, references: &[Reference], home: ProviderId, shared: &[bool]) -> Placement {
    let live = |reference: &Reference| match reference.known {
        Some(Binding { owner: Owner::Caller, provider, is_expired: false }) => provider,
        _ => None,
    };
    let mut places: Vec<ProviderId> = references.iter().filter_map(live).collect();
    let first = places.first().copied().unwrap_or(home);
    places.sort_unstable();
    places.dedup();
    let is_foreign = |reference: &Reference| {
        let gone = |known: Binding| !known.is_expired && known.provider.is_none();
        reference.known.is_some_and(|known| known.owner == Owner::Another || gone(known))
    };
    let is_unknown = |reference: &&Reference| reference.known.is_none_or(|known| known.is_expired);
    let may_be_foreign = |reference: &Reference| {
        is_unknown(&reference) && reference.kind == ReferenceKind::Id && shared[first.index()]
    };
    if references.iter().any(|reference| is_foreign(reference) || may_be_foreign(reference)) {
        return Placement::NotYours;
    }
    match places[..] {
        [_, _, ..] => Placement::Contradiction,
        [at] if asked.keeps_to_primary && at != home => Placement::Contradiction,
        [at] => Placement::Pinned(at),
        [] if asked.keeps_to_primary || !references.is_empty() => Placement::PrimaryOnly,
        [] => match asked.class {
            StateClass::Free => Placement::Free,
            StateClass::Creates => Placement::Creates,
            StateClass::List if shared[home.index()] => Placement::OthersListed,
            StateClass::List | StateClass::Pinned | StateClass::PrimaryOnly => Placement::PrimaryOnly,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(200_000)))]

    #[test]
    fn a_request_goes_where_what_it_refers_to_lives_or_nowhere(
        what in what(),
        references in prop::collection::vec(reference(), 0..5),
        home in (0_u32..3).prop_map(ProviderId),
        shared in prop::array::uniform3(any::<bool>()),
    ) {
        let is_shared = |id: ProviderId| shared[id.index()];
        let placed = place(what, references.iter().copied(), home, is_shared);
        prop_assert_eq!(placed, oracle(what, &references, home, &shared));
    }

    /// Whoever tries IDs learns nothing from the order in which they stand, or from what stands beside them.
    #[test]
    fn anothers_id_is_never_found_whatever_stands_beside_it(
        what in what(),
        mut references in prop::collection::vec(reference(), 0..5),
        at in 0_usize..6,
        is_expired in any::<bool>(),
    ) {
        let known = Some(Binding { owner: Owner::Another, provider: Some(ProviderId(1)), is_expired });
        references.insert(at.min(references.len()), Reference { kind: ReferenceKind::Id, known });
        prop_assert_eq!(place(what, references, ProviderId(0), |_| false), Placement::NotYours);
    }

    #[test]
    fn what_keeps_to_the_primary_goes_nowhere_else(
        what in what(), references in prop::collection::vec(reference(), 0..5), home in (0_u32..3).prop_map(ProviderId),
    ) {
        let what = Asked { keeps_to_primary: true, ..what };
        match place(what, references, home, |_| false) {
            Placement::Pinned(at) => prop_assert_eq!(at, home),
            Placement::Free | Placement::Creates => prop_assert!(false, "it may be moved"),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(20_000)))]

    #[test]
    fn what_is_pinned_has_one_target_whatever_the_map_says(
        parts in plan_parts(), asked in asked(), to in prop::option::of((0_u32..4).prop_map(ProviderId)),
    ) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let home = home_of(&plan, &facts);
        match decide_pinned(&plan, &facts, to) {
            Decision::Send(chosen) => {
                let targets: Vec<_> = chosen.order.iter().collect();
                prop_assert_eq!(targets.len(), 1);
                prop_assert_eq!(targets[0].provider, to.unwrap_or(home));
                prop_assert_eq!(chosen.reason, Reason::Pinned);
                prop_assert!(chosen.route.is_none_or(|id| plan.route(id).mode != Mode::Disabled));
                let alias = plan.alias_named(facts.model);
                let named = alias.map(|id| plan.alias(id).model_ids[targets[0].provider.index()].as_deref().unwrap());
                prop_assert_eq!(targets[0].model_id, named);
            }
            Decision::Refuse(Refusal::RouteDisabled(id)) => prop_assert_eq!(plan.route(id).mode, Mode::Disabled),
            Decision::Refuse(_) => {}
        }
        let alias = plan.alias_named(facts.model);
        if let Some(route) = alias.and_then(|alias| choose_route(&plan, alias, &facts)) {
            prop_assert_eq!(home, plan.route(route).primary);
        }
    }

    #[test]
    fn a_tenant_reaches_no_further_by_what_is_pinned(
        parts in plan_parts(), asked in asked(), to in (0_u32..4).prop_map(ProviderId),
    ) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let allowed = plan.tenant(facts.tenant).allowed_providers;
        let decided = [
            decide_pinned(&plan, &facts, Some(to)), tenant_pinned(&plan, facts.tenant, facts.caller, to),
        ];
        for (decided, home) in decided.into_iter().zip([home_of(&plan, &facts), tenant_home(&plan, facts.tenant)]) {
            let Decision::Send(chosen) = decided else { continue };
            prop_assert_eq!(chosen.order.first().provider, to);
            prop_assert!(allowed.contains(to));
            // A stranger's key spends nothing of ours that the primary has not vouched for.
            if let decisions::Caller::Unlisted { accepted_by } = facts.caller {
                let is_client = |id| plan.provider(id).credential == CredentialKind::Client;
                prop_assert!(is_client(to) || is_client(home) && accepted_by.contains(home));
            }
        }
    }

    #[test]
    fn what_cannot_be_kept_is_made_at_one_place_and_never_at_a_canary(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        if let Decision::Send(chosen) = decide_unkept(&plan, &asked.facts(), no_gates) {
            prop_assert_eq!(chosen.order.iter().count(), 1);
            prop_assert_ne!(chosen.order.first().role, decisions::Role::Canary);
        }
    }

    #[test]
    fn a_credential_is_shared_where_two_tenants_can_reach_it(mut parts in plan_parts(), shared_state in any::<bool>()) {
        parts.shared_state = shared_state;
        let plan = Plan::new(parts.clone()).unwrap();
        for (id, provider) in (0..).map(ProviderId).zip(&parts.providers) {
            let tenants = parts.tenants.iter().filter(|tenant| tenant.allowed_providers.contains(id)).count();
            let is_ours = provider.credential == CredentialKind::Ours;
            prop_assert_eq!(plan.is_shared(id), is_ours && tenants > 1 && !shared_state);
        }
    }
}
