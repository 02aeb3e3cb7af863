//! Who is in a route's canary: which tenants, and what share of their requests.
//!
//! The shares are exact and come from the code that decides requests, so more specific routes, cohorts and what a
//! tenant may use are all counted in. Where the route's mode is `fallback`, "in" means at its fallback.

mod text;

use std::collections::HashMap;

use decisions::plan::{Bucketing, Mode, Plan, Route, StickyBy};
use decisions::spread::{Carries, Class, PartDecision, spread};
use decisions::{Endpoint, Refusal, Role, RouteId, TenantId, bucket};

use crate::diff::tenants::{grouped, kinds};
use crate::diff::words::{self, Billionths, billionths};
use crate::load::Loaded;
use crate::names::closest;

/// There is no route of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no route {name:?}{}", .like.as_ref().map(|like| format!("; did you mean {like:?}?")).unwrap_or_default())]
pub struct NoSuchRoute {
    /// What was asked for.
    pub name: String,
    /// The name that was probably meant.
    pub like: Option<String>,
}

/// Who is in a route's canary, or at its fallback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The route's name.
    pub route: String,
    /// Its mode.
    pub mode: Mode,
    /// It is held at its primary, whatever its mode says.
    pub is_held: bool,
    /// Where those go who are in: the canary's provider or the fallback's; `None` where nobody can be in.
    pub provider: Option<String>,
    /// Where all others go.
    pub primary: String,
    /// How the canary is drawn; kept in every mode.
    pub split: Option<Split>,
    /// Tenants whose requests reach the route, with how many of them are in.
    pub groups: Vec<InCanary>,
    /// Tenants whose name decides, where the split goes by tenant.
    pub drawn: Vec<Drawn>,
    tenants: usize,
}

/// How a canary is drawn: what anyone needs to check a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Stands before the key in what is hashed.
    pub salt: String,
    /// A position below this is in.
    pub share_ppm: u32,
    /// It climbs by itself, up to this share; `share_ppm` is then what it begins with.
    pub climbs_to_ppm: Option<u32>,
    /// The first of these that a request carries is the key.
    pub sticky_by: Vec<StickyBy>,
}

/// Tenants and aliases of which equal shares are in. Shares are in billionths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InCanary {
    /// Who asks.
    pub tenants: Vec<String>,
    /// What for.
    pub aliases: Vec<String>,
    /// Which endpoints are called.
    pub endpoints: Vec<Endpoint>,
    /// Of requests that carry keys.
    pub keyed: Reach,
    /// Of requests that carry none.
    pub plain: Reach,
}

/// How many requests reach a route, and how many of them are in, both in billionths of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    /// The route takes them.
    pub reach: u64,
    /// They are in.
    pub within: u64,
}

/// A tenant whose name decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Its name, which is the key.
    pub tenant: String,
    /// 0 to 999,999.
    pub position: u32,
    /// The canary gets it.
    pub is_in: bool,
    /// It decides for all of the tenant's requests; else for those without a key that stands before it.
    pub is_whole: bool,
    /// The position is within the share, and the tenant may not be sent there.
    pub is_kept_out: bool,
}

/// Says who is in the canary of a route.
///
/// # Errors
/// [`NoSuchRoute`], with the name that was probably meant.
pub fn who(loaded: &Loaded, route: &str) -> Result<Who, NoSuchRoute> {
    let plan = &loaded.plan;
    let Some((id, found)) = plan.route_named(route) else {
        let known = plan.parts().routes.iter().map(|entry| entry.name.as_str());
        let like = closest(route, known).map(str::to_owned);
        return Err(NoSuchRoute { name: route.to_owned(), like });
    };
    let groups = groups(plan, id);
    let canary = found.canary.as_ref();
    let provider = match found.mode {
        _ if found.held => None,
        Mode::Canary => canary.map(|canary| canary.provider),
        Mode::Fallback => found.fallback,
        Mode::Primary | Mode::Disabled => None,
    };
    let name = |id| plan.provider(id).name.clone();
    let drawn = found.canary_in_use().map(|canary| drawn(plan, &canary.bucketing, &groups));
    Ok(Who {
        route: found.name.clone(),
        mode: found.mode,
        is_held: found.held,
        provider: provider.map(name),
        primary: name(found.primary),
        split: canary.map(|canary| Split {
            salt: canary.bucketing.salt.clone(),
            share_ppm: canary.bucketing.share.ppm(),
            climbs_to_ppm: climbs_to(found),
            sticky_by: canary.bucketing.sticky_by.clone(),
        }),
        groups,
        drawn: drawn.unwrap_or_default(),
        tenants: plan.parts().tenants.len(),
    })
}

/// The highest share that a canary may come to have by itself.
fn climbs_to(route: &Route) -> Option<u32> {
    let (own, highest) = (route.canary.as_ref()?.bucketing.share, route.highest_share());
    (highest > own).then_some(highest.ppm())
}

