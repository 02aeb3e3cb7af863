//! Nothing answers at 1,000 requests a second: the providers are left alone, every caller is told the truth at once,
//! and once the providers are well again so are the callers.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use support::rate::{Caller, Served, kinds, percentile};
use support::{ACME, CANARY_KEY, Files, Map, PRIMARY_KEY, Program, scaled, tenants};
use testkit::{Provider, Reply};
use tokio::time::Instant;

const PER_SECOND: u64 = 1_000;

/// A fallback after all that falls back, and so many retries of all that may be retried.
fn eager(retries: u8) -> String {
    format!(
        r#"fallback_provider = "cometapi"
primary_timeout_ms = 100
fallback_timeout_ms = 100
retry_policy = {{ retries = {retries}, on = ["connect_timeout", "no_answer", "reset", "truncated", "malformed", "rate_limit", "overloaded", "server"] }}"#
    )
}

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Illness {
    Breaks,
    Refuses,
    IsBusy,
    Hangs,
}

/// A provider that falls ill and recovers on one address.
struct Patient {
    name: &'static str,
    key: &'static str,
    port: u16,
    running: Option<Provider>,
}

impl Patient {
    async fn new(name: &'static str, key: &'static str) -> Patient {
        loop {
            // Below the ports that the system gives out, so that nobody else has it when the provider comes back.
            let port = fastrand::u16(10_000..32_000);
            let provider =
                Provider::builder(name).require_key(key).record(false).port(port).try_start().await;
            if let Ok(running) = provider {
                return Patient { name, key, port, running: Some(running) };
            }
        }
    }

    fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    fn count(&self) -> u64 {
        self.running.as_ref().map_or(0, Provider::count)
    }

    fn falls_ill(&mut self, illness: Illness) {
        let reply = match illness {
            Illness::Breaks => Reply::error(500, "server_error", None, "it broke"),
            Illness::IsBusy => {
                Reply::error(503, "service_unavailable_error", Some("server_is_overloaded"), "busy")
                    .header("retry-after", "1")
            }
            Illness::Hangs => Reply::hang_before_head(),
            Illness::Refuses => {
                self.running = None;
                return;
            }
        };
        self.running.as_ref().unwrap().on("POST", "*", reply);
    }

    async fn recovers(&mut self) {
        if let Some(running) = &self.running {
            return running.clear_script();
        }
        let provider = Provider::builder(self.name).require_key(self.key).record(false).port(self.port);
        self.running = Some(provider.start().await);
    }
}

struct Outage {
    primary: Patient,
    fallback: Patient,
    caller: Caller,
    _program: Program,
    _files: Files,
}

impl Outage {
    /// `patience` is how long the fallback may take, in milliseconds.
    async fn new(retries: u8, patience: u32) -> Outage {
        let primary = Patient::new("primary", PRIMARY_KEY).await;
        let fallback = Patient::new("fallback", CANARY_KEY).await;
        let urls = (primary.base_url(), fallback.base_url());
        let route =
            eager(retries).replace("fallback_timeout_ms = 100", &format!("fallback_timeout_ms = {patience}"));
        let map = Map { route: &route, ..Map::new(&urls.0, &urls.1, "0%") };
        let files = Files::new("", &map.text(), &tenants());
        let program = Program::serve(&files).await;
        let caller = Caller::new(program.address, ACME);
        // Nobody is connected to, and nothing is learnt, before the first request.
        assert!(caller.send(20, 200).await.iter().all(|served| served.status == 200));
        Outage { primary, fallback, caller, _program: program, _files: files }
    }
}

