//! Whether a new map sends more away from home than the one in force.
//!
//! Away is whatever a route sends, or may send, to another provider than its primary: a canary's share, and all that
//! its fallback gets; of a canary that climbs by itself, all that it may climb to. A route raises it unless each request
//! that it takes had the same way out before: it found the same route (`matching`), and that route led to the same models
//! of the same providers. Where this is hard to tell the answer is "raised": a false alarm costs a proof, a missed one
//! costs an incident. A request that a lowered share brings home may meet the route's fallback there; that is no raise,
//! since its first way led out before.

mod changes;
mod matching;
mod names;

use crate::bucket::Share;
use crate::ids::{AliasId, ProviderId, RouteId};
use crate::plan::{Canary, FeatureSet, Mode, Plan, Route, Watched};

use matching::Matching;
use names::Names;

/// The routes that send away, or may. [`Plan::hold`] on each of them leaves none.
#[must_use]
pub fn exposed(plan: &Plan) -> Vec<RouteId> {
    plan.routes().filter(|(_, route)| !Away::of(route).is_nothing()).map(|(id, _)| id).collect()
}

/// The targets that a route sends away to, or may.
pub fn ways_out(route: &Route) -> impl Iterator<Item = Watched> {
    let away = Away::of(route);
    let canary = away.canary.map(|_| Watched::Canary);
    canary.into_iter().chain(away.fallback.map(|_| Watched::Fallback))
}

/// The routes of `after` that send away, or may, what `before` did not. Tenants, cohorts, aliases, families and
/// providers count as the same by their names, a provider only if it is still reached at the same place; a route counts as the same by what it matches.
#[must_use]
pub fn raised(before: &Plan, after: &Plan) -> Vec<RouteId> {
    let mut routes = exposed(after);
    if !routes.is_empty() {
        let names = Names::new(before, after);
        let matching = Matching::new(before, after, &names);
        let renamed_models = renamed_models(before, after, &names);
        let change = Change { before, after, names, matching, renamed_models };
        routes.retain(|id| change.raises(*id));
    }
    routes
}

/// How much of it is copied to its canary.
fn copied(route: &Route) -> Share {
    route.mirror.map_or(Share::NONE, |mirror| mirror.share)
}

/// What a route sends away.
#[derive(Clone, Copy)]
struct Away<'p> {
    canary: Option<&'p Canary>,
    fallback: Option<Fallback>,
}

#[derive(Clone, Copy)]
struct Fallback {
    provider: ProviderId,
    /// It gets all at once; else it gets what the primary fails at.
    at_once: bool,
}

impl<'p> Away<'p> {
    const NOTHING: Away<'static> = Away { canary: None, fallback: None };

    fn of(route: &'p Route) -> Away<'p> {
        let fallback = |at_once| route.fallback.map(|provider| Fallback { provider, at_once });
        // Copies leave home too.
        let is_used = |canary: &&Canary| canary.bucketing.share.ppm() > 0 || route.mirror.is_some();
        let canary = || route.canary.as_ref().filter(is_used);
        match route.mode {
            _ if route.held => Away::NOTHING,
            Mode::Disabled => Away::NOTHING,
            Mode::Primary => Away { canary: None, fallback: fallback(false) },
            Mode::Canary => Away { canary: canary(), fallback: fallback(false) },
            Mode::Fallback => Away { canary: None, fallback: fallback(true) },
        }
    }

    fn is_nothing(self) -> bool {
        self.canary.is_none() && self.fallback.is_none()
    }
}

/// From one plan to another.
struct Change<'p> {
    before: &'p Plan,
    after: &'p Plan,
    names: Names,
    matching: Matching<'p>,
    /// By new provider: the aliases that had another model ID there, or were kept from there with more features.
    renamed_models: Vec<Vec<AliasId>>,
}

impl Change<'_> {
    fn raises(&self, id: RouteId) -> bool {
        match self.matching.counterpart(id) {
            Some(counterpart) => {
                self.leads_elsewhere(id, counterpart) || self.matching.takes_more(id, counterpart)
            }
            None => true,
        }
    }

    /// Whether a route leads to what its counterpart did not lead to.
    fn leads_elsewhere(&self, id: RouteId, counterpart: RouteId) -> bool {
        let (now, then) = (self.after.route(id), self.before.route(counterpart));
        let (away, before) = (Away::of(now), Away::of(then));
        let canary_is_known = away.canary.is_none_or(|canary| {
            before.canary.is_some_and(|known| {
                let (split, known_split) = (&canary.bucketing, &known.bucketing);
                self.is_same_target(id, canary.provider, known.provider)
                    && split.salt == known_split.salt
                    && split.sticky_by == known_split.sticky_by
                    && now.highest_share() <= then.highest_share()
                    && copied(now) <= copied(then)
            })
        });
        let fallback_is_known = away.fallback.is_none_or(|fallback| {
            before.fallback.is_some_and(|known| {
                self.is_same_target(id, fallback.provider, known.provider)
                    && fallback.at_once <= known.at_once
            })
        });
        // The primary vouches for unlisted keys and has to be within reach, so another one may open the way out.
        let is_same_home = self.is_same_provider(now.primary, then.primary);
        // A mode of `fallback` moves what has state anyway.
        let state_went_too = then.stateful_canary || !now.stateful_canary || now.mode == Mode::Fallback;
        !(canary_is_known && fallback_is_known && is_same_home && state_went_too)
    }

    /// Whether a provider is the same one and calls the models of a route the same.
    fn is_same_target(&self, route: RouteId, now: ProviderId, then: ProviderId) -> bool {
        let mut renamed = self.renamed_models[now.index()].iter();
        self.is_same_provider(now, then) && !renamed.any(|alias| self.matching.applies(route, *alias))
    }

    fn is_same_provider(&self, now: ProviderId, then: ProviderId) -> bool {
        self.names.provider(now) == Some(then)
            && self.after.provider(now).credential == self.before.provider(then).credential
    }
}

fn renamed_models(before: &Plan, after: &Plan, names: &Names) -> Vec<Vec<AliasId>> {
    let renamed_at = |(provider, old): (ProviderId, Option<ProviderId>)| {
        let Some(old) = old else { return Vec::new() };
        let is_renamed = |(id, known): &(AliasId, Option<AliasId>)| {
            known.is_some_and(|known| {
                let (now, then) = (after.alias(*id), before.alias(known));
                now.model_ids[provider.index()] != then.model_ids[old.index()]
                    || bears_more(now.enabled_features.at(provider), then.enabled_features.at(old))
            })
        };
        names.aliases().filter(is_renamed).map(|(id, _)| id).collect()
    };
    names.providers().map(renamed_at).collect()
}

/// Whether some request may go there that could not; nothing said means that all may.
fn bears_more(now: Option<FeatureSet>, then: Option<FeatureSet>) -> bool {
    match (now, then) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(now), Some(then)) => !now.without(then).is_empty(),
    }
}
