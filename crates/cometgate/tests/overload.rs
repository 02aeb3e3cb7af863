//! A provider that takes so many requests at once and no more, under far more than that: what it can do is used, the
//! rest is turned away at once, and who matters most is served.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::rate::{Caller, Served, kinds, percentile};
use support::{ACME, Files, GLOBEX, Map, PRIMARY_KEY, Program, scaled, tenants_with};
use testkit::{Provider, Reply};
use tokio::time::Instant;

const PLACES: usize = 20;
const SERVICE: Duration = Duration::from_millis(50);
/// What the provider can do in a second.
const CAPACITY: u64 = 400;

/// What is not looked at: until the limit is learnt, and where it is a breaker that opens, until that has closed.
const WARM_UP: Duration = Duration::from_secs(2);

/// The places of a provider: until when each is taken.
struct Places(Mutex<Vec<Instant>>);

impl Places {
    fn take(&self) -> bool {
        let now = Instant::now();
        let mut places = self.0.lock().unwrap();
        let free = places.iter_mut().find(|until| **until <= now);
        free.map(|until| *until = now + SERVICE).is_some()
    }
}

/// A gateway before a provider that pushes back.
struct Overload {
    provider: Provider,
    program: Program,
    _files: Files,
}

impl Overload {
    async fn new(pushback: Reply, globex: &str) -> Overload {
        let places = Arc::new(Places(Mutex::new(vec![Instant::now(); PLACES])));
        let provider = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
        provider.on_call("POST", "/v1/chat/completions", move |_| {
            if places.take() { Reply::standard().delayed(SERVICE) } else { pushback.clone() }
        });
        let url = provider.base_url();
        let map = Map { who: "*", ..Map::new(&url, "http://127.0.0.1:9/v1", "0%") };
        let files = Files::new("", &map.text(), &tenants_with(globex));
        let program = Program::serve(&files).await;
        Overload { provider, program, _files: files }
    }

    fn caller(&self, key: &'static str) -> Caller {
        Caller::new(self.program.address, key)
    }
}

fn rate_limited() -> Reply {
    Reply::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down")
}

fn after(served: Vec<Served>, warm_up: Duration) -> Vec<Served> {
    served.into_iter().filter(|one| one.sent >= warm_up).collect()
}

fn times<'s>(served: &'s [Served], code: &'s str) -> impl Iterator<Item = Duration> + 's {
    served.iter().filter(move |one| one.code == code).map(|one| one.took)
}

async fn goodput(pushback: Reply, times_capacity: u64, seconds: u64) {
    let overload = Overload::new(pushback, "").await;
    let per_second = CAPACITY * times_capacity;
    let requests = usize::try_from(per_second * seconds).unwrap();
    let served = after(overload.caller(ACME).send(requests, per_second).await, WARM_UP);
    let last = served.iter().map(|one| one.sent).max().unwrap();
    let windows = |from: u64| {
        let window = Duration::from_secs(from)..Duration::from_secs(from + 10);
        served.iter().filter(|one| one.status == 200 && window.contains(&one.sent)).count() as u64 * 100 / (10 * CAPACITY)
    };
    println!("by 10 s: {:?} %", (0..seconds / 10).map(|at| windows(at * 10)).collect::<Vec<_>>());
    let good = served.iter().filter(|one| one.status == 200).count() as f64;
    let share = good / (last - WARM_UP).as_secs_f64() / CAPACITY as f64;
    println!(
        "{times_capacity} × capacity: {:.1} % of it used; {}; turned away within p50 {:?}, p99 {:?}; served p50 {:?}; {} seen",
        share * 100.0,
        kinds(&served),
        percentile(times(&served, "provider_full"), 500),
        percentile(times(&served, "provider_full"), 990),
        percentile(times(&served, ""), 500),
        overload.provider.count(),
    );
    assert!(share >= 0.95, "{share}");
}

#[tokio::test]
async fn at_twice_its_capacity_a_provider_is_used_to_its_capacity() {
    goodput(rate_limited(), 2, scaled(100) as u64).await;
}

#[tokio::test]
async fn at_ten_times_its_capacity_a_provider_is_used_to_its_capacity() {
    goodput(rate_limited(), 10, scaled(100) as u64).await;
}

#[tokio::test]
async fn at_ten_times_its_capacity_a_provider_is_used_to_its_capacity_503() {
    goodput(Reply::error(503, "service_unavailable_error", Some("server_is_overloaded"), "busy"), 10, scaled(100) as u64).await;
}

#[tokio::test]
async fn a_flood_of_what_may_be_shed_takes_nothing_from_what_is_critical() {
    let overload = Overload::new(rate_limited(), "priority = \"sheddable\"").await;
    let seconds = scaled(100);
    let (critical, sheddable) = tokio::join!(
        async { overload.caller(ACME).send(seconds * 200, 200).await },
        async { overload.caller(GLOBEX).send(seconds * 2_000, 2_000).await },
    );
    let (critical, sheddable) = (after(critical, WARM_UP), after(sheddable, WARM_UP));
    let served = critical.iter().filter(|one| one.status == 200).count();
    println!("critical: {}; sheddable: {}", kinds(&critical), kinds(&sheddable));
    assert!(served * 1_000 >= critical.len() * 990, "{served} of {}", critical.len());
}
