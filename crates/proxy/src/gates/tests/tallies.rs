//! What is counted of targets: by what an attempt is, over reloads, and in whatever role.

use super::*;
use crate::gates::Class;
use crate::observer::AttemptKind;

fn begin(plan: &Plan, gates: &Gates, target: (ProviderId, Role), class: Class) {
    gates.begin(plan, ROUTE, target, class);
}

/// Begins and ends an attempt that its request began with.
fn whole(plan: &Plan, gates: &Gates, provider: ProviderId, role: Role) {
    begin(plan, gates, (provider, role), Class::Moved(AttemptKind::First));
    gates.attempted(plan, &finished(provider, role, None), Duration::ZERO);
}

fn gates_of(plan: &Plan, earlier: Option<&Gates>) -> Gates {
    let keeper: Arc<dyn GateKeeper> = Arc::new(NoKeeper);
    Gates::new(plan, earlier, &keeper)
}

fn canary(gates: &Gates) -> &Arc<RouteGate> {
    gates.of(ROUTE, Watched::Canary).unwrap()
}

#[test]
fn an_attempt_is_under_way_from_its_beginning_to_its_end_over_reloads_too() {
    let before = plan(|_| {});
    let gates = gates_of(&before, None);
    begin(&before, &gates, (AWAY, Role::Canary), Class::Moved(AttemptKind::First));
    begin(&before, &gates, (AWAY, Role::Canary), Class::Pinned);
    whole(&before, &gates, HOME, Role::Primary);
    // Its share is another: it is the same try, and goes on.
    let after = plan(|route| route.canary.as_mut().unwrap().bucketing.share = Share::ALL);
    let reloaded = gates_of(&after, Some(&gates));
    let counts = canary(&reloaded).tally().counts();
    assert_eq!((counts.first.under_way(), counts.pinned.under_way()), (1, 1));
    assert_eq!(canary(&reloaded).prior().counts().first.ended, 1);
    // It ends by the plan that it began with.
    gates.attempted(&before, &finished(AWAY, Role::Canary, None), Duration::ZERO);
    let counts = canary(&reloaded).tally().counts();
    assert_eq!((counts.first.under_way(), counts.under_way(), counts.judged), (0, 1, 1));
}

#[test]
fn another_try_is_counted_anew_and_its_primary_is_not() {
    let before = plan(|_| {});
    let gates = gates_of(&before, None);
    whole(&before, &gates, AWAY, Role::Canary);
    whole(&before, &gates, HOME, Role::Primary);
    let after = plan(|route| route.canary.as_mut().unwrap().generation = 2);
    let reloaded = gates_of(&after, Some(&gates));
    assert_eq!(canary(&reloaded).tally().counts().first.begun, 0);
    assert_eq!(canary(&reloaded).prior().counts().first.begun, 1);
}

#[test]
fn canary_and_fallback_at_one_provider_are_one_target() {
    let plan = plan(with_fallback(AWAY));
    let gates = gates_of(&plan, None);
    begin(&plan, &gates, (AWAY, Role::Canary), Class::Moved(AttemptKind::First));
    begin(&plan, &gates, (AWAY, Role::Fallback), Class::Moved(AttemptKind::Fallback));
    let fallback = gates.of(ROUTE, Watched::Fallback).unwrap();
    assert_eq!(canary(&gates).tally().counts().under_way(), 2);
    assert!(Arc::ptr_eq(canary(&gates).tally(), fallback.tally()));
    // Elsewhere they are two.
    let elsewhere = super::plan(with_fallback(ProviderId(2)));
    let gates = gates_of(&elsewhere, None);
    begin(&elsewhere, &gates, (ProviderId(2), Role::Fallback), Class::Moved(AttemptKind::Fallback));
    assert_eq!(canary(&gates).tally().counts().under_way(), 0);
}

#[test]
fn what_the_counts_were_when_it_was_rolled_back_is_known_and_only_then() {
    let plan = plan(|_| {});
    let gates = gates_of(&plan, None);
    (0..3).for_each(|_| whole(&plan, &gates, AWAY, Role::Canary));
    (0..5).for_each(|_| whole(&plan, &gates, HOME, Role::Primary));
    assert!(canary(&gates).tally().rolled_back().is_none());
    canary(&gates).tell(7, &Event::RollBack);
    whole(&plan, &gates, HOME, Role::Primary);
    let rolled_back = canary(&gates).tally().rolled_back().unwrap();
    assert_eq!(rolled_back.at_ms, Some(7));
    let begun = (rolled_back.counts.left.first.begun, rolled_back.counts.prior.first.begun);
    assert_eq!(begun, (3, 5));
    // Found on disk by another process: that is no rollback of this one's.
    let latched = Heard::default();
    *latched.remembers.lock().unwrap() = Some(Restored { is_latched: true, ..Restored::nothing() });
    let keeper: Arc<dyn GateKeeper> = Arc::new(latched);
    let restarted = Gates::new(&plan, None, &keeper);
    assert!(canary(&restarted).is_latched());
    assert!(canary(&restarted).tally().rolled_back().is_none());
    canary(&restarted).latch_from_outside();
    assert!(canary(&restarted).tally().rolled_back().is_none());
}
