//! Random edits of a plan, each of them what an operator may do in one go.
//!
//! What an edit puts in is taken from a second plan, so that it is as varied as plans are. An edit that `config` would
//! refuse is left out.

use decisions::bucket::Share;
use decisions::plan::{
    AllowedAliases, Canary, CohortMembers, EnabledFeatures, ModelMatch, Plan, PlanParts, Route, Scope, Tenant,
};
use decisions::{AliasId, Caller, CohortId, Facts, FamilyId, ProviderId, ProviderSet, TenantId};
use proptest::prelude::*;
use proptest::sample::select;

/// What to edit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    AddRoute,
    DropRoute,
    MoveRoute,
    Mode,
    Primary,
    Fallback,
    Held,
    StatefulCanary,
    Endpoint,
    Models,
    Scope,
    Canary,
    CanaryProvider,
    Salt,
    StickyBy,
    Share,
    LowerShare,
    RaiseShare,
    Generation,
    Members,
    FewerMembers,
    RenameCohort,
    Family,
    ModelId,
    RenameAlias,
    Features,
    Allowed,
    Credential,
}

const ALL: [What; 28] = [
    What::AddRoute,
    What::DropRoute,
    What::MoveRoute,
    What::Mode,
    What::Primary,
    What::Fallback,
    What::Held,
    What::StatefulCanary,
    What::Endpoint,
    What::Models,
    What::Scope,
    What::Canary,
    What::CanaryProvider,
    What::Salt,
    What::StickyBy,
    What::Share,
    What::LowerShare,
    What::RaiseShare,
    What::Generation,
    What::Members,
    What::FewerMembers,
    What::RenameCohort,
    What::Family,
    What::ModelId,
    What::RenameAlias,
    What::Features,
    What::Allowed,
    What::Credential,
];

/// What to edit, at which place, and the place in the other plan to take it from.
pub(crate) type Edit = (What, usize, usize);

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    (select(ALL.to_vec()), 0..16_usize, 0..16_usize)
}

/// The plan after an edit.
pub(crate) fn edited(parts: &PlanParts, other: &PlanParts, (what, at, from): Edit) -> PlanParts {
    let mut edited = parts.clone();
    match what {
        What::Members | What::FewerMembers | What::RenameCohort => {
            edit_cohort(&mut edited, other, (what, at, from));
        }
        What::Family | What::ModelId | What::RenameAlias | What::Features => {
            edit_alias(&mut edited, other, (what, at, from));
        }
        What::Allowed => {
            let (tenant, source) = (at % parts.tenants.len(), &other.tenants[from % other.tenants.len()]);
            edited.tenants[tenant] = Tenant { name: parts.tenants[tenant].name.clone(), ..source.clone() };
        }
        What::Credential => {
            let provider = at % parts.providers.len();
            edited.providers[provider].credential = other.providers[provider].credential;
        }
        _ if other.routes.is_empty() => {}
        What::AddRoute => {
            let route = other.routes[from % other.routes.len()].clone();
            edited.routes.insert(at % (parts.routes.len() + 1), route);
        }
        _ if parts.routes.is_empty() => {}
        What::DropRoute => drop(edited.routes.remove(at % parts.routes.len())),
        What::MoveRoute => {
            let route = edited.routes.remove(at % parts.routes.len());
            edited.routes.insert(from % parts.routes.len(), route);
        }
        _ => {
            let source = &other.routes[from % other.routes.len()];
            edit_route(&mut edited.routes[at % parts.routes.len()], source, what);
        }
    }
    if Plan::new(edited.clone()).is_ok() { edited } else { parts.clone() }
}

fn edit_route(route: &mut Route, source: &Route, what: What) {
    match what {
        What::Mode => route.mode = source.mode,
        What::Primary => route.primary = source.primary,
        What::Fallback => route.fallback = source.fallback,
        What::Held => route.held = !route.held,
        What::StatefulCanary => route.stateful_canary = source.stateful_canary,
        What::Endpoint => route.endpoint = source.endpoint,
        What::Models => route.models = source.models,
        What::Scope => route.scope = source.scope,
        What::Canary => route.canary.clone_from(&source.canary),
        _ => {
            if let (Some(canary), Some(source)) = (&mut route.canary, &source.canary) {
                edit_canary(canary, source, what);
            }
        }
    }
}

fn edit_canary(canary: &mut Canary, source: &Canary, what: What) {
    let (split, other) = (&mut canary.bucketing, &source.bucketing);
    match what {
        What::CanaryProvider => canary.provider = source.provider,
        What::Salt => split.salt.clone_from(&other.salt),
        What::StickyBy => split.sticky_by.clone_from(&other.sticky_by),
        What::Share => split.share = other.share,
        What::LowerShare => split.share = share(split.share.ppm() / 2),
        What::RaiseShare => split.share = share(split.share.ppm() * 2),
        _ => canary.generation += 1,
    }
}

