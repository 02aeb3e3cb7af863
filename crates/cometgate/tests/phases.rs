//! A caller that leaves takes its request along, whatever phase it is in: the provider hears of it at once, nothing is
//! tried any more, and everything that the request held is there for the next one.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]
#![allow(clippy::panic, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::http::Method;
use support::client::{Answer, request};
use support::fault::{begun, role};
use support::rate::percentile;
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, scaled, tenants};
use testkit::{Gate, Provider, Reply, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const WHOLE: &str = r#"{"model":"summary"}"#;
const STREAM: &str = r#"{"model":"summary","stream":true}"#;

/// How soon a provider hears that its caller has left.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A gateway whose providers take one request at a time: what a request does not give back, the next one misses.
struct Narrow {
    primary: Provider,
    fallback: Provider,
    program: Program,
    _files: Files,
}

impl Narrow {
    async fn new(settings: &str, route: &str) -> Narrow {
        let primary = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
        let url = primary.base_url();
        Narrow::before(primary, &url, settings, route).await
    }

    /// The primary is somewhere else.
    async fn before(primary: Provider, primary_url: &str, settings: &str, route: &str) -> Narrow {
        let fallback = Provider::builder("fallback").require_key(CANARY_KEY).record(false).start().await;
        let url = fallback.base_url();
        let map = Map { route, ..Map::new(primary_url, &url, "0%") };
        let one = "max_concurrent_requests = 1\nbase_url = ";
        let files = Files::new(settings, &map.text().replace("base_url = ", one), &tenants());
        let program = Program::serve_and_print(&files, "json").await;
        Narrow { primary, fallback, program, _files: files }
    }

    async fn client(&self) -> Client {
        Client::connect(self.program.address).await
    }

    /// A request whose caller leaves when the task is ended; it is answered with this status if it is answered.
    async fn ask(&self, body: &'static str) -> JoinHandle<u16> {
        let mut client = self.client().await;
        tokio::spawn(async move { client.chat(ACME, body).await.status.as_u16() })
    }

    async fn chat(&self) -> Answer {
        self.client().await.chat(ACME, WHOLE).await
    }

    /// The attempt that was left is over, and nothing follows it: the next one is another request's, and it is served
    /// by the primary, which has seen nothing else since, nor has the fallback anything.
    async fn goes_on(&mut self, seen_before: u64) {
        self.was_left().await;
        let answer = self.chat().await;
        let line = self.program.lines(1).await.remove(0);
        assert!(line.contains("\"decision\":\"done\""), "{line}");
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-attempts")), (200, "1"), "{answer:?}");
        assert_eq!(self.primary.count(), seen_before + 1);
        assert_eq!(self.fallback.count(), 0);
    }

    /// By then all that it held has been given back.
    async fn was_left(&mut self) {
        let line = self.program.lines(1).await.remove(0);
        assert!(line.contains("\"error_class\":\"client_gone\""), "{line}");
    }

    /// Nothing is under way any more.
    async fn ends(mut self) {
        self.program.terminate();
        self.program.logged("ending: 0 requests under way").await;
        assert_eq!(self.program.ended().await, 0);
    }
}

fn rounds() -> u64 {
    scaled(250) as u64
}

fn check(phase: &str, noticed: &[Duration]) {
    let p99 = percentile(noticed.iter().copied(), 990);
    println!("{phase}: p50 {:?}, p99 {p99:?}", percentile(noticed.iter().copied(), 500));
    assert!(p99 < AT_ONCE, "{phase}: noticed after {p99:?}");
}

/// How far a caller reads before it leaves.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// Nothing: the provider has the request.
    Nothing,
    /// The first piece of the body.
    APiece,
}

async fn leaves_again_and_again(phase: &str, settings: &str, body: &'static str, reads: Reads, reply: Reply) {
    let mut narrow = Narrow::new(settings, "fallback_provider = \"cometapi\"").await;
    let mut noticed = Vec::new();
    for round in 1..=rounds() {
        narrow.primary.once("POST", "/v1/chat/completions", reply.clone());
        let left = if reads == Reads::APiece {
            let mut client = narrow.client().await;
            let sent = request(Method::POST, "/v1/chat/completions", ACME, body);
            let mut stream = client.start(sent).await.unwrap().into_body();
            stream.frame().await.unwrap().unwrap();
            Instant::now()
        } else {
            let mut asked = narrow.ask(body).await;
            tokio::select! {
                answer = &mut asked => panic!("{phase}: answered with {answer:?}"),
                () = narrow.primary.wait_requests(2 * round - 1) => asked.abort(),
            }
            Instant::now()
        };
        narrow.primary.wait_aborted(round).await;
        noticed.push(left.elapsed());
        narrow.goes_on(2 * round - 1).await;
    }
    check(phase, &noticed);
    narrow.ends().await;
}

#[tokio::test]
async fn before_the_head_of_an_answer() {
    for body in [WHOLE, STREAM] {
        leaves_again_and_again("before the head", "", body, Reads::Nothing, Reply::hang_before_head()).await;
    }
}

#[tokio::test]
async fn between_the_head_and_the_first_content() {
    let held = Reply::sse(vec![role(), Step::Hang]);
    leaves_again_and_again("before the first content", "", STREAM, Reads::Nothing, held).await;
}

#[tokio::test]
async fn in_the_middle_of_an_answer_that_is_read_whole() {
    let half = Reply::steps(200, "application/json", vec![Step::chunk("{\"id\":"), Step::Hang]);
    leaves_again_and_again("within a whole answer", "", WHOLE, Reads::Nothing, half).await;
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let stream = begun(1, [Step::Hang]);
    leaves_again_and_again("within a stream", "", STREAM, Reads::APiece, stream).await;
}

