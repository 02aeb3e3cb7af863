//! Keys, prompts and completions carry markers, and none is where it must not be: at another provider, in a log at any
//! level, in a line for an attempt or a request, in the metrics, in what a collector gets, in a header or an error. Random routes, failures and retries, through the real
//! program. And where somebody has planted a leak, the same oracle finds it, wherever it is and in whatever form.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod maps;
mod world;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper::http::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use maps::{load, random_map, targets};
use serde_json::json;
use support::client::{Answer, request};
use support::markers::{Oracle, base64, hex};
use support::{Client, Files, Map, Program, scaled};
use testkit::{Provider, RecordedRequest, Reply, Step, TlsFront, TlsFrontOptions};
use tokio::net::TcpStream;
use world::{
    COMPLETION, GATEWAY_KEY, KEY_ONE, KEY_THREE, KEY_TWO, PROMPT, TENANTS, World, files, key, tenant_key,
};

const REQUESTS: usize = 100_000;
const MAPS: usize = 20;
const LANES: usize = 32;
const PATH: &str = "/v1/chat/completions";

/// A caller's connection, of either version of HTTP. An answer that is cut is none.
enum Lane {
    One(Client),
    Two(http2::SendRequest<Full<bytes::Bytes>>),
}

impl Lane {
    async fn connect(program: &Program, at: usize) -> Lane {
        if at.is_multiple_of(2) {
            return Lane::One(Client::connect(program.address).await);
        }
        let stream = TcpStream::connect(program.address).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Lane::Two(sender)
    }

    async fn send(&mut self, key: &str, body: &str) -> Option<Answer> {
        match self {
            Lane::One(client) => client.send(request(Method::POST, PATH, key, body)).await.ok(),
            Lane::Two(sender) => {
                sender.ready().await.ok()?;
                let asked = request(Method::POST, &format!("http://gateway.test{PATH}"), key, body);
                let (mut head, body) = asked.into_parts();
                head.headers.remove("host");
                let (head, body) =
                    sender.send_request(Request::from_parts(head, body)).await.ok()?.into_parts();
                let body = body.collect().await.ok()?.to_bytes();
                Some(Answer { status: head.status, headers: head.headers, body })
            }
        }
    }
}

#[tokio::test]
async fn no_marker_is_anywhere_but_in_its_place() {
    let requests = scaled(REQUESTS);
    let (world, good, bad) = looked_through(requests, &[]).await;
    assert_eq!(world.findings.all(), Vec::<String>::new());
    let traced = world.traced.load(Ordering::Relaxed);
    assert!(traced > requests, "{traced} lines");
    let told = world.told.load(Ordering::Relaxed);
    assert!(told > requests * 9 / 10, "{told} lines of requests");
    assert!(good > requests / 2 && bad > requests / 100, "{good} good, {bad} bad");
    assert!(world.providers.iter().all(|provider| provider.count() > requests as u64 / 10));
    println!(
        "{requests} requests: {good} good, {bad} bad; {traced} lines of the lowest level, {told} of requests"
    );
}

