//! Each operation of the API twice: straight to a scripted provider, and through the gateway. What the provider got and
//! what the client got must be the same, byte for byte, but for what the documentation says is changed.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use decisions::state::table::OPERATIONS;
use decisions::state::{BodyKind, StateClass};
use http_body_util::Full;
use hyper::http::{HeaderMap, Method};
use hyper::{Request, StatusCode};
use support::client::Answer;
use support::{Client, FIRST, Files, LAST, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Provider, RecordedRequest, Reply, Step};

/// What is sent.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Nothing,
    Json(&'static str),
    Form(&'static str),
    Bytes(&'static [u8]),
}
use Sent::{Form, Json, Nothing};

/// What the provider answers.
#[derive(Clone, Copy, Debug)]
enum Said {
    Json,
    /// An event stream that is complete.
    Events(&'static str),
    Bytes(&'static str),
    Nothing,
    Error,
}

const CHAT: &str = r#"{"model": "gpt-x",  "messages":[{"role":"user","content":"h\u00e9 é"}], "n":1.0}"#;
const CHAT_STREAM: &str = r#"{"stream":true,"model":"gpt-x","messages":[]}"#;
const MODEL: &str = r#"{"model":"gpt-x","input":[1,2.50,1e3]}"#;
const RESPONSE_EVENTS: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n";
const MESSAGE_EVENTS: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const AUDIO_EVENTS: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"x\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"x\"}\n\n";
const FORM: &str = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-x\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\0\n--\r\n--B--\r\n";

/// What the gateway answers itself: its aliases.
const OWN: [(&str, &str); 1] = [("GET", "/models")];

/// One request, and its answer.
type Case = (&'static str, String, Sent, Said);

/// Beyond the table: other APIs, methods and paths that are not known, and requests of a kind of their own.
const BESIDES: [(&str, &str, Sent, Said); 20] = [
    ("POST", "/chat/completions", Json(CHAT), Said::Json),
    ("GET", "/chat/completions?limit=2&order=desc", Nothing, Said::Json),
    ("GET", "/responses/resp_1?include=a", Nothing, Said::Json),
    ("POST", "/conversations/conv_1/items?include=x", Json(r#"{"items":[]}"#), Said::Json),
    ("POST", "/messages", Json(CHAT), Said::Json),
    ("POST", "/messages", Json(CHAT_STREAM), Said::Events(MESSAGE_EVENTS)),
    ("POST", "/messages/count_tokens", Json(CHAT), Said::Json),
    ("POST", "/moderations", Json(r#"{"input":"x"}"#), Said::Json),
    ("POST", "/audio/transcriptions", Form(FORM), Said::Bytes("text/vtt")),
    ("HEAD", "/models/gpt-x", Nothing, Said::Nothing),
    ("DELETE", "/models/ft:gpt-x", Nothing, Said::Json),
    ("GET", "/files?purpose=batch", Nothing, Said::Json),
    ("GET", "/batches?after=x", Nothing, Said::Json),
    ("GET", "/fine_tuning/jobs/ftjob-1/events?limit=1", Nothing, Said::Json),
    ("GET", "/videos/video_1/content?variant=video", Nothing, Said::Bytes("video/mp4")),
    ("POST", "/realtime/calls", Sent::Bytes(b"v=0\r\n"), Said::Bytes("application/sdp")),
    ("PUT", "/skills/skill_1/content", Sent::Bytes(b"\x1f\x8b\x08\0\xff"), Said::Nothing),
    ("PATCH", "/organization/projects/p", Json("{}"), Said::Error),
    ("POST", "/uploads/upload_1/complete", Json(r#"{"part_ids":[]}"#), Said::Json),
    ("GET", "/a-path-of-tomorrow/x%2Fy/z?q=%20+", Nothing, Said::Json),
];

/// Each operation of the table with each kind of body that it takes, answered well, with an error, and streamed where it
/// may be.
fn of_the_table() -> impl Iterator<Item = Case> {
    OPERATIONS.iter().filter(|of| !OWN.contains(&(of.method, of.template))).flat_map(|operation| {
        let path = path(operation.template);
        let bodies: &[Sent] = match operation.body {
            BodyKind::Empty => &[Nothing],
            BodyKind::Json if operation.class == StateClass::Pinned => &[Json(MODEL), Nothing],
            BodyKind::Json => &[Json(MODEL)],
            BodyKind::Form => &[Form(FORM)],
            BodyKind::FormOrJson => &[Form(FORM), Json(MODEL)],
        };
        // An empty answer to a request that makes something is a failure of the provider, and shown as one.
        let may_be_empty = operation.class == StateClass::Pinned;
        let answers = &[Said::Json, Said::Error, Said::Nothing][..if may_be_empty { 3 } else { 2 }];
        let mut cases: Vec<Case> = Vec::new();
        for sent in bodies {
            cases.extend(answers.iter().map(|said| (operation.method, path.clone(), *sent, *said)));
        }
        if operation.method == "GET" {
            cases.push((operation.method, path.clone(), Nothing, Said::Bytes("application/octet-stream")));
        }
        if operation.streams {
            let (path, sent) = match operation.body {
                BodyKind::Empty => (format!("{path}?stream=true"), Nothing),
                BodyKind::Json | BodyKind::FormOrJson => (path, Json(CHAT_STREAM)),
                BodyKind::Form => (path, Form(FORM)),
            };
            cases.push((operation.method, path, sent, Said::Events(events(operation.template))));
        }
        cases
    })
}

/// The path with something for each name in it.
fn path(template: &str) -> String {
    let segments = template.split('/').map(|part| if part.starts_with('{') { "some-1" } else { part });
    segments.collect::<Vec<_>>().join("/")
}

/// A complete stream of this operation.
fn events(template: &str) -> &'static str {
    match template {
        "/chat/completions" | "/completions" => "chat",
        "/responses" | "/responses/{response_id}" => RESPONSE_EVENTS,
        "/audio/transcriptions" => AUDIO_EVENTS,
        _ => "event: done\ndata: [DONE]\n\n",
    }
}

fn reply(said: Said) -> Reply {
    let reply = match said {
        Said::Json => {
            Reply::bytes(200, "application/json", "{ \"id\":\"x\", \"n\": 1.0,\"t\":\"\\u00e9 é\" }\n")
        }
        Said::Events("chat") => Reply::sse(vec![Step::chunk(FIRST), Step::chunk(LAST)]),
        Said::Events(events) => Reply::sse(vec![Step::chunk(events)]),
        Said::Bytes(kind) => Reply::bytes(200, kind, (0..=255_u8).cycle().take(200_000).collect::<Vec<u8>>()),
        Said::Nothing => Reply::new(200),
        Said::Error => {
            Reply::error(429, "tokens", Some("rate_limit_exceeded"), "slow down").header("retry-after", "7")
        }
    };
    reply
        .header("x-request-id", "req_1")
        .header("openai-processing-ms", "12")
        .header("x-ratelimit-limit-requests", "5")
}

fn build((method, path, sent, _): &Case) -> Request<Full<Bytes>> {
    let request = Request::builder()
        .method(*method)
        .uri(format!("/v1{path}"))
        .header("host", "x")
        .header("authorization", format!("Bearer {PRIMARY_KEY}"))
        .header("accept", "application/json")
        .header("accept-encoding", "identity")
        .header("user-agent", "differential/1")
        .header("openai-beta", "x=v1")
        .header("openai-organization", "org-1")
        .header("idempotency-key", "k");
    let (kind, body) = match *sent {
        Nothing => return request.body(Full::default()).unwrap(),
        Json(text) => ("application/json", text.as_bytes()),
        Form(text) => ("multipart/form-data; boundary=B", text.as_bytes()),
        Sent::Bytes(bytes) => ("application/gzip", bytes),
    };
    request.header("content-type", kind).body(Full::new(Bytes::from_static(body))).unwrap()
}

async fn run(address: SocketAddr, case: &Case) -> Answer {
    Client::connect(address).await.send(build(case)).await.unwrap()
}

type Lines = BTreeMap<String, Vec<Vec<u8>>>;

fn lines(headers: &HeaderMap, left_out: &[&str]) -> Lines {
    let mut lines = Lines::new();
    for (name, value) in headers {
        if !left_out.contains(&name.as_str()) {
            lines.entry(name.to_string()).or_default().push(value.as_bytes().to_vec());
        }
    }
    lines
}

/// Headers that a hop sets anew: the address, and for a request without a body the length that says so.
fn got(request: &RecordedRequest) -> (Method, String, Lines, Bytes) {
    let mut lines = lines(&request.headers, &["host"]);
    if request.body.is_empty() {
        lines.remove("content-length");
    }
    (request.method.clone(), request.path_and_query.clone(), lines, request.body.clone())
}

fn answered(answer: &Answer) -> (StatusCode, Lines, Bytes) {
    let ours = [
        "date",
        "transfer-encoding",
        "x-cometgate-request-id",
        "x-cometgate-route",
        "x-cometgate-route-version",
        "x-cometgate-provider",
        "x-cometgate-role",
        "x-cometgate-attempts",
    ];
    (answer.status, lines(&answer.headers, &ours), answer.body.clone())
}

#[tokio::test]
async fn the_gateway_is_not_there_but_for_its_own_headers() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let url = provider.base_url();
    let map = Map {
        primary_credential: "\"client\"",
        top: "default_tenant = \"acme\"",
        ..Map::new(&url, "http://127.0.0.1:9/v1", "0%")
    };
    let files = Files::new("", &map.text(), &tenants());
    let program = Program::serve(&files).await;
    let besides = BESIDES.map(|(method, path, sent, said)| (method, path.to_owned(), sent, said));
    for case in of_the_table().chain(besides) {
        let (method, path, _, said) = &case;
        let name = format!("{case:?}");
        provider.clear();
        provider.on(method, &format!("/v1{}", path.split('?').next().unwrap()), reply(*said));
        let straight = run(provider.address(), &case).await;
        let through = run(program.address, &case).await;
        let requests = provider.requests();
        let [first, second] = &requests[..] else { panic!("{name}: {} requests arrived", requests.len()) };
        assert_eq!(got(first), got(second), "{name}: what the provider got");
        assert_eq!(answered(&straight), answered(&through), "{name}: what the client got");
        assert_eq!(through.header("x-cometgate-provider"), "openai", "{name}");
    }
    provider.clear();
    for (method, template) in OWN {
        let case = (method, path(template), Nothing, Said::Nothing);
        assert_eq!(run(program.address, &case).await.status, 200, "{method} {template}");
    }
    assert_eq!(provider.requests().len(), 0, "what the gateway answers itself was asked of the provider");
}
