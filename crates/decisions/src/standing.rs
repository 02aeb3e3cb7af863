//! What the gates of a route say now, for whoever decides a request.
//!
//! A gate only ever takes targets away: what it keeps out goes home, and nowhere else that it would not have gone
//! anyway. Where nothing is said ([`no_gates`]) a plan is decided as it is written, which is what a command without a
//! running gateway asks.

use crate::bucket::Share;
use crate::ids::{ProviderId, RouteId};
use crate::plan::Route;

/// Why a target serves no role on its route now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Barred {
    /// Its gate cannot be kept or read, so nobody knows whether it is latched.
    Unusable,
    /// Until its gate has decided.
    Suspended,
    /// For good: its gate has rolled it back.
    Latched,
}

impl Barred {
    /// The name used in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Barred::Unusable => "unusable",
            Barred::Suspended => "suspended",
            Barred::Latched => "latched",
        }
    }
}

/// What the gates of one route say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why its canary serves no role.
    pub canary: Option<Barred>,
    /// The canary's share, where a rollout sets it. A share of nothing in the plan stays nothing.
    pub share: Option<Share>,
    /// Why its fallback serves no role.
    pub fallback: Option<Barred>,
}

/// Nothing is said of any route.
#[must_use]
pub fn no_gates(_: RouteId) -> Standing {
    Standing::default()
}

impl Standing {
    /// Why a provider is sent nothing new by this route but as its canary: as its fallback, as a rule. A primary is never
    /// kept out.
    #[must_use]
    pub fn bars(self, route: &Route, provider: ProviderId) -> Option<Barred> {
        if provider == route.primary {
            return None;
        }
        match route.fallback {
            Some(fallback) if fallback == provider => {
                let other = route.canary.as_ref().filter(|canary| canary.provider == provider);
                self.fallback.max(other.and(self.canary).filter(Self::is_of_target))
            }
            _ => self.canary,
        }
    }

    /// Why the canary's provider is sent nothing new as such.
    #[must_use]
    pub fn bars_canary(self, route: &Route) -> Option<Barred> {
        let canary = route.canary.as_ref().filter(|canary| canary.provider != route.primary)?;
        let other = route.fallback.filter(|fallback| *fallback == canary.provider);
        self.canary.max(other.and(self.fallback).filter(Self::is_of_target))
    }

    /// A canary and a fallback at one provider are one target, since an alias has one model ID there: what a gate has
    /// decided of it counts in either role. That a gate cannot be kept says nothing of the target, and a fallback is the
    /// way out for when the primary is ill.
    fn is_of_target(barred: &Barred) -> bool {
        *barred != Barred::Unusable
    }

    /// The canary's share in force: none while the route's mode sends it nothing, or it is held or barred.
    #[must_use]
    pub fn share_of(self, route: &Route) -> Share {
        let canary = route.canary_in_use().filter(|_| self.bars_canary(route).is_none());
        canary.map_or(Share::NONE, |canary| self.share_or(canary.bucketing.share))
    }

    /// The share by which requests are drawn. One of nothing is the operator's word, which no rollout overrules.
    pub(crate) fn share_or(self, planned: Share) -> Share {
        if planned == Share::NONE { planned } else { self.share.unwrap_or(planned) }
    }
}
