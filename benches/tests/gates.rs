//! Holds what the bench of gates cannot show: that neither an attempt nor a decision pays for them with an allocation.

use std::sync::Arc;

use decisions::gate::{Arm, Attempt, Event, GateRules, GateSettings, Outcome, Usage};
use decisions::plan::{Plan, Watched};
use decisions::{RouteId, decide};
use proxy::{KeyRing, NoKeeper, Snapshot, SnapshotHandle};

#[test]
fn an_attempt_and_a_gated_decision_allocate_nothing() {
    let mut parts = benches::large_plan().unwrap().parts().clone();
    let at = parts.routes.iter().position(|route| route.canary.is_some()).unwrap();
    parts.routes[at].gates.canary = GateRules::new(GateSettings::default()).ok();
    let snapshot = Snapshot::new(Plan::new(parts).unwrap(), Vec::new(), KeyRing::new([]));
    let snapshot = SnapshotHandle::new(snapshot, Arc::new(NoKeeper)).current();
    let route = RouteId(u32::try_from(at).unwrap());
    let gate = snapshot.gates().of(route, Watched::Canary).unwrap();
    let event = |arm, n: u64| {
        let outcome = if n.is_multiple_of(3) { Outcome::HardFailure } else { Outcome::Good };
        Event::Attempt(Attempt {
            arm,
            outcome,
            tenant: n % 100,
            share_ppm: 50_000,
            first_token_us: Some(200_000),
            usage: Usage::Reported(1),
        })
    };
    let requests = benches::requests(benches::Kind::CohortRoute);
    let facts: Vec<_> = requests.iter().map(benches::Request::facts).collect();
    let mut tripped = false;
    let counted = allocation_counter::measure(|| {
        for n in 1..2_000 {
            for arm in [Arm::Canary, Arm::Primary] {
                tripped |= gate.tell(n, &event(arm, n)).is_some();
            }
            gate.tick(n);
        }
        for facts in &facts {
            std::hint::black_box(decide(snapshot.plan(), facts, |id| snapshot.gates().standing(id)));
        }
    });
    assert!(tripped, "a verdict is among what was counted");
    assert_eq!(counted.count_total, 0);
}