/// Every class that reaches the route; those with equal figures together.
fn groups(plan: &Plan, route: RouteId) -> Vec<InCanary> {
    let tenants = grouped(kinds(plan).into_iter().zip((0..).map(TenantId)));
    let mut by_endpoint = Vec::new();
    for (at_alias, alias) in plan.parts().aliases.iter().enumerate() {
        for (at_group, group) in tenants.iter().enumerate() {
            let Some(tenant) = group.first().copied() else { continue };
            for endpoint in Endpoint::ALL {
                let reach = |carries| {
                    reach(
                        plan,
                        route,
                        Class { tenant, model: &alias.name, endpoint, carries, stateful: false },
                    )
                };
                let figures = (reach(Carries::Keys), reach(Carries::Nothing));
                if figures.0.reach > 0 || figures.1.reach > 0 {
                    by_endpoint.push(((at_alias, at_group, figures), endpoint));
                }
            }
        }
    }
    let by_tenants = grouped(by_endpoint.into_iter().map(|(key, endpoint)| (key, (key, endpoint))));
    let by_tenants = by_tenants.into_iter().filter_map(|same| {
        let (alias, group, figures) = same.first()?.0;
        let endpoints: Vec<Endpoint> = same.into_iter().map(|(_, endpoint)| endpoint).collect();
        Some(((alias, figures, endpoints), group))
    });
    let by_aliases = grouped(by_tenants.map(|(key, group)| (key.clone(), (key, group))));
    let by_aliases = by_aliases.into_iter().filter_map(|same| {
        let (alias, figures, endpoints) = same.first()?.0.clone();
        let groups: Vec<usize> = same.into_iter().map(|(_, group)| group).collect();
        Some(((figures, endpoints, groups), alias))
    });
    let merged = grouped(by_aliases.map(|(key, alias)| (key.clone(), (key, alias))));
    let entry = |same: Vec<(Alike, usize)>| {
        let ((keyed, plain), endpoints, groups) = same.first()?.0.clone();
        let mut ids: Vec<TenantId> =
            groups.iter().filter_map(|at| tenants.get(*at)).flatten().copied().collect();
        ids.sort_unstable();
        let aliases = same.iter().filter_map(|(_, at)| plan.parts().aliases.get(*at));
        Some(InCanary {
            tenants: ids.into_iter().map(|id| plan.tenant(id).name.clone()).collect(),
            aliases: aliases.map(|alias| alias.name.clone()).collect(),
            endpoints,
            keyed,
            plain,
        })
    };
    merged.into_iter().filter_map(entry).collect()
}

/// With keys, and without.
type Figures = (Reach, Reach);

/// What aliases have in common that are told of together: figures, endpoints, groups of tenants.
type Alike = (Figures, Vec<Endpoint>, Vec<usize>);

fn reach(plan: &Plan, id: RouteId, class: Class<'_>) -> Reach {
    let mut sums = [0.0, 0.0];
    for part in spread(plan, class) {
        let role = match part.decision {
            PartDecision::Send { route, first } if route == Some(id) => Some(first.role),
            PartDecision::Refuse(Refusal::RouteDisabled(route)) if route == id => None,
            PartDecision::Send { .. } | PartDecision::Refuse(_) => continue,
        };
        let [reach, within] = &mut sums;
        *reach += part.share;
        if matches!(role, Some(Role::Canary | Role::Fallback)) {
            *within += part.share;
        }
    }
    Reach { reach: billionths(sums[0]), within: billionths(sums[1]) }
}

/// Tenants that reach the route, where some of their requests are drawn by the tenant's name.
fn drawn(plan: &Plan, split: &Bucketing, groups: &[InCanary]) -> Vec<Drawn> {
    let is_whole = split.sticky_by.first() == Some(&StickyBy::Tenant);
    if !split.sticky_by.contains(&StickyBy::Tenant) {
        return Vec::new();
    }
    // Plain calls are always drawn by the name, the others only where it comes first.
    let mut sides: HashMap<&String, bool> = HashMap::new();
    for group in groups {
        let by_name = |reach: &&Reach| reach.reach > 0;
        let figures = [Some(group.plain), Some(group.keyed).filter(|_| is_whole)];
        for figure in figures.iter().flatten().filter(by_name) {
            for tenant in &group.tenants {
                *sides.entry(tenant).or_default() |= figure.within > 0;
            }
        }
    }
    let reaching = plan.parts().tenants.iter().filter_map(|tenant| {
        let is_in = *sides.get(&tenant.name)?;
        let position = bucket::position(&split.salt, tenant.name.as_bytes());
        let is_kept_out = !is_in && position < split.share.ppm();
        Some(Drawn { tenant: tenant.name.clone(), is_whole, position, is_in, is_kept_out })
    });
    reaching.collect()
}

impl Reach {
    /// Of those that reach the route, how many are in; in billionths.
    #[must_use]
    pub fn of_those_that_reach(self) -> u64 {
        let within = u128::from(self.within) * u128::from(words::ALL);
        let share = within.checked_div(u128::from(self.reach)).unwrap_or(0);
        // Both figures are rounded, so a whole may come out a little above itself.
        Billionths::try_from(share).unwrap_or(words::ALL).min(words::ALL)
    }
}

impl Who {
    /// Nobody is in.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.groups.iter().all(|group| group.keyed.within == 0 && group.plain.within == 0)
    }
}
