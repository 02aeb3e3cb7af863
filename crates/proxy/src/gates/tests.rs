//! Gates over reloads and restarts, under threads, and what they are told.

use std::sync::Mutex;
use std::time::Duration;

use decisions::bucket::Share;
use decisions::gate::{Event, GateRules, GateSettings, Mode as GateMode, Outcome, Reason, Usage, Verdict};
use decisions::judged::{Judged, Told};
use decisions::plan::{
    Alias, Bucketing, Canary, CredentialKind, Mode, ModelMatch, PlanParts, Provider, Scope, StickyBy, Tenant,
    UnlistedModels,
};
use decisions::rollout::{RolloutRules, RolloutSettings, StepVerdict};
use decisions::{AliasId, Barred, ErrorClass, ProviderId, Role, TenantId};

mod tallies;

use super::*;
use crate::observer::AttemptKind;

const HOME: ProviderId = ProviderId(0);
const AWAY: ProviderId = ProviderId(1);
const ROUTE: RouteId = RouteId(0);

/// One route with a canary of a half, gated as it is usual; `edit` makes it another.
fn plan(edit: impl FnOnce(&mut Route)) -> Plan {
    let timeout = Duration::from_secs(60);
    let models = ModelMatch::Alias(AliasId(0));
    let mut route = Route::at_home("summaries".to_owned(), Scope::Everyone, models, HOME, timeout);
    route.mode = Mode::Canary;
    route.canary = Some(Canary {
        provider: AWAY,
        bucketing: Bucketing {
            share: Share::from_ppm(500_000).unwrap(),
            sticky_by: vec![StickyBy::Request],
            salt: "salt".to_owned(),
        },
        generation: 1,
        timeout,
    });
    route.gates.canary = GateRules::new(GateSettings::default()).ok();
    edit(&mut route);
    let model_ids = ["a", "b", "c"].map(|id| Some(id.to_owned())).to_vec();
    Plan::new(PlanParts {
        route_version: "1".to_owned(),
        unlisted_models: UnlistedModels::Refuse,
        primary_provider: HOME,
        default_tenant: None,
        shared_state: false,
        providers: ["home", "away", "third"].map(Provider::paid_by_us).to_vec(),
        families: Vec::new(),
        aliases: vec![Alias::of("summary".to_owned(), model_ids)],
        tenants: ["acme", "globex", "initech"].map(Tenant::unrestricted).to_vec(),
        cohorts: Vec::new(),
        routes: vec![route],
    })
    .unwrap()
}

fn with_fallback(provider: ProviderId) -> impl FnOnce(&mut Route) {
    move |route| {
        route.fallback = Some(provider);
        route.gates.fallback = GateRules::new(GateSettings::fallback()).ok();
    }
}

/// Writes down all that it hears.
#[derive(Debug, Default)]
struct Heard {
    told: Log,
    verdicts: Mutex<Vec<(Option<u64>, Verdict)>>,
    climbs: Mutex<Vec<StepVerdict>>,
    remembers: Mutex<Option<Restored>>,
}

impl GateKeeper for Heard {
    fn restore(&self, _: &GateId) -> Restored {
        self.remembers.lock().unwrap().clone().unwrap_or_else(Restored::nothing)
    }

    fn log(&self, _: &GateId) -> Box<dyn GateLog> {
        Box::new(self.told.clone())
    }

    fn decided(&self, _: &Arc<GateId>, event: Option<u64>, _: &GateState, verdict: &Verdict) {
        self.verdicts.lock().unwrap().push((event, *verdict));
    }

    fn climbed(&self, _: &Arc<GateId>, _: Option<u64>, _: &GateState, verdict: &StepVerdict) {
        self.climbs.lock().unwrap().push(*verdict);
    }
}

/// What gates were told, with the milliseconds, and what each knew when its state last changed otherwise.
#[derive(Clone, Debug, Default)]
struct Log {
    events: Arc<Mutex<Vec<(u64, Told)>>>,
    changes: Arc<Mutex<usize>>,
}

impl GateLog for Log {
    fn told(&mut self, now_ms: u64, told: &Told, _: &Judged) -> Option<u64> {
        let mut events = self.events.lock().unwrap();
        events.push((now_ms, *told));
        Some(events.len() as u64)
    }

    fn ticked(&mut self, now_ms: u64, before: &Judged) {
        self.told(now_ms, &Told::TICK, before);
    }

