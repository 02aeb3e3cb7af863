//! The proof of one rollback: watches what is left on the target until nothing is, and says what remains.
//!
//! What is proven by which counts is decided in `decisions::rolled_back`; here the counts are fetched, and connections that
//! nobody else needs are closed. After a while what remains is written down, and it is watched on.

use std::sync::Arc;
use std::time::Duration;

use decisions::gate::Rate;
use decisions::plan::{Route, Watched, target_of};
use decisions::rolled_back::{Both, Connections, Finding, Item, Look, USUAL_LIMIT, Watch};
use decisions::{ProviderId, RouteId};
use jiff::{SignedDuration, Timestamp};
use proxy::{GateId, RouteGate, Snapshot};
use upstream::Origin;

use crate::gates::facts::target_name;
use crate::gates::minute::{Minute, Sample};

/// After how long what remains is written down, at the least; twice the route's `timeout_ms` where that is longer.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(60);

/// A rollback that is watched, or was.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) id: Arc<GateId>,
    /// Provider and model.
    pub(super) target: String,
    pub(super) rolled_back_at: Timestamp,
    gate: Arc<RouteGate>,
    origin: Arc<Origin>,
    watch: Watch,
    minute: Minute,
    patience_ms: u64,
    began_ms: u64,
    /// Names of routes that need the connections to its provider.
    pub(super) shared_with: Vec<String>,
    pub(super) findings: Vec<Finding>,
    /// Attempts that began there after all.
    pub(super) late: u64,
    /// When it was last looked.
    pub(super) looked_at: Timestamp,
    looked_ms: u64,
    is_told: bool,
    pub(super) is_proven: bool,
}

/// What a look has come to that is worth a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Proven,
    /// It takes long.
    Remaining,
}

impl Proof {
    /// Of a gate whose target was taken out in the life of this process; `None` for any other.
    pub(super) fn begin(
        snapshot: &Snapshot,
        route_id: RouteId,
        gate: &Arc<RouteGate>,
        minute: Minute,
        now_ms: u64,
    ) -> Option<Proof> {
        let rolled_back = gate.tally().rolled_back()?;
        let plan = snapshot.plan();
        let route = plan.route(route_id);
        let (provider, _) = target_of(route, gate.id().watched)?;
        let limit = gate.state().judged.rules.map_or(USUAL_LIMIT, |rules| rules.limit(Rate::HardFailure));
        let began_ms = rolled_back.at_ms.unwrap_or(now_ms).min(now_ms);
        let ago = i64::try_from(now_ms - began_ms).unwrap_or_default();
        let now = Timestamp::now();
        let patience = SHORTEST_PATIENCE.max(route.timeout * 2);
        Some(Proof {
            id: Arc::clone(gate.id()),
            target: target_name(plan, route, provider),
            rolled_back_at: now - SignedDuration::from_millis(ago),
            gate: Arc::clone(gate),
            origin: Arc::clone(&snapshot.providers().get(provider.index())?.origin),
            watch: Watch::begin(rolled_back.counts, limit),
            minute,
            patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            began_ms,
            shared_with: Vec::new(),
            findings: Vec::new(),
            late: 0,
            looked_at: now,
            looked_ms: began_ms,
            is_told: false,
            is_proven: false,
        })
    }

    /// Looks how everything stands, until it is proven.
    pub(super) fn look(&mut self, snapshot: &Snapshot, now_ms: u64) -> Option<News> {
        if self.is_proven {
            return None;
        }
        let counts = counts(&self.gate);
        let now = sample_of(&counts, now_ms);
        self.minute.note(now);
        let connections = self.connections(snapshot);
        let pinned_lately = self.minute.until(now).pinned;
        let findings = self.watch.look(&Look { at_ms: now_ms, counts, pinned_lately, connections });
        self.findings = findings.into_iter().filter(|finding| self.concerns(finding.item)).collect();
        self.late = self.watch.late(&counts);
        (self.looked_at, self.looked_ms) = (Timestamp::now(), now_ms);
        self.is_proven = self.findings.iter().all(|finding| finding.is_proven);
        if self.is_proven {
            return Some(News::Proven);
        }
        let is_late = now_ms.saturating_sub(self.began_ms) >= self.patience_ms;
        (is_late && !std::mem::replace(&mut self.is_told, true)).then_some(News::Remaining)
    }

    /// The last look, before the process ends.
    pub(super) fn end(&mut self, snapshot: &Snapshot, now_ms: u64) -> Option<News> {
        let news = self.look(snapshot, now_ms);
        news.or((!self.is_proven && !self.is_told).then_some(News::Remaining))
    }

    /// When something has been so since, by the calendar.
    pub(super) fn moment(&self, at_ms: u64) -> Timestamp {
        let ago = i64::try_from(self.looked_ms.saturating_sub(at_ms)).unwrap_or_default();
        self.looked_at - SignedDuration::from_millis(ago)
    }

    /// What is idle is closed, unless others need it.
    fn connections(&mut self, snapshot: &Snapshot) -> Connections {
        self.shared_with = who_else_uses(snapshot, &self.origin, &self.id);
        if !self.shared_with.is_empty() {
            return Connections::Shared;
        }
        self.origin.close_idle();
        Connections::Own(self.origin.connections() as u64)
    }

    /// A fallback has no share.
    fn concerns(&self, item: Item) -> bool {
        item != Item::ObservedShare || self.id.watched == Watched::Canary
    }
}

/// How many have come to a gate's target and primary until now.
pub(super) fn sample(gate: &RouteGate, now_ms: u64) -> Sample {
    sample_of(&counts(gate), now_ms)
}

fn sample_of(Both { left, prior }: &Both, now_ms: u64) -> Sample {
    Sample { at_ms: now_ms, there: left.first.begun, home: prior.first.begun, pinned: left.pinned.begun }
}

fn counts(gate: &RouteGate) -> Both {
    Both { left: gate.tally().counts(), prior: gate.prior().counts() }
}

/// The routes that send to a server otherwise than to the target that was left.
pub(super) fn who_else_uses(snapshot: &Snapshot, origin: &Origin, left: &GateId) -> Vec<String> {
    let plan = snapshot.plan();
    let is_it = |provider: ProviderId| {
        snapshot.providers().get(provider.index()).is_some_and(|known| known.origin.id() == origin.id())
    };
    let is_left = |id: &GateId| (&id.route, id.identity) == (&left.route, left.identity);
    let uses = |(id, route): &(RouteId, &Route)| {
        let serves = |watched: &Watched| {
            let gate = snapshot.gates().of(*id, *watched);
            target_of(route, *watched).is_some_and(|(provider, _)| is_it(provider))
                && gate.is_some_and(|gate| !gate.is_latched() && !is_left(gate.id()))
        };
        is_it(route.primary) || Watched::ALL.iter().any(serves)
    };
    let mut users: Vec<String> = plan.routes().filter(uses).map(|(_, route)| route.name.clone()).collect();
    if is_it(plan.parts().primary_provider) {
        users.push("what no route matches".to_owned());
    }
    users
}
