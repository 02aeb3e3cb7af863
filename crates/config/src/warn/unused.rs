//! What is written down and does nothing: cohorts and providers that nothing refers to, cohorts without
//! tenants.

use std::collections::HashSet;

use decisions::plan::CohortMembers;
use decisions::{CohortId, ProviderId};

use crate::code::Code;
use crate::names::quote;
use crate::warn::Whole;

pub(super) fn warn(whole: &Whole<'_>) {
    about_cohorts(whole);
    about_providers(whole);
}

fn about_cohorts(whole: &Whole<'_>) {
    let parts = whole.plan.parts();
    let routed = parts.routed_cohorts();
    for ((id, cohort), entry) in (0..).map(CohortId).zip(&parts.cohorts).zip(&whole.map.cohorts) {
        let name = quote(&cohort.name);
        if matches!(&cohort.members, CohortMembers::Tenants(tenants) if tenants.is_empty()) {
            let help = "list the tenants that its routes are for";
            let message = format!("cohort {name} has no tenants: its routes are for nobody");
            whole.document.warn(Code::EmptyCohort, entry.name.at, message, help);
        }
        if !routed.contains(&id) {
            let help = "a route that is meant for it names it in `tenant_or_cohort`";
            let message = format!("no route names cohort {name}");
            whole.document.warn(Code::UnusedCohort, entry.name.at, message, help);
        }
    }
}

/// In a map without any route all but the primary are unused, and a first map begins like that: nothing is
/// said then.
fn about_providers(whole: &Whole<'_>) {
    let parts = whole.plan.parts();
    if parts.routes.is_empty() {
        return;
    }
    let of_routes = parts.routes.iter().flat_map(|route| route.providers());
    let of_aliases = parts.aliases.iter().filter_map(|alias| alias.rollback_target);
    let used: HashSet<ProviderId> =
        of_routes.chain(of_aliases).chain(std::iter::once(parts.primary_provider)).collect();
    for (id, entry) in (0..).map(ProviderId).zip(&whole.map.providers) {
        if !used.contains(&id) {
            let message = format!("no route sends anything to provider {}", quote(&entry.name.text));
            let help = "name it in a route as primary, fallback or canary, or take it out";
            whole.document.warn(Code::UnusedProvider, entry.name.at, message, help);
        }
    }
}
