//! What reading a provider's answer costs while it is relayed: a chat stream by the chunk, whole bodies by the byte.

use std::hint::black_box;

use benches::chat;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proxy::scan::{BodyScanner, BodyShape, Shape, StreamScanner};

const CHUNKS: usize = 1_000;
const BODY: usize = 64 << 10;

fn streams(criterion: &mut Criterion) {
    let chunks: Vec<String> = (0..CHUNKS).map(chat::event).collect();
    let whole = chunks.concat();
    let mut group = criterion.benchmark_group("scan: stream of 1,000 chunks");
    group.throughput(Throughput::Elements(CHUNKS as u64));
    group.bench_function("one event at a time", |bencher| {
        bencher.iter(|| {
            let mut scanner = StreamScanner::new(Shape::Chat);
            for chunk in &chunks {
                black_box(scanner.next(black_box(chunk.as_bytes()), 0));
            }
            scanner.progress().content_events()
        });
    });
    for size in [16 << 10, 100] {
        group.bench_function(format!("frames of {size} bytes"), |bencher| {
            bencher.iter(|| {
                let mut scanner = StreamScanner::new(Shape::Chat);
                for frame in black_box(whole.as_bytes()).chunks(size) {
                    let mut at = 0;
                    while let Some(event) = scanner.next(frame, at) {
                        at = black_box(event).end;
                    }
                }
                scanner.progress().content_events()
            });
        });
    }
    group.finish();
}

/// A completion with one long text in it.
fn long_text() -> String {
    let text = "words and more words, ".repeat(BODY / 22);
    format!(r#"{{"object":"chat.completion","choices":[{{"index":0,"message":{{"content":"{text}"}}}}]}}"#)
}

/// One embedding after the other, up to the size.
fn floats() -> String {
    let numbers: Vec<String> = (0_u32..).map(float).take(BODY / 14).collect();
    format!(r#"{{"object":"list","data":[{{"index":0,"embedding":[{}]}}]}}"#, numbers.join(","))
}

fn float(index: u32) -> String {
    let sign = if index.is_multiple_of(2) { "-" } else { "" };
    format!("{sign}0.0{:010}", index.wrapping_mul(2_654_435_761))
}

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan: body of 64 KB");
    for (name, shape, body) in
        [("one text", BodyShape::Chat, long_text()), ("floats", BodyShape::Embeddings, floats())]
    {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut scanner = BodyScanner::new(shape, &[]);
                scanner.feed(black_box(body.as_bytes()));
                scanner.finish().well_formed
            });
        });
    }
    group.finish();
}

criterion_group!(benches, streams, bodies);
criterion_main!(benches);
