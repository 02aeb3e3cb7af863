//! A collector that is ill, slow or gone: requests do not notice, memory is bounded, what is lost is counted, what comes
//! later arrives, and the process ends in time.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use support::collected::{Exporting, TRACED, dropped, failures, sent, telemetry};
use support::program::PATIENCE;
use support::world::Setup;
use support::{Files, Map, tenants};
use testkit::{Collector, Collects, TlsFront, TlsFrontOptions};
use tokio::time::Instant;

#[tokio::test]
async fn whatever_ails_it_requests_are_answered_and_what_comes_later_arrives() {
    for (how, class, is_final) in [
        (Collects::Refusing(503), "server", false),
        (Collects::Refusing(429), "throttled", false),
        (Collects::Refusing(400), "refused", true),
        (Collects::Hanging, "timeout", false),
        (Collects::Garbage, "garbage", true),
    ] {
        let collector = Collector::start().await.unwrap();
        collector.behave(how);
        let world = Exporting::start(&telemetry(&collector, "http", "timeout_ms = 300", TRACED)).await;
        world.ask().await;
        let series = world.until(|series| failures(series, class) > 0.0).await;
        assert_eq!(sent(&series), 0.0, "{how:?}");
        world.ask().await;
        collector.behave(Collects::Well);
        world.ask().await;
        // What could not be taken then may be lost or come later.
        let series = world.until(|series| sent(series) >= 2.0).await;
        assert_eq!(dropped(&series, "undeliverable") > 0.0, is_final, "{how:?}");
        assert!(
            series.of("cometgate_otlp_last_success_timestamp_seconds{signal=\"traces\"}").unwrap() > 1.7e9
        );
    }
}

#[tokio::test]
async fn one_that_is_gone_is_found_again_where_it_was() {
    let collector = Collector::start().await.unwrap();
    let (settings, port) = (telemetry(&collector, "grpc", "", TRACED), collector.address().port());
    drop(collector);
    let world = Exporting::start(&settings).await;
    world.ask().await;
    world.until(|series| failures(series, "unreachable") > 0.0).await;
    let collector = Collector::start_on(port).await.unwrap();
    tokio::time::timeout(PATIENCE, collector.until(|collector| collector.spans().len() == 2)).await.unwrap();
    assert_eq!(dropped(&world.scrape().await, "undeliverable"), 0.0);
    drop(collector);
    world.ask().await;
    world.until(|series| failures(series, "unreachable") > 1.0).await;
}

/// More than can wait: the rest is dropped and counted, and none of the callers waits.
#[tokio::test]
async fn what_the_queue_cannot_hold_is_dropped_and_counted() {
    const LANES: usize = 16;
    const EACH: usize = 400;
    let collector = Collector::start().await.unwrap();
    collector.behave(Collects::Hanging);
    let mut world = Exporting::start(&telemetry(&collector, "http", "timeout_ms = 60000", TRACED)).await;
    world.ask().await;
    tokio::time::timeout(PATIENCE, collector.until(|collector| collector.asked() == 1)).await.unwrap();
    world.ask_often(LANES, EACH).await;
    let series = world.scrape().await;
    // Two spans each: 4096 requests wait, and the message that hangs has its own.
    assert_eq!(dropped(&series, "queue_full"), (2 * (LANES * EACH - 4096)) as f64);
    assert_eq!((world.setup.primary.count(), collector.asked()), (1 + (LANES * EACH) as u64, 1));

    let begun = Instant::now();
    world.program.terminate();
    assert_eq!(world.program.ended().await, 0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_waits_at_the_end_of_the_process_is_sent() {
    let collector = Collector::start().await.unwrap();
    let mut world = Exporting::start(&telemetry(&collector, "http", "", TRACED)).await;
    world.ask().await;
    world.program.terminate();
    assert_eq!(world.program.ended().await, 0);
    assert_eq!(collector.spans().len(), 2);
}

#[tokio::test]
async fn over_tls_it_is_judged_as_a_provider_is() {
    for (protocol, alpn) in [("http", "http/1.1"), ("grpc", "h2")] {
        let collector = Collector::start().await.unwrap();
        let options = TlsFrontOptions { protocol: alpn, ..TlsFrontOptions::default() };
        let front = TlsFront::start_with("localhost", collector.address(), options).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let settings = format!(
            "[telemetry]\nendpoint = \"https://localhost:{}\"\nprotocol = \"{protocol}\"\n\
             tls = {{ ca = {ca:?}, roots = \"none\" }}\n{TRACED}\n",
            front.address().port()
        );
        std::fs::write(&ca, front.authority_pem()).unwrap();
        let world = Exporting::start(&settings).await;
        world.ask().await;
        tokio::time::timeout(PATIENCE, collector.until(|collector| collector.spans().len() == 2))
            .await
            .unwrap();
        // Signed by somebody else.
        let other = TlsFront::start("localhost", collector.address()).await.unwrap();
        std::fs::write(&ca, other.authority_pem()).unwrap();
        let world = Exporting::start(&settings).await;
        world.ask().await;
        world.until(|series| failures(series, "tls") > 0.0).await;
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_anybody_is_served() {
    let collector = Collector::start().await.unwrap();
    let missing = "headers = { x-key = { env = \"NO_SUCH_VARIABLE\" } }";
    let setup = Setup::new().await;
    let map = Map::new(&setup.primary.base_url(), &setup.canary.base_url(), "0%").text();
    let files = Files::new(&telemetry(&collector, "http", missing, TRACED), &map, &tenants());
    let (code, _, said) = support::program::output(&["serve", "--config", &files.settings()]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("NO_SUCH_VARIABLE is not set") && said.contains("x-key"), "{said}");
}
