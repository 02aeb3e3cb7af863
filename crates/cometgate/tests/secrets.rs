//! Keys, prompts and completions carry markers, and none is where it must not be: at another provider, in a log at any
//! level, in a line for an attempt, in the metrics, in a header or an error. Random routes, failures and retries, through the real
//! program. And where somebody has planted a leak, the same oracle finds it, wherever it is and in whatever form.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use config::{Loaded, Source, load_map};
use decisions::plan::FeatureSet;
use decisions::{Caller, Decision, Endpoint, Facts, StickyKeys, explain, no_gates};
use fastrand::Rng;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper::http::{HeaderMap, Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use support::client::{Answer, request};
use support::markers::{Kind, Oracle, base64, hex};
use support::{Client, Files, Program, scaled};
use testkit::{Provider, RecordedRequest, Reply, Step, TlsFront, TlsFrontOptions};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const GATEWAY_KEY: Kind = Kind { name: "a gateway key", prefix: "cgk-q/+Z" };
const KEY_ONE: Kind = Kind { name: "the key of one", prefix: "k1/+sXw8" };
const KEY_TWO: Kind = Kind { name: "the key of two", prefix: "k2/+tYv9" };
const PROMPT: Kind = Kind { name: "a prompt", prefix: "pR/+mq7_" };
const COMPLETION: Kind = Kind { name: "a completion", prefix: "cO/+vz9_" };
const ALL: [&Kind; 5] = [&GATEWAY_KEY, &KEY_ONE, &KEY_TWO, &PROMPT, &COMPLETION];

const REQUESTS: usize = 100_000;
const MAPS: usize = 20;
const LANES: usize = 32;
const TENANTS: usize = 4;
const PATH: &str = "/v1/chat/completions";

fn key(of: &Kind) -> String {
    format!("{}-the-rest-of-it", of.prefix)
}

fn tenant_key(at: usize) -> String {
    format!("{}{at}", GATEWAY_KEY.prefix)
}

/// What the oracle has found, and where.
#[derive(Clone, Default)]
struct Findings(Arc<Mutex<BTreeSet<String>>>);

impl Findings {
    fn look(&self, place: &str, oracle: &Oracle, bytes: &[u8]) {
        for (kind, form) in oracle.find(bytes) {
            self.add(format!("{kind} {place}, {form}"));
        }
    }

    fn add(&self, finding: String) {
        self.0.lock().unwrap().insert(finding);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }
}

fn headers(headers: &HeaderMap) -> Vec<u8> {
    let lines =
        headers.iter().map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// Providers that look at all that arrives, and fail in every way; both show what they were sent wherever they can.
struct World {
    providers: [Provider; 2],
    findings: Findings,
    /// By number of a prompt: the providers that it may reach, as bits.
    may_reach: Arc<Vec<Mutex<u8>>>,
    /// Lines of the log that were looked at, of the lowest level.
    traced: Arc<AtomicUsize>,
}

impl World {
    async fn new(requests: usize) -> World {
        let findings = Findings::default();
        let may_reach: Arc<Vec<_>> = Arc::new((0..requests).map(|_| Mutex::new(0)).collect());
        let start = async |at: usize, name: &str, foreign: [&'static Kind; 3]| {
            let provider = Provider::builder(name).record(false).start().await;
            let (findings, may_reach) = (findings.clone(), Arc::clone(&may_reach));
            let (oracle, place) = (Oracle::new(&foreign), format!("at provider {name}"));
            provider.on_call("*", "*", move |arrived| {
                findings.look(&place, &oracle, &headers(&arrived.headers));
                findings.look(&place, &oracle, &arrived.body);
                let Some(number) = number_of(&arrived.body) else { return Reply::new(400) };
                if *may_reach[number].lock().unwrap() & 1 << at == 0 {
                    findings.add(format!("a prompt {place}, where no route leads"));
                }
                answer(arrived, number)
            });
            provider
        };
        let providers = [
            start(0, "one", [&GATEWAY_KEY, &KEY_TWO, &COMPLETION]).await,
            start(1, "two", [&GATEWAY_KEY, &KEY_ONE, &COMPLETION]).await,
        ];
        World { providers, findings, may_reach, traced: Arc::default() }
    }

    /// Looks at every line that the program logs and prints. What is returned tells of each map that has gone live.
    fn watch(&self, program: &mut Program) -> UnboundedReceiver<String> {
        let (live, told) = unbounded_channel();
        for (mut lines, place) in program.take_lines().into_iter().zip(["in the log", "in a line"]) {
            let (findings, live) = (self.findings.clone(), live.clone());
            let (oracle, traced) = (Oracle::new(&ALL), Arc::clone(&self.traced));
            tokio::spawn(async move {
                while let Some(line) = lines.recv().await {
                    findings.look(place, &oracle, line.as_bytes());
                    if line.contains("TRACE") {
                        traced.fetch_add(1, Ordering::Relaxed);
                    }
                    if line.contains(" is live") {
                        drop(live.send(line));
                    }
                }
            });
        }
        told
    }

    /// What whoever reads metrics sees.
    async fn look_at_metrics(&self, probes: SocketAddr) {
        let asked = request(Method::GET, "/metrics", "", "");
        let page = Client::connect(probes).await.send(asked).await.unwrap();
        assert!(page.status == 200 && !page.body.is_empty());
        self.findings.look("in the metrics", &Oracle::new(&ALL), &page.body);
    }

    /// What a caller sees of an answer.
    fn look_at(&self, answer: &Answer, number: usize) {
        self.findings.look("in a header of an answer", &Oracle::new(&ALL), &headers(&answer.headers));
        let keys = Oracle::new(&[&GATEWAY_KEY, &KEY_ONE, &KEY_TWO]);
        self.findings.look("in the body of an answer", &keys, &answer.body);
        let own = format!("{}{number}_", COMPLETION.prefix);
        let others = String::from_utf8_lossy(&answer.body).replace(&own, "");
        self.findings.look("in another's answer", &Oracle::new(&[&COMPLETION]), others.as_bytes());
    }
}

/// Tenants with a marked key each.
fn files(map: &str) -> Files {
    let mut tenants = "version = \"1\"\n".to_owned();
    for at in 0..TENANTS {
        let hash = support::hash(&tenant_key(at));
        tenants.push_str(&format!("[tenants.tenant-{at}]\nkey_sha256 = [\"{hash}\"]\n"));
    }
    Files::new("[admin]\nlisten = \"127.0.0.1:0\"\n", map, &format!("{tenants}# end 1\n"))
}

/// Which prompt it is.
fn number_of(body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    text.split_once(PROMPT.prefix)?.1.split_once('_')?.0.parse().ok()
}

/// Well, or in one of the ways in which providers fail; it does not depend on the attempt alone, so that retries differ.
fn answer(arrived: &RecordedRequest, number: usize) -> Reply {
    let key = arrived.header("authorization").unwrap_or_default();
    let text = format!("{}{number}_", COMPLETION.prefix);
    let is_streamed = arrived.json().is_some_and(|body| body["stream"] == true);
    let event = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{{delta}}}}}]}}\n\n");
    let first = event(&format!("\"content\":\"{text}\""));
    let shown =
        |reply: Reply| reply.header("x-goog-api-key", key).header("x-note", &format!("you sent {key}!"));
    let error = |status: u16| {
        let message = format!("Incorrect API key provided: {key}");
        let error =
            json!({"error": {"message": message, "type": "server_error", "param": null, "code": null}});
        shown(Reply::json(status, &error))
    };
    match fastrand::u8(..20) {
        0 => error(500),
        1 => error(401),
        2 => error(429).header("retry-after-ms", "1"),
        3 => error(400),
        4 => Reply::abort_before_head(),
        5 => Reply::new(302).header("location", &format!("http://127.0.0.1:9/{key}")),
        6 if is_streamed => Reply::sse(vec![Step::chunk(first), Step::Abort]),
        7 => shown(Reply::bytes(200, "text/html", format!("<p>{key}</p>"))),
        _ if is_streamed => {
            let last = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
            shown(Reply::sse(vec![Step::chunk(first), Step::chunk(last)]))
        }
        _ => shown(Reply::json(
            200,
            &json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}),
        )),
    }
}

