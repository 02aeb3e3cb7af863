//! How the targets of a route are gated, and what a tripped gate is remembered by.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use crate::gate::GateRules;
use crate::ids::{ProviderId, RouteId};
use crate::plan::{ModelMatch, Plan, Route};
use crate::rollout::RolloutRules;

/// The gates of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gates {
    /// Of its canary; `None` where it has none, or an operator switched its gates off.
    pub canary: Option<GateRules>,
    /// Of its fallback; `None` in the same cases.
    pub fallback: Option<GateRules>,
    /// By which steps its canary grows; `None` where its share stays as it is written. With steps, the canary's own
    /// share is the first of them. Features are counted by [`FeatureSet::bits`](crate::plan::FeatureSet::bits), checks
    /// by [`Check::index`].
    pub rollout: Option<RolloutRules>,
}

/// A check that a canary may have to pass before it takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The provider's catalog has the models (runbook 2).
    Models,
    /// Contract probes (runbook 3).
    Probe,
    /// The smoke test (runbook 4).
    Smoke,
    /// The check before rolling forward (runbook 5).
    Rollforward,
    /// The rollback drill (runbook 3).
    Drill,
    /// The readiness evaluation (runbook 1).
    Readiness,
}

impl Check {
    /// All of them, in the order of their bits in [`RolloutSettings::checks`](crate::rollout::RolloutSettings::checks).
    pub const ALL: [Check; 6] =
        [Check::Models, Check::Probe, Check::Smoke, Check::Rollforward, Check::Drill, Check::Readiness];

    /// The name used in the map and in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Models => "models",
            Check::Probe => "probe",
            Check::Smoke => "smoke",
            Check::Rollforward => "rollforward",
            Check::Drill => "drill",
            Check::Readiness => "readiness",
        }
    }

    /// Its place among the checks of a rollout.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its bit.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << self.index()
    }
}

/// Which target of a route a gate watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// Its canary.
    Canary,
    /// Its fallback.
    Fallback,
}

impl Watched {
    /// All of them.
    pub const ALL: [Watched; 2] = [Watched::Canary, Watched::Fallback];

    /// The name used in records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Watched::Canary => "canary",
            Watched::Fallback => "fallback",
        }
    }

    /// Its gate on a route.
    #[must_use]
    pub fn rules(self, gates: &Gates) -> Option<&GateRules> {
        match self {
            Watched::Canary => gates.canary.as_ref(),
            Watched::Fallback => gates.fallback.as_ref(),
        }
    }
}

/// What latch, step, evidence and the budget for false alarms belong to, together with the route's name: a hash of the
/// target's provider, its model, the salt and the generation. The share, the map's version and other routes are no part
/// of it, so editing them opens no latch.
///
/// A fallback at the canary's provider is the same target as the canary and has the same identity, so that one latch
/// keeps the target from either role. Two gates may then watch one identity: their evidence is told apart by [`Watched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateIdentity(pub u64);

impl fmt::Display for GateIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The identity of a route's target; `None` where the route has no such target.
///
/// The model is the provider's model ID where the route is for one alias, else the family's name or `*`: a family that
/// gains an alias stays what it was.
#[must_use]
pub fn gate_identity(plan: &Plan, route: RouteId, watched: Watched) -> Option<GateIdentity> {
    let route = plan.route(route);
    let (provider, salt, generation) = target(route, watched)?;
    let (kind, model) = match route.models {
        ModelMatch::Alias(alias) => {
            let model_ids = &plan.alias(alias).model_ids;
            ("id", model_ids.get(provider.index())?.as_deref()?)
        }
        ModelMatch::Family(family) => ("family", plan.parts().families.get(family.index())?.as_str()),
        ModelMatch::Any => ("any", "*"),
    };
    let mut hasher = Xxh3::new();
    for part in [plan.provider(provider).name.as_str(), kind, model, salt] {
        // With its length before it, no part can look like two.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(&generation.to_le_bytes());
    Some(GateIdentity(hasher.digest()))
}

/// Where the target is that a route's gate watches, and which try of it the map names.
#[must_use]
pub fn target_of(route: &Route, watched: Watched) -> Option<(ProviderId, u32)> {
    target(route, watched).map(|(provider, _, generation)| (provider, generation))
}

fn target(route: &Route, watched: Watched) -> Option<(ProviderId, &str, u32)> {
    let canary = route.canary.as_ref();
    match watched {
        Watched::Canary => {
            let canary = canary?;
            Some((canary.provider, &canary.bucketing.salt, canary.generation))
        }
        Watched::Fallback => {
            let provider = route.fallback?;
            match canary.filter(|canary| canary.provider == provider) {
                Some(canary) => Some((provider, &canary.bucketing.salt, canary.generation)),
                // What a canary there would have that says nothing of its salt.
                None => Some((provider, &route.name, route.fallback_generation)),
            }
        }
    }
}