/// Sends so many requests by maps that change, and looks at all that comes of them: how many ended well, and badly.
async fn looked_through(requests: usize, environment: &[(&str, &str)]) -> (World, usize, usize) {
    let world = World::new(requests).await;
    // The second is spoken to in TLS and HTTP/2, so that what these log is looked at too.
    let options = TlsFrontOptions { protocol: "h2", ..TlsFrontOptions::default() };
    let front = TlsFront::start_with("localhost", world.providers[1].address(), options).await.unwrap();
    let urls = [world.providers[0].base_url(), format!("https://localhost:{}/v1", front.address().port())];
    let files = files("", &world.collector);
    files.write("ca.pem", front.authority_pem());
    let authority = files.path().join("ca.pem");
    let second = format!("tls = {{ ca = {authority:?}, roots = \"none\" }}\nhttp = \"2\"");
    let mut rng = Rng::with_seed(0x005E_C8E7);
    let mut map = random_map(&mut rng, 0, &urls, &second);
    files.write("routes.toml", &map);
    let (one, two, three) = (key(&KEY_ONE), key(&KEY_TWO), key(&KEY_THREE));
    let keys =
        [("PRIMARY_KEY", one.as_str()), ("CANARY_KEY", two.as_str()), ("COLLECTOR_KEY", three.as_str())];
    let environment = [&keys, environment].concat();
    let (mut program, probes) = Program::serve_and_tell_all(&files, &environment).await;
    let mut live = world.watch(&mut program);
    let (mut good, mut bad, mut decoded) = (0, 0, 0);
    for version in 1..=MAPS {
        let loaded = load(&map, &files);
        let numbers = requests / MAPS * (version - 1)..requests / MAPS * version;
        let lanes = (0..LANES).map(async |at| {
            let mut rng = Rng::with_seed((version * LANES + at) as u64);
            let mut lane = Lane::connect(&program, at).await;
            let (mut good, mut bad) = (0, 0);
            for number in numbers.clone().filter(|number| number % LANES == at) {
                let (tenant, model) = (rng.usize(..TENANTS), format!("alias-{}", rng.u8(..2)));
                *world.may_reach[number].lock().unwrap() = targets(&loaded, tenant, &model);
                let prompt = format!("{}{number}_", PROMPT.prefix);
                let body = json!({"model": model, "stream": rng.bool(), "user": prompt,
                    "messages": [{"role": "user", "content": prompt}]});
                match lane.send(&tenant_key(tenant), &body.to_string()).await {
                    Some(answer) => {
                        world.look_at(&answer, number);
                        if answer.status == 200 { good += 1 } else { bad += 1 }
                    }
                    None => lane = Lane::connect(&program, at).await,
                }
            }
            (good, bad)
        });
        for (of_lane, of_lane_bad) in futures_of(lanes).await {
            good += of_lane;
            bad += of_lane_bad;
        }
        world.look_at_metrics(probes).await;
        decoded += world.look_at_telemetry();
        map = random_map(&mut rng, version, &urls, &second);
        files.write("routes.toml", &map);
        let line = tokio::time::timeout(support::program::PATIENCE, live.recv()).await.unwrap().unwrap();
        assert!(line.contains(&format!("v{version} ")), "{line}");
    }
    program.terminate();
    program.ended().await;
    // Its pipes have ended, so what was in them is read.
    while live.recv().await.is_some() {}
    decoded += world.look_at_telemetry();
    // Two spans of each request, of half a kilobyte at the least.
    assert!(decoded > requests * 1000, "{decoded} bytes");
    (world, good, bad)
}

/// The same in a build that leaks, one protection taken away at a time: what finds nothing otherwise finds just that.
#[cfg(feature = "leaky")]
#[tokio::test]
async fn each_protection_that_is_taken_away_is_found_to_be_missing() {
    for (leak, expected) in [
        ("headers", "the key of one in a header of an answer, raw"),
        ("errors", "the key of one in the body of an answer, raw"),
        ("events", "the key of one in the body of an answer, raw"),
        ("log", "the key of one in the log, raw"),
    ] {
        let (world, _, _) = looked_through(REQUESTS / 100, &[("COMETGATE_LEAK", leak)]).await;
        let found = world.findings.all();
        println!("without {leak}: {found:?}");
        assert!(found.iter().any(|finding| finding == expected), "without {leak}: {found:?}");
    }
}