    fn changed(&mut self) {
        *self.changes.lock().unwrap() += 1;
    }
}

fn kept() -> (Arc<Heard>, Arc<dyn GateKeeper>) {
    let heard = Arc::new(Heard::default());
    (Arc::clone(&heard), heard)
}

fn finished(provider: ProviderId, role: Role, failure: Option<ErrorClass>) -> Finished {
    Finished {
        route: ROUTE,
        provider,
        role,
        class: Class::Moved(AttemptKind::First),
        tenant: TenantId(0),
        failure,
        is_lost: false,
        is_impatient: false,
        share_ppm: 500_000,
        first_token_after: None,
        usage: Usage::NotExpected,
        features: 0,
    }
}

fn share_ppm(plan: &Plan, gates: &Gates) -> u32 {
    gates.standing(ROUTE).share_of(plan.route(ROUTE)).ppm()
}

#[test]
fn a_request_is_told_the_same_all_along() {
    let (_, keeper) = kept();
    let plan = plan(|_| ());
    let gates = Gates::new(&plan, None, &keeper);
    let asked = gates.asked_once();
    let first = asked.standing(ROUTE);
    gates.of(ROUTE, Watched::Canary).unwrap().tell(1, &Event::RollBack);
    assert_eq!(asked.standing(ROUTE), first);
    assert_ne!(gates.asked_once().standing(ROUTE), first);
}

/// Failures of the canary, each with a good answer of the primary, until it is out of traffic; how many.
fn fails_until_out(plan: &Plan, gates: &Gates) -> usize {
    for at in 0..100 {
        if gates.standing(ROUTE).canary.is_some() {
            return at;
        }
        let now = Duration::from_millis(u64::try_from(at).unwrap() * 10);
        gates.attempted(plan, &finished(AWAY, Role::Canary, Some(ErrorClass::Server)), now);
        gates.attempted(plan, &finished(HOME, Role::Primary, None), now);
    }
    panic!("it stays in traffic");
}

/// The same until it is latched; the primary goes on answering well.
fn latch(plan: &Plan, gates: &Gates) {
    fails_until_out(plan, gates);
    for at in 0..10_000 {
        if gates.standing(ROUTE).canary == Some(Barred::Latched) {
            return;
        }
        gates.attempted(plan, &finished(HOME, Role::Primary, None), Duration::from_millis(1_000 + at));
    }
    panic!("it is never latched");
}

#[test]
fn a_failing_canary_is_out_within_ten_attempts_and_stays_out_over_reloads() {
    let (heard, keeper) = kept();
    let first = plan(|_| ());
    let gates = Gates::new(&first, None, &keeper);
    assert_eq!(share_ppm(&first, &gates), 500_000);
    assert!(fails_until_out(&first, &gates) <= 10);
    latch(&first, &gates);
    assert_eq!(share_ppm(&first, &gates), 0);
    let verdicts = heard.verdicts.lock().unwrap().clone();
    assert!(verdicts.last().is_some_and(|(_, verdict)| verdict.acts && verdict.page));
    let told = heard.told.events.lock().unwrap().len();

    // Another share, other gates, none at all, another mode: the same try.
    let same: [fn(&mut Route); 4] = [
        |route| route.canary.as_mut().unwrap().bucketing.share = Share::ALL,
        |route| route.gates.canary = None,
        |route| {
            let settings = GateSettings { mode: GateMode::Observe, ..GateSettings::default() };
            route.gates.canary = GateRules::new(settings).ok();
        },
        |route| route.mode = Mode::Primary,
    ];
    let mut before = gates;
    for edit in same {
        let next = plan(edit);
        before = Gates::new(&next, Some(&before), &keeper);
        assert_eq!(before.standing(ROUTE).canary, Some(Barred::Latched));
        // What ends now changes nothing, and is not written down.
        before.attempted(
            &next,
            &finished(AWAY, Role::Canary, Some(ErrorClass::Auth)),
            Duration::from_secs(60),
        );
        before.of(ROUTE, Watched::Canary).unwrap().tick(120_000);
        before.of(ROUTE, Watched::Canary).unwrap().set_usable(true);
        assert_eq!(before.of(ROUTE, Watched::Canary).unwrap().tell(0, &Event::Resume), None);
        assert_eq!(before.standing(ROUTE).canary, Some(Barred::Latched));
    }
    assert_eq!(heard.told.events.lock().unwrap().len(), told);

    // Gone and back, and in the other role.
    let none = plan(|route| (route.mode, route.canary) = (Mode::Primary, None));
    before = Gates::new(&none, Some(&before), &keeper);
    assert_eq!(before.all().count(), 0);
    before = Gates::new(&plan(|_| ()), Some(&before), &keeper);
    assert_eq!(before.standing(ROUTE).canary, Some(Barred::Latched));
    before = Gates::new(&plan(with_fallback(AWAY)), Some(&before), &keeper);
    assert_eq!(before.standing(ROUTE).fallback, Some(Barred::Latched));

    // Another try.
    let again = plan(|route| route.canary.as_mut().unwrap().generation = 2);
    before = Gates::new(&again, Some(&before), &keeper);
    assert_eq!(before.standing(ROUTE).canary, None);
}