fn edit_cohort(parts: &mut PlanParts, other: &PlanParts, (what, at, from): Edit) {
    let tenants = parts.tenants.len();
    let at = at % parts.cohorts.len();
    let cohort = &mut parts.cohorts[at];
    match (what, &mut cohort.members) {
        (What::RenameCohort, _) => cohort.name.push_str("-renamed"),
        (What::Members, members) => members.clone_from(&other.cohorts[from % other.cohorts.len()].members),
        (_, CohortMembers::Buckets(split)) => split.share = share(split.share.ppm() / 2),
        (_, CohortMembers::Tenants(list)) => list.retain(|id| id.index() != from % tenants),
    }
}

fn edit_alias(parts: &mut PlanParts, other: &PlanParts, (what, at, from): Edit) {
    let (count, providers) = (parts.aliases.len(), parts.providers.len());
    let alias = &mut parts.aliases[at % count];
    match (what, &mut alias.model_ids[from % providers]) {
        // A name that is asked for and that random plans do not have.
        (What::RenameAlias, _) => alias.name = format!("alias-{count}"),
        (What::Family, _) => alias.family = other.aliases[from % count].family,
        (What::Features, _) => {
            alias.enabled_features.clone_from(&other.aliases[from % count].enabled_features);
        }
        (_, Some(id)) => id.push_str(" (new)"),
        (_, None) => {}
    }
}

fn share(ppm: u32) -> Share {
    Share::from_ppm(ppm).unwrap_or(Share::ALL)
}

/// The same plan with every list of names turned around, so that no id means what it did.
pub(crate) fn renumbered(parts: &PlanParts) -> PlanParts {
    let turn = |id: u32, count: usize| u32::try_from(count).map_or(0, |count| count - 1 - id);
    let provider = |id: ProviderId| ProviderId(turn(id.0, parts.providers.len()));
    let family = |id: FamilyId| FamilyId(turn(id.0, parts.families.len()));
    let alias = |id: AliasId| AliasId(turn(id.0, parts.aliases.len()));
    let tenant = |id: TenantId| TenantId(turn(id.0, parts.tenants.len()));
    let cohort = |id: CohortId| CohortId(turn(id.0, parts.cohorts.len()));
    let mut turned = parts.clone();
    turned.providers.reverse();
    turned.families.reverse();
    turned.aliases.reverse();
    turned.tenants.reverse();
    turned.cohorts.reverse();
    turned.primary_provider = provider(parts.primary_provider);
    turned.default_tenant = parts.default_tenant.map(tenant);
    for entry in &mut turned.aliases {
        entry.model_ids.reverse();
        let declared = providers(parts).map(|id| entry.enabled_features.at(id));
        let mut declared: Vec<_> = declared.collect();
        declared.reverse();
        entry.enabled_features = EnabledFeatures::by_provider(declared);
        entry.family = entry.family.map(family);
        entry.rollback_target = entry.rollback_target.map(provider);
    }
    for entry in &mut turned.tenants {
        if let AllowedAliases::Only(list) = &mut entry.allowed_aliases {
            *list = list.iter().rev().copied().map(alias).collect();
        }
        entry.allowed_providers = providers(parts)
            .filter(|id| entry.allowed_providers.contains(*id))
            .fold(ProviderSet::EMPTY, |set, id| set.with(provider(id)));
    }
    for entry in &mut turned.cohorts {
        if let CohortMembers::Tenants(list) = &mut entry.members {
            list.iter_mut().for_each(|id| *id = tenant(*id));
        }
    }
    for route in &mut turned.routes {
        route.scope = match route.scope {
            Scope::Tenant(id) => Scope::Tenant(tenant(id)),
            Scope::Cohort(id) => Scope::Cohort(cohort(id)),
            Scope::Everyone => Scope::Everyone,
        };
        route.models = match route.models {
            ModelMatch::Alias(id) => ModelMatch::Alias(alias(id)),
            ModelMatch::Family(id) => ModelMatch::Family(family(id)),
            ModelMatch::Any => ModelMatch::Any,
        };
        route.primary = provider(route.primary);
        route.fallback = route.fallback.map(provider);
        if let Some(canary) = &mut route.canary {
            canary.provider = provider(canary.provider);
        }
    }
    turned
}

/// A request of one plan as it meets another: everything by its name.
pub(crate) fn renamed<'r>(facts: &Facts<'r>, from: &Plan, to: &Plan) -> Facts<'r> {
    let tenant = to.tenant_named(&from.tenant(facts.tenant).name).unwrap_or(facts.tenant);
    let caller = match facts.caller {
        Caller::Known => Caller::Known,
        Caller::Unlisted { accepted_by } => {
            let names: Vec<&str> = providers(from.parts())
                .filter(|id| accepted_by.contains(*id))
                .map(|id| from.provider(id).name.as_str())
                .collect();
            let accepted_by = providers(to.parts())
                .filter(|id| names.contains(&to.provider(*id).name.as_str()))
                .fold(ProviderSet::EMPTY, ProviderSet::with);
            Caller::Unlisted { accepted_by }
        }
    };
    Facts { tenant, caller, ..*facts }
}

fn providers(parts: &PlanParts) -> impl Iterator<Item = ProviderId> + use<> {
    (0..).map(ProviderId).take(parts.providers.len())
}
