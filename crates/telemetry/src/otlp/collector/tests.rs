use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::Mutex;

use http::StatusCode;
use tokio::time::Instant;

use super::*;
use crate::otlp::{Answer, Sending};
use crate::{Page, names};

/// Answers as it is told, and remembers when it was asked what.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: VecDeque<Result<Answer, Unsent>>,
    asked: Vec<(Instant, Request<Bytes>)>,
    hangs: bool,
}

impl Transport for Scripted {
    fn send(&self, request: Request<Bytes>) -> Sending<'_> {
        let mut script = self.0.lock().unwrap();
        script.asked.push((Instant::now(), request));
        let (answer, hangs) = (script.answers.pop_front(), script.hangs);
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            answer.unwrap_or_else(|| Ok(Answer::default()))
        })
    }
}

fn status(status: StatusCode, after: Option<&'static str>) -> Result<Answer, Unsent> {
    let mut answer = Answer { status, ..Answer::default() };
    if let Some(after) = after {
        answer.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
    }
    Ok(answer)
}

struct World {
    scripted: Scripted,
    collector: Collector,
}

impl World {
    fn new(protocol: Protocol, gzip: bool, answers: Vec<Result<Answer, Unsent>>) -> World {
        let scripted = Scripted::default();
        scripted.0.lock().unwrap().answers = answers.into();
        let mut headers = HeaderMap::new();
        headers.insert("x-key", HeaderValue::from_static("secret"));
        let settings = CollectorSettings {
            protocol,
            base_path: "/base".to_owned(),
            headers,
            gzip,
            timeout: Duration::from_secs(10),
        };
        let collector = Collector::new(Box::new(scripted.clone()), settings, Arc::default());
        World { scripted, collector }
    }

    async fn deliver(&self) {
        self.collector.deliver(Signal::Traces, 7, &Bytes::from_static(b"message")).await;
    }

    fn asked(&self) -> Vec<(Instant, Request<Bytes>)> {
        std::mem::take(&mut self.scripted.0.lock().unwrap().asked)
    }

    /// The series of the counts that are not 0, without what they have in common.
    fn counted(&self) -> Vec<String> {
        let mut page = Page::new();
        self.collector.counts().write_to(&mut page, &[Signal::Traces]);
        let text = page.text();
        let lines = text.lines().filter(|line| {
            !line.starts_with('#')
                && !line.ends_with(" 0")
                && !line.starts_with(names::OTLP_LAST_SUCCESS.name)
        });
        lines.map(|line| line.trim_start_matches("cometgate_otlp_").to_owned()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_sent_once() {
    let world = World::new(Protocol::Http, true, vec![]);
    world.deliver().await;
    let asked = world.asked();
    let [(_, request)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/base/v1/traces"));
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(
        (header("content-type"), header("content-encoding"), header("x-key")),
        ("application/x-protobuf", "gzip", "secret")
    );
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(request.body().as_ref()).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, b"message");
    assert_eq!(world.counted(), ["sent_items_total{signal=\"traces\"} 7"]);
}

#[tokio::test(start_paused = true)]
async fn grpc_has_its_frame_and_its_headers() {
    let world = World::new(Protocol::Grpc, false, vec![]);
    world.deliver().await;
    let asked = world.asked();
    let request = &asked[0].1;
    assert_eq!(request.uri().path(), "/base/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(
        (header("content-type"), header("te"), header("grpc-timeout")),
        ("application/grpc", "trailers", "10000m")
    );
    assert_eq!(request.body().as_ref(), b"\0\0\0\0\x07message");
    // An answer without a code is none.
    assert_eq!(
        world.counted(),
        [
            "dropped_items_total{signal=\"traces\",reason=\"undeliverable\"} 7",
            "failures_total{signal=\"traces\",error_class=\"garbage\"} 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_recovers_gets_it_in_the_end() {
    let answers = vec![
        Err(Unsent::Unreachable),
        status(StatusCode::SERVICE_UNAVAILABLE, None),
        status(StatusCode::TOO_MANY_REQUESTS, Some("20")),
    ];
    let world = World::new(Protocol::Http, false, answers);
    world.deliver().await;
    let asked = world.asked();
    let pauses: Vec<_> = asked.windows(2).map(|two| two[1].0 - two[0].0).collect();
    assert_eq!(pauses.len(), 3);
    assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&pauses[0]), "{pauses:?}");
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&pauses[1]), "{pauses:?}");
    assert!((20_000..20_010).contains(&pauses[2].as_millis()), "as it wishes: {pauses:?}");
    assert_eq!(
        world.counted(),
        [
            "failures_total{signal=\"traces\",error_class=\"unreachable\"} 1",
            "failures_total{signal=\"traces\",error_class=\"throttled\"} 1",
            "failures_total{signal=\"traces\",error_class=\"server\"} 1",
            "sent_items_total{signal=\"traces\"} 7",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_given_up() {
    let begun = Instant::now();
    let world = World::new(Protocol::Http, false, vec![]);
    world.scripted.0.lock().unwrap().hangs = true;
    world.deliver().await;
    assert_eq!(world.asked().len(), 5);
    assert!(begun.elapsed() < Duration::from_secs(5 * 10 + 1 + 2 + 4 + 8 + 16 + 1));
    assert_eq!(
        world.counted(),
        [
            "dropped_items_total{signal=\"traces\",reason=\"undeliverable\"} 7",
            "failures_total{signal=\"traces\",error_class=\"timeout\"} 5",
        ]
    );
    // A refusal is final.
    let world = World::new(Protocol::Http, false, vec![status(StatusCode::BAD_REQUEST, None)]);
    world.deliver().await;
    assert_eq!(world.asked().len(), 1);
    // No wish is kept to for hours.
    let begun = Instant::now();
    let hours = || status(StatusCode::TOO_MANY_REQUESTS, Some("36000"));
    let world = World::new(Protocol::Http, false, vec![hours(), hours()]);
    world.deliver().await;
    assert_eq!(world.asked().len(), 3);
    assert!(begun.elapsed() < Duration::from_secs(61));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_it_is_tried_once_and_for_no_longer_than_said() {
    let begun = Instant::now();
    let world = World::new(Protocol::Http, false, vec![]);
    world.scripted.0.lock().unwrap().hangs = true;
    let message = Bytes::from_static(b"message");
    world.collector.deliver_within(Signal::Traces, 7, &message, Duration::from_secs(2)).await;
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(world.counted(), ["dropped_items_total{signal=\"traces\",reason=\"ending\"} 7"]);
}