#[test]
fn one_request_reads_one_number_and_every_event_is_numbered_once() {
    const THREADS: u64 = 8;
    const EACH: u64 = 500;
    let (heard, keeper) = kept();
    let plan = plan(|_| ());
    let gates = Gates::new(&plan, None, &keeper);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for at in 0..EACH {
                    let role = if at % 2 == 0 { (AWAY, Role::Canary) } else { (HOME, Role::Primary) };
                    gates.attempted(&plan, &finished(role.0, role.1, None), Duration::from_millis(at));
                }
            });
        }
    });
    let events = heard.told.events.lock().unwrap();
    assert_eq!(events.len() as u64, THREADS * EACH);
    // What was written down gives the same gate, to the bit.
    let rules = GateRules::new(GateSettings::default()).ok();
    let mut replayed = Judged { rules, ..Judged::default() };
    for (at_ms, told) in events.iter() {
        replayed.tell(*at_ms, told);
    }
    let state = gates.of(ROUTE, Watched::Canary).unwrap().state();
    assert_eq!(replayed.gate.to_numbers(), state.judged.gate.to_numbers());
    assert_eq!(state.sequence, THREADS * EACH);
}

#[test]
fn a_restart_goes_on_where_it_was_and_what_cannot_be_read_is_out() {
    let (heard, keeper) = kept();
    let plan = plan(|_| ());
    let gates = Gates::new(&plan, None, &keeper);
    for _ in 0..3 {
        gates.attempted(&plan, &finished(AWAY, Role::Canary, None), Duration::from_secs(1));
    }
    let state = gates.of(ROUTE, Watched::Canary).unwrap().state();
    let kept = Restored {
        gate: Some(state.judged.gate.to_numbers().to_vec()),
        rollout: Some(state.judged.rollout.to_numbers().to_vec()),
        sequence: state.sequence,
        ..Restored::nothing()
    };
    let restart = |restored: &Restored| {
        *heard.remembers.lock().unwrap() = Some(restored.clone());
        Gates::new(&plan, None, &keeper)
    };
    let again = restart(&kept).of(ROUTE, Watched::Canary).unwrap().state();
    assert_eq!(again, state);
    assert_eq!(
        restart(&Restored { is_latched: true, ..kept.clone() }).standing(ROUTE).canary,
        Some(Barred::Latched)
    );

    let blind = restart(&Restored { may_serve: false, ..kept.clone() });
    let gate = blind.of(ROUTE, Watched::Canary).unwrap();
    assert_eq!(blind.standing(ROUTE).canary, Some(Barred::Unusable));
    gate.set_usable(true);
    assert_eq!(blind.standing(ROUTE).canary, None);
    gate.set_usable(false);
    gate.take_restored(&Restored { is_latched: true, ..kept.clone() });
    assert_eq!(blind.standing(ROUTE).canary, Some(Barred::Latched));

    let mut numbers = state.judged.gate.to_numbers().to_vec();
    numbers.pop();
    let damaged = restart(&Restored { gate: Some(numbers), ..kept });
    assert_eq!(damaged.standing(ROUTE).canary, Some(Barred::Unusable));
    damaged.of(ROUTE, Watched::Canary).unwrap().set_usable(true);
    assert_eq!(damaged.standing(ROUTE).canary, Some(Barred::Unusable), "it may have been latched");
}

