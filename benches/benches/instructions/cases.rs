//! What is counted by itself: each case is a piece of work that is done twice, and counted the second time, when tables
//! are made and memory is there.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use benches::{Kind, chat, large_plan, relaying, requests};
use bytes::Bytes;
use decisions::attempts::machine::Ledger;
use decisions::attempts::{
    Attempts, Breaker, BreakerSettings, Budget, Failed, Limiter, Policy, RetryHint, Sample, Seen,
};
use decisions::gate::{Arm, Attempt, Event, Outcome, Usage};
use decisions::plan::{Criticality, FeatureSet, Plan, Route, Watched};
use decisions::{Caller, Endpoint, ErrorClass, Facts, RouteId, StickyKeys, TenantId, decide, no_gates};
use proxy::request::peek::peek;
use proxy::request::splice::splice;
use proxy::scan::{Shape, StreamScanner};
use proxy::{KeyRing, NoKeeper, Snapshot, SnapshotHandle};

use crate::callgrind::counted_from_here;

type Case = (&'static str, fn() -> Result<()>);

const CASES: [Case; 6] = [
    ("attempts: 1,000 with breaker, limit, budget and gate", attempts),
    ("body: peek and splice, 1 KB", || bodies(1 << 10)),
    ("body: peek and splice, 64 KB", || bodies(64 << 10)),
    ("route: 1,000 decisions at one route", small_map),
    ("route: 6,000 decisions at 10,000 routes", large_map),
    ("scan: stream of 1,000 events", stream),
];

/// What there is.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Does one.
pub(crate) fn run(name: &str) -> Result<()> {
    let (_, case) = CASES.iter().find(|(known, _)| *known == name).context("no such case")?;
    case()
}

/// The first time is for what is made once.
fn count(mut work: impl FnMut()) -> Result<()> {
    work();
    counted_from_here(work);
    Ok(())
}

fn bodies(size: usize) -> Result<()> {
    let body = Bytes::from(chat::request(size, false));
    count(|| {
        let peeked = peek(black_box(&body), Endpoint::Chat).map(|peeked| peeked.model_at);
        black_box(peeked.map(|model_at| splice(&body, model_at, "gpt-5.4-2026-03-17")).ok());
    })
}

fn small_map() -> Result<()> {
    let snapshot = gated(relaying::small_plan()?);
    let snapshot = snapshot.current();
    let users: Vec<String> = (0..1_000).map(|user| format!("user-{user}")).collect();
    let facts = |user| Facts {
        tenant: TenantId(0),
        caller: Caller::Known,
        endpoint: Endpoint::Chat,
        model: relaying::MODEL,
        keys: StickyKeys { safety_identifier: Some(user), ..StickyKeys::default() },
        stateful: false,
        features: FeatureSet::EMPTY,
        draw: 0,
    };
    let facts: Vec<Facts<'_>> = users.iter().map(|user| facts(user.as_str())).collect();
    count(|| {
        for facts in &facts {
            black_box(decide(snapshot.plan(), black_box(facts), |id| snapshot.gates().standing(id)));
        }
    })
}

fn large_map() -> Result<()> {
    let plan = large_plan()?;
    let requests: Vec<_> = Kind::ALL.into_iter().flat_map(requests).collect();
    let facts: Vec<Facts<'_>> = requests.iter().map(benches::Request::facts).collect();
    count(|| {
        for facts in &facts {
            black_box(decide(black_box(&plan), black_box(facts), no_gates));
        }
    })
}

fn stream() -> Result<()> {
    let events: Vec<String> = (0..1_000).map(chat::event).collect();
    count(|| {
        let mut scanner = StreamScanner::new(Shape::Chat);
        for event in &events {
            black_box(scanner.next(black_box(event.as_bytes()), 0));
        }
        black_box(scanner.progress().content_events());
    })
}

fn gated(plan: Plan) -> SnapshotHandle {
    SnapshotHandle::new(Snapshot::new(plan, Vec::new(), KeyRing::new([])), std::sync::Arc::new(NoKeeper))
}

/// Pays for retries from the budget of the only target.
struct Paying<'b>(&'b mut Budget, Duration);

impl Ledger for Paying<'_> {
    fn withdraw_retry(&mut self, _: u8) -> bool {
        self.0.withdraw(self.1)
    }

    fn withdraw_fallback(&mut self, _: u8) -> bool {
        false
    }
}

/// Each is admitted, reported and judged; one in a hundred fails and asks for a retry.
fn attempts() -> Result<()> {
    let snapshot = gated(relaying::small_plan()?);
    let snapshot = snapshot.current();
    let gate = snapshot.gates().of(RouteId(0), Watched::Canary).context("the small map has a gate")?;
    let policy = Policy::of(Some(snapshot.plan().route(RouteId(0))));
    let mut breaker = Breaker::new(BreakerSettings::primary());
    let mut limiter = Limiter::new(None);
    let mut budget = Budget::new(Route::USUAL_BUDGET);
    let mut at_ms = 0;
    count(|| {
        for _ in 0..1_000 {
            at_ms += 10;
            let now = Duration::from_millis(at_ms);
            let mut attempts = Attempts::new(policy, 1, 0);
            let (Ok(permit), Some(slot)) = (breaker.admit(now), limiter.admit(Criticality::default(), now))
            else {
                continue;
            };
            attempts.begin();
            let has_failed = (at_ms / 10).is_multiple_of(100);
            let seen = if has_failed { Seen::Failure } else { Seen::Success };
            black_box(breaker.report(permit, seen, now, at_ms));
            if has_failed {
                let failed =
                    Failed { class: ErrorClass::Connect, hint: RetryHint::default(), committed: false };
                let mut paying = Paying(&mut budget, now);
                black_box(attempts.next(failed, Duration::from_secs(60), at_ms, &mut paying));
            } else {
                budget.deposit();
            }
            limiter.release(slot, Sample::Ok, now);
            black_box(gate.tell(at_ms, &told(at_ms, has_failed)));
        }
    })
}

fn told(at_ms: u64, has_failed: bool) -> Event {
    Event::Attempt(Attempt {
        arm: if at_ms.is_multiple_of(200) { Arm::Canary } else { Arm::Primary },
        outcome: if has_failed { Outcome::HardFailure } else { Outcome::Good },
        tenant: at_ms % 16,
        share_ppm: 50_000,
        first_token_us: Some(200_000),
        usage: Usage::Reported(1),
    })
}