/// A map in which every tenant has a route of any mode for each alias.
fn random_map(rng: &mut Rng, version: usize, urls: &[String; 2], second: &str) -> String {
    let mut map = format!(
        // What a gate keeps out goes home: here it is asked beforehand where a request may go.
        "route_version = \"v{version}\"\nenvironment = \"development\"\nprimary_provider = \"one\"\n\
         [gates]\nmode = \"off\"\n\
         [providers.one]\nbase_url = \"{}\"\ncredential = {{ env = \"PRIMARY_KEY\" }}\n\
         [providers.two]\nbase_url = \"{}\"\ncredential = {{ env = \"CANARY_KEY\" }}\n{second}\n",
        urls[0], urls[1]
    );
    for alias in 0..2 {
        map.push_str(&format!(
            "[aliases.alias-{alias}]\nprovider_model_id = {{ one = \"m-{alias}\", two = \"n-{alias}\" }}\n"
        ));
    }
    for (tenant, alias) in (0..TENANTS).flat_map(|tenant| [(tenant, 0), (tenant, 1)]) {
        let (home, away) = if rng.bool() { ("one", "two") } else { ("two", "one") };
        let mode = ["primary", "canary", "canary", "fallback"][rng.usize(..4)];
        let fallback = if rng.bool() || mode == "fallback" {
            format!("fallback_provider = \"{away}\"\nfallback_budget = \"100%\"\n")
        } else {
            String::new()
        };
        let canary = format!(
            "[routes.canary]\nprovider = \"{away}\"\nshare = \"{}%\"\n",
            [0, 50, 100][rng.usize(..3)]
        );
        map.push_str(&format!(
            "[[routes]]\nname = \"r-{tenant}-{alias}\"\ntenant_or_cohort = \"tenant-{tenant}\"\nmodel_alias = \"alias-{alias}\"\n\
             mode = \"{mode}\"\nprimary_provider = \"{home}\"\n{fallback}\
             retry_policy = {{ retries = 2, on = [\"reset\", \"overloaded\", \"server\"] }}\nretry_budget = \"100%\"\n{}",
            if mode == "canary" { &canary } else { "" }
        ));
    }
    map.push_str(&format!("# end v{version}\n"));
    map
}

