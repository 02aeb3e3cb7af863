//! What a drill is of, and what it needs of whoever runs it.

use std::time::Duration;

use decisions::plan::Bucketing;
use decisions::rolled_back::Connections;
use decisions::{Endpoint, Role};
use evidence::{Digest, Moment};

use crate::drill::judge::Acceptance;
use crate::drill::steps::Step;
use crate::drill::stop::Limits;
use crate::gateway::GatewayError;

/// A drill that was asked for.
#[derive(Clone, Debug)]
pub struct DrillPlan {
    /// The route's name.
    pub route: String,
    /// Names the drill in logs and tickets.
    pub check_id: String,
    /// Who does it.
    pub by: String,
    /// Where more is said.
    pub link: Option<String>,
    /// Of the route map.
    pub environment: Option<String>,
    /// The map in force.
    pub route_version: String,
    /// Its hash.
    pub config_sha256: Digest,
    /// The version to go back to.
    pub rollback_route_version: String,
    /// Its hash.
    pub rollback_config_sha256: Digest,
    /// Which target is drilled: the canary or the fallback.
    pub role: Role,
    /// Its provider and model.
    pub target: String,
    /// The primary's.
    pub prior_target: String,
    /// Of the target: provider, model, salt and generation.
    pub identity: String,
    /// Which try of it.
    pub generation: u32,
    /// What requests ask for.
    pub endpoint: Endpoint,
    /// The alias that they name.
    pub alias: String,
    /// How the route's requests are split; the share is that of the small cohort.
    pub split: Bucketing,
    /// That share, as operators write it.
    pub share: String,
    /// The tenant that checks are.
    pub tenant: String,
    /// Requests for each cohort.
    pub requests: u64,
    /// Requests that show how the prior route does.
    pub baseline: u64,
    /// What ends it.
    pub limits: Limits,
    /// How long one request may take.
    pub timeout: Duration,
    /// Callers' traffic may go to the target, and is left alone.
    pub while_live: bool,
    /// Asked for at the end of the way back.
    pub rollback_model_id: Option<String>,
}

/// Requests that are sent once more where the canary is enabled again.
pub(crate) const ONCE_MORE: u64 = 3;

impl DrillPlan {
    /// Requests in all, where all goes well.
    #[must_use]
    pub fn planned_requests(requests: u64, baseline: u64) -> u64 {
        // Baseline, two probes, two cohorts, the way back, one with the rollback's model ID, once more.
        2 * baseline + 2 + 2 * requests + 1 + ONCE_MORE
    }
}

/// How the route stands for callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The map in force.
    pub route_version: String,
    /// Its hash.
    pub config_sha256: String,
    /// What callers' requests may do there: `serving`, `off`, `suspended`, `latched`.
    pub phase: String,
    /// Of a canary, in parts per million.
    pub share_ppm: Option<u64>,
    /// Whether its map is held.
    pub is_held: bool,
    /// Callers' attempts under way there.
    pub in_flight: u64,
}

impl Standing {
    /// Whether callers' requests go there, or may.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.phase == "serving" && self.share_ppm != Some(0)
    }

    /// Whether it is no other than `before`. A canary that is live may have taken a step meanwhile.
    #[must_use]
    pub fn is_as(&self, before: &Standing) -> bool {
        let is_same_map = self.config_sha256 == before.config_sha256;
        let decided = |standing: &Standing| (standing.is_live(), standing.is_held);
        is_same_map && decided(self) == decided(before)
    }
}

/// Whoever runs a drill.
pub trait Surroundings {
    /// By the calendar.
    fn now(&self) -> Moment;

    /// How the route stands for callers.
    fn standing(&self) -> impl Future<Output = Result<Standing, GatewayError>>;

    /// Closes connections to the target's provider that nobody uses, where nobody else needs them, and says what is left.
    fn connections(&self) -> impl Future<Output = Result<Connections, GatewayError>>;

    /// Who approves a step; `None` if nobody does.
    fn approve(&self, step: Step) -> impl Future<Output = Option<String>>;

    /// What the operator's own command says of an answer.
    fn accepts(&self, request_id: &str, answer: &[u8]) -> impl Future<Output = Acceptance>;

    /// Says how far it is.
    fn tell(&self, line: &str);
}
