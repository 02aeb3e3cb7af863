//! What a request takes of the allocator, so that a change which takes more is seen: the whole path from the caller's socket
//! to the provider's and back, hyper and tokio included, on one thread.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use decisions::plan::{Alias, ModelMatch, Plan, PlanParts, Route, Scope, Tenant, UnlistedModels};
use decisions::{AliasId, ProviderId, TenantId};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use upstream::{Address, Credential, Origin, Scheme};

use crate::affinity::{Affinity, Kept, Known, Made};
use crate::auth::{Holder, KeyRing};
use crate::connection;
use crate::cors::Cors;
use crate::gates::NoKeeper;
use crate::leases::Leases;
use crate::limits::Limits;
use crate::live::Live;
use crate::observer::{AttemptRecord, Observer, Record};
use crate::snapshot::{Provider, Snapshot, SnapshotHandle};
use crate::worker::Context;

const KEY: &str = "cgk-of-a-test";

/// Requests before those that are counted: what is kept from one to the next is there by then.
const BEFORE: usize = 20;
const COUNTED: usize = 100;

const EVENT: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
    \"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
    \"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

struct Nobody;

impl Observer for Nobody {
    fn attempted(&self, _: &AttemptRecord<'_>) {}
    fn finished(&self, _: &Record<'_>) {}
}

impl Affinity for Nobody {
    fn find(&self, _: &str, _: &str) -> Known {
        Known::Unknown
    }

    fn learn(&self, _: &str, _: &str, _: &[Made]) -> Kept {
        tokio::sync::oneshot::channel().1
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// A plan of one route for everybody, to a provider at that address.
fn snapshot(provider: SocketAddr) -> Snapshot {
    let models = ModelMatch::Alias(AliasId(0));
    let timeout = Duration::from_secs(60);
    let route = Route::at_home("home".to_owned(), Scope::Everyone, models, ProviderId(0), timeout);
    let plan = Plan::new(PlanParts {
        route_version: "1".to_owned(),
        unlisted_models: UnlistedModels::Refuse,
        primary_provider: ProviderId(0),
        default_tenant: None,
        shared_state: false,
        providers: vec![decisions::plan::Provider::paid_by_us("home")],
        families: Vec::new(),
        aliases: vec![Alias::of("summary".to_owned(), vec![Some("gpt".to_owned())])],
        tenants: vec![Tenant::unrestricted("acme")],
        cohorts: Vec::new(),
        routes: vec![route],
    });
    let address = Address {
        scheme: Scheme::Http,
        host: provider.ip().to_string(),
        port: provider.port(),
        base_path: "/v1".to_owned(),
        connect_timeout: Duration::from_secs(10),
        http2: None,
        allow_private: true,
    };
    let origin = Arc::new(Origin::new(address, None, 1).unwrap());
    let credential = Credential::bearer("sk-of-the-gateway").unwrap();
    let paths = |endpoint: decisions::Endpoint| endpoint.path().to_owned();
    let provider = Provider::new(origin, credential, HeaderMap::new(), paths).unwrap();
    let holder = Holder { tenant: TenantId(0), expires_at: None };
    let keys = KeyRing::new([(Sha256::digest(KEY).into(), holder)]);
    Snapshot::new(plan.unwrap(), vec![provider], keys)
}

fn context(provider: SocketAddr) -> Arc<Context> {
    Arc::new(Context {
        worker: 0,
        snapshot: Arc::new(SnapshotHandle::new(snapshot(provider), Arc::new(NoKeeper))),
        live: Arc::new(Live::default()),
        limits: Limits::default(),
        tls: None,
        cors: Cors::default(),
        trust_forwarded_for: false,
        server_timing: false,
        observer: Arc::new(Nobody),
        traces: None,
        affinity: Arc::new(Nobody),
        leases: Arc::new(Leases::default()),
    })
}

/// Reads up to and with `end`.
fn read_to(stream: &mut TcpStream, seen: &mut Vec<u8>, end: &[u8]) -> bool {
    let mut buffer = [0; 4096];
    seen.clear();
    while !seen.windows(end.len()).any(|window| window == end) {
        match stream.read(&mut buffer).unwrap_or(0) {
            0 => return false,
            read => seen.extend_from_slice(&buffer[..read]),
        }
    }
    true
}

/// Answers each request on its one connection.
fn provide(answer: String) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut seen = Vec::new();
        while read_to(&mut stream, &mut seen, b"}]}") {
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, serving)
}

/// How often memory is taken while so many requests are made one after the other on one connection.
fn allocations(requests: usize, answer: String, is_streamed: bool) -> u64 {
    let (provider, serving) = provide(answer);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let calling = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let stream_field = if is_streamed { "\"stream\":true," } else { "" };
        let body = format!(
            "{{\"model\":\"summary\",{stream_field}\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}"
        );
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\naccept: application/json\r\nuser-agent: test\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let end: &[u8] = if is_streamed { b"[DONE]\n\n\r\n0\r\n\r\n" } else { b"}]}" };
        let mut seen = Vec::new();
        for _ in 0..requests {
            stream.write_all(request.as_bytes()).unwrap();
            assert!(read_to(&mut stream, &mut seen, end));
            assert!(seen.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&seen));
        }
    });
    let (accepted, _) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let context = context(provider);
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(accepted).unwrap();
            connection::serve(stream, context, CancellationToken::new()).await;
        });
    });
    calling.join().unwrap();
    drop(runtime);
    serving.join().unwrap();
    counted.count_total
}

/// How often for each request, once what is kept from one to the next is there.
fn for_each(answer: &str, is_streamed: bool) -> f64 {
    let few = allocations(BEFORE, answer.to_owned(), is_streamed);
    let more = allocations(BEFORE + COUNTED, answer.to_owned(), is_streamed);
    (more - few) as f64 / COUNTED as f64
}

#[test]
fn a_request_takes_memory_so_often() {
    let body = "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"gpt\",\
        \"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2},\
        \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"},\
        \"finish_reason\":\"stop\"}]}";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let each = for_each(&answer, false);
    // Of these, a bare relay on hyper takes 8; counting interim answers takes 4, the outgoing head 4 with its length.
    assert!(each <= 25.5, "{each}");
}

#[test]
fn an_event_of_a_stream_takes_no_memory() {
    let streamed = |events: usize| {
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer = format!("{head}{}{}0\r\n\r\n", chunk(EVENT).repeat(events), chunk(LAST));
        for_each(&answer, true)
    };
    let each = (streamed(100) - streamed(20)) / 80.0;
    // What is left are the buffers that events are read into, as many as the system makes of it, and lists that grow.
    assert!(each <= 0.5, "{each}");
}

/// Of what an async function returns.
fn size_of_future<A, B, F: Future>(_: impl FnOnce(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_request_that_waits_is_small() {
    let size = size_of_future(crate::handler::handle);
    assert!(size <= 3 << 10, "{size}");
}
