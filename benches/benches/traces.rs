//! What a trace costs: reading the caller's header and deciding whether it is kept, which every request pays where traces are
//! made; and what the thread that sends pays for one that is kept.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use telemetry::otlp::resource::Resource;
use telemetry::otlp::traces::encode;
use telemetry::sampling::{Ended, Sampling};
use telemetry::span::{Attributes, Parent, Span, SpanKind};
use telemetry::span_names::ATTRIBUTES;
use telemetry::trace_context::{SpanId, TraceId, TraceParent};

const SAMPLING: Sampling = Sampling {
    share_ppm: 10_000,
    errors: true,
    fallbacks: true,
    slow: Some(Duration::from_secs(30)),
    canary_ppm: 100_000,
};

/// As many attributes as a span of an attempt has.
fn span() -> Span {
    let mut attributes = Attributes::default();
    for (at, attribute) in ATTRIBUTES.iter().take(30).enumerate() {
        match at % 2 {
            0 => attributes.put(attribute, "support-summary-v3"),
            _ => attributes.put(attribute, 1_234_u64),
        }
    }
    Span {
        trace_id: TraceId::random(),
        id: SpanId::random(),
        parent: Some(Parent { id: SpanId::random(), is_remote: false }),
        flags: 3,
        name: "chat gpt-5.4".to_owned(),
        kind: SpanKind::Client,
        begun_ns: 1_700_000_000_000_000_000,
        ended_ns: 1_700_000_001_000_000_000,
        attributes,
        events: Vec::new(),
        is_error: false,
    }
}

fn traces(criterion: &mut Criterion) {
    let header = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    criterion.bench_function("traces/read the header", |bencher| {
        bencher.iter(|| TraceParent::parse(black_box(header)));
    });
    let ended = |trace_id| Ended {
        trace_id,
        parent_is_kept: None,
        is_error: false,
        is_fallback: false,
        is_canary: true,
        took: Duration::from_millis(800),
    };
    criterion.bench_function("traces/draw the IDs and decide", |bencher| {
        bencher.iter(|| (SAMPLING.keeps(&ended(TraceId::random())), SpanId::random(), SpanId::random()));
    });
    let resource = Resource::new([("service.name", "cometgate")]);
    criterion.bench_function("traces/make and encode two spans", |bencher| {
        bencher.iter(|| encode(&resource, vec![span(), span()]));
    });
}

criterion_group!(benches, traces);
criterion_main!(benches);