#[tokio::test]
async fn between_heartbeats() {
    let settings = "[limits]\nheartbeat_ms = 100\n";
    let hangs = Reply::hang_before_head();
    leaves_again_and_again("between heartbeats", settings, STREAM, Reads::APiece, hangs).await;
}

/// All the room for bodies is held by one that never arrives; when its caller leaves, the room is there again.
#[tokio::test]
async fn while_its_body_arrives() {
    let narrow = Narrow::new("[limits]\nmax_body_bytes = 4096\nmax_buffered_bytes = 4096\n", "").await;
    let mut noticed = Vec::new();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {ACME}\r\ncontent-length: 4096\r\n\r\n{{\"model\":"
    );
    for round in 1..=rounds() {
        // If it comes while another still holds room, it is turned away itself.
        let caller = loop {
            let mut caller = TcpStream::connect(narrow.program.address).await.unwrap();
            caller.write_all(head.as_bytes()).await.unwrap();
            if narrow.chat().await.status == 503 {
                break caller;
            }
        };
        let seen = narrow.primary.count();
        let left = Instant::now();
        drop(caller);
        while narrow.chat().await.status != 200 {}
        noticed.push(left.elapsed());
        assert_eq!(narrow.primary.count(), seen + 1, "round {round}");
    }
    check("while the body arrives", &noticed);
    narrow.ends().await;
}

/// A provider that accepts a connection and never says a word of TLS.
#[tokio::test]
async fn while_the_gateway_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    let unused = Provider::builder("unused").start().await;
    let mut narrow = Narrow::before(unused, &url, "", "fallback_provider = \"cometapi\"").await;
    let mut noticed = Vec::new();
    for _ in 0..rounds() {
        let mut asked = narrow.ask(WHOLE).await;
        // A round that has not given its place back leaves the next one to the fallback.
        let mut connection = tokio::select! {
            answer = &mut asked => panic!("answered with {answer:?}"),
            accepted = listener.accept() => accepted.unwrap().0,
        };
        let mut hello = [0; 4096];
        assert!(connection.read(&mut hello).await.unwrap() > 0);
        let left = Instant::now();
        asked.abort();
        while matches!(connection.read(&mut hello).await, Ok(1..)) {}
        noticed.push(left.elapsed());
        narrow.was_left().await;
    }
    assert_eq!(narrow.fallback.count(), 0);
    check("while connecting", &noticed);
    narrow.ends().await;
}

/// The retries that wait have been paid for; those that are not made are paid back.
#[tokio::test]
async fn while_a_retry_waits() {
    // No more at once than a limit leaves that was learnt from their pushback; in all more than the budget pays for.
    const WAITING: u64 = 4;
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    let url = primary.base_url();
    let route = "retry_policy = { retries = 1, on = [\"rate_limit\"] }\nretry_budget = \"1%\"";
    let files = Files::new("", &Map { route, ..Map::new(&url, &url, "0%") }.text(), &tenants());
    let mut program = Program::serve_and_print(&files, "json").await;
    for round in 0..rounds() / 8 {
        let gate = Gate::new();
        let limited = Reply::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down");
        primary.on("POST", "/v1/chat/completions", limited.header("retry-after", "2").gated(&gate));
        let before = primary.count();
        let mut clients = Vec::new();
        for _ in 0..WAITING {
            let mut client = Client::connect(program.address).await;
            clients.push(tokio::spawn(async move {
                let sent = request(Method::POST, "/v1/chat/completions", ACME, WHOLE);
                let answer = client.start(sent).await;
                panic!("answered with {answer:?}");
            }));
        }
        primary.wait_requests(before + WAITING).await;
        gate.open();
        for line in program.lines(usize::try_from(WAITING).unwrap()).await {
            assert!(line.contains("\"decision\":\"retry\""), "round {round}: {line}");
        }
        for client in clients {
            client.abort();
        }
        primary.clear_script();
        // Nothing is sent before the pause is over that the provider asked for, nor is a retry when it is.
        let marker = async {
            while Client::connect(program.address).await.chat(ACME, WHOLE).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), marker).await.unwrap();
        assert_eq!(primary.count(), before + WAITING + 1);
        program.lines(1).await;
    }
    program.terminate();
    program.logged("ending: 0 requests under way").await;
}

/// What finds out whether a provider is well again belongs to some caller; that one may leave too.
#[tokio::test]
async fn while_its_request_is_the_probe_of_a_breaker() {
    let mut narrow = Narrow::new("", "").await;
    narrow.primary.on("POST", "/v1/chat/completions", Reply::error(500, "server_error", None, "it broke"));
    for _ in 0..5 {
        assert_eq!(narrow.chat().await.status, 500);
    }
    narrow.program.lines(5).await;
    assert_eq!(narrow.chat().await.error().0, "provider_unavailable");
    narrow.primary.on("POST", "/v1/chat/completions", Reply::hang_before_head());
    let probe = loop {
        let mut asked = narrow.ask(WHOLE).await;
        tokio::select! {
            status = &mut asked => assert_eq!(status.unwrap(), 503),
            () = narrow.primary.wait_requests(6) => break asked,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(narrow.chat().await.status, 503, "one probe at a time");
    narrow.primary.clear_script();
    probe.abort();
    narrow.primary.wait_aborted(1).await;
    narrow.goes_on(6).await;
    narrow.ends().await;
}
