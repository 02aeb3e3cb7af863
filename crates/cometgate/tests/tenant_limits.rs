//! Limits of tenants: who is over them is told so and when to come back, and no other tenant notices.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::http::Method;
use serde_json::json;
use support::client::{Answer, request};
use support::{ACME, Client, FIRST, Files, GLOBEX, LAST, Map, PRIMARY_KEY, Program, hash};
use testkit::{Gate, Provider, Reply, Step};
use tokio::time::Instant;

const CHAT: &str = r#"{"model":"summary"}"#;
const STREAM: &str = r#"{"model":"summary","stream":true}"#;

struct World {
    provider: Provider,
    program: Program,
    files: Files,
}

/// Tenants `acme`, with these lines, and `globex`.
fn tenants(version: u32, acme: &str) -> String {
    format!(
        "version = \"{version}\"\n[tenants.acme]\nkey_sha256 = [\"{}\"]\n{acme}\n[tenants.globex]\nkey_sha256 = [\"{}\"]\n# end {version}\n",
        hash(ACME),
        hash(GLOBEX)
    )
}

async fn world(acme: &str) -> World {
    world_with("", acme).await
}

async fn world_with(settings: &str, acme: &str) -> World {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    let url = provider.base_url();
    let settings = format!("workers = 2\n{settings}");
    let files =
        Files::new(&settings, &Map::new(&url, "http://127.0.0.1:9/v1", "0%").text(), &tenants(1, acme));
    let program = Program::serve(&files).await;
    World { provider, program, files }
}

impl World {
    async fn client(&self) -> Client {
        Client::connect(self.program.address).await
    }

    /// Other limits, live when `globex` sees them.
    async fn change(&mut self, version: u32, acme: &str) {
        self.files.write("tenants.toml", &tenants(version, acme));
        self.program.logged(&format!("tenants {version})")).await;
    }
}

fn usage(input: u64, output: u64) -> Reply {
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    Reply::json(200, &json!({"object": "chat.completion", "choices": [], "usage": usage}))
}

fn left(answer: &Answer, of: &str) -> i64 {
    answer.header(&format!("x-ratelimit-remaining-{of}")).parse().unwrap()
}

#[tokio::test]
async fn over_its_requests_a_tenant_is_told_so_in_openais_shape() {
    let world = world("requests_per_minute = 5").await;
    let mut client = world.client().await;
    for number in 0..5 {
        let answer = client.chat(ACME, CHAT).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "5");
        assert_eq!(left(&answer, "requests"), 4 - number);
        assert!(!answer.headers.contains_key("x-ratelimit-limit-tokens"));
    }
    // Which models there are may be asked at any time, and costs nothing.
    let models = client.send(request(Method::GET, "/v1/models", ACME, "")).await.unwrap();
    assert_eq!((models.status.as_u16(), left(&models, "requests")), (200, 0));

    let refused = client.chat(ACME, CHAT).await;
    assert_eq!(refused.status, 429);
    let error = &refused.json()["error"];
    assert_eq!(
        (error["type"].as_str(), error["code"].as_str()),
        (Some("requests"), Some("rate_limit_exceeded"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("5 requests per minute") && message.contains("Please try again in "),
        "{message}"
    );
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    let millis: u64 = refused.header("retry-after-ms").parse().unwrap();
    assert!((1..=12).contains(&seconds) && millis <= seconds * 1_000, "{refused:?}");
    assert!(refused.header("x-ratelimit-reset-requests").ends_with('s'));
    assert!(
        !refused.headers.contains_key("x-cometgate-provider")
            && !refused.headers.contains_key("x-should-retry")
    );
    let other = client.send(request(Method::POST, "/v1/moderations", ACME, "{}")).await.unwrap();
    assert_eq!(other.status, 429, "other paths count as well");
    let embeddings = request(Method::POST, "/v1/embeddings", ACME, CHAT);
    assert_eq!(client.send(embeddings).await.unwrap().status, 429);
    assert_eq!(world.provider.count(), 5);

    // The wait is exact: whoever keeps to it is served.
    tokio::time::sleep(Duration::from_millis(millis)).await;
    assert_eq!(client.chat(ACME, CHAT).await.status, 200);
    let globex = client.chat(GLOBEX, CHAT).await;
    assert!(globex.status == 200 && !globex.headers.contains_key("x-ratelimit-limit-requests"));
}

#[tokio::test]
async fn what_is_not_routed_counts_as_a_request() {
    let world = world("requests_per_minute = 2").await;
    let mut client = world.client().await;
    let post = || request(Method::POST, "/v1/moderations", ACME, "{}");
    let first = client.send(post()).await.unwrap();
    assert_eq!((first.header("x-cometgate-provider"), left(&first, "requests")), ("openai", 1));
    client.send(post()).await.unwrap();
    assert_eq!(client.send(post()).await.unwrap().error().0, "rate_limit_exceeded");
}

#[tokio::test]
async fn tokens_are_charged_as_the_provider_reports_them_and_debt_is_waited_for() {
    let world = world("tokens_per_minute = 10000").await;
    let mut client = world.client().await;
    world.provider.on("POST", "/v1/chat/completions", usage(3_000, 1_500));
    let answer = client.chat(ACME, CHAT).await;
    assert_eq!(answer.header("x-ratelimit-limit-tokens"), "10000");
    assert!((5_500..5_700).contains(&left(&answer, "tokens")), "{answer:?}");
    // One long answer is served to its end, though it costs more than there is.
    world.provider.on("POST", "/v1/chat/completions", usage(30_000, 0));
    let answer = client.chat(ACME, CHAT).await;
    assert_eq!((answer.status.as_u16(), left(&answer, "tokens")), (200, 0));
    let refused = client.chat(ACME, CHAT).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["type"], "tokens");
    assert!(refused.error().1.contains("10000 tokens per minute"), "{:?}", refused.error());
    // More than two minutes, and no client is asked to wait that long, nor to come back before.
    assert_eq!((refused.header("retry-after"), refused.header("retry-after-ms")), ("60", "60000"));
    assert_eq!(refused.header("x-should-retry"), "false");
    assert!(refused.error().1.contains("again in 2m"), "{:?}", refused.error());
}