#[test]
fn a_fallback_that_is_only_observed_stays_when_its_gate_cannot_be_kept() {
    let (heard, keeper) = kept();
    let observed = |route: &mut Route| {
        with_fallback(AWAY)(route);
        let settings = GateSettings { mode: GateMode::Observe, ..GateSettings::fallback() };
        route.gates.fallback = GateRules::new(settings).ok();
    };
    let gates = Gates::new(&plan(observed), None, &keeper);
    let blind = |gates: &Gates| gates.all().for_each(|gate| gate.set_usable(false));
    blind(&gates);
    let standing = gates.standing(ROUTE);
    assert_eq!((standing.canary, standing.fallback), (Some(Barred::Unusable), None));
    let route = &plan(observed).parts().routes[0].clone();
    assert_eq!((standing.bars(route, AWAY), standing.bars_canary(route)), (None, Some(Barred::Unusable)));

    // One that acts, and one that may have been latched before anybody could read it, do not.
    let acting = Gates::new(&plan(with_fallback(AWAY)), None, &keeper);
    blind(&acting);
    assert_eq!(acting.standing(ROUTE).fallback, Some(Barred::Unusable));
    *heard.remembers.lock().unwrap() = Some(Restored { may_serve: false, ..Restored::nothing() });
    let unread = Gates::new(&plan(observed), None, &keeper);
    assert_eq!(unread.standing(ROUTE).fallback, Some(Barred::Unusable));
}

#[test]
fn an_operator_rolls_back_also_what_is_not_judged() {
    let observed = |route: &mut Route| {
        let settings = GateSettings { mode: GateMode::Observe, ..GateSettings::default() };
        route.gates.canary = GateRules::new(settings).ok();
    };
    let edits: [fn(&mut Route); 3] = [|_| (), |route| route.gates.canary = None, observed];
    for (at, edit) in edits.into_iter().enumerate() {
        for has_tripped in [false, true] {
            let (heard, keeper) = kept();
            let plan = plan(edit);
            let gates = Gates::new(&plan, None, &keeper);
            let gate = gates.of(ROUTE, Watched::Canary).unwrap();
            if has_tripped && at != 0 {
                for _ in 0..200 {
                    let failure = Some(ErrorClass::Server);
                    gates.attempted(&plan, &finished(AWAY, Role::Canary, failure), Duration::ZERO);
                }
                assert_eq!(gates.standing(ROUTE).canary, None);
            }
            let verdict = gate.tell(5, &Event::RollBack).unwrap();
            assert!(verdict.acts && verdict.reason == Reason::ByHand);
            assert_eq!(gates.standing(ROUTE).canary, Some(Barred::Latched));
            let (event, written) = *heard.verdicts.lock().unwrap().last().unwrap();
            let told = heard.told.events.lock().unwrap();
            assert_eq!((event, written), (Some(told.len() as u64), verdict));
            assert_eq!(told.last(), Some(&(5, Told::Event { event: Event::RollBack, features: 0 })));
            drop(told);
            assert_eq!(gate.tell(6, &Event::RollBack), None, "it is out already");
        }
    }
}

#[test]
fn a_fallback_has_its_own_gate_and_is_no_sample_for_the_canarys() {
    let (_, keeper) = kept();
    let third = ProviderId(2);
    let plan = plan(with_fallback(third));
    let gates = Gates::new(&plan, None, &keeper);
    let of = |watched| gates.of(ROUTE, watched).unwrap().state().sequence;
    gates.attempted(&plan, &finished(third, Role::Fallback, None), Duration::ZERO);
    assert_eq!((of(Watched::Canary), of(Watched::Fallback)), (0, 1));
    gates.attempted(&plan, &finished(HOME, Role::Primary, None), Duration::ZERO);
    assert_eq!((of(Watched::Canary), of(Watched::Fallback)), (1, 1));
    // What lives at a provider that the route does not name goes there in this role.
    gates.attempted(&plan, &finished(AWAY, Role::Fallback, None), Duration::ZERO);
    assert_eq!((of(Watched::Canary), of(Watched::Fallback)), (1, 1));
    for _ in 0..20 {
        gates.attempted(&plan, &finished(third, Role::Fallback, Some(ErrorClass::Reset)), Duration::ZERO);
    }
    let standing = gates.standing(ROUTE);
    assert_eq!((standing.canary, standing.fallback), (None, Some(Barred::Latched)));
}