/// Runs them side by side on this task.
async fn futures_of<T>(lanes: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut lanes: Vec<_> = lanes.map(|lane| (Box::pin(lane), None)).collect();
    std::future::poll_fn(|cx| {
        for (lane, ended) in lanes.iter_mut().filter(|(_, ended)| ended.is_none()) {
            if let std::task::Poll::Ready(value) = lane.as_mut().poll(cx) {
                *ended = Some(value);
            }
        }
        match lanes.iter().all(|(_, ended)| ended.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    lanes.into_iter().filter_map(|(_, ended)| ended).collect()
}

/// The way of a leak through the program is real: the map sends one provider's key, and the prompts of a tenant, to the
/// other, puts markers into a header and into names that are logged, printed and shown, and a provider adds one to its
/// answer.
#[tokio::test]
async fn a_leak_that_was_planted_is_found_wherever_it_is_and_in_every_form() {
    let world = World::new(1).await;
    let header = String::from_utf8(base64(GATEWAY_KEY.prefix.as_bytes(), 0)).unwrap();
    let (route, version) = (hex(PROMPT.prefix.as_bytes()), hex(COMPLETION.prefix.as_bytes()));
    let map = |version: &str, route: &str, home: &str, headers: &str| {
        let [one, two] = world.providers.each_ref().map(Provider::base_url);
        format!(
            "route_version = \"{version}\"\nenvironment = \"development\"\nprimary_provider = \"{home}\"\n\
             [providers.one]\nbase_url = \"{one}\"\ncredential = {{ env = \"PRIMARY_KEY\" }}\n\
             [providers.two]\nbase_url = \"{two}\"\ncredential = {{ env = \"CANARY_KEY\" }}\n{headers}\n\
             [aliases.alias-0]\nprovider_model_id = {{ one = \"m\", two = \"n\" }}\n\
             [[routes]]\nname = \"{route}\"\ntenant_or_cohort = \"tenant-0\"\nmodel_alias = \"alias-0\"\n\
             mode = \"primary\"\nprimary_provider = \"{home}\"\n# end {version}\n"
        )
    };
    let meant = map("v0", "r", "one", "");
    let files = files(&meant, &world.collector);
    *world.may_reach[0].lock().unwrap() = targets(&load(&meant, &files), 0, "alias-0");
    let (leaked, three) = (key(&KEY_ONE), key(&KEY_THREE));
    let keys = [("PRIMARY_KEY", leaked.as_str()), ("CANARY_KEY", leaked.as_str())];
    let environment = [&keys[..], &[("COLLECTOR_KEY", three.as_str())]].concat();
    let (mut program, probes) = Program::serve_and_tell_all(&files, &environment).await;
    let mut live = world.watch(&mut program);
    let headers = format!("headers = {{ x-leak = \"{header}\" }}");
    files.write("routes.toml", &map(&version, &route, "two", &headers));
    tokio::time::timeout(support::program::PATIENCE, live.recv()).await.unwrap().unwrap();
    let mut client = Client::connect(program.address).await;
    let body = json!({"model": "alias-0", "messages": [{"role": "user", "content": format!("{}0_", PROMPT.prefix)}]});
    let answer = client.chat(&tenant_key(0), &body.to_string()).await;
    world.look_at(&answer, 0);
    let shown = |_: &RecordedRequest| Reply::new(200).header("x-note", "cO%2F%2Bvz9_");
    world.providers[1].on_call("POST", "/v1/planted", shown);
    let answer = client.send(request(Method::POST, "/v1/planted", &tenant_key(0), "{}")).await.unwrap();
    world.look_at(&answer, 0);
    world.look_at_metrics(probes).await;
    program.terminate();
    program.ended().await;
    assert!(world.look_at_telemetry() > 0);
    // Its pipes have ended, so what was in them is read.
    while live.recv().await.is_some() {}
    let expected = [
        "a completion in a header of an answer, percent-encoded",
        "a completion in the log, hexadecimal",
        "a completion in the metrics, hexadecimal",
        "a gateway key at provider two, base64",
        "a prompt at provider two, where no route leads",
        "a prompt in a header of an answer, hexadecimal",
        "a prompt in a line, hexadecimal",
        "a prompt in the metrics, hexadecimal",
        "a prompt in the telemetry, hexadecimal",
        "a completion in the telemetry, hexadecimal",
        "the key of one at provider two, raw",
    ];
    let found = world.findings.all();
    for leak in expected {
        assert!(found.iter().any(|finding| finding == leak), "{leak} is not among {found:#?}");
    }
}

/// There an error within a stream is not told apart from the rest of it.
#[tokio::test]
async fn a_stream_that_is_not_routed_shows_no_credential() {
    let provider = Provider::builder("one").start().await;
    provider.on_call("POST", "/v1/of-tomorrow", |arrived| {
        let key = arrived.header("authorization").unwrap_or_default();
        let error = json!({"error": {"message": format!("you sent {key}!"), "type": "t", "code": null}});
        Reply::sse(vec![Step::chunk(format!("data: {error}\n\n"))])
    });
    let map = Map::new(&provider.base_url(), "http://127.0.0.1:9/v1", "0%").text();
    let files = Files::new("", &map, &support::tenants());
    let mut program = Program::serve(&files).await;
    let body = r#"{"model":"m","stream":true}"#;
    let asked = request(Method::POST, "/v1/of-tomorrow", support::ACME, body);
    let answer = Client::connect(program.address).await.send(asked).await.unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("you sent Bearer *****************!"), "{text}");
    program.logged("showed a credential").await;
}

#[test]
fn the_oracle_knows_each_form_of_a_marker_and_takes_nothing_else_for_one() {
    let oracle = Oracle::new(&[&PROMPT]);
    let found = |bytes: &[u8]| oracle.find(bytes).collect::<BTreeSet<_>>();
    for before in 0..3 {
        let text = format!("{}{}123_", "x".repeat(before), PROMPT.prefix);
        assert_eq!(found(&base64(text.as_bytes(), 0)), BTreeSet::from([("a prompt", "base64")]), "{before}");
    }
    for (text, form) in [
        ("a pR/+mq7_ b".to_owned(), "raw"),
        (hex(b"pR/+mq7_1"), "hexadecimal"),
        (hex(b"pR/+mq7_1").to_uppercase(), "hexadecimal"),
        ("x=pR%2F%2Bmq7_1".to_owned(), "percent-encoded"),
        ("x=pR%2f%2bmq7_1".to_owned(), "percent-encoded"),
    ] {
        assert_eq!(found(text.as_bytes()), BTreeSet::from([("a prompt", form)]), "{text}");
    }
    for text in ["pR/+mq7", "pr/+mq7_", "a prompt", ""] {
        assert_eq!(found(text.as_bytes()), BTreeSet::new(), "{text}");
    }
}
