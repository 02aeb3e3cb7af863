//! What an attempt is to the gates of its route.

use std::time::Duration;

use decisions::gate::{Arm, Attempt, Outcome, Usage};
use decisions::plan::{CredentialKind, Plan, Watched};
use decisions::{ErrorClass, ProviderId, Role, RouteId, TenantId};

use crate::gates::Gates;
use crate::gates::tally::Class;

/// An attempt that is over, as far as gates care.
pub(crate) struct Finished<'r> {
    pub(crate) route: RouteId,
    pub(crate) provider: ProviderId,
    pub(crate) role: Role,
    /// `None` for a copy of a request.
    pub(crate) class: Option<Class>,
    pub(crate) tenant: TenantId,
    /// What went wrong; `None` for a whole answer.
    pub(crate) failure: Option<ErrorClass>,
    /// It was cancelled for another that ran beside it: nobody knows how it would have ended.
    pub(crate) is_lost: bool,
    /// The caller waited for less than the route allows.
    pub(crate) is_impatient: bool,
    /// The canary's share that its request was decided by.
    pub(crate) share_ppm: u32,
    pub(crate) first_token_after: Option<Duration>,
    pub(crate) usage: Usage,
    /// One bit for each feature that its request used.
    pub(crate) features: u16,
    /// What its caller knows the request by.
    pub(crate) request_id: Option<&'r [u8]>,
}

impl Gates {
    /// Tells the gates of an attempt, at `now` of the gateway's own clock.
    ///
    /// The primary's attempts are what the canary is compared with. A fallback is asked when the primary has failed, so
    /// there they would be no fair sample.
    pub(crate) fn attempted(&self, plan: &Plan, finished: &Finished<'_>, now: Duration) {
        let outcome = finished.outcome(plan);
        if let Some(class) = finished.class
            && let Some(tally) = self.tally(plan, finished.route, finished.provider, finished.role)
        {
            tally.end(class, outcome);
        }
        let (watched, arm) = match finished.role {
            Role::Canary if finished.class.is_none() => (Watched::Canary, Arm::Mirror),
            Role::Canary => (Watched::Canary, Arm::Canary),
            Role::Primary => (Watched::Canary, Arm::Primary),
            // What lives where the route does not send any more is asked for there in this role, too.
            Role::Fallback if plan.route(finished.route).fallback != Some(finished.provider) => return,
            Role::Fallback => (Watched::Fallback, Arm::Canary),
        };
        let Some(gate) = self.of(finished.route, watched) else { return };
        let attempt = Attempt {
            arm,
            outcome,
            tenant: self.tenants.get(finished.tenant.index()).copied().unwrap_or_default(),
            share_ppm: finished.share_ppm,
            first_token_us: finished
                .first_token_after
                .map(|after| u32::try_from(after.as_micros()).unwrap_or(u32::MAX)),
            usage: finished.usage,
        };
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let takes_judgements = gate.attempted(now_ms, attempt, finished.features);
        if arm == Arm::Mirror {
            gate.copies.ended(attempt.outcome);
        }
        let was_answered = arm == Arm::Canary && attempt.outcome == Outcome::Good;
        if let Some(id) = finished.request_id.filter(|_| takes_judgements && was_answered) {
            self.served.remember(id, gate, attempt.tenant, now_ms);
        }
    }
}

impl Finished<'_> {
    fn outcome(&self, plan: &Plan) -> Outcome {
        let our_credential = plan.provider(self.provider).credential == CredentialKind::Ours;
        match self.failure {
            _ if self.is_lost => Outcome::NotCounted,
            // Too slow for this caller is not too slow.
            Some(ErrorClass::TotalTimeout) if self.is_impatient => Outcome::NotCounted,
            // A caller's own key has limits and an account of its own.
            Some(ErrorClass::RateLimit | ErrorClass::Quota) if !our_credential => Outcome::NotCounted,
            failure => Outcome::of(failure, our_credential),
        }
    }
}
