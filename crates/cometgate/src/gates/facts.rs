//! What decisions are made under: the map in force, and what it says of each target that has a gate.

use std::collections::HashMap;

use decisions::plan::{Plan, Route, Watched, gate_identity, target_of};
use decisions::{ProviderId, Standing};
use evidence::Digest;
use proxy::GateId;

use crate::gates::report_target::model_id;

/// The map in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct MapFacts {
    pub(crate) route_version: String,
    pub(crate) routes_sha256: Digest,
    /// The version to go back to, where the map names one.
    pub(crate) rollback_route_version: Option<String>,
    targets: HashMap<GateId, TargetFacts>,
}

/// A target, as the map has it.
#[derive(Clone, Debug)]
pub(super) struct TargetFacts {
    /// Provider and model.
    pub(super) name: String,
    pub(super) generation: u32,
    /// A canary's share where no rollout sets it, in parts per million; 0 where the map sends it nothing.
    pub(super) share_ppm: Option<u32>,
}

impl MapFacts {
    pub(crate) fn new(plan: &Plan, routes_sha256: Digest, rollback_route_version: Option<&str>) -> MapFacts {
        let mut targets = HashMap::new();
        for (id, route) in plan.routes() {
            for watched in Watched::ALL {
                if let (Some(identity), Some((provider, generation))) =
                    (gate_identity(plan, id, watched), target_of(route, watched))
                {
                    let gate = GateId { route: route.name.clone(), identity, watched };
                    let name = target_name(plan, route, provider);
                    let share_ppm =
                        (watched == Watched::Canary).then(|| Standing::default().share_of(route).ppm());
                    targets.insert(gate, TargetFacts { name, generation, share_ppm });
                }
            }
        }
        MapFacts {
            route_version: plan.route_version().to_owned(),
            routes_sha256,
            rollback_route_version: rollback_route_version.map(str::to_owned),
            targets,
        }
    }

    /// `None` for a target of an earlier map.
    pub(super) fn target(&self, id: &GateId) -> Option<&TargetFacts> {
        self.targets.get(id)
    }
}

/// `cometapi/gpt-5.4`; `*` for a route of more than one model.
pub(super) fn target_name(plan: &Plan, route: &Route, provider: ProviderId) -> String {
    format!("{}/{}", plan.provider(provider).name, model_id(plan, route, provider).unwrap_or("*"))
}