fn load(map: &str, files: &Files) -> Loaded {
    let tenants = std::fs::read_to_string(files.path().join("tenants.toml")).unwrap();
    let source = |name, text| Source { path: Path::new(name), text };
    load_map(source("routes.toml", map), source("tenants.toml", &tenants)).unwrap()
}

/// Where a request may go, whatever is drawn and fails.
fn targets(loaded: &Loaded, tenant: usize, model: &str) -> u8 {
    let facts = Facts {
        tenant: loaded.plan.tenant_named(&format!("tenant-{tenant}")).unwrap(),
        caller: Caller::Known,
        endpoint: Endpoint::Chat,
        model,
        keys: StickyKeys::default(),
        stateful: false,
        features: FeatureSet::EMPTY,
        draw: 0,
    };
    let explained = explain(&loaded.plan, &facts, no_gates);
    let sides = explained.either.map_or_else(|| vec![explained.decision], |either| either.to_vec());
    let orders = sides.iter().filter_map(|decision| match decision {
        Decision::Send(chosen) => Some(chosen.order),
        Decision::Refuse(_) => None,
    });
    orders
        .flat_map(|order| order.iter().map(|target| 1_u8 << target.provider.0).collect::<Vec<_>>())
        .fold(0, |a, b| a | b)
}

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
    let world = World::new(requests).await;
    // The second is spoken to in TLS and HTTP/2, so that what these log is looked at too.
    let options = TlsFrontOptions { protocol: "h2", ..TlsFrontOptions::default() };
    let front = TlsFront::start_with("localhost", world.providers[1].address(), options).await.unwrap();
    let urls = [world.providers[0].base_url(), format!("https://localhost:{}/v1", front.address().port())];
    let files = files("");
    files.write("ca.pem", front.authority_pem());
    let authority = files.path().join("ca.pem");
    let second = format!("tls = {{ ca = {authority:?}, roots = \"none\" }}\nhttp = \"2\"");
    let mut rng = Rng::with_seed(0x005E_C8E7);
    let mut map = random_map(&mut rng, 0, &urls, &second);
    files.write("routes.toml", &map);
    let environment = [("PRIMARY_KEY", key(&KEY_ONE)), ("CANARY_KEY", key(&KEY_TWO))];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (mut program, probes) = Program::serve_and_tell_all(&files, &environment).await;
    let mut live = world.watch(&mut program);
    let (mut good, mut bad) = (0, 0);
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
        map = random_map(&mut rng, version, &urls, &second);
        files.write("routes.toml", &map);
        let line = tokio::time::timeout(support::program::PATIENCE, live.recv()).await.unwrap().unwrap();
        assert!(line.contains(&format!("v{version} ")), "{line}");
    }
    assert_eq!(world.findings.all(), Vec::<String>::new());
    let traced = world.traced.load(Ordering::Relaxed);
    assert!(traced > requests, "{traced} lines");
    assert!(good > requests / 2 && bad > requests / 100, "{good} good, {bad} bad");
    assert!(world.providers.iter().all(|provider| provider.count() > requests as u64 / 10));
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
    let files = files(&meant);
    *world.may_reach[0].lock().unwrap() = targets(&load(&meant, &files), 0, "alias-0");
    let leaked = key(&KEY_ONE);
    let environment = [("PRIMARY_KEY", leaked.as_str()), ("CANARY_KEY", leaked.as_str())];
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
        "the key of one at provider two, raw",
    ];
    let found = world.findings.all();
    for leak in expected {
        assert!(found.iter().any(|finding| finding == leak), "{leak} is not among {found:#?}");
    }
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