async fn total_outage(illness: Illness) {
    let mut outage = Outage::new(2, 100).await;
    outage.primary.falls_ill(illness);
    outage.fallback.falls_ill(illness);
    let seen_before = outage.primary.count() + outage.fallback.count();
    let served = outage.caller.send(scaled(5_000), PER_SECOND).await;
    let attempts: u64 = served.iter().map(|served| served.attempts).sum();
    let at_once =
        |served: &&Served| ["provider_unavailable", "provider_paused"].contains(&served.code.as_str());
    let passed_over = || served.iter().filter(at_once).map(|served| served.took);
    println!(
        "{illness:?}: {}; {attempts} attempts; all within {:?}; {} without an attempt, p50 {:?}, p99 {:?}",
        kinds(&served),
        served.iter().map(|served| served.took).max().unwrap(),
        passed_over().count(),
        percentile(passed_over(), 500),
        percentile(passed_over(), 990),
    );
    let most = served.len() as u64 * 11 / 10 + 10;
    assert!(attempts <= most, "{attempts} attempts for {} requests", served.len());
    if illness != Illness::Refuses {
        let seen = outage.primary.count() + outage.fallback.count() - seen_before;
        assert_eq!(seen, attempts, "the gateway counts what the providers see");
    }
    for one in &served {
        let (status, code) = (one.status, one.code.as_str());
        let is_true = match illness {
            Illness::Breaks => (status, code) == (500, ""),
            Illness::Refuses => (status, code) == (502, "provider_unreachable"),
            Illness::IsBusy => (status, code) == (503, "server_is_overloaded"),
            Illness::Hangs => (status, code) == (504, "provider_timeout"),
        };
        assert!(
            is_true || [(503, "provider_unavailable"), (429, "provider_paused")].contains(&(status, code)),
            "{one:?}"
        );
        // Two retries at one target and their waits; far below any timeout of the route.
        assert!(one.took < Duration::from_secs(3), "{one:?}");
    }
    recovery(outage).await;
}

/// Both are well again: within the time that a breaker is open at the most, all is as before.
async fn recovery(mut outage: Outage) {
    outage.primary.recovers().await;
    outage.fallback.recovers().await;
    let healed = Instant::now();
    // The outage lasts no longer than it takes to a second opening, and that one lasts 10 s at the most.
    let open = Duration::from_secs(10) + Duration::from_millis(500);
    loop {
        let served = outage.caller.send(1, PER_SECOND).await;
        if served.iter().all(|served| served.status == 200) {
            break;
        }
        assert!(healed.elapsed() < open, "still {}", kinds(&served));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("served again {:?} after the recovery", healed.elapsed());
    let served = outage.caller.send(scaled(2_000), PER_SECOND).await;
    assert!(served.iter().all(|served| served.status == 200), "{}", kinds(&served));
}

#[tokio::test]
async fn providers_that_break_are_left_alone_and_returned_to() {
    total_outage(Illness::Breaks).await;
}

#[tokio::test]
async fn providers_that_refuse_connections_are_left_alone_and_returned_to() {
    total_outage(Illness::Refuses).await;
}

#[tokio::test]
async fn providers_that_ask_for_a_pause_are_given_it_and_returned_to() {
    total_outage(Illness::IsBusy).await;
}

#[tokio::test]
async fn providers_that_hang_are_left_alone_and_returned_to() {
    total_outage(Illness::Hangs).await;
}

#[tokio::test]
async fn what_a_dead_primary_cannot_serve_its_fallback_does() {
    for illness in [Illness::Breaks, Illness::Refuses, Illness::IsBusy, Illness::Hangs] {
        let mut outage = Outage::new(2, 30_000).await;
        outage.primary.falls_ill(illness);
        let before = (outage.primary.count(), outage.fallback.count());
        let served = outage.caller.send(scaled(5_000), PER_SECOND).await;
        let (primary, fallback) =
            (outage.primary.count().saturating_sub(before.0), outage.fallback.count() - before.1);
        println!(
            "{illness:?} primary: {}; {primary} attempts at the primary, {fallback} at the fallback; p50 {:?}, p99 {:?}",
            kinds(&served),
            percentile(served.iter().map(|served| served.took), 500),
            percentile(served.iter().map(|served| served.took), 990),
        );
        assert!(served.iter().all(|served| served.status == 200), "{}", kinds(&served));
        assert_eq!(fallback, served.len() as u64);
        // Those that were under way when the breaker opened, and a probe in five seconds.
        assert!(primary <= 300, "{primary}");
    }
}
