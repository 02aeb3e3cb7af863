//! What reading and replacing the model of a body costs, by its size; `model` stands first or last.

use std::hint::black_box;

use benches::chat;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use decisions::Endpoint;
use proxy::request::peek::{PeekError, Peeked, peek, peek_with_features};
use proxy::request::splice::splice;

const SIZES: [(&str, usize); 3] = [("1 KB", 1 << 10), ("64 KB", 64 << 10), ("1 MB", 1 << 20)];

type Peek = for<'b> fn(&'b [u8], Endpoint) -> Result<Peeked<'b>, PeekError>;

fn peek_and_splice(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peek and splice");
    for (name, size) in SIZES {
        for (place, model_first) in [("model first", true), ("model last", false)] {
            let body = Bytes::from(chat::request(size, model_first));
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_with_input(BenchmarkId::new(place, name), &body, |bencher, body| {
                bencher.iter(|| {
                    let peeked = peek(black_box(body), Endpoint::Chat).ok()?;
                    Some(splice(body, peeked.model_at, "gpt-5.4-2026-03-17"))
                });
            });
        }
    }
    group.finish();
}

/// What it costs to look for features as well, as maps make the gateway do in which an alias declares any; each message
/// is a list of two parts.
fn peek_for_features(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peek, messages in parts");
    for (name, size) in SIZES {
        let text = "prompt text ".repeat(42);
        let message = format!(
            r#"{{"role":"user","content":[{{"type":"text","text":"{text}"}},{{"type":"text","text":"and"}}]}}"#
        );
        let messages = vec![message.as_str(); (size / message.len()).max(1)].join(",");
        let body = format!(r#"{{"model":"support-summary-v3","stream":true,"messages":[{messages}]}}"#);
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (what, peek) in [("routed fields", peek as Peek), ("and features", peek_with_features)] {
            group.bench_with_input(BenchmarkId::new(what, name), &body, |bencher, body| {
                bencher.iter(|| peek(black_box(body.as_bytes()), Endpoint::Chat).is_ok());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, peek_and_splice, peek_for_features);
criterion_main!(benches);