#[tokio::test]
async fn a_stream_is_charged_by_its_usage_or_by_an_estimate() {
    let world = world("tokens_per_minute = 100000\nrequests_per_minute = 1000").await;
    let mut client = world.client().await;
    let counted =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20000,\"completion_tokens\":10000}}\n\n";
    let first = LAST.replace("data: [DONE]\n\n", "");
    let steps = [FIRST, &first, counted, "data: [DONE]\n\n"].map(|text| Step::chunk(text.to_owned()));
    world.provider.once("POST", "/v1/chat/completions", Reply::sse(steps.into()));
    let answer = client.chat(ACME, STREAM).await;
    assert_eq!(left(&answer, "tokens"), 100_000, "nothing is known of the answer at its head");
    // Every event is a token, and four bytes of the request are one.
    let many: String = FIRST.repeat(1_000);
    world.provider.once(
        "POST",
        "/v1/chat/completions",
        Reply::sse(vec![Step::chunk(many), Step::chunk(LAST)]),
    );
    let long = format!(r#"{{"model":"summary","stream":true,"messages":"{}"}}"#, "word ".repeat(4_000));
    let answer = client.chat(ACME, &long).await;
    assert!((70_000..71_000).contains(&left(&answer, "tokens")), "{:?}", answer.headers);
    world.provider.once("POST", "/v1/chat/completions", usage(0, 0));
    let answer = client.chat(ACME, CHAT).await;
    // 5,012 of the request and 1,000 of the answer, and some of them are back by now.
    assert!((63_900..66_500).contains(&left(&answer, "tokens")), "{:?}", answer.headers);
}

#[tokio::test]
async fn what_failed_before_anything_was_handed_on_is_not_charged() {
    let world = world("tokens_per_minute = 1000").await;
    let mut client = world.client().await;
    world.provider.on("POST", "/v1/chat/completions", Reply::error(400, "invalid_request_error", None, "no"));
    let body = format!(r#"{{"model":"summary","messages":"{}"}}"#, "word ".repeat(4_000));
    for _ in 0..5 {
        let answer = client.chat(ACME, &body).await;
        assert_eq!((answer.status.as_u16(), left(&answer, "tokens")), (400, 1_000));
    }
}

#[tokio::test]
async fn an_answer_too_long_to_be_held_is_charged_by_the_usage_at_its_end() {
    let world = world("tokens_per_minute = 10000").await;
    let mut client = world.client().await;
    let long = json!({
        "object": "chat.completion",
        "choices": [{"message": {"content": "word ".repeat(600_000)}}],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 2_000},
    });
    world.provider.once("POST", "/v1/chat/completions", Reply::json(200, &long));
    assert_eq!(client.chat(ACME, CHAT).await.status, 200);
    world.provider.once("POST", "/v1/chat/completions", usage(0, 0));
    let answer = client.chat(ACME, CHAT).await;
    assert!((7_000..7_600).contains(&left(&answer, "tokens")), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_pays_for_its_request() {
    let world = world("tokens_per_minute = 10000").await;
    world.provider.on("POST", "/v1/chat/completions", Reply::hang_before_head());
    let long = format!(r#"{{"model":"summary","messages":"{}"}}"#, "word ".repeat(4_000));
    let mut client = world.client().await;
    let asked = request(Method::POST, "/v1/chat/completions", ACME, &long);
    let waiting = tokio::time::timeout(Duration::from_millis(300), client.start(asked)).await;
    assert!(waiting.is_err());
    world.provider.wait_requests(1).await;
    client.leave();
    world.provider.wait_aborted(1).await;
    let answer = world.client().await.send(request(Method::GET, "/v1/models", ACME, "")).await.unwrap();
    assert!((4_988..5_400).contains(&left(&answer, "tokens")), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_stream_that_waits_for_its_first_content_says_at_once_what_is_left() {
    let world = world_with("[limits]\nheartbeat_ms = 100\n", "requests_per_minute = 10").await;
    let gate = Gate::new();
    let reply = Reply::sse(vec![Step::chunk(FIRST), Step::chunk(LAST)]).before_head(Step::Wait(gate.clone()));
    world.provider.on("POST", "/v1/chat/completions", reply);
    let mut client = world.client().await;
    let answer = client.start(request(Method::POST, "/v1/chat/completions", ACME, STREAM)).await.unwrap();
    assert_eq!(answer.headers()["x-ratelimit-remaining-requests"], "9");
    gate.open();
    assert!(answer.into_body().collect().await.unwrap().to_bytes().ends_with(LAST.as_bytes()));
}

#[tokio::test]
async fn a_place_is_held_to_the_last_byte_or_until_the_caller_leaves() {
    let world = world("max_concurrent_requests = 2").await;
    let gate = Gate::new();
    let steps = vec![Step::chunk(FIRST), Step::Wait(gate.clone()), Step::chunk(LAST)];
    world.provider.on("POST", "/v1/chat/completions", Reply::sse(steps));
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = world.client().await;
        let answer = client.start(request(Method::POST, "/v1/chat/completions", ACME, STREAM)).await.unwrap();
        assert_eq!(answer.status(), 200);
        open.push((client, answer.into_body()));
    }
    let mut third = world.client().await;
    let refused = third.chat(ACME, STREAM).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.json()["error"]["type"], "requests");
    assert!(refused.error().1.contains("2 requests at one time"), "{:?}", refused.error());

    // One leaves in the middle: its place is free.
    let (client, body) = open.pop().unwrap();
    drop(body);
    client.leave();
    let fourth = served(&mut third).await;
    assert_eq!(world.client().await.chat(ACME, STREAM).await.status, 429);
    // The others end.
    gate.open();
    for (_client, body) in open {
        body.collect().await.unwrap();
    }
    fourth.collect().await.unwrap();
    for _ in 0..10 {
        let answer = world.client().await.chat(ACME, STREAM).await;
        assert_eq!(answer.status, 200, "every place is free again");
    }
}

/// Asks until a place is free.
async fn served(client: &mut Client) -> hyper::body::Incoming {
    let began = Instant::now();
    loop {
        let answer = client.start(request(Method::POST, "/v1/chat/completions", ACME, STREAM)).await.unwrap();
        if answer.status() == 200 {
            return answer.into_body();
        }
        answer.into_body().collect().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "the place of a caller that has left is not free");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_reload_forgets_nothing_of_a_limit_that_stays() {
    let mut world = world("requests_per_minute = 4\ntokens_per_minute = 100000").await;
    let mut client = world.client().await;
    world.provider.on("POST", "/v1/chat/completions", usage(50_000, 0));
    for _ in 0..2 {
        assert_eq!(client.chat(ACME, CHAT).await.status, 200);
    }
    world.change(2, "tokens_per_minute = 100000\nrequests_per_minute = 4\npriority = \"sheddable\"").await;
    let answer = client.send(request(Method::GET, "/v1/models", ACME, "")).await.unwrap();
    assert!(left(&answer, "requests") <= 3 && left(&answer, "tokens") < 90_000, "{:?}", answer.headers);
    // A limit that changes begins anew, and the other one goes on.
    world.change(3, "tokens_per_minute = 100000\nrequests_per_minute = 100").await;
    let answer = client.send(request(Method::GET, "/v1/models", ACME, "")).await.unwrap();
    assert!(left(&answer, "requests") == 100 && left(&answer, "tokens") < 90_000, "{:?}", answer.headers);
    world.change(4, "").await;
    let answer = client.chat(ACME, CHAT).await;
    assert!(answer.status == 200 && !answer.headers.contains_key("x-ratelimit-limit-requests"));
}

#[tokio::test]
async fn a_providers_limits_are_passed_on_only_where_they_are_the_callers_own() {
    let theirs = || {
        usage(1, 1).header("x-ratelimit-remaining-requests", "77").header("x-ratelimit-limit-tokens", "99")
    };
    let ours = world("requests_per_minute = 10").await;
    ours.provider.on("POST", "/v1/chat/completions", theirs());
    let mut client = ours.client().await;
    let answer = client.chat(ACME, CHAT).await;
    assert_eq!((left(&answer, "requests"), answer.header("x-ratelimit-limit-tokens")), (9, ""));
    let answer = client.chat(GLOBEX, CHAT).await;
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "");

    let provider = Provider::builder("primary").require_key("sk-own").record(false).start().await;
    provider.on("POST", "/v1/chat/completions", theirs());
    let url = provider.base_url();
    let map = Map {
        top: "default_tenant = \"globex\"",
        primary_credential: "\"client\"",
        ..Map::new(&url, "http://127.0.0.1:9/v1", "0%")
    };
    let files = Files::new("", &map.text(), &tenants(1, ""));
    let program = Program::serve(&files).await;
    let answer = Client::connect(program.address).await.chat("sk-own", CHAT).await;
    assert_eq!((left(&answer, "requests"), answer.header("x-ratelimit-limit-tokens")), (77, "99"));
}

/// One tenant asks for far more than ten times what it may; the other one is served as if it were alone.
#[tokio::test]
async fn a_tenant_at_ten_times_its_limit_hurts_no_other() {
    const LIMIT: u64 = 300;
    let world = world(&format!("requests_per_minute = {LIMIT}\nmax_concurrent_requests = 8")).await;
    let began = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let [served, refused] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let greedy: Vec<_> = (0..32)
        .map(|_| {
            let (address, stop) = (world.program.address, Arc::clone(&stop));
            let (served, refused) = (Arc::clone(&served), Arc::clone(&refused));
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while !stop.load(Ordering::Acquire) {
                    match client.chat(ACME, CHAT).await.status.as_u16() {
                        200 => served.fetch_add(1, Ordering::Relaxed),
                        429 => refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}"),
                    };
                }
            })
        })
        .collect();
    let mut client = world.client().await;
    let (mut fine, mut slowest) = (0, Duration::ZERO);
    let mut due = tokio::time::interval(Duration::from_millis(10));
    let asked = || served.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed);
    while began.elapsed() < Duration::from_secs(4) || asked() < 10 * LIMIT * 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "the load is too small");
        due.tick().await;
        let sent = Instant::now();
        let answer = client.chat(GLOBEX, CHAT).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        fine += 1;
        slowest = slowest.max(sent.elapsed());
    }
    stop.store(true, Ordering::Release);
    for lane in greedy {
        lane.await.unwrap();
    }
    let elapsed = began.elapsed();
    let (served, refused) = (served.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    println!(
        "{served} of {} requests of acme were served in {elapsed:?}; all {fine} of globex, the slowest in {slowest:?}",
        served + refused
    );
    let most = LIMIT + u64::try_from(elapsed.as_millis()).unwrap() * LIMIT / 60_000 + 1;
    assert!((LIMIT..=most).contains(&served), "{served} of acme were served, of {most} at most");
    assert_eq!(world.provider.count(), served + fine);
}
