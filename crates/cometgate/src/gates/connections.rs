//! Connections to a provider that was left: those that nobody uses are closed on demand, where nobody else needs them.

use decisions::plan::target_of;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gates::acting::{Acting, Refusal};
use crate::gates::proof::who_else_uses;

/// Which target was left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) route: String,
    /// `canary` or `fallback`.
    pub(crate) target: String,
}

impl Acting {
    /// Closes what is idle, and says how many connections are open and who else needs them.
    pub(crate) fn close_idle(&self, left: &Left) -> Result<Value, Refusal> {
        let snapshot = self.handle.current();
        let plan = snapshot.plan();
        let gates =
            || decisions::plan::Watched::ALL.into_iter().filter(|watched| watched.as_str() == left.target);
        let found = plan.route_named(&left.route).and_then(|(id, route)| {
            let watched = gates().next()?;
            let (provider, _) = target_of(route, watched)?;
            Some((snapshot.gates().of(id, watched)?, &snapshot.providers().get(provider.index())?.origin))
        });
        let Some((gate, origin)) = found else {
            let why = format!("the map in force has no {} of a route {:?}", left.target, left.route);
            return Err(Refusal { status: StatusCode::NOT_FOUND, why });
        };
        let shared_with = who_else_uses(&snapshot, origin, gate.id());
        if shared_with.is_empty() {
            origin.close_idle();
        }
        Ok(json!({ "open": origin.connections(), "shared_with": shared_with }))
    }
}
