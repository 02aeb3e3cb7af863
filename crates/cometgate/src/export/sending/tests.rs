//! How fast what waits goes out.

use std::sync::Mutex;

use decisions::ProviderId;
use decisions::plan::{Plan, PlanParts, Provider, UnlistedModels};
use http::HeaderMap;
use proxy::{KeyRing, Snapshot, TracePlace, Traced};
use telemetry::otlp::collector::CollectorSettings;
use telemetry::otlp::{Answer, Protocol, Transport};
use telemetry::sampling::KeptFor;
use telemetry::trace_context::{SpanId, TraceId};
use tokio::sync::mpsc::channel;

use super::*;

/// Takes everything at once, and notes when.
struct Taking(Arc<Mutex<Vec<Instant>>>);

impl Transport for Taking {
    fn send(&self, _: http::Request<Bytes>) -> telemetry::otlp::Sending<'_> {
        self.0.lock().unwrap().push(Instant::now());
        Box::pin(async { Ok(Answer::default()) })
    }
}

fn snapshot() -> Arc<Snapshot> {
    let plan = Plan::new(PlanParts {
        route_version: "1".to_owned(),
        unlisted_models: UnlistedModels::Refuse,
        primary_provider: ProviderId(0),
        default_tenant: None,
        shared_state: false,
        providers: vec![Provider::paid_by_us("home")],
        families: Vec::new(),
        aliases: Vec::new(),
        tenants: Vec::new(),
        cohorts: Vec::new(),
        routes: Vec::new(),
    });
    Arc::new(Snapshot::new(plan.unwrap(), Vec::new(), KeyRing::new([])))
}

fn kept(snapshot: &Arc<Snapshot>) -> Box<Kept> {
    let traced = Traced {
        snapshot: Arc::clone(snapshot),
        place: TracePlace {
            trace_id: TraceId::random(),
            span: SpanId::random(),
            parent: None,
            flags: 0,
            has_spans: true,
        },
        begun: SystemTime::UNIX_EPOCH,
        method: "POST",
        request_id: http::HeaderValue::from_static("r"),
        announced_bytes: None,
        decision: None,
        attempts: Default::default(),
        moments: Default::default(),
        end: None,
    };
    Box::new(Kept { traced, because: KeptFor::Share })
}

/// Forty thousand requests a second fill the queue between two looks.
#[tokio::test(start_paused = true)]
async fn a_full_queue_goes_out_at_one_look() {
    let (sent, snapshot) = (Arc::new(Mutex::new(Vec::new())), snapshot());
    let (queue, waiting) = channel(8 * MOST_IN_A_MESSAGE);
    for _ in 0..8 * MOST_IN_A_MESSAGE {
        queue.try_send(kept(&snapshot)).unwrap();
    }
    let settings = CollectorSettings {
        protocol: Protocol::Http,
        base_path: String::new(),
        headers: HeaderMap::new(),
        gzip: false,
        timeout: SEND_EVERY,
    };
    let ending = CancellationToken::new();
    let sending = Sending {
        collector: Collector::new(Box::new(Taking(Arc::clone(&sent))), settings, Arc::default()),
        resource: Resource::new(std::iter::empty()),
        traces: Some(waiting),
        metrics: None,
        ending: ending.clone(),
    };
    let later = async {
        tokio::time::sleep(SEND_EVERY).await;
        // Less than a message waits for its time.
        queue.try_send(kept(&snapshot)).unwrap();
        tokio::time::sleep(2 * SEND_EVERY).await;
        ending.cancel();
    };
    tokio::join!(sending.run(), later);
    let sent = sent.lock().unwrap();
    assert_eq!(sent.len(), 9);
    assert!(sent[7] - sent[0] < LOOK_EVERY, "{sent:?}");
    assert!(sent[8] - sent[7] > SEND_EVERY, "{sent:?}");
}