#[test]
fn silence_says_nothing_of_a_target_that_the_map_sends_nothing_to() {
    let day: u64 = 24 * 3_600_000;
    let parked: [fn(&mut Route); 4] = [
        |route| route.mode = Mode::Primary,
        |route| route.held = true,
        |route| route.canary.as_mut().unwrap().bucketing.share = Share::NONE,
        with_third,
    ];
    fn with_third(route: &mut Route) {
        with_fallback(ProviderId(2))(route);
        route.canary = None;
        route.mode = Mode::Primary;
    }
    for edit in parked {
        let (heard, keeper) = kept();
        let plan = plan(edit);
        let gates = Gates::new(&plan, None, &keeper);
        for gate in gates.all() {
            (0..5 * day / 10_000).for_each(|at| gate.tick(at * 10_000));
        }
        assert_eq!(heard.verdicts.lock().unwrap().len(), 0);
    }
    let (heard, keeper) = kept();
    let plan = plan(|_| ());
    let gates = Gates::new(&plan, None, &keeper);
    let gate = gates.of(ROUTE, Watched::Canary).unwrap();
    (0..=60).for_each(|at| gate.tick(at * 10_000));
    assert_eq!(heard.verdicts.lock().unwrap().len(), 1, "ten minutes of silence are a hold");
    assert_eq!(gates.standing(ROUTE).canary, None);
}

#[test]
fn a_share_in_force_is_the_steps_and_a_hold_keeps_it() {
    let (heard, keeper) = kept();
    let plan = plan(|route| {
        let steps = [10_000, 50_000, 1_000_000];
        route.gates.rollout = RolloutRules::new(RolloutSettings::default(), &steps).ok();
    });
    let gates = Gates::new(&plan, None, &keeper);
    let gate = gates.of(ROUTE, Watched::Canary).unwrap();
    assert_eq!(share_ppm(&plan, &gates), 10_000);
    let climbed = gate.promote_by_hand(0).unwrap();
    assert_eq!((climbed.from_ppm, climbed.to_ppm), (10_000, 50_000));
    assert_eq!(share_ppm(&plan, &gates), 50_000);

    let mut now = 0;
    let mut good = |count: u32| {
        for at in 0..count {
            now += 4_000;
            let attempt = Finished { tenant: TenantId(at % 3), ..finished(AWAY, Role::Canary, None) };
            gates.attempted(&plan, &attempt, Duration::from_millis(now));
            gate.tick(now);
        }
        now
    };
    let until = good(50);
    gate.tell(until, &Event::Hold);
    good(400);
    assert_eq!(share_ppm(&plan, &gates), 50_000);
    let until = good(1);
    gate.tell(until, &Event::Resume);
    good(400);
    assert_eq!(share_ppm(&plan, &gates), 1_000_000);
    assert_eq!(heard.climbs.lock().unwrap().len(), 2);

    gate.tell(until, &Event::RollBack);
    assert_eq!(share_ppm(&plan, &gates), 0);
    assert_eq!(gate.promote_by_hand(0), None);
}

#[test]
fn what_is_the_callers_doing_counts_for_nobody() {
    let plan = plan(|_| ());
    let mut own_key = plan.parts().clone();
    own_key.providers[AWAY.index()].credential = CredentialKind::Client;
    let own_key = Plan::new(own_key).unwrap();
    let of = |failure| finished(AWAY, Role::Canary, failure);
    let outcome = |plan: &Plan, finished: Finished| {
        let (heard, keeper) = kept();
        Gates::new(plan, None, &keeper).attempted(plan, &finished, Duration::ZERO);
        let events = heard.told.events.lock().unwrap();
        match events.as_slice() {
            [(_, Told::Event { event: Event::Attempt(attempt), .. })] => attempt.outcome,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(outcome(&plan, of(None)), Outcome::Good);
    assert_eq!(outcome(&plan, of(Some(ErrorClass::ClientGone))), Outcome::NotCounted);
    assert_eq!(outcome(&plan, of(Some(ErrorClass::TotalTimeout))), Outcome::Timeout);
    let hurried = Finished { is_impatient: true, ..of(Some(ErrorClass::TotalTimeout)) };
    assert_eq!(outcome(&plan, hurried), Outcome::NotCounted);
    assert_eq!(outcome(&plan, Finished { is_lost: true, ..of(None) }), Outcome::NotCounted);
    for class in [ErrorClass::RateLimit, ErrorClass::Quota] {
        assert_eq!(outcome(&plan, of(Some(class))), Outcome::HardFailure);
        assert_eq!(outcome(&own_key, of(Some(class))), Outcome::NotCounted);
    }
    assert_eq!(outcome(&plan, of(Some(ErrorClass::Auth))), Outcome::Auth);
    assert_eq!(outcome(&own_key, of(Some(ErrorClass::Auth))), Outcome::NotCounted);
}
